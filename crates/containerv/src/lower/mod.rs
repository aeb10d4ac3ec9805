//! Lowering: from a request and facts to a plan. Pure, on every system.

pub(crate) mod cgroup;
pub(crate) mod device_filter;
pub(crate) mod hcs;
pub(crate) mod linux;
