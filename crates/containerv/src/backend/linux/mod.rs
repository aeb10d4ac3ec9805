//! Linux containers: namespaces, control groups and mounts.

pub(crate) mod cgroup;
