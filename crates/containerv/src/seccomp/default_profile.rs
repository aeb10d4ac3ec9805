//! The built-in profile.
//!
//! It allows what ordinary programs need, and further calls to a container with the capability that
//! the kernel asks for anyway. Everything else is denied with EPERM: what acts on the whole machine
//! (clock, modules, kexec, swap), what is not divided by namespaces (keyrings, some of NUMA), what
//! makes namespaces or mounts, and what mostly served attacks on the kernel (`io_uring`, `userfaultfd`,
//! obsolete calls, sockets to the kernel's cryptography and to the hypervisor).

use containerv_spec::CapabilitySet;
use containerv_spec::seccomp::{Action, Applicability, ArchMap, Comparison, Condition, Profile, Rule};

/// Rules as they are written down here.
struct Group {
    /// Names, separated by white space.
    calls: &'static str,
    action: Action,
    errno: Option<u32>,
    /// Argument, comparison, first and second operand.
    condition: Option<(u32, Comparison, u64, u64)>,
    /// Only with this capability.
    with: Option<&'static str>,
    /// Only without this capability.
    without: Option<&'static str>,
    min_kernel: Option<&'static str>,
    comment: &'static str,
}

const ALLOW: Group = Group {
    calls: "",
    action: Action::Allow,
    errno: None,
    condition: None,
    with: None,
    without: None,
    min_kernel: None,
    comment: "",
};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;

/// Every `CLONE_NEW*` flag that clone(2) takes.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;
/// Those and `CLONE_NEWTIME`, whose bit is part of the exit signal in clone(2).
const UNSHARE_NAMESPACES: u64 = CLONE_NAMESPACES | 0x80;

/// First kernel on which a tracer cannot change a call after the filter has seen it.
const TRACE_SAFE: &str = "4.8";

const GROUPS: &[Group] = &[
    Group {
        comment: "files by name",
        calls: "access chdir chmod chown chown32 creat faccessat faccessat2 fchdir fchmodat \
                fchmodat2 fchownat fstatat64 futimesat getcwd lchown lchown32 link linkat lstat lstat64 mkdir \
                mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 readlink readlinkat \
                rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx symlink symlinkat truncate \
                truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes",
        ..ALLOW
    },
    Group {
        comment: "attributes of files",
        calls: "fgetxattr file_getattr file_setattr flistxattr fremovexattr fsetxattr getxattr getxattrat \
                lgetxattr listxattr listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat \
                setxattr setxattrat",
        ..ALLOW
    },
    Group {
        comment: "open files",
        calls: "_llseek cachestat close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 \
                fallocate fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fstat fstat64 fstatfs fstatfs64 \
                fsync ftruncate ftruncate64 getdents getdents64 ioctl lseek pipe pipe2 pread64 preadv preadv2 \
                pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice sync sync_file_range \
                syncfs tee vmsplice write writev",
        ..ALLOW
    },
    Group {
        comment: "waiting for files, asynchronous input and output, notifications",
        calls: "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 \
                epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init \
                inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents \
                io_pgetevents_time64 io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 select",
        ..ALLOW
    },
    Group {
        comment: "memory",
        calls: "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall \
                mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free \
                pkey_mprotect remap_file_pages",
        ..ALLOW
    },
    Group {
        comment: "processes and threads",
        calls: "arch_prctl execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait \
                futex_waitv futex_wake get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid \
                getpriority getrlimit getrusage getsid gettid ioprio_get ioprio_set landlock_add_rule \
                landlock_create_ruleset landlock_restrict_self modify_ldt pidfd_open prctl prlimit64 \
                process_mrelease restart_syscall rseq seccomp set_robust_list set_thread_area set_tid_address \
                setpgid setpriority setrlimit setsid ugetrlimit uprobe uretprobe vfork wait4 waitid waitpid",
        ..ALLOW
    },
    Group {
        comment: "scheduling",
        calls: "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam \
                sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity \
                sched_setattr sched_setparam sched_setscheduler sched_yield",
        ..ALLOW
    },
    Group {
        comment: "users, groups and capabilities",
        calls: "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 \
                getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid \
                setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 \
                setresuid setresuid32 setreuid setreuid32 setuid setuid32",
        ..ALLOW
    },
    Group {
        comment: "signals",
        calls: "kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
                rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack \
                signalfd signalfd4 sigprocmask sigreturn tgkill tkill",
        ..ALLOW
    },
    Group {
        comment: "time; the kernel asks for CAP_SYS_TIME where a clock would change",
        calls: "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
                clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep \
                setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 \
                timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime \
                timerfd_settime64 times",
        ..ALLOW
    },
    Group {
        comment: "sockets, except for making them",
        calls: "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg \
                recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair",
        ..ALLOW
    },
    Group {
        comment: "System V IPC and message queues, which the IPC namespace divides",
        calls: "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
                mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop \
                semtimedop_time64 shmat shmctl shmdt shmget",
        ..ALLOW
    },
    Group { comment: "the system", calls: "getrandom listmount statmount sysinfo uname", ..ALLOW },
    Group {
        comment: "address families below AF_ALG",
        calls: "socket",
        condition: Some((0, Comparison::Less, AF_ALG, 0)),
        ..ALLOW
    },
    Group {
        comment: "the address family between AF_ALG and AF_VSOCK",
        calls: "socket",
        condition: Some((0, Comparison::Equal, AF_ALG + 1, 0)),
        ..ALLOW
    },
    Group {
        comment: "address families above AF_VSOCK",
        calls: "socket",
        condition: Some((0, Comparison::Greater, AF_VSOCK, 0)),
        ..ALLOW
    },
    Group {
        comment: "PER_LINUX",
        calls: "personality",
        condition: Some((0, Comparison::Equal, 0, 0)),
        ..ALLOW
    },
    Group {
        comment: "PER_LINUX32",
        calls: "personality",
        condition: Some((0, Comparison::Equal, 0x0008, 0)),
        ..ALLOW
    },
    Group {
        comment: "UNAME26",
        calls: "personality",
        condition: Some((0, Comparison::Equal, 0x0002_0000, 0)),
        ..ALLOW
    },
    Group {
        comment: "PER_LINUX32 and UNAME26",
        calls: "personality",
        condition: Some((0, Comparison::Equal, 0x0002_0008, 0)),
        ..ALLOW
    },
    Group {
        comment: "asking for the personality",
        calls: "personality",
        condition: Some((0, Comparison::Equal, 0xffff_ffff, 0)),
        ..ALLOW
    },
    Group {
        comment: "processes and threads, not namespaces",
        calls: "clone",
        condition: Some((0, Comparison::MaskedEqual, CLONE_NAMESPACES, 0)),
        without: Some("CAP_SYS_ADMIN"),
        ..ALLOW
    },
    Group {
        comment: "leaving shared files and directories, not namespaces",
        calls: "unshare",
        condition: Some((0, Comparison::MaskedEqual, UNSHARE_NAMESPACES, 0)),
        without: Some("CAP_SYS_ADMIN"),
        ..ALLOW
    },
    Group {
        comment: "its flags lie in memory, where no filter reads them; libraries fall back to clone",
        calls: "clone3",
        action: Action::Errno,
        errno: Some(ENOSYS),
        without: Some("CAP_SYS_ADMIN"),
        ..ALLOW
    },
    Group {
        comment: "tracing within the container",
        calls: "process_vm_readv process_vm_writev ptrace",
        min_kernel: Some(TRACE_SAFE),
        ..ALLOW
    },
    Group {
        calls: "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr \
                lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr \
                perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns syslog umount \
                umount2 unshare",
        with: Some("CAP_SYS_ADMIN"),
        ..ALLOW
    },
    Group { calls: "acct", with: Some("CAP_SYS_PACCT"), ..ALLOW },
    Group { calls: "bpf", with: Some("CAP_BPF"), ..ALLOW },
    Group { calls: "chroot", with: Some("CAP_SYS_CHROOT"), ..ALLOW },
    Group { calls: "clock_settime clock_settime64 settimeofday stime", with: Some("CAP_SYS_TIME"), ..ALLOW },
    Group { calls: "delete_module finit_module init_module", with: Some("CAP_SYS_MODULE"), ..ALLOW },
    Group {
        calls: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
        with: Some("CAP_SYS_NICE"),
        ..ALLOW
    },
    Group { calls: "ioperm iopl", with: Some("CAP_SYS_RAWIO"), ..ALLOW },
    Group {
        calls: "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
        with: Some("CAP_SYS_PTRACE"),
        ..ALLOW
    },
    Group { calls: "open_by_handle_at", with: Some("CAP_DAC_READ_SEARCH"), ..ALLOW },
    Group { calls: "perf_event_open", with: Some("CAP_PERFMON"), ..ALLOW },
    Group { calls: "reboot", with: Some("CAP_SYS_BOOT"), ..ALLOW },
    Group { calls: "syslog", with: Some("CAP_SYSLOG"), ..ALLOW },
    Group { calls: "vhangup", with: Some("CAP_SYS_TTY_CONFIG"), ..ALLOW },
];

/// Returns the built-in profile.
pub fn default_profile() -> Profile {
    let architectures = [("SCMP_ARCH_X86_64", ["SCMP_ARCH_X86", "SCMP_ARCH_X32"])];
    let arch_map = architectures.map(|(native, beside)| ArchMap {
        architecture: native.to_owned(),
        sub_architectures: Some(beside.map(str::to_owned).to_vec()),
    });
    Profile {
        default_action: Action::Errno,
        default_errno_ret: Some(EPERM),
        architectures: Vec::new(),
        arch_map: arch_map.to_vec(),
        flags: Vec::new(),
        syscalls: GROUPS.iter().map(Group::rule).collect(),
    }
}

/// Returns the capabilities on which the built-in profile depends.
pub(super) fn deciding_capabilities() -> CapabilitySet {
    let names = GROUPS.iter().flat_map(|group| [group.with, group.without]).flatten();
    names.filter_map(|name| name.parse().ok()).fold(CapabilitySet::EMPTY, CapabilitySet::with)
}

impl Group {
    fn rule(&self) -> Rule {
        let condition = |(index, op, value, value_two)| Condition { index, value, value_two, op };
        let holder = |name: &str| Applicability { caps: vec![name.to_owned()], ..Applicability::default() };
        let kernel =
            |least: &str| Applicability { min_kernel: Some(least.to_owned()), ..Applicability::default() };
        Rule {
            names: self.calls.split_whitespace().map(str::to_owned).collect(),
            name: None,
            action: self.action,
            errno_ret: self.errno,
            args: self.condition.map(|parts| vec![condition(parts)]),
            includes: self.with.map(holder).or(self.min_kernel.map(kernel)),
            excludes: self.without.map(holder),
            comment: (!self.comment.is_empty()).then(|| self.comment.to_owned()),
        }
    }
}
