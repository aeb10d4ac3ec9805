//! System calls of x86-64 Linux without a C library.

use core::arch::asm;

/// A call's result; the error is the error number.
pub type Sys<T> = Result<T, i32>;

macro_rules! numbers {
    ($($name:ident = $number:literal),* $(,)?) => { $(pub const $name: usize = $number;)* };
}

/// Numbers of `asm/unistd_64.h`.
pub mod nr {
    numbers! {
        READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, FSTAT = 5, POLL = 7, MMAP = 9, RT_SIGACTION = 13,
        RT_SIGPROCMASK = 14, IOCTL = 16, PIPE2 = 293, DUP3 = 292, SOCKET = 41, BIND = 49, LISTEN = 50, SENDTO = 44, SENDMSG = 46, RECVMSG = 47,
        RECVFROM = 45, SOCKETPAIR = 53, CLONE = 56, EXECVE = 59, EXIT = 60, WAIT4 = 61, KILL = 62, FCNTL = 72, FCHDIR = 81,
        FCHMOD = 91, GETPID = 39, UMASK = 95, SETUID = 105, SETPGID = 109, SETSID = 112, SETGROUPS = 116,
        SETRESUID = 117, SETRESGID = 119, CAPSET = 126, FSTATFS = 138, PRCTL = 157, CHROOT = 161, MOUNT = 165,
        UMOUNT2 = 166, SETHOSTNAME = 170, SETDOMAINNAME = 171, PIVOT_ROOT = 155, GETDENTS64 = 217,
        CLOCK_GETTIME = 228, KEYCTL = 250, OPENAT = 257, MKDIRAT = 258, MKNODAT = 259, UNLINKAT = 263,
        RENAMEAT = 264, SYMLINKAT = 266, UNSHARE = 272, SIGNALFD4 = 289, ACCEPT4 = 288, PRLIMIT64 = 302,
        SETNS = 308, SECCOMP = 317, EXECVEAT = 322, STATX = 332, PIDFD_SEND_SIGNAL = 424, OPEN_TREE = 428,
        MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432, PIDFD_OPEN = 434, CLONE3 = 435,
        CLOSE_RANGE = 436, OPENAT2 = 437, MOUNT_SETATTR = 442, GETCWD = 79, LSEEK = 8, PREAD64 = 17, CHDIR = 80, FTRUNCATE = 77, GETUID = 102,
        LSETXATTR = 189, FCHOWNAT = 260, FCHMODAT = 268, UTIMENSAT = 280,
    }
}

/// Makes a system call.
///
/// # Safety
///
/// The arguments must be what the call of this number expects.
#[inline(always)]
pub unsafe fn syscall6(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> Sys<usize> {
    let result: isize;
    // SAFETY: the x86-64 convention: number in rax, arguments in rdi to r9; rcx and r11 are lost.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    if result < 0 { Err(-result as i32) } else { Ok(result as usize) }
}

/// `call!(NUMBER, argument…)`: a system call with up to six arguments of any integer or pointer type.
#[macro_export]
macro_rules! call {
    ($n:ident) => { $crate::call!(@ $n, 0, 0, 0, 0, 0, 0) };
    ($n:ident, $a:expr) => { $crate::call!(@ $n, $a, 0, 0, 0, 0, 0) };
    ($n:ident, $a:expr, $b:expr) => { $crate::call!(@ $n, $a, $b, 0, 0, 0, 0) };
    ($n:ident, $a:expr, $b:expr, $c:expr) => { $crate::call!(@ $n, $a, $b, $c, 0, 0, 0) };
    ($n:ident, $a:expr, $b:expr, $c:expr, $d:expr) => { $crate::call!(@ $n, $a, $b, $c, $d, 0, 0) };
    ($n:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => { $crate::call!(@ $n, $a, $b, $c, $d, $e, 0) };
    (@ $n:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        // SAFETY: every pointer handed over points to memory of this program that lives until the
        // call returns, with the length that the call is told; texts end with NUL.
        unsafe {
            $crate::sys::syscall6(
                $crate::sys::nr::$n, $a as usize, $b as usize, $c as usize, $d as usize, $e as usize, $f as usize,
            )
        }
    };
}

pub const EINTR: i32 = 4;
pub const EAGAIN: i32 = 11;
pub const EINVAL: i32 = 22;
pub const ENOENT: i32 = 2;
pub const EACCES: i32 = 13;
pub const EEXIST: i32 = 17;
pub const ENOTDIR: i32 = 20;
pub const ENOSYS: i32 = 38;
pub const ELOOP: i32 = 40;
pub const EPERM: i32 = 1;
pub const EFBIG: i32 = 27;
pub const EXDEV: i32 = 18;
pub const ECHILD: i32 = 10;
pub const ESTALE: i32 = 116;

pub const AT_FDCWD: i32 = -100;
pub const AT_EMPTY_PATH: i32 = 0x1000;
pub const AT_RECURSIVE: i32 = 0x8000;
pub const O_RDONLY: i32 = 0;
pub const O_WRONLY: i32 = 1;
pub const O_RDWR: i32 = 2;
pub const O_CREAT: i32 = 0o100;
pub const O_EXCL: i32 = 0o200;
pub const O_NOCTTY: i32 = 0o400;
pub const O_TRUNC: i32 = 0o1000;
pub const O_APPEND: i32 = 0o2000;
pub const O_NONBLOCK: i32 = 0o4000;
pub const O_DIRECTORY: i32 = 0o200_000;
pub const O_NOFOLLOW: i32 = 0o400_000;
pub const O_CLOEXEC: i32 = 0o2_000_000;
pub const O_PATH: i32 = 0o10_000_000;

/// Ends the process.
pub fn exit(code: i32) -> ! {
    loop {
        let _ = call!(EXIT, code);
    }
}

/// Closes a descriptor.
pub fn close(fd: i32) {
    if fd >= 0 {
        let _ = call!(CLOSE, fd);
    }
}

/// Writes all bytes, waiting where the descriptor makes it wait.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Sys<()> {
    while !bytes.is_empty() {
        match call!(WRITE, fd, bytes.as_ptr(), bytes.len()) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or(&[]),
            Err(EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads once.
pub fn read(fd: i32, buffer: &mut [u8]) -> Sys<usize> {
    loop {
        match call!(READ, fd, buffer.as_mut_ptr(), buffer.len()) {
            Err(EINTR) => {}
            other => return other,
        }
    }
}

/// openat2(2) with `resolve`.
pub fn openat2(dir: i32, path: *const u8, flags: i32, mode: u32, resolve: u64) -> Sys<i32> {
    let how = [flags as u64, u64::from(mode), resolve];
    loop {
        match call!(OPENAT2, dir, path, how.as_ptr(), 24) {
            // The kernel saw a rename while resolving below a root; it asks to try again.
            Err(EAGAIN) => {}
            other => return other.map(|fd| fd as i32),
        }
    }
}

/// `RESOLVE_` flags of openat2(2).
pub mod resolve {
    pub const NO_XDEV: u64 = 1;
    pub const NO_MAGICLINKS: u64 = 2;
    pub const NO_SYMLINKS: u64 = 4;
    pub const BENEATH: u64 = 8;
    pub const IN_ROOT: u64 = 16;
}

pub use crate::mem::strlen;
