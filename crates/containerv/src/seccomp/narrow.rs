//! Arguments of which the kernel reads 32 bits only.
//!
//! A filter sees registers in 64 bits. Where the kernel takes an `int` it drops the upper half, so
//! that `socket(1 << 32 | AF_VSOCK, ..)` differs from `AF_VSOCK` for a filter, not for the kernel.
//! That was CVE-2019-10063 (`TIOCSTI` in Flatpak). Listed are the arguments by which filters decide.

/// Calls, sorted by name, with a bit for each argument that the kernel declares with 32 bits.
const NARROW: &[(&str, u8)] = &[
    ("accept4", bits(&[0, 3])),
    ("arch_prctl", bits(&[0])),
    ("bpf", bits(&[0, 2])),
    ("clone", bits(&[0])),
    ("epoll_create1", bits(&[0])),
    ("fcntl", bits(&[0, 1])),
    ("fcntl64", bits(&[0, 1])),
    ("futex", bits(&[1, 2])),
    ("getsockopt", bits(&[0, 1, 2])),
    ("ioctl", bits(&[0, 1])),
    ("kcmp", bits(&[0, 1, 2])),
    ("keyctl", bits(&[0])),
    ("kill", bits(&[0, 1])),
    ("madvise", bits(&[2])),
    ("memfd_create", bits(&[1])),
    ("msgctl", bits(&[0, 1])),
    ("open", bits(&[1])),
    ("openat", bits(&[0, 2])),
    ("personality", bits(&[0])),
    ("pidfd_open", bits(&[0, 1])),
    ("prctl", bits(&[0])),
    ("prlimit64", bits(&[0, 1])),
    ("quotactl", bits(&[0])),
    ("sched_setscheduler", bits(&[0, 1])),
    ("seccomp", bits(&[0, 1])),
    ("semctl", bits(&[0, 1, 2])),
    ("setns", bits(&[0, 1])),
    ("setpriority", bits(&[0, 1, 2])),
    ("setsockopt", bits(&[0, 1, 2, 4])),
    ("shmctl", bits(&[0, 1])),
    ("socket", bits(&[0, 1, 2])),
    ("socketpair", bits(&[0, 1, 2])),
    ("tgkill", bits(&[0, 1, 2])),
    ("tkill", bits(&[0, 1])),
    ("userfaultfd", bits(&[0])),
];

const fn bits(arguments: &[u8]) -> u8 {
    let mut set = 0;
    let mut index = 0;
    while index < arguments.len() {
        set |= 1 << arguments[index];
        index += 1;
    }
    set
}

/// Says whether the kernel reads only the lower 32 bits of this argument of the call `name`.
pub(super) fn is_narrow(name: &str, argument: u8) -> bool {
    match NARROW.binary_search_by_key(&name, |entry| entry.0) {
        Ok(index) => NARROW[index].1 & 1 << argument != 0,
        Err(_) => false,
    }
}

/// Returns an operand as the kernel would read it: a sign-extended negative number loses its upper
/// half. Other values above 32 bits stay, and no such argument is equal to them.
pub(super) fn operand(value: u64) -> u64 {
    if value >= 0xffff_ffff_8000_0000 { value & 0xffff_ffff } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(NARROW.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn only_negative_numbers_of_32_bits_lose_their_upper_half() {
        for (value, read) in [
            (40, 40),
            (u64::MAX, 0xffff_ffff),
            (-2_147_483_648_i64 as u64, 0x8000_0000),
            (0xffff_ffff_7fff_ffff, 0xffff_ffff_7fff_ffff),
            (0x1_0000_0028, 0x1_0000_0028),
        ] {
            assert_eq!(operand(value), read, "{value:#x}");
        }
    }
}
