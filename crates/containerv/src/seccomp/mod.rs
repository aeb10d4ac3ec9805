//! The system call filter: from Docker's profile document to a classic BPF program for seccomp(2).
//!
//! What a profile means here, where documents and other runtimes leave room:
//!
//! * The strictest matching rule wins, as the kernel does it among several filters; of two equally
//!   strict ones the first. So a rule that denies is never undone by one that allows, wherever it
//!   stands. (libseccomp lets a rule without conditions undo those with conditions.)
//! * The program decides for all three tables of an x86_64 kernel: x86_64, i386 and x32. A table
//!   that the profile does not name ends the process.
//! * Calls with a number above every call that the profile names for that table answer ENOSYS
//!   instead of a denying default action: programs try newer calls, and fall back on this answer only.
//! * i386 programs reach sockets and System V IPC also through `socketcall` and `ipc`, whose arguments
//!   lie in memory where no filter can read them. Each call behind these two gets the strictest
//!   action that its own name could get: where a profile restricts `socket` by address family,
//!   `socketcall` makes no sockets at all.
//! * Arguments that the kernel reads as 32 bits are compared in these 32 bits, so that a value in the
//!   upper half does not lead around a rule: `socket`'s family, `ioctl`'s request and others.

mod abi;
mod calls;
mod compile;
mod default_filter;
mod default_profile;
mod document;
mod graph;
mod multiplex;
mod narrow;
mod policy;
mod rules;
mod verdict;

#[cfg(test)]
mod tests;

use containerv_spec::CapabilitySet;

pub use compile::compile;
#[cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "lowering for Linux asks for it"))]
pub(crate) use default_filter::default_filter;
pub use default_profile::default_profile;
pub use document::parse;

/// What a profile's conditions (`includes`, `excludes`) are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The container's bounding set.
    pub capabilities: CapabilitySet,
    /// Kernel version, major and minor.
    pub kernel: (u32, u32),
}

/// A compiled profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// At most [`Filter::MAX_INSTRUCTIONS`].
    pub program: Vec<Instruction>,
    /// Flags for seccomp(2), `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// Names in rules that apply which are no system call of this machine, sorted. Profiles name calls
    /// of other machines and newer kernels.
    pub unknown: Vec<String>,
}

impl Filter {
    /// The kernel's `BPF_MAXINSNS`.
    pub const MAX_INSTRUCTIONS: usize = 4096;

    /// Returns the program as an array of `struct sock_filter` for a little-endian machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.program.iter().flat_map(|instruction| instruction.to_bytes()).collect()
    }
}

/// One instruction of classic BPF, `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl Instruction {
    /// Returns the eight bytes of `struct sock_filter` on a little-endian machine.
    pub fn to_bytes(self) -> [u8; 8] {
        let [code_0, code_1] = self.code.to_le_bytes();
        let [a, b, c, d] = self.k.to_le_bytes();
        [code_0, code_1, self.jt, self.jf, a, b, c, d]
    }
}
