//! Linux containers: namespaces, control groups and mounts.

pub(crate) mod cgroup;
pub(crate) mod transfer;
