//! What a backend found out about the machine, as plain data: the second input of lowering.

use serde::{Deserialize, Serialize};

use crate::OsText;
use crate::cgroup::Controller;

/// The control groups of a Linux machine, as one caller sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CgroupFacts {
    /// Version 1 hierarchies with a controller of [`Controller`]; named hierarchies are left out.
    pub v1: Vec<V1Hierarchy>,
    /// The version 2 hierarchy.
    pub v2: Option<V2Hierarchy>,
    /// CPUs that a container's group may be given, as a kernel list. Read only for limits that need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Memory nodes that a container's group may be given, as a kernel list, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_nodes: Option<String>,
}

impl CgroupFacts {
    /// Returns which hierarchies there are.
    pub fn mode(&self) -> CgroupMode {
        match (self.v1.is_empty(), self.v2.is_some()) {
            (true, false) => CgroupMode::None,
            (false, false) => CgroupMode::V1,
            (false, true) => CgroupMode::Hybrid,
            (true, true) => CgroupMode::V2,
        }
    }
}

/// Which control group hierarchies a machine offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupMode {
    /// None is mounted where the caller can see it.
    None,
    /// Version 1 only.
    V1,
    /// Controllers on version 1, and a version 2 hierarchy beside them.
    Hybrid,
    /// Version 2 only.
    V2,
}

impl CgroupMode {
    /// Returns the words for a message: `control groups v1 (hybrid)`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::None => "no control groups",
            Self::V1 => "control groups v1",
            Self::Hybrid => "control groups v1 and v2 (hybrid)",
            Self::V2 => "control groups v2",
        }
    }
}

/// One hierarchy of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1Hierarchy {
    /// Controllers bound to it; `cpu` and `cpuacct` often share one.
    pub controllers: Vec<Controller>,
    /// Absolute path of the mount point.
    pub mount: OsText,
    /// The caller's own group, as `/proc/self/cgroup` has it.
    pub own: OsText,
    /// Where the caller may make groups.
    pub access: GroupAccess,
}

/// The hierarchy of version 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V2Hierarchy {
    /// Controllers that groups below the base of `access` can have.
    pub controllers: Vec<Controller>,
    /// Absolute path of the mount point.
    pub mount: OsText,
    /// The caller's own group, as `/proc/self/cgroup` has it.
    pub own: OsText,
    /// Where the caller may make groups.
    pub access: GroupAccess,
}

/// Where in a hierarchy the caller may make groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupAccess {
    /// Below this group, a path relative to the mount point that begins with `/`.
    Below(OsText),
    /// Nowhere: the file system is mounted read-only.
    ReadOnly,
    /// Nowhere: no group that the caller can reach was delegated to it.
    Denied,
}
