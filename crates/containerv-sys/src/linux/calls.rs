//! Which of the newer system calls this kernel has, and a filter around this process lets through.

// UNSAFETY: calls that rustix has no harmless form of.
#![allow(unsafe_code, reason = "asks for system calls with arguments that the kernel refuses")]

use std::io;

/// A system call that came with a kernel later than 5.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A handle of a process.
    PidfdOpen,
    /// A handle of a mounted tree.
    OpenTree,
    /// A process with exactly the wanted namespaces.
    Clone3,
    /// Paths that do not leave a directory.
    Openat2,
    /// Many descriptors at once.
    CloseRange,
    /// Attributes of a whole mounted tree.
    MountSetattr,
}

impl Call {
    /// All of them, the oldest first.
    pub const ALL: [Self; 6] =
        [Self::OpenTree, Self::PidfdOpen, Self::Clone3, Self::Openat2, Self::CloseRange, Self::MountSetattr];

    /// Returns the name, as in the manual.
    pub fn name(self) -> &'static str {
        match self {
            Self::PidfdOpen => "pidfd_open",
            Self::OpenTree => "open_tree",
            Self::Clone3 => "clone3",
            Self::Openat2 => "openat2",
            Self::CloseRange => "close_range",
            Self::MountSetattr => "mount_setattr",
        }
    }

    /// Returns the kernel version that brought it, major and minor.
    pub fn since(self) -> (u32, u32) {
        match self {
            Self::OpenTree => (5, 2),
            Self::PidfdOpen | Self::Clone3 => (5, 3),
            Self::Openat2 => (5, 6),
            Self::CloseRange => (5, 9),
            Self::MountSetattr => (5, 12),
        }
    }

    /// Asks for the call in a way that has no effect.
    ///
    /// # Errors
    ///
    /// `ENOSYS` if the kernel does not have it, or a filter says so; `EPERM` if a filter refuses it.
    pub fn ask(self) -> io::Result<()> {
        const NONE: usize = 0;
        let all_flags = libc::c_uint::MAX;
        // SAFETY: each call is refused for its first checked argument, before it reads or writes
        // memory or changes anything: flags that do not exist, a structure of size 0, a range that
        // ends before it begins, a process number that nobody can have.
        let result = unsafe {
            match self {
                Self::PidfdOpen => libc::syscall(libc::SYS_pidfd_open, -1, 0),
                Self::OpenTree => libc::syscall(libc::SYS_open_tree, -1, NONE, all_flags),
                Self::Clone3 => libc::syscall(libc::SYS_clone3, NONE, NONE),
                Self::Openat2 => libc::syscall(libc::SYS_openat2, -1, NONE, NONE, NONE),
                Self::CloseRange => libc::syscall(libc::SYS_close_range, 1, 0, 0),
                Self::MountSetattr => libc::syscall(libc::SYS_mount_setattr, -1, NONE, all_flags, NONE, NONE),
            }
        };
        match io::Error::last_os_error() {
            error if result == -1 && error.raw_os_error() == Some(libc::ENOSYS) => Err(error),
            error if result == -1 && error.raw_os_error() == Some(libc::EPERM) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_changes_nothing_and_tells_what_is_there() {
        let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
        for call in Call::ALL {
            // The tests need a kernel that has them all.
            assert!(call.ask().is_ok(), "{}", call.name());
        }
        assert_eq!(std::fs::read_dir("/proc/self/fd").unwrap().count(), before);
    }
}
