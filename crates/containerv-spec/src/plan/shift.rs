//! Layers of root's whose ids are shifted to those of a container.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::IdMaps;
use super::display::Ranges;
use crate::OsText;

/// One step. All of them happen before the container's own process is made, where root of the machine
/// still may do everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// Goes to a mount namespace apart, and prepares a mapping; mount_setattr(2), `MOUNT_ATTR_IDMAP`.
    Begin {
        /// The mapping of the container.
        maps: IdMaps,
    },
    /// Covers a directory with a mount of itself that shows the container's ids.
    Layer {
        /// The directory.
        path: OsText,
    },
    /// Gives a directory that still belongs to root to the container's root.
    Give {
        /// The directory.
        path: OsText,
        /// Its user, on the host.
        uid: u32,
        /// Its group, on the host.
        gid: u32,
    },
    /// Comes back; of the namespace apart only mounts stay that were cloned.
    End,
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { maps } => {
                write!(
                    f,
                    "go to mounts apart, to shift uids {} gids {}",
                    Ranges(&maps.uids),
                    Ranges(&maps.gids)
                )
            }
            Self::Layer { path } => write!(f, "shift the ids of `{path}`"),
            Self::Give { path, uid, gid } => write!(f, "give `{path}` to {uid}:{gid} if it is root's"),
            Self::End => f.write_str("come back from mounts apart"),
        }
    }
}
