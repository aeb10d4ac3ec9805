//! What a caller asks for: the one input of lowering, whoever asks.
//!
//! The builder, the command line, the C options and, later, an OCI `config.json` all end here.
//! A request is also what is stored with a container, so that it can be started again.

mod layers;
mod mount;
mod network;
mod windows;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::seccomp::Profile;
use crate::{CapabilitySet, ContainerId, Limits, OsText};

pub use layers::{ImageName, Layers};
pub use mount::{Mount, MountOptions, MountSource, Propagation};
pub use network::{Dns, NamedNetwork, Protocol, PublishedPort};
pub use windows::{AssignedDevice, CredentialSpec};

/// A container, as asked for. Checked as a whole while lowering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Identifier, from the system's random source.
    pub id: ContainerId,
    /// Name given by the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the request was made, in nanoseconds since 1970.
    #[serde(default)]
    pub created_unix_ns: u64,
    /// Labels for the caller's own use; they never steer anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What keeps it apart from the host.
    #[serde(default, skip_serializing_if = "Isolation::is_default")]
    pub isolation: Isolation,
    /// Where the root file system comes from.
    pub root: Root,
    /// What becomes of writes to it.
    #[serde(default)]
    pub overlay: Overlay,
    /// Refuse writes to the root; mounts keep their own setting.
    #[serde(default)]
    pub read_only: bool,
    /// Mounts below the root, in the order they are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Kernel namespaces other than the network.
    #[serde(default)]
    pub namespaces: Namespaces,
    /// Network.
    #[serde(default)]
    pub network: Network,
    /// Ports of the host that lead into the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PublishedPort>,
    /// Where names are looked up; as the network has it unless given.
    #[serde(default, skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
    /// Host name; the short id unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// NIS domain name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Lines for `/etc/hosts`: name and address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<(String, String)>,
    /// Kernel settings by their dotted name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Resource limits.
    #[serde(default)]
    pub limits: Limits,
    /// Control group below which the container's own is made, relative to each hierarchy's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<OsText>,
    /// Privileges.
    #[serde(default)]
    pub security: Security,
    /// Devices of the host that the container may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Devices of a Windows host, by class or place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned_devices: Vec<AssignedDevice>,
    /// Most bytes of the container's own disk; Windows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<u64>,
    /// Size of `/dev/shm` in bytes; 64 MiB unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_bytes: Option<u64>,
    /// The container's own command. Without one, PID 1 is a keeper that only reaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Put an init before the command that reaps orphans and passes signals on.
    #[serde(default)]
    pub init: bool,
    /// What ends the container's life besides its own exit.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// Remove the container once it has ended.
    #[serde(default)]
    pub auto_remove: bool,
    /// What becomes of the output of a supervised command.
    #[serde(default)]
    pub log: Log,
    /// How `stop` asks for the end.
    #[serde(default)]
    pub stop: Stop,
}

impl Request {
    /// Returns what messages call the container: its name, or the short id.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.short())
    }

    /// Returns the host name: the one that is asked for, else the short id, with a `c` before it if that has
    /// digits alone. A number is no computer name to Windows, and elsewhere it may be read as an address.
    pub fn host_name(&self) -> Cow<'_, str> {
        let short = self.id.short();
        match &self.hostname {
            Some(name) => name.into(),
            None if short.bytes().all(|byte| byte.is_ascii_digit()) => format!("c{short}").into(),
            None => short.into(),
        }
    }
}

/// What keeps a container apart from the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// The system's usual way. On Windows: processes on a server, a virtual machine elsewhere, and also
    /// on a server where the image's build asks for it.
    #[default]
    Default,
    /// The kernel that all share: namespaces on Linux, a silo on Windows.
    Process,
    /// A virtual machine of its own: Hyper-V on Windows.
    Vm,
}

impl Isolation {
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// Where the root file system comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// The built-in image: this machine's own system directories.
    Host,
    /// A directory of the host, absolute.
    Directory(OsText),
    /// Layers of an image.
    Layers(Layers),
}

/// What becomes of writes to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlay {
    /// The image's usual choice: [`Overlay::Container`] for images, [`Overlay::None`] for a directory.
    #[default]
    Default,
    /// No overlay: writes change the directory itself.
    None,
    /// Writes go to a layer that is removed with the container.
    Container,
    /// Writes go to memory and are gone when the container ends.
    Memory,
    /// Writes go to this directory, which stays and can be used again.
    Kept(OsText),
}

/// Which kernel namespaces a container has of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespaces {
    /// Own mount table and root; without it the root is only changed to (chroot).
    pub mount: bool,
    /// Processes.
    pub pid: Share,
    /// System V and POSIX message queues and shared memory.
    pub ipc: Share,
    /// Host name.
    pub uts: Share,
    /// View of the control groups.
    pub cgroup: Share,
    /// Monotonic and boot clocks.
    pub time: TimeNamespace,
    /// User and group ids.
    pub user: UserNamespace,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            mount: true,
            pid: Share::Private,
            ipc: Share::Private,
            uts: Share::Private,
            cgroup: Share::Private,
            time: TimeNamespace::Host,
            user: UserNamespace::Auto,
        }
    }
}

/// Whose namespace a container uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// A new one.
    #[default]
    Private,
    /// The caller's.
    Host,
    /// That of another running container.
    Container(ContainerId),
}

/// The time namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeNamespace {
    /// The caller's clocks.
    #[default]
    Host,
    /// Clocks of its own, shifted by whole seconds.
    Offsets {
        /// Added to the monotonic clock.
        monotonic_seconds: i64,
        /// Added to the boot clock.
        boottime_seconds: i64,
    },
}

/// The user namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserNamespace {
    /// None for root; for others a new one, with the full subordinate ranges if the user has
    /// them and the caller's own id as root if not.
    #[default]
    Auto,
    /// The caller's.
    Host,
    /// A new one in which the caller's own ids are these and no others exist.
    Single {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
    },
    /// A new one with these ranges.
    Mapped {
        /// User ids.
        uids: Vec<IdRange>,
        /// Group ids.
        gids: Vec<IdRange>,
    },
}

/// A range of user or group ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdRange {
    /// First id in the container.
    pub inside: u32,
    /// First id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The network a container is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A network namespace of its own with only the loopback interface, which is up.
    #[default]
    None,
    /// The caller's.
    Host,
    /// That of another running container.
    Container(ContainerId),
    /// A network namespace with one veth pair to the caller's and fixed IPv4 addresses.
    Veth(Veth),
    /// A network of the host, by its name.
    Named(NamedNetwork),
}

/// A pair of interfaces between the host and a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veth {
    /// Interface name on the host, at most 15 bytes.
    pub host_interface: String,
    /// Interface name in the container, at most 15 bytes.
    pub container_interface: String,
    /// Address on the host.
    pub host_address: std::net::Ipv4Addr,
    /// Address in the container.
    pub container_address: std::net::Ipv4Addr,
    /// Length of the network prefix of both, 0 to 32.
    pub prefix: u8,
}

/// Privileges of the container's processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Lift every restriction below: all capabilities, no filter, all devices, nothing masked.
    pub privileged: bool,
    /// Capabilities, with what was added and dropped already applied.
    pub capabilities: Capabilities,
    /// System call filter.
    pub seccomp: Seccomp,
    /// Let set-uid programs and file capabilities raise privileges.
    pub allow_new_privileges: bool,
    /// Leave `/proc` and `/sys` unmasked and writable.
    pub unmask: bool,
    /// Account that a Windows container works for in its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_spec: Option<CredentialSpec>,
    /// Adjustment for the kernel's choice of a victim when memory runs out, -1000 to 1000.
    pub oom_score_adj: Option<i16>,
}

/// Which capabilities the container's root has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(pub CapabilitySet);

impl Default for Capabilities {
    fn default() -> Self {
        Self(CapabilitySet::DEFAULT)
    }
}

/// The system call filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    /// The built-in profile.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// This profile.
    Profile(Box<Profile>),
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Path on the host.
    pub host_path: OsText,
    /// Path in the container.
    pub path: OsText,
    /// Any of `r`, `w`, `m`.
    pub access: String,
    /// What the path stood for when the request was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<crate::DeviceNumber>,
    /// A block device, not a character device.
    #[serde(default)]
    pub block: bool,
}

/// A command with its surroundings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Program and arguments. The program is looked up in the container's `PATH` unless it
    /// holds a slash or `search_path` is off.
    pub args: Vec<OsText>,
    /// What to execute if it is not `args[0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<OsText>,
    /// The whole command line of a Windows program, as it is, in place of one made of `args`. It begins
    /// with `args[0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// Look the program up in `PATH`.
    pub search_path: bool,
    /// `NAME=value` entries. Nothing of the caller's environment is added.
    pub env: Vec<OsText>,
    /// Set `HOME` from the user's passwd entry unless `env` has it.
    pub set_home: bool,
    /// Working directory, absolute.
    pub cwd: OsText,
    /// Make a missing working directory.
    #[serde(default)]
    pub create_cwd: bool,
    /// User as `name`, `uid`, `name:group` or `uid:gid`; empty for root. Names are looked up in
    /// the container's own passwd and group files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Further groups by name or number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Give it a terminal of this size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// Keep standard input open for an attached client.
    #[serde(default)]
    pub open_stdin: bool,
    /// Resource limits of the process itself, setrlimit(2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rlimits: Vec<Rlimit>,
    /// Permission bits that new files never get; 0o022 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
}

impl Process {
    /// A command of root's in `/`, looked up in `PATH`, with `HOME` and nothing else in its environment.
    pub fn new(args: Vec<OsText>) -> Self {
        Self {
            args,
            program: None,
            command_line: None,
            search_path: true,
            env: Vec::new(),
            set_home: true,
            cwd: "/".into(),
            create_cwd: false,
            user: String::new(),
            groups: Vec::new(),
            terminal: None,
            open_stdin: false,
            rlimits: Vec::new(),
            umask: None,
        }
    }
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// A limit of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rlimit {
    /// Which one.
    pub resource: RlimitResource,
    /// What the process may raise itself to, and is held to; `u64::MAX` for no limit.
    pub soft: u64,
    /// What it may raise `soft` to.
    pub hard: u64,
}

macro_rules! rlimits {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// A resource of setrlimit(2), by the kernel's number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum RlimitResource { $(#[doc = concat!("`RLIMIT_", stringify!($variant), "`, upper case")] $variant = $number),* }
        impl RlimitResource {
            /// Returns the resource of this name, as `ulimit` and Docker write it.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
            /// Returns the name as Docker writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

rlimits! {
    Cpu = 0, "cpu";
    Fsize = 1, "fsize";
    Data = 2, "data";
    Stack = 3, "stack";
    Core = 4, "core";
    Rss = 5, "rss";
    Nproc = 6, "nproc";
    Nofile = 7, "nofile";
    Memlock = 8, "memlock";
    As = 9, "as";
    Locks = 10, "locks";
    Sigpending = 11, "sigpending";
    Msgqueue = 12, "msgqueue";
    Nice = 13, "nice";
    Rtprio = 14, "rtprio";
    Rttime = 15, "rttime";
}

/// What ends a container's life besides its own exit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Nothing: it outlives the process that made it.
    #[default]
    Detached,
    /// The end of the process that made it, however that comes.
    OwnerBound,
}

/// What becomes of a supervised command's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How it is written.
    pub driver: LogDriver,
    /// Start a new file when this many bytes are reached; 0 for never.
    pub max_bytes: u64,
    /// How many files are kept, the current one included; from 1 to [`Log::MOST_FILES`].
    pub max_files: u32,
}

impl Log {
    /// Most files that a log can have: looking for them takes a system call each.
    pub const MOST_FILES: u32 = 999;
}

impl Default for Log {
    fn default() -> Self {
        Self { driver: LogDriver::JsonFile, max_bytes: 0, max_files: 1 }
    }
}

/// How output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// Docker's `json-file` lines.
    #[default]
    JsonFile,
    /// Not at all.
    None,
}

/// How `stop` asks for the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// Signal number sent first.
    pub signal: u8,
    /// Seconds until SIGKILL.
    pub timeout_seconds: u64,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: 15, timeout_seconds: 10 }
    }
}
