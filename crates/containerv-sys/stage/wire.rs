//! What the library and the stage say to each other: the program's layout and the reports.
//!
//! Compiled into both. A program is one buffer of 64-bit words in native order. It begins with
//! [`MAGIC`], its length in bytes and the descriptor of the report channel; then come the
//! operations. An operation is a head word (code in bits 0–15, number of argument words in
//! 16–31, step number in 32–63) and its arguments. Texts lie behind the last operation, each
//! ended by NUL; an argument that is a text or a list holds its offset, 0 for none. A list is an
//! array of offsets ended by 0. A blob is two arguments, offset and length.

/// First word of a program.
pub const MAGIC: u64 = 0x3130_6567_6174_7376;
/// Words before the first operation: magic, length in bytes, channel descriptor.
pub const HEADER_WORDS: usize = 3;

/// How many mount descriptors a program can hold at a time.
pub const REGISTERS: usize = 512;
/// Register of the container's root.
pub const ROOT: u64 = 0;
/// In place of a register: the descriptor is not needed.
pub const NOT_KEPT: u64 = u64::MAX;
/// Register of the container's proc.
pub const PROC: u64 = 1;
/// Register of the container's devpts.
pub const DEVPTS: u64 = 2;
/// Register of the container's sysfs.
pub const SYS: u64 = 3;
/// First register without a fixed meaning.
pub const FIRST_FREE: u64 = 4;

/// In [`op::STDIO`]: take what the monitor made.
pub const FROM_MONITOR: u64 = u64::MAX;
/// Name of the socket in the container's directory at which a prepared command waits for its start. Whoever connects
/// lets it go, and receives a report if it could not be executed; end of file tells that it was.
pub const GATE_NAME: &core::ffi::CStr = c"gate";
/// No descriptor.
pub const NO_FD: u64 = u64::MAX;

/// Operation codes. Arguments are named in order; `reg` is a register, `at` a text.
pub mod op {
    /// End of the program.
    pub const END: u16 = 0;
    /// `fd, namespace flags`: setns(2).
    pub const SETNS: u16 = 1;
    /// `namespace flags`: unshare(2).
    pub const UNSHARE: u16 = 2;
    /// `path, blob`: opens for writing and writes once.
    pub const WRITE: u16 = 3;
    /// `fd`: joins the control group whose `cgroup.procs` this is.
    pub const JOIN: u16 = 4;
    /// `clone flags, cgroup fd, mode`: goes on in a new process; see [`super::clone_mode`].
    pub const CLONE: u16 = 5;
    /// Waits for the library's word on the channel; ends if the library is gone.
    pub const AWAIT: u16 = 6;
    /// Reports the own process id as seen inside.
    pub const REPORT_PID: u16 = 7;
    /// `mount flags`: changes how mounts spread, from `/` down.
    pub const PROPAGATION: u16 = 8;
    /// `reg, path, open_tree flags, attributes to set, to clear, AT_RECURSIVE or 0, propagation`:
    /// clones a tree of the host and sets its attributes.
    pub const TREE: u16 = 9;
    /// `reg, type, mount attributes, key list, value list`: makes a new file system, detached.
    pub const FILESYSTEM: u16 = 10;
    /// `path, data, reg or NOT_KEPT, directory`: mounts an overlay at a host path, with names of layers relative to a
    /// directory.
    pub const OVERLAY: u16 = 11;
    /// `reg, path`: attaches a mount at a host path.
    pub const ATTACH_HOST: u16 = 12;
    /// `reg, path, attach flags`: attaches a mount in the root.
    pub const ATTACH: u16 = 13;
    /// `reg, name, mode`: makes a directory.
    pub const MKDIR: u16 = 14;
    /// `reg, name, mode, device number`: makes a node or an empty file.
    pub const MKNOD: u16 = 15;
    /// `reg, name, target`: makes a symbolic link.
    pub const SYMLINK: u16 = 16;
    /// `reg of an empty read-only directory, reg of a null device, path list`: hides what exists
    /// of these.
    pub const MASK: u16 = 17;
    /// `path list`: makes what exists of these read-only.
    pub const READONLY: u16 = 18;
    /// `reg`: makes a mount read-only, but not what is mounted in it.
    pub const MOUNT_READONLY: u16 = 19;
    /// Makes the root register the root directory; nothing of the old tree stays.
    pub const PIVOT: u16 = 20;
    /// Changes the root directory only.
    pub const CHROOT: u16 = 21;
    /// `name`: sethostname(2).
    pub const HOSTNAME: u16 = 22;
    /// `name`: setdomainname(2).
    pub const DOMAINNAME: u16 = 23;
    /// `path below sys, value`: writes a kernel setting through the container's proc.
    pub const SYSCTL: u16 = 24;
    /// Brings the loopback interface up.
    pub const LOOPBACK: u16 = 25;
    /// `columns, rows, console`: makes a terminal; sends its master; `console` binds `/dev/console`.
    pub const TERMINAL: u16 = 26;
    /// `stdin, stdout, stderr`: descriptors for 0, 1 and 2.
    pub const STDIO: u16 = 27;
    /// `resource, soft, hard`: prlimit(2).
    pub const RLIMIT: u16 = 28;
    /// `adjustment`: writes `/proc/self/oom_score_adj` of the caller's proc.
    pub const OOM_SCORE: u16 = 29;
    /// `mask`: umask(2).
    pub const UMASK: u16 = 30;
    /// `user, group list`: looks ids up in the container's passwd and group.
    pub const USER: u16 = 31;
    /// `bounding, effective, ambient`: becomes the user of the last `USER`, with these capabilities.
    pub const CREDENTIALS: u16 = 32;
    /// Sets no_new_privs.
    pub const NO_NEW_PRIVILEGES: u16 = 33;
    /// `blob, flags`: seccomp(2) with a filter of 8-byte instructions.
    pub const SECCOMP: u16 = 34;
    /// `path, create`: enters the working directory.
    pub const CWD: u16 = 35;
    /// Starts a session and gives it a keyring of its own.
    pub const SESSION: u16 = 36;
    /// `candidate list, argument list, environment list, home slot`: execve(2) of the first
    /// candidate that exists; a non-zero `home slot` is the index of an entry to fill in.
    pub const EXEC: u16 = 37;
    /// `owner pidfd, keep fd`: stays as PID 1, reaps, ends with its owner.
    pub const KEEP: u16 = 38;
    /// `owner pidfd`: goes on in a child; stays as its init, and ends with its owner.
    pub const INIT: u16 = 39;
    /// `signal`: asks for a signal when the parent ends.
    pub const DEATH_SIGNAL: u16 = 40;
    /// Hides the process from others' debuggers until it executes a program.
    pub const HIDE: u16 = 41;
    /// Becomes root of the user namespace.
    pub const BECOME_ROOT: u16 = 42;
    /// Waits until somebody comes to the gate, or for the monitor's word; from here on failures go to both.
    pub const GATE: u16 = 43;
    /// Leaves the caller: goes on in an orphaned child with a session of its own.
    pub const DAEMONIZE: u16 = 44;
    /// `step`: reports the step and stops until killed; for tests of crashes.
    pub const TRAP: u16 = 45;
    /// `listen fd, directory fd, null fd, oom fd, owner pidfd, flags, log bytes, log files, keep fd,
    /// removal list` (entries begin with `g` for a control group, `d` for a tree, `f` for a file):
    /// what a [`CLONE`] in monitor mode shall do.
    pub const MONITOR: u16 = 46;
    /// `path`: opens the root directory of the container where no mount is made.
    pub const OPEN_ROOT: u16 = 47;
    /// `fd`: makes the directory behind a descriptor the root and working directory.
    pub const ENTER: u16 = 48;
    /// `path, mode`: makes a directory of the host if it is missing.
    pub const HOST_MKDIR: u16 = 49;
    /// `path in root, blob, mode`: writes a small file in the root.
    pub const FILE: u16 = 50;
    /// `path`: removes a tree of the host.
    pub const REMOVE: u16 = 51;
    /// `fd`: closes every descriptor above 2 but this one, and those by which the stage reports.
    pub const CLOSE_OTHERS: u16 = 52;
    /// `reg, path`: opens a file or directory of the host for later comparison.
    pub const OPEN_HOST: u16 = 53;
    /// `reg, path, attach flags, read-only`: detaches what is mounted at a path in the root, if that is what the
    /// register refers to. The register of the root is open, and that of proc refers to the host's `/proc`.
    pub const DETACH: u16 = 54;
    /// `records fd, directory fd`: gives files in the directory their owners, as records of [`super::owned`] say.
    pub const OWNERS: u16 = 55;
    /// `uid map, gid map`: goes to a mount namespace apart, and prepares a mapping of ids.
    pub const SHIFT_BEGIN: u16 = 56;
    /// `path`: covers a directory with a mount of itself that shows the mapped ids.
    pub const SHIFT_LAYER: u16 = 57;
    /// `path, user, group`: gives a directory of root's to somebody.
    pub const SHIFT_GIVE: u16 = 58;
    /// Comes back from the mount namespace apart.
    pub const SHIFT_END: u16 = 59;
}

/// Records of [`op::OWNERS`], one after the other: [`owned::WORDS`] words, the path below the directory with a NUL at
/// least and filled to whole words, and the value of `security.capability`, filled to whole words.
pub mod owned {
    /// Words before the path: length of the record in bytes, user, group, mode (bit 63: a symbolic link), seconds
    /// and nanoseconds of access and of modification, length of the path, length of the value.
    pub const WORDS: usize = 10;
    /// Marks a symbolic link in the word of the mode.
    pub const LINK: u64 = 1 << 63;
    /// Most bytes of a record.
    pub const MOST: usize = 4800;
}

/// How [`op::CLONE`] goes on.
pub mod clone_mode {
    /// The new process becomes the library's child; this one ends.
    pub const SIBLING: u64 = 0;
    /// This process stays as the monitor of the new one.
    pub const MONITOR: u64 = 1;
}

/// Flags of [`op::ATTACH`].
pub mod attach {
    /// Make the missing target as a directory, parents included.
    pub const CREATE_DIR: u64 = 1;
    /// Make the missing target as an empty file, parents included.
    pub const CREATE_FILE: u64 = 2;
    /// Refuse a target that would leave the root, instead of resolving it inside.
    pub const STRICT: u64 = 4;
    /// Make the missing target of the kind that the mount is.
    pub const CREATE_LIKE: u64 = 8;
    /// Refuse a target with a symbolic link in its path. Without it, one that a link has led into
    /// a proc is refused.
    pub const NO_LINKS: u64 = 16;
}

/// Flags of [`op::MONITOR`].
pub mod monitor_flag {
    /// The command has a terminal.
    pub const TERMINAL: u64 = 1;
    /// Keep standard input open.
    pub const STDIN: u64 = 2;
    /// Write the log.
    pub const LOG: u64 = 4;
    /// Remove the container's directory and control groups at the end.
    pub const REMOVE: u64 = 8;
    /// Make the command's gate in the directory.
    pub const GATE: u64 = 16;
}

/// What a report tells.
pub mod report {
    /// `value` is the process id of the new process, as the library sees it.
    pub const CHILD: u32 = 1;
    /// `value` is the process id as seen inside.
    pub const INSIDE: u32 = 2;
    /// The step failed; `value` is the error number.
    pub const FAILED: u32 = 3;
    /// Everything is prepared.
    pub const READY: u32 = 4;
    /// A trap was reached.
    pub const TRAPPED: u32 = 5;
    /// The terminal's master comes along.
    pub const TERMINAL: u32 = 6;
    /// Wrong program: the stage and the library are of different versions.
    pub const BAD_PROGRAM: u32 = 7;
    /// `value` is the monitor's process id.
    pub const MONITOR: u32 = 8;
    /// The channel to be used from now on comes along; always the first report.
    pub const CHANNEL: u32 = 9;
}

/// Size of a report in bytes: kind and step (32 bits each), value (64 bits).
pub const REPORT_BYTES: usize = 16;
