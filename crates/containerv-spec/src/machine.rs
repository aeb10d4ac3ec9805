//! What lowering must know of a Linux machine and of the caller: gathered by probing, then plain data.

use serde::{Deserialize, Serialize};

use crate::facts::CgroupFacts;
use crate::request::IdRange;
use crate::{CapabilitySet, OsText};

/// A machine as one caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Effective user id of the caller.
    pub uid: u32,
    /// Effective group id of the caller.
    pub gid: u32,
    /// Effective capabilities of the caller.
    pub capabilities: CapabilitySet,
    /// Kernel version, major and minor.
    pub kernel: (u32, u32),
    /// Control groups.
    pub cgroups: CgroupFacts,
    /// Subordinate ids of the caller; only looked up for a caller who is not root.
    #[serde(default)]
    pub subordinate: Subordinate,
    /// System directories, for the built-in image; only looked up for it.
    #[serde(default)]
    pub system: SystemRoot,
    /// Hard limits of the caller that a container's may not exceed without `CAP_SYS_RESOURCE`,
    /// by the kernel's number of the resource; only looked up where limits are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hard_limits: Vec<(u32, u64)>,
    /// Directories below the container's overlays that have mounts below them; only looked up where
    /// the overlays are made in a user namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts_below: Vec<MountsBelow>,
}

/// A directory with mounts below it. The kernel takes it as a layer of an overlay only from those
/// who might unmount them, to show nobody what they cover; mount_namespaces(7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountsBelow {
    /// Absolute path.
    pub directory: OsText,
    /// One of the mount points.
    pub mount: OsText,
    /// How it can be copied instead, if it is small enough: all but these directories in it, absolute
    /// paths, which are large, have no mounts below them and can be layers of their own.
    pub copied_without: Option<Vec<OsText>>,
}

impl Machine {
    /// Says whether the caller may do what only root may: make namespaces without a user
    /// namespace, mount, and map any id.
    pub fn is_privileged(&self) -> bool {
        self.uid == 0 && self.capabilities.contains(crate::Capability::SYS_ADMIN)
    }

    /// Says why the caller has no ids to map besides its own, if so.
    pub fn lacks_subordinate_ids(&self) -> Option<&str> {
        match (&self.subordinate.helpers, &self.subordinate.missing) {
            (Some(_), None) => None,
            (_, missing) => Some(missing.as_deref().unwrap_or("newuidmap and newgidmap are not installed")),
        }
    }
}

/// Ids that an ordinary user may map besides its own; subuid(5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subordinate {
    /// User ids; `inside` is not yet meaningful.
    pub uids: Vec<IdRange>,
    /// Group ids; likewise.
    pub gids: Vec<IdRange>,
    /// Absolute paths of newuidmap(1) and newgidmap(1), when both are set-uid or have the capability.
    pub helpers: Option<(OsText, OsText)>,
    /// Why there are no ranges to be used.
    pub missing: Option<String>,
}

/// The machine's own system directories, from which the built-in image is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SystemRoot {
    /// Directories directly below `/`, by name.
    pub directories: Vec<OsText>,
    /// Symbolic links directly below `/`, with their targets.
    pub links: Vec<(OsText, OsText)>,
    /// Where `/etc/resolv.conf` leads to, if it is a link out of the directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<OsText>,
    /// Absolute paths below the directories that others may not read; hidden in the image.
    pub secrets: Vec<OsText>,
}
