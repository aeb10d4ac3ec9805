//! Backends: they execute plans.

// Until something calls it: what there is of it is tested on every system.
#[cfg(test)]
mod hcs;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "absent.rs"]
pub(crate) mod system;
