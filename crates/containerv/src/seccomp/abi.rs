//! The three system call tables of an x86_64 kernel.

use std::ops::Range;

use super::calls::{CALLS, NO, Row};

/// A system call table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abi {
    /// 64-bit programs.
    X86_64,
    /// 32-bit programs, and `int 0x80` of any program.
    I386,
    /// 32-bit pointers in 64-bit mode: [`X32_BIT`] in the number.
    X32,
}

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`; x32 calls carry it too.
pub(super) const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
pub(super) const AUDIT_ARCH_I386: u32 = 0x4000_0003;
/// `__X32_SYSCALL_BIT` of `asm/unistd.h`.
pub(super) const X32_BIT: u32 = 0x4000_0000;
/// Numbers that x32 has for itself. The others, where new calls come too, it shares with x86_64.
pub(super) const X32_OWN: Range<u32> = 512..548;

impl Abi {
    /// Returns libseccomp's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::I386 => "SCMP_ARCH_X86",
            Self::X32 => "SCMP_ARCH_X32",
        }
    }

    /// Returns the number of the call `name` in this table, without [`X32_BIT`].
    pub(super) fn number(self, name: &str) -> Option<u32> {
        let row = row(name)?;
        let number = match self {
            Self::X86_64 => row.1,
            Self::I386 => row.2,
            Self::X32 => row.3,
        };
        (number != NO).then_some(number as u32)
    }
}

/// Says whether any of the tables has a call of this name.
pub(super) fn is_call(name: &str) -> bool {
    row(name).is_some()
}

fn row(name: &str) -> Option<&'static Row> {
    CALLS.binary_search_by_key(&name, |row| row.0).ok().map(|index| &CALLS[index])
}

/// Names that a profile may use for architectures: libseccomp's.
pub(super) const ARCHITECTURES: &[&str] = &[
    "SCMP_ARCH_NATIVE",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

/// This machine in the names of `includes` and `excludes`. Docker compares only this one: `x86` and
/// `x32` beside it in a list say nothing on such a machine.
pub(super) const GO_ARCH: &str = "amd64";

/// Names that `includes` and `excludes` may use: Go's and Docker's spellings of them.
pub(super) const GO_ARCHES: &[&str] = &[
    "386",
    GO_ARCH,
    "arm",
    "arm64",
    "loong64",
    "loongarch64",
    "m68k",
    "mips",
    "mips3l64n32",
    "mips64",
    "mips64le",
    "mips64n32",
    "mips64p32",
    "mips64p32le",
    "mipsel",
    "mipsel64",
    "mipsel64n32",
    "mipsle",
    "parisc",
    "parisc64",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv64",
    "s390",
    "s390x",
    "sh",
    "sheb",
    "x32",
    "x86",
];
