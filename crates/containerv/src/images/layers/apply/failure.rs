//! Why a member was not applied.

use containerv_spec::OsText;
use rustix::io::Errno;

use crate::archive::Fault;
use crate::backend::linux::transfer::make::Obstacle;
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) enum Failure {
    /// A system call failed: what it was to do, and what the kernel said.
    System(&'static str, Errno),
    /// The stream failed, or what it says is refused.
    Fault(Fault),
    /// The layers below could not be had.
    Below(Error),
    /// The file system has no room for it: bytes wanted and free.
    Room(u64, u64),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::System(step, errno) => Self::System(step, errno),
            Obstacle::Read(errno) => Self::System("read", errno),
            // Others come of what was there before, which in a new layer is nobody's but ours.
            _ => Self::System("create", Errno::EXIST),
        }
    }
}

/// Makes a refusal of what the archive says; it reads on from "the member has".
pub(super) fn refused(complaint: impl Into<String>) -> Failure {
    Failure::Fault(Fault::from(complaint.into()))
}

/// Makes a failure of a system call.
pub(super) fn system(step: &'static str) -> impl Fn(Errno) -> Failure {
    move |errno| Failure::System(step, errno)
}

impl Failure {
    /// Says of which member it is.
    pub(super) fn into_error(self, member: &[u8]) -> Error {
        let name = OsText::from_bytes(member);
        match self {
            Self::Fault(fault) => fault.about(member).into_error(),
            Self::System(step, errno) => {
                let error = Error::os(errno.raw_os_error(), format!("{step} `{name}` of the layer"));
                match errno {
                    Errno::NOSPC | Errno::DQUOT => error.with_hint("remove images that are not used"),
                    Errno::NOSYS => {
                        error.with_hint("openat2(2) needs Linux 5.6 and must not be filtered by seccomp")
                    }
                    _ => error,
                }
            }
            Self::Below(error) => error,
            Self::Room(wanted, free) => {
                let message = format!("`{name}` of the layer has {wanted} bytes, and {free} are free");
                Error::new(ErrorKind::ResourceExhausted, message).with_hint("remove images that are not used")
            }
        }
    }
}
