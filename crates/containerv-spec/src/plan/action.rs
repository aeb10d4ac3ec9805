//! The steps of the Linux backend.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupStep;
use crate::machine::MountsBelow;
use crate::request::{IdRange, Propagation, Rlimit, TerminalSize, Veth};
use crate::{CapabilitySet, ContainerId, OsText};

/// A place for a mount between its making and its attaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u16);

impl Slot {
    /// The container's root.
    pub const ROOT: Self = Self(0);
    /// The container's proc.
    pub const PROC: Self = Self(1);
    /// The container's devpts.
    pub const DEVPTS: Self = Self(2);
    /// The container's sysfs.
    pub const SYS: Self = Self(3);
    /// The first one without a fixed meaning.
    pub const FIRST_FREE: Self = Self(4);
}

/// A kind of kernel namespace; namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// User and group ids, capabilities.
    User,
    /// Mounts.
    Mount,
    /// Processes.
    Pid,
    /// Network.
    Network,
    /// System V IPC and message queues.
    Ipc,
    /// Host name.
    Uts,
    /// Control group view.
    Cgroup,
    /// Clocks.
    Time,
}

impl Namespace {
    /// Returns the word for a listing.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mount",
            Self::Pid => "pid",
            Self::Network => "network",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// Returns the kernel's `CLONE_NEW*` flag.
    pub fn flag(self) -> u64 {
        match self {
            Self::User => 0x1000_0000,
            Self::Mount => 0x0002_0000,
            Self::Pid => 0x2000_0000,
            Self::Network => 0x4000_0000,
            Self::Ipc => 0x0800_0000,
            Self::Uts => 0x0400_0000,
            Self::Cgroup => 0x0200_0000,
            Self::Time => 0x80,
        }
    }
}

/// Whose namespaces are joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceSource {
    /// Those of the running container that the plan is about.
    Own,
    /// Those of another running container.
    Container(ContainerId),
}

/// Attributes of a mount; mount_setattr(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MountAttributes {
    /// No writes.
    pub read_only: bool,
    /// Set-uid bits do not work.
    pub nosuid: bool,
    /// Device nodes do not work.
    pub nodev: bool,
    /// No program is executed.
    pub noexec: bool,
}

impl MountAttributes {
    /// Returns the kernel's `MOUNT_ATTR_*` bits.
    pub fn bits(self) -> u64 {
        u64::from(self.read_only)
            | u64::from(self.nosuid) << 1
            | u64::from(self.nodev) << 2
            | u64::from(self.noexec) << 3
    }
}

/// What is made where a mount point is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Nothing: the step fails.
    #[default]
    Existing,
    /// A directory.
    Directory,
    /// An empty file.
    File,
    /// Whichever of both the mount is.
    Like,
}

/// How a path in the container is resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolve {
    /// Absolute links and `..` stay inside the root.
    #[default]
    InRoot,
    /// What would leave the root is refused.
    Beneath,
    /// Any symbolic link is refused.
    NoLinks,
}

/// An entry made in a file system that is not attached yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// An empty file.
    File {
        /// Permission bits.
        mode: u32,
    },
    /// A character device.
    Device {
        /// Driver number.
        major: u32,
        /// Unit of the driver.
        minor: u32,
        /// Permission bits.
        mode: u32,
        /// Block instead of character device.
        block: bool,
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        target: OsText,
    },
}

/// User namespace mappings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<IdRange>,
    /// Group ids.
    pub gids: Vec<IdRange>,
    /// Paths of newuidmap(1) and newgidmap(1), where the caller may not write the maps itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helpers: Option<(OsText, OsText)>,
    /// Forbid setgroups(2), which the kernel demands of an unprivileged mapping.
    pub deny_setgroups: bool,
}

/// Offsets of a time namespace's clocks in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Monotonic clock.
    pub monotonic_seconds: i64,
    /// Boot clock.
    pub boottime_seconds: i64,
}

/// Who waits for the container's first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supervisor {
    /// The calling process.
    Caller,
    /// A monitor of its own that outlives the caller.
    Monitor {
        /// The command has a terminal.
        terminal: bool,
        /// Its standard input stays open.
        stdin: bool,
        /// Its output is written to the log.
        log: bool,
        /// Bytes after which a new log file is begun; 0 for never.
        log_bytes: u64,
        /// Log files that are kept.
        log_files: u32,
        /// What is removed at the end.
        auto_remove: bool,
        /// It ends the command when the caller ends.
        owner_bound: bool,
    },
}

/// Capability sets of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privileges {
    /// What can ever be had.
    pub bounding: CapabilitySet,
    /// What root has.
    pub effective: CapabilitySet,
    /// What an ordinary user has and hands down.
    pub ambient: CapabilitySet,
}

/// A system call filter, ready to be installed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFilter {
    /// Where it comes from: `default` or `custom`.
    pub profile: String,
    /// Number of instructions.
    pub instructions: usize,
    /// Flags of seccomp(2).
    pub flags: u32,
    /// The instructions, as `struct sock_filter`s. Not printed.
    #[serde(skip)]
    pub program: Cow<'static, [u8]>,
}

impl std::fmt::Debug for CallFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallFilter({}, {} instructions)", self.profile, self.instructions)
    }
}

/// What is executed at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// Paths that are tried in order.
    pub candidates: Vec<OsText>,
    /// Arguments, the program's name first.
    pub arguments: Vec<OsText>,
    /// Environment.
    pub environment: Vec<OsText>,
    /// `HOME` is added from the user's entry.
    pub add_home: bool,
}

/// What a step does. Paths of the host are absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Makes a directory of the host. Undone by removing the tree.
    MakeDirectory {
        /// Path.
        path: OsText,
        /// Permission bits.
        mode: u32,
    },
    /// Writes a new file of the host, in a directory that the plan has made.
    WriteFile {
        /// Path.
        path: OsText,
        /// Contents.
        contents: String,
        /// Permission bits.
        mode: u32,
    },
    /// Stores the request with the container.
    StoreRequest {
        /// Path of the file.
        path: OsText,
    },
    /// Copies what the caller may read of a directory of the host, unless the copy is there.
    CopyTree {
        /// The directory, and what stays empty in the copy.
        below: MountsBelow,
        /// Path of the copy.
        path: OsText,
    },
    /// Makes links to layers in the container's directory, for names that are short, unless they are there.
    LinkLayers {
        /// The directory of the links.
        path: OsText,
        /// What each leads to; the names are their numbers, from 0.
        targets: Vec<OsText>,
    },
    /// Makes a missing directory of the host that a mount needs. It stays.
    MakeSource {
        /// Path.
        path: OsText,
    },
    /// Reserves a name with a link. Undone by removing it.
    ReserveName {
        /// Path of the link.
        path: OsText,
    },
    /// Does something to a control group.
    Cgroup {
        /// What.
        step: CgroupStep,
    },
    /// Listens on the monitor's control socket.
    Listen {
        /// Path of the socket.
        path: OsText,
    },
    /// Sets the adjustment for the choice of an out-of-memory victim.
    AdjustOomScore {
        /// −1000 to 1000.
        value: i16,
    },
    /// Joins a control group.
    JoinGroup {
        /// File that the process writes itself to.
        file: OsText,
    },
    /// Makes a time namespace for the processes to come.
    ShiftClocks(Clocks),
    /// Joins namespaces of a running container.
    JoinNamespaces {
        /// Whose.
        source: NamespaceSource,
        /// Which.
        namespaces: Vec<Namespace>,
    },
    /// Takes the root directory of the running container.
    EnterRoot,
    /// Leaves the caller: becomes an orphan with a session of its own.
    Daemonize,
    /// Starts the container's process.
    Start {
        /// New namespaces.
        namespaces: Vec<Namespace>,
        /// Control group of version 2 that it starts in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<OsText>,
        /// Who waits for it.
        supervisor: Supervisor,
    },
    /// Does something for layers that show the container's ids.
    Shift(super::Shift),
    /// Maps ids into the new user namespace.
    MapIds(IdMaps),
    /// Makes a pair of interfaces between the caller's network and the container's.
    MakeVeth(Veth),
    /// Records the new process in the journal, and lets it go on.
    Release,
    /// Waits until it is released.
    Await,
    /// Reports its process id as seen inside.
    ReportProcess,
    /// Makes every mount of the new namespace private. Trees that shall spread were cloned before.
    IsolateMounts,
    /// Clones a tree of the host.
    CloneTree {
        /// Where it is kept.
        slot: Slot,
        /// Path on the host.
        source: OsText,
        /// With the mounts below it.
        recursive: bool,
        /// Attributes, for all mounts of the tree.
        attributes: MountAttributes,
        /// How later mounts spread.
        #[serde(default)]
        propagation: Propagation,
    },
    /// Makes a file system.
    NewFileSystem {
        /// Where it is kept.
        slot: Slot,
        /// Kernel name.
        kind: String,
        /// Options; a flag has an empty value.
        options: Vec<(String, String)>,
        /// Attributes of the mount.
        attributes: MountAttributes,
    },
    /// Mounts an overlay at a directory of the host, seen only by the container's process.
    MountOverlay {
        /// Where.
        at: OsText,
        /// Read-only layers, topmost first.
        lower: Vec<OsText>,
        /// Directory that the names of the read-only layers are relative to, where they are short ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<OsText>,
        /// Writable layer.
        upper: OsText,
        /// Work directory of the overlay.
        work: OsText,
        /// Keep its attributes where an ordinary user may write them.
        user_attributes: bool,
        /// Where the mount is kept, if later steps need it; [`Slot::ROOT`] if it becomes the root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<Slot>,
    },
    /// Makes a directory for the container's process; in memory that it has mounted.
    MakePrivateDirectory {
        /// Path.
        path: OsText,
        /// Permission bits.
        mode: u32,
    },
    /// Attaches a mount at a directory of the host, seen only by the container's process.
    AttachOutside {
        /// What.
        slot: Slot,
        /// Where.
        at: OsText,
    },
    /// Opens a file or directory of the host, to be found again in a container.
    OpenHost {
        /// For which place.
        slot: Slot,
        /// Path.
        path: OsText,
    },
    /// Detaches what is mounted at a path below the root, if that is a given file or directory.
    Detach {
        /// The file or directory.
        slot: Slot,
        /// Path in the container.
        target: OsText,
        /// Only if it is read-only.
        read_only: bool,
        /// How the path is resolved.
        resolve: Resolve,
    },
    /// Takes a directory as the root without mounting anything.
    OpenRoot {
        /// Path.
        path: OsText,
    },
    /// Makes an entry in a file system that is not attached yet.
    MakeEntry {
        /// In which.
        slot: Slot,
        /// Name.
        name: OsText,
        /// What.
        entry: Entry,
    },
    /// Attaches a mount below the root.
    Attach {
        /// What.
        slot: Slot,
        /// Path in the container.
        target: OsText,
        /// What is made if it is missing.
        create: TargetKind,
        /// How the path is resolved.
        resolve: Resolve,
    },
    /// Hides paths, those that exist.
    Mask {
        /// An empty directory.
        empty: Slot,
        /// A null device.
        null: Slot,
        /// Paths in the container.
        paths: Vec<OsText>,
    },
    /// Makes paths read-only, those that exist.
    ProtectPaths {
        /// Paths in the container.
        paths: Vec<OsText>,
    },
    /// Makes a mount read-only, but not what is mounted in it.
    ProtectMount {
        /// The mount.
        slot: Slot,
        /// Where it is in the container.
        path: OsText,
    },
    /// Makes the root read-only.
    ProtectRoot,
    /// Takes all ids of root in the new user namespace.
    BecomeRoot,
    /// Makes a cgroup namespace rooted in the container's groups.
    NewCgroupNamespace,
    /// Sets the host name.
    SetHostname {
        /// Name.
        name: String,
    },
    /// Sets the NIS domain name.
    SetDomainname {
        /// Name.
        name: String,
    },
    /// Writes a kernel setting of the container.
    SetSysctl {
        /// Dotted name.
        name: String,
        /// Value.
        value: String,
    },
    /// Brings the loopback interface up.
    LoopbackUp,
    /// Makes the root the only root; everything else is detached.
    PivotRoot,
    /// Changes the root directory.
    ChangeRoot,
    /// Starts a session with a keyring of its own.
    NewSession,
    /// Makes a terminal.
    MakeTerminal {
        /// Its size.
        size: TerminalSize,
        /// Show it at `/dev/console` too.
        console: bool,
    },
    /// Connects standard input, output and error.
    ConnectStreams,
    /// Sets a limit of the process.
    SetRlimit(Rlimit),
    /// Sets the file mode mask.
    SetUmask {
        /// Mask.
        mask: u32,
    },
    /// Looks the user up in the container's files.
    ResolveUser {
        /// As given.
        user: String,
        /// Further groups.
        groups: Vec<String>,
    },
    /// Enters the working directory.
    EnterDirectory {
        /// Path in the container.
        path: OsText,
        /// Make it if it is missing.
        create: bool,
    },
    /// Becomes the user, with these capabilities only.
    DropPrivileges(Privileges),
    /// Gives up gaining privileges by executing programs.
    NoNewPrivileges,
    /// Installs the system call filter.
    FilterCalls(CallFilter),
    /// Hides itself from debuggers.
    Hide,
    /// Closes every descriptor but the standard ones: what is executed, and every path that the
    /// container's files decide on, could otherwise lead through them to the host.
    CloseDescriptors {
        /// But not that of the owner, for the init.
        except_owner: bool,
    },
    /// Ends with its supervisor.
    DieWithSupervisor,
    /// Stays behind as an init; a child goes on.
    StayAsInit {
        /// Ends when the calling process ends.
        owner_bound: bool,
    },
    /// Waits for `start`.
    WaitForStart {
        /// Path of the socket to which it comes.
        path: OsText,
    },
    /// Executes the program.
    Execute(Execution),
    /// Stays as PID 1 and reaps.
    Keep {
        /// Ends when the calling process ends.
        owner_bound: bool,
    },
}
