//! Options and results of copying files into and out of a container.

use std::fmt;
use std::sync::Arc;

use containerv_spec::OsText;
use serde::{Deserialize, Serialize};

/// How files are copied between the host and a container.
///
/// The default copies as `docker cp` does without flags.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// Copy what the source path points to when it is a symbolic link, instead of the link.
    /// Links below a copied directory are copied as links in any case.
    pub follow_links: bool,
    /// Keep the numeric owner and group of the source. Otherwise what is uploaded belongs to the
    /// container's root and what is downloaded to the caller.
    ///
    /// Set-user-ID and set-group-ID bits and file capabilities of a regular file stay only when
    /// its owner stays, as with `cp -p`.
    pub keep_owner: bool,
    /// Copy device nodes too. Otherwise they are left out and listed in [`CopySummary::skipped`]:
    /// a node that a container made would give access to the device on the host.
    pub devices: bool,
    /// Copy exactly one regular file to exactly the named path, as the C interface promises: a
    /// file there is replaced, the permission bits are the source's less the umask, and neither
    /// times nor extended attributes are kept.
    pub plain: bool,
    /// Called with the totals so far, at least once for each MiB and each entry.
    pub progress: Option<CopyProgress>,
}

/// A function that is told how far a copy has come.
#[derive(Clone)]
pub struct CopyProgress(Arc<dyn Fn(&CopySummary) + Send + Sync>);

impl CopyProgress {
    /// Takes the function; it is called on the copying thread and should return at once.
    pub fn new(function: impl Fn(&CopySummary) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Calls the function.
    pub(crate) fn report(&self, summary: &CopySummary) {
        (self.0)(summary);
    }
}

impl fmt::Debug for CopyProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CopyProgress")
    }
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySummary {
    /// Regular files; each name of a hard-linked file counts.
    pub files: u64,
    /// Directories, those that were there already included.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// FIFOs and device nodes.
    pub special: u64,
    /// Sum of the sizes of the regular files, holes included, hard-linked files once.
    pub bytes: u64,
    /// What was left out and why: the first [`CopySummary::MOST_SKIPPED`].
    pub skipped: Vec<Skipped>,
    /// How many were left out.
    pub skipped_count: u64,
}

impl CopySummary {
    /// How many left-out entries are listed by name.
    pub const MOST_SKIPPED: usize = 100;

    pub(crate) fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.skipped_count += 1;
        if self.skipped.len() < Self::MOST_SKIPPED {
            self.skipped.push(Skipped { path: OsText::from_bytes(path), reason });
        }
    }
}

/// One entry that was not copied, or not completely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its path below the source.
    pub path: OsText,
    /// Why.
    pub reason: SkipReason,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.reason)
    }
}

/// Why an entry was not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// A socket: only the process that bound it can make one.
    Socket,
    /// A device node, and [`CopyOptions::devices`] is off.
    Device,
    /// A mount of procfs, sysfs, cgroupfs or another file system whose files are the kernel's.
    KernelFileSystem,
    /// It was removed or replaced by another type of file between being listed and being opened.
    Vanished,
    /// The file became shorter while it was copied; what was announced and is gone is zero.
    Shrunk,
    /// The file was copied, but the destination's file system cannot hold one of its extended
    /// attributes.
    Attribute,
    /// The file was made, but the caller has not the id of its owner to give.
    Owner,
    /// Windows reads its name as something else, such as a device or a stream.
    Name,
    /// A reparse point of Windows that is neither a symbolic link nor a junction, or that leads to
    /// another volume.
    ReparsePoint,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket => "left out: a socket",
            Self::Device => "left out: a device node",
            Self::KernelFileSystem => "left out: a file system of the kernel",
            Self::Vanished => "left out: removed while it was copied",
            Self::Shrunk => "copied with zeros for what was cut off it meanwhile",
            Self::Attribute => "copied without an extended attribute that the destination cannot hold",
            Self::Owner => "made with another owner: the caller has no such id",
            Self::Name => "left out: Windows has no such file names",
            Self::ReparsePoint => "left out: a reparse point that means nothing elsewhere",
        })
    }
}

/// One difference between a container's file system and the image it was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Absolute path in the container.
    pub path: OsText,
    /// What happened to it.
    pub kind: ChangeKind,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path)
    }
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content or attributes differ, or something below it does.
    Modified,
    /// It is gone.
    Deleted,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "A",
            Self::Modified => "C",
            Self::Deleted => "D",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_skipped_entries_is_bounded_and_the_count_is_not() {
        let mut summary = CopySummary::default();
        for _ in 0..1000 {
            summary.skip(b"run/socket", SkipReason::Socket);
        }
        assert_eq!(summary.skipped.len(), CopySummary::MOST_SKIPPED);
        assert_eq!(summary.skipped_count, 1000);
        assert_eq!(summary.skipped[0].to_string(), "`run/socket`: left out: a socket");
    }

    #[test]
    fn changes_print_as_docker_prints_them() {
        let change = Change { path: OsText::from("/etc/motd"), kind: ChangeKind::Modified };
        assert_eq!(change.to_string(), "C /etc/motd");
    }
}
