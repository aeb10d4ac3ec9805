//! System call filters for the calling thread itself; seccomp(2).

// UNSAFETY: seccomp(2), for which rustix has no function.
#![allow(unsafe_code, reason = "seccomp(2) has no safe wrapper")]

use std::io;

/// `struct sock_filter` of `linux/filter.h`: one instruction.
const INSTRUCTION_BYTES: usize = 8;

/// Binds the calling thread, and all that it starts, to a filter for good. It must have given up
/// new privileges, or have CAP_SYS_ADMIN.
///
/// # Errors
///
/// `EINVAL` for a program that is none, `EACCES` without the above, `ENOSYS` without support.
pub fn install(program: &[u8], flags: u32) -> io::Result<()> {
    let instructions: Vec<libc::sock_filter> =
        program.chunks_exact(INSTRUCTION_BYTES).map(instruction).collect();
    let length = u16::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let filter = libc::sock_fprog { len: length, filter: instructions.as_ptr().cast_mut() };
    // SAFETY: `filter` names `length` instructions that outlive the call; the kernel copies and
    // checks them.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    match result {
        0 => Ok(()),
        // With some flags a positive result names a thread that could not follow.
        -1 => Err(io::Error::last_os_error()),
        _ => Err(io::Error::from_raw_os_error(libc::EBUSY)),
    }
}

/// Says whether the kernel knows filters and can answer a call with an error number.
pub fn is_available() -> bool {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads the four bytes of `action`.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    result == 0
}

fn instruction(bytes: &[u8]) -> libc::sock_filter {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    libc::sock_filter {
        code: u16::from_ne_bytes([byte(0), byte(1)]),
        jt: byte(2),
        jf: byte(3),
        k: u32::from_ne_bytes([byte(4), byte(5), byte(6), byte(7)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_binds_only_the_thread_that_asked() {
        if !is_available() {
            println!("skipped: this kernel has no system call filters");
            return;
        }
        // BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 99 for getppid and allow otherwise:
        // load the call's number, compare, return.
        let number = (libc::SYS_getppid as u32).to_ne_bytes();
        let mut program = Vec::new();
        program.extend_from_slice(&[0x20, 0, 0, 0, 0, 0, 0, 0]);
        program.extend_from_slice(&[0x15, 0, 0, 1]);
        program.extend_from_slice(&number);
        program.extend_from_slice(&[0x06, 0, 0, 0]);
        program.extend_from_slice(&(libc::SECCOMP_RET_ERRNO | 99).to_ne_bytes());
        program.extend_from_slice(&[0x06, 0, 0, 0]);
        program.extend_from_slice(&libc::SECCOMP_RET_ALLOW.to_ne_bytes());
        let inside = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            assert_eq!(install(&[0; 8], 0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
            install(&program, 0).unwrap();
            // SAFETY: takes nothing.
            unsafe { libc::syscall(libc::SYS_getppid) }
        });
        assert_eq!(inside.join().unwrap(), -1);
        // SAFETY: takes nothing.
        assert!(unsafe { libc::syscall(libc::SYS_getppid) } > 0);
    }
}
