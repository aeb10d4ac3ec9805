//! bpf(2), as far as device filters of control groups need it.
#![allow(unsafe_code, reason = "neither the C library nor rustix has a safe bpf(2)")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Programs of groups above and below are run as well.
const ALLOW_MULTI: u32 = 2;
/// Bytes of one instruction.
const INSTRUCTION: usize = 8;

/// The fields of `union bpf_attr` for `BPF_PROG_LOAD`, up to `prog_flags`; the kernel takes the
/// ones behind as zero.
#[repr(C)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// The fields of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachAttributes {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// Loads a program that decides on device accesses of a control group.
///
/// `program` holds whole instructions of 8 bytes in this machine's byte order. No resource limit
/// is raised: since Linux 5.11 programs count against the memory control group, and a caller may
/// be forbidden to raise its limits although it may load programs.
///
/// # Errors
///
/// `InvalidInput` for a length that is no multiple of 8; else what bpf(2) says: `EPERM` without
/// the privilege or, on older kernels, `RLIMIT_MEMLOCK`; `EINVAL` or `EACCES` for a bad program.
pub fn load_device_program(program: &[u8]) -> io::Result<OwnedFd> {
    let count = u32::try_from(program.len() / INSTRUCTION).unwrap_or(u32::MAX);
    if program.is_empty() || !program.len().is_multiple_of(INSTRUCTION) || count == u32::MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a whole number of instructions"));
    }
    let attributes = LoadAttributes {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: count,
        instructions: program.as_ptr() as u64,
        license: c"Apache".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
    };
    let pointer: *const LoadAttributes = &attributes;
    // SAFETY: the kernel only reads: `size_of` bytes of `attributes`, in it `count` instructions
    // of 8 bytes, which lie within `program`, and a NUL-terminated constant. All outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, pointer, size_of::<LoadAttributes>()) };
    let descriptor = checked(result)? as RawFd;
    // SAFETY: the call has just made this descriptor, with close-on-exec, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Attaches a device program to the control group of version 2 that `group` is the directory of.
///
/// It stays until the group is removed, also after `program` is closed.
///
/// # Errors
///
/// What bpf(2) says: `EPERM` if a group above allows no further programs, `EBADF` if `group` is
/// not in a hierarchy of version 2.
pub fn attach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = AttachAttributes {
        target: group.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    let pointer: *const AttachAttributes = &attributes;
    // SAFETY: the kernel only reads `size_of` bytes of `attributes`, which outlives the call; both
    // descriptors are borrowed, so they stay open during it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, pointer, size_of::<AttachAttributes>()) };
    checked(result).map(|_| ())
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_programs_are_refused_before_the_kernel_sees_them() {
        for program in [&[][..], &[0; 7], &[0; 12]] {
            assert_eq!(load_device_program(program).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_program_without_an_end_is_refused_by_the_kernel() {
        let error = load_device_program(&[0; 8]).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM)), "{error}");
    }
}
