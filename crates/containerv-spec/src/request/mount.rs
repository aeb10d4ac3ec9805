//! What is mounted in a container.

use serde::{Deserialize, Serialize};

use crate::OsText;

/// A mount below the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Absolute path in the container.
    pub target: OsText,
    /// Refuse writes, in every mount below the target as well.
    #[serde(default)]
    pub read_only: bool,
    /// Options beyond the defaults.
    #[serde(default)]
    pub options: MountOptions,
}

/// What a [`Mount`] mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A file or directory of the host, absolute.
    Bind {
        /// Path on the host.
        path: OsText,
        /// Take the mounts below it along.
        recursive: bool,
    },
    /// Memory.
    Tmpfs {
        /// Most bytes it may hold; the kernel's half of memory unless given.
        size: Option<u64>,
        /// Permission bits of its root.
        mode: Option<u32>,
    },
    /// A named pipe of a Windows host, `\\.\pipe\NAME`.
    NamedPipe {
        /// Path on the host.
        path: OsText,
    },
    /// Another file system type by its kernel name, without a source.
    FileSystem {
        /// Kernel name, such as `proc`.
        kind: String,
    },
}

/// Options of a [`Mount`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MountOptions {
    /// Do not execute programs from it.
    pub noexec: bool,
    /// Let set-uid bits work.
    pub suid: bool,
    /// Let device nodes work.
    pub dev: bool,
    /// Make a missing mount point: a directory, or a file for a bound file.
    pub create_target: bool,
    /// Make a missing source directory on the host, as `docker run -v` does.
    pub create_source: bool,
    /// Refuse a target that passes an absolute symbolic link or climbs out of the root,
    /// instead of resolving it inside.
    pub strict_target: bool,
    /// How mounts made later spread.
    pub propagation: Propagation,
}

/// How mounts made later spread between the container and the host; see mount_namespaces(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// Neither way.
    #[default]
    Private,
    /// From the host into the container.
    Slave,
    /// Both ways.
    Shared,
}
