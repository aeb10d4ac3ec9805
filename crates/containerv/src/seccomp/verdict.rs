//! What a filter returns to the kernel.

use containerv_spec::seccomp::Action;

use crate::{Error, ErrorKind, Result};

/// A `SECCOMP_RET_*` value of `linux/seccomp.h` with its data in the lower 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Verdict(pub(super) u32);

const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
const EPERM: u32 = 1;

/// The largest number that the kernel returns as an error (`MAX_ERRNO`).
const MAX_ERRNO: u32 = 4095;

impl Verdict {
    pub(super) const KILL_PROCESS: Self = Self(0x8000_0000);
    pub(super) const KILL_THREAD: Self = Self(0);
    pub(super) const TRAP: Self = Self(0x0003_0000);
    pub(super) const LOG: Self = Self(0x7ffc_0000);
    pub(super) const ALLOW: Self = Self(0x7fff_0000);
    pub(super) const ENOSYS: Self = Self(ERRNO | 38);

    /// Combines an action with its number, which only `SCMP_ACT_ERRNO` and `SCMP_ACT_TRACE` take.
    pub(super) fn new(action: Action, number: Option<u32>) -> Result<Self> {
        let (plain, limit) = match action {
            Action::Errno => (Self(ERRNO), MAX_ERRNO),
            Action::Trace => (Self(TRACE), u32::from(u16::MAX)),
            Action::KillThread => (Self::KILL_THREAD, 0),
            Action::KillProcess => (Self::KILL_PROCESS, 0),
            Action::Trap => (Self::TRAP, 0),
            Action::Log => (Self::LOG, 0),
            Action::Allow => (Self::ALLOW, 0),
        };
        match number {
            Some(_) if limit == 0 => Err(Error::new(
                ErrorKind::InvalidArgument,
                "an error number goes with `SCMP_ACT_ERRNO` and `SCMP_ACT_TRACE` only",
            )),
            Some(number) if number > limit => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("error number {number} is too large; {limit} is the last"),
            )),
            Some(number) => Ok(Self(plain.0 | number)),
            None if limit == 0 => Ok(plain),
            None => Ok(Self(plain.0 | EPERM)),
        }
    }

    /// Orders by the kernel's precedence, the strictest first; see seccomp(2). Numbers do not count.
    pub(super) fn precedence(self) -> i32 {
        // The kernel compares the action part as a signed number.
        (self.0 & 0xffff_0000) as i32
    }

    /// Returns the stricter one, `self` if they are equally strict.
    pub(super) fn stricter(self, other: Self) -> Self {
        if other.precedence() < self.precedence() { other } else { self }
    }

    /// Says whether the call is not made and nobody is asked.
    pub(super) fn denies(self) -> bool {
        self.precedence() < TRACE as i32
    }
}
