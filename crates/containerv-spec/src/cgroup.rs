//! Control groups: what a plan does with them and what is remembered of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::Bound;
use crate::{ByteSize, OsText};

/// A controller that containers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// CPU time: shares, weight and bandwidth.
    Cpu,
    /// CPU time used; version 1 only, version 2 counts it in every group.
    Cpuacct,
    /// Which CPUs and memory nodes may be used.
    Cpuset,
    /// Memory and swap.
    Memory,
    /// Block devices; `blkio` on version 1.
    Io,
    /// Number of processes and threads.
    Pids,
    /// Device nodes; version 1 only, version 2 takes a program instead.
    Devices,
    /// Stopping and resuming; version 1 only, version 2 has it in every group.
    Freezer,
}

impl Controller {
    /// All of them, in the order of messages.
    pub const ALL: [Self; 8] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Memory,
        Self::Io,
        Self::Pids,
        Self::Devices,
        Self::Freezer,
    ];

    /// Returns the kernel's name in a hierarchy of this version.
    pub fn name(self, version: GroupVersion) -> &'static str {
        match (self, version) {
            (Self::Cpu, _) => "cpu",
            (Self::Cpuacct, _) => "cpuacct",
            (Self::Cpuset, _) => "cpuset",
            (Self::Memory, _) => "memory",
            (Self::Io, GroupVersion::V1) => "blkio",
            (Self::Io, GroupVersion::V2) => "io",
            (Self::Pids, _) => "pids",
            (Self::Devices, _) => "devices",
            (Self::Freezer, _) => "freezer",
        }
    }

    /// Returns the controller of this kernel name, from either version.
    pub fn from_name(name: &str) -> Option<Self> {
        let named = |version| move |controller: &Self| controller.name(version) == name;
        Self::ALL
            .into_iter()
            .find(named(GroupVersion::V1))
            .or_else(|| Self::ALL.into_iter().find(named(GroupVersion::V2)))
    }
}

/// A version of the control group interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupVersion {
    /// One hierarchy for each controller or few of them.
    V1,
    /// One hierarchy for all.
    V2,
}

/// One control group of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Version of the hierarchy it is in.
    pub version: GroupVersion,
    /// Controllers that it has of those that containers use.
    pub controllers: Vec<Controller>,
    /// Absolute path of its directory.
    pub path: OsText,
}

impl Group {
    /// Returns the absolute path of one of its files.
    pub fn file(&self, name: &str) -> OsText {
        self.path.join(name)
    }
}

/// All control groups of a container, one for each hierarchy used; stored with its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupSet {
    /// The groups; at most one is of version 2.
    pub groups: Vec<Group>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

impl GroupSet {
    /// Returns the group that has this controller.
    pub fn with(&self, controller: Controller) -> Option<&Group> {
        self.groups.iter().find(|group| group.controllers.contains(&controller))
    }

    /// Returns the group of version 2.
    pub fn v2(&self) -> Option<&Group> {
        self.groups.iter().find(|group| group.version == GroupVersion::V2)
    }

    /// Returns the group whose members are the container's processes: only they are in it, and all of them.
    pub fn tracking(&self) -> Option<&Group> {
        let v1 = || [Controller::Freezer, Controller::Pids].into_iter().find_map(|it| self.with(it));
        self.v2().or_else(v1).or_else(|| self.groups.first())
    }

    /// Adds a group. That of version 2 stays the last one.
    pub fn add(&mut self, group: Group) {
        let v2 = self.groups.iter().position(|known| known.version == GroupVersion::V2);
        self.groups.insert(v2.unwrap_or(self.groups.len()), group);
    }

    /// Returns the files that a process of one thread writes `0` to in order to join all groups.
    ///
    /// On version 1 that is `tasks`: moving the caller alone spares the kernel its lock against
    /// every fork on the machine, which `cgroup.procs` takes and which costs milliseconds.
    pub fn join_files(&self) -> Vec<OsText> {
        let name = |version| match version {
            GroupVersion::V1 => "tasks",
            GroupVersion::V2 => "cgroup.procs",
        };
        self.groups.iter().map(|group| group.file(name(group.version))).collect()
    }

    /// Returns the directory for `CLONE_INTO_CGROUP`, which places a new process in the group of
    /// version 2 without a move; then only [`Self::join_files_v1`] are left to join.
    pub fn clone_into(&self) -> Option<&OsText> {
        self.v2().map(|group| &group.path)
    }

    /// Returns [`Self::join_files`] without that of version 2.
    pub fn join_files_v1(&self) -> Vec<OsText> {
        let v1 = self.groups.iter().filter(|group| group.version == GroupVersion::V1);
        v1.map(|group| group.file("tasks")).collect()
    }
}

/// What is to be done for a container's control groups, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupPlan {
    /// The steps.
    pub steps: Vec<CgroupStep>,
    /// The groups that exist once the steps are done.
    pub groups: GroupSet,
    /// What a reader of the plan should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One step of a [`CgroupPlan`]. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupStep {
    /// Make a directory that containers share, unless it exists. It stays.
    MakeParent {
        /// The directory.
        path: OsText,
    },
    /// Give the groups below these directories controllers of version 2. Stays.
    Enable {
        /// Directories from the outermost to the parent of the container's group.
        paths: Vec<OsText>,
        /// Controllers that limits need.
        required: Vec<Controller>,
        /// Controllers that only statistics need: left out where the kernel refuses.
        wanted: Vec<Controller>,
    },
    /// Give a group of version 1 the CPUs and memory nodes of its parent unless it has some:
    /// nothing can join it before.
    InheritCpuset {
        /// The group.
        path: OsText,
    },
    /// Make the container's own group, which must not exist. Undone by removing it.
    Make {
        /// The group.
        path: OsText,
    },
    /// Move all processes of a group, and of those below it, into a group of version 1.
    Gather {
        /// The group that they are moved into.
        path: OsText,
        /// The group of another hierarchy that they are members of, and stay in.
        members: OsText,
    },
    /// Write one value.
    Set(Setting),
    /// Write a value to the first of these files that the kernel offers.
    SetFirst {
        /// The choices, best first; all of one group, controller and option.
        choices: Vec<Setting>,
    },
    /// Write memory limits of version 1, in the order that the present values allow.
    SetMemoryV1 {
        /// The group.
        path: OsText,
        /// Memory.
        memory: Option<Bound<ByteSize>>,
        /// Memory and swap together.
        memory_and_swap: Option<Bound<ByteSize>>,
    },
    /// Lower or raise the memory limit of a version 2 group that processes may be in.
    SetMemoryV2 {
        /// The group.
        path: OsText,
        /// Memory.
        memory: Bound<ByteSize>,
    },
    /// Attach a program that refuses every device but these to a group of version 2.
    FilterDevices {
        /// The group.
        path: OsText,
        /// What stays allowed.
        allowed: Vec<DeviceRule>,
    },
}

impl CgroupStep {
    /// Returns the group whose removal undoes the step; `None` where nothing has to be undone.
    pub fn undo(&self) -> Option<&OsText> {
        match self {
            Self::Make { path } => Some(path),
            _ => None,
        }
    }
}

/// One value of one file of a control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The group.
    pub path: OsText,
    /// File name in the group.
    pub file: String,
    /// What is written.
    pub value: String,
    /// Option of the request that asked for it, such as `--memory`.
    pub option: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set `{}/{}` to `{}` (`{}`)", self.path, self.file, self.value, self.option)
    }
}

impl fmt::Display for CgroupStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeParent { path } => write!(f, "make the shared control group `{path}` if missing"),
            Self::Enable { paths, required, wanted } => {
                write!(f, "enable controllers{} in", Names(required, wanted))?;
                paths.iter().try_for_each(|path| write!(f, " `{path}`"))
            }
            Self::InheritCpuset { path } => write!(f, "inherit CPUs and memory nodes in `{path}`"),
            Self::Make { path } => write!(f, "make control group `{path}`"),
            Self::Gather { path, members } => write!(f, "move the processes of `{members}` into `{path}`"),
            Self::Set(setting) => setting.fmt(f),
            Self::SetFirst { choices } => {
                for (index, choice) in choices.iter().enumerate() {
                    write!(f, "{}{choice}", if index == 0 { "" } else { ", or else " })?;
                }
                Ok(())
            }
            Self::SetMemoryV1 { path, memory, memory_and_swap } => {
                write!(f, "limit `{path}` to")?;
                memory.iter().try_for_each(|bound| write!(f, " memory {}", Amount(*bound)))?;
                memory_and_swap.iter().try_for_each(|bound| write!(f, " memory and swap {}", Amount(*bound)))
            }
            Self::SetMemoryV2 { path, memory } => write!(f, "limit `{path}` to memory {}", Amount(*memory)),
            Self::FilterDevices { path, allowed } => {
                write!(f, "allow no device in `{path}` but")?;
                allowed.iter().try_for_each(|rule| write!(f, " `{rule}`"))
            }
        }
    }
}

struct Names<'a>(&'a [Controller], &'a [Controller]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.0.iter().chain(self.1);
        names.try_for_each(|controller| write!(f, " `{}`", controller.name(GroupVersion::V2)))
    }
}

struct Amount(Bound<ByteSize>);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Bound::Unlimited => f.write_str("without limit"),
            Bound::At(size) => write!(f, "{size}"),
        }
    }
}

/// Devices that a container may use, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRule {
    /// Kind of node.
    pub kind: DeviceKind,
    /// Driver number; every one unless given.
    pub major: Option<u32>,
    /// Unit of the driver; every one unless given.
    pub minor: Option<u32>,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be made with mknod(2).
    pub make: bool,
}

/// Kind of device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Block device.
    Block,
    /// Character device.
    Character,
}

impl fmt::Display for DeviceRule {
    /// Prints the kernel's notation of version 1: `c 1:3 rwm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::Block => 'b',
            DeviceKind::Character => 'c',
        };
        write!(f, "{kind} {}:{} ", Number(self.major), Number(self.minor))?;
        let access = [(self.read, 'r'), (self.write, 'w'), (self.make, 'm')];
        access.iter().filter(|entry| entry.0).try_for_each(|entry| write!(f, "{}", entry.1))
    }
}

struct Number(Option<u32>);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_versions_are_known() {
        for (name, controller) in
            [("blkio", Controller::Io), ("io", Controller::Io), ("cpuacct", Controller::Cpuacct)]
        {
            assert_eq!(Controller::from_name(name), Some(controller));
        }
        assert_eq!(Controller::from_name("hugetlb"), None);
        assert_eq!(Controller::from_name("name=systemd"), None);
    }

    #[test]
    fn device_rules_print_as_the_kernel_takes_them() {
        let rule = DeviceRule {
            kind: DeviceKind::Character,
            major: Some(136),
            minor: None,
            read: true,
            write: true,
            make: false,
        };
        assert_eq!(rule.to_string(), "c 136:* rw");
    }

    #[test]
    fn joining_goes_by_tasks_on_version_1_only() {
        let group = |version, path: &str| Group { version, controllers: Vec::new(), path: path.into() };
        let set = GroupSet {
            groups: vec![group(GroupVersion::V1, "/cg/pids/x"), group(GroupVersion::V2, "/cg/unified/x")],
            absent: None,
        };
        let files = |list: Vec<OsText>| list.iter().map(OsText::to_string).collect::<Vec<_>>();
        assert_eq!(files(set.join_files()), ["/cg/pids/x/tasks", "/cg/unified/x/cgroup.procs"]);
        assert_eq!(files(set.join_files_v1()), ["/cg/pids/x/tasks"]);
        assert_eq!(set.clone_into().map(OsText::to_string).as_deref(), Some("/cg/unified/x"));
    }
}
