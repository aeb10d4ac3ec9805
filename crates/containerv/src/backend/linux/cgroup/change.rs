//! Executes the steps of a plan, at creation and for live updates.

use std::os::fd::{AsFd, OwnedFd};

use containerv_spec::cgroup::{CgroupStep, Controller, DeviceRule, Group, GroupSet, GroupVersion, Setting};
use containerv_spec::{Bound, ByteSize, OsText};
use containerv_sys::linux::bpf;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::files;
use super::gather::gather;
use super::hints;
use crate::lower::device_filter;
use crate::{Error, ErrorKind, Result};

/// Executes one step.
///
/// # Errors
///
/// The step's object, what the kernel said, and what to do about it. A step that failed has
/// left nothing that its undo would not remove.
pub(crate) fn execute(step: &CgroupStep) -> Result<()> {
    match step {
        CgroupStep::MakeParent { path } => make_parent(path),
        CgroupStep::Enable { paths, required, wanted } => enable(paths, required, wanted),
        CgroupStep::InheritCpuset { path } => inherit_cpuset(path),
        CgroupStep::Make { path } => make(path),
        CgroupStep::Gather { path, members } => gather(path, members),
        CgroupStep::Set(setting) => set(setting),
        CgroupStep::SetFirst { choices } => set_first(choices),
        CgroupStep::SetMemoryV1 { path, memory, memory_and_swap } => {
            set_memory_v1(path, *memory, *memory_and_swap)
        }
        CgroupStep::SetMemoryV2 { path, memory } => set_memory_v2(path, *memory),
        CgroupStep::FilterDevices { path, allowed } => filter_devices(path, allowed),
    }
}

/// Opens what a process of one thread writes `0` to in order to join the groups of version 1.
///
/// The group of version 2 is left to [`open_clone_target`].
pub(crate) fn open_join_files(groups: &GroupSet) -> Result<Vec<OwnedFd>> {
    let open = |path: OsText| {
        rustix::fs::open(path.as_bytes(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed(errno, format!("cannot open `{path}`")))
    };
    groups.join_files_v1().into_iter().map(open).collect()
}

/// Opens the directory for `CLONE_INTO_CGROUP`, if there is a group of version 2.
pub(crate) fn open_clone_target(groups: &GroupSet) -> Result<Option<OwnedFd>> {
    groups.clone_into().map(open_directory).transpose()
}

/// Refuses a further process where the limit of their number is reached.
///
/// Version 2 does that itself where a process is made in its group. On version 1 one that was made
/// elsewhere joins, and that the kernel allows at any number.
pub(crate) fn refuse_if_full(groups: &GroupSet) -> Result<()> {
    let v1 = |group: &&Group| group.version == GroupVersion::V1;
    let Some(group) = groups.with(Controller::Pids).filter(v1) else { return Ok(()) };
    let Some(limit) = files::read_number(&group.file("pids.max")) else { return Ok(()) };
    match files::read_number(&group.file("pids.current")) {
        Some(count) if count >= limit => {
            let message = format!("its limit of {limit} processes is reached");
            Err(failed(Errno::AGAIN, message)
                .with_hint("raise `--pids-limit` with `cv update`, or end some of its processes"))
        }
        _ => Ok(()),
    }
}

fn open_directory(path: &OsText) -> Result<OwnedFd> {
    rustix::fs::open(path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed(errno, format!("cannot open control group `{path}`")))
}

/// Makes the error of a failed system call, with a hint where one is known.
pub(super) fn failed(errno: Errno, message: String) -> Error {
    Error::os(errno.raw_os_error(), message)
}

fn mkdir(path: &OsText) -> Result<(), Errno> {
    rustix::fs::mkdir(path.as_bytes(), Mode::from_raw_mode(0o755))
}

fn make_parent(path: &OsText) -> Result<()> {
    match mkdir(path) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(hints::making(errno, path)),
    }
}

fn make(path: &OsText) -> Result<()> {
    mkdir(path).map_err(|errno| hints::making(errno, path))
}

fn set(setting: &Setting) -> Result<()> {
    write(setting).map_err(|errno| hints::setting(errno, setting))
}

fn write(setting: &Setting) -> Result<(), Errno> {
    files::write(&setting.path.join(&setting.file), &setting.value)
}

fn set_first(choices: &[Setting]) -> Result<()> {
    for setting in choices {
        match write(setting) {
            Ok(()) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(hints::setting(errno, setting)),
        }
    }
    let files: Vec<String> = choices.iter().map(|setting| format!("`{}`", setting.file)).collect();
    let option = choices.first().map_or("", |setting| &setting.option);
    let controller = choices.first().map_or("", |setting| hints::controller_of(&setting.file));
    let message =
        format!("`{option}`: the `{controller}` controller of this kernel has none of {}", files.join(", "));
    Err(Error::new(ErrorKind::Unavailable, message).with_hint(
        "load the `bfq` scheduler (`modprobe bfq`) and give it to the disk, or limit rates instead: `--device-write-bps`",
    ))
}

fn enable(paths: &[OsText], required: &[Controller], wanted: &[Controller]) -> Result<()> {
    let all: Vec<Controller> = required.iter().chain(wanted).copied().collect();
    // A group has only controllers that every group above it passes on.
    if paths.last().is_some_and(|innermost| missing(innermost, &all).is_empty()) {
        return Ok(());
    }
    for path in paths {
        let missing = missing(path, &all);
        if missing.is_empty() || enable_in(path, &missing).is_ok() {
            continue;
        }
        for controller in missing {
            match enable_in(path, &[controller]) {
                Err(errno) if required.contains(&controller) => {
                    return Err(hints::enabling(errno, path, controller));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn missing(path: &OsText, controllers: &[Controller]) -> Vec<Controller> {
    let content = files::read(&path.join("cgroup.subtree_control")).unwrap_or_default();
    let enabled = String::from_utf8_lossy(&content);
    let is_enabled =
        |controller: &Controller| enabled.split_ascii_whitespace().any(|name| name == v2_name(*controller));
    controllers.iter().copied().filter(|controller| !is_enabled(controller)).collect()
}

fn enable_in(path: &OsText, controllers: &[Controller]) -> Result<(), Errno> {
    let words: Vec<String> = controllers.iter().map(|it| format!("+{}", v2_name(*it))).collect();
    files::write(&path.join("cgroup.subtree_control"), &words.join(" "))
}

fn v2_name(controller: Controller) -> &'static str {
    controller.name(GroupVersion::V2)
}

fn inherit_cpuset(path: &OsText) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = path.join(file);
        let content = files::read(&own).map_err(|errno| failed(errno, format!("cannot read `{own}`")))?;
        if !content.trim_ascii().is_empty() {
            continue;
        }
        let above = path.join("..").join(file);
        let inherited =
            files::read(&above).map_err(|errno| failed(errno, format!("cannot read `{above}`")))?;
        let value = String::from_utf8_lossy(inherited.trim_ascii()).into_owned();
        files::write(&own, &value)
            .map_err(|errno| failed(errno, format!("cannot set `{own}` to `{value}` of the parent group")))?;
    }
    Ok(())
}

fn amount(bound: Bound<ByteSize>) -> u64 {
    match bound {
        Bound::Unlimited => u64::MAX,
        Bound::At(size) => size.as_bytes(),
    }
}

/// The kernel keeps memory at most as large as memory and swap together at every moment.
fn set_memory_v1(
    path: &OsText,
    memory: Option<Bound<ByteSize>>,
    memory_and_swap: Option<Bound<ByteSize>>,
) -> Result<()> {
    let setting = |option: &str, file: &str, bound: Bound<ByteSize>| Setting {
        path: path.clone(),
        file: file.to_owned(),
        value: match bound {
            Bound::Unlimited => "-1".to_owned(),
            Bound::At(size) => size.as_bytes().to_string(),
        },
        option: option.to_owned(),
    };
    let both = memory_and_swap.map(|bound| setting("--memory-swap", "memory.memsw.limit_in_bytes", bound));
    let memory_alone = memory.map(|bound| setting("--memory", "memory.limit_in_bytes", bound));
    let present = || files::read_number(&path.join("memory.memsw.limit_in_bytes"));
    let raise_both_first = both.is_some()
        && memory.is_some_and(|memory| present().is_some_and(|present| amount(memory) > present));
    match raise_both_first {
        true => both.iter().chain(&memory_alone).try_for_each(set),
        false => memory_alone.iter().chain(&both).try_for_each(set),
    }
}

/// Lowers a limit as version 1 does: reclaims, and refuses if that is not enough.
///
/// `memory.max` alone would kill processes until the rest fits. `memory.high` reclaims only.
fn set_memory_v2(path: &OsText, memory: Bound<ByteSize>) -> Result<()> {
    let setting = |file: &str, value: String| Setting {
        path: path.clone(),
        file: file.to_owned(),
        value,
        option: "--memory".to_owned(),
    };
    let Bound::At(size) = memory else { return set(&setting("memory.max", "max".to_owned())) };
    let used = || files::read_number(&path.join("memory.current")).unwrap_or(0);
    let limit = size.as_bytes();
    if used() > limit {
        let before = files::read(&path.join("memory.high")).unwrap_or_else(|_| b"max".to_vec());
        set(&setting("memory.high", limit.to_string()))?;
        let left = used();
        set(&setting("memory.high", String::from_utf8_lossy(before.trim_ascii()).into_owned()))?;
        if left > limit {
            let (left, path) = (ByteSize::bytes(left), path);
            let message =
                format!("`--memory`: the processes of `{path}` use {left} and cannot be held to {size}");
            return Err(Error::new(ErrorKind::InvalidState, message)
                .with_hint("end some of its processes first, or give a larger limit"));
        }
    }
    set(&setting("memory.max", limit.to_string()))
}

fn filter_devices(path: &OsText, allowed: &[DeviceRule]) -> Result<()> {
    let group = open_directory(path)?;
    let program = bpf::load_device_program(&device_filter::program(allowed)).map_err(|error| {
        Error::io(error, format!("cannot load the device filter of `{path}`")).with_hint(
            "needs CAP_BPF and CAP_NET_ADMIN in the first user namespace; kernels before 5.11 also count the \
             program against `ulimit -l`",
        )
    })?;
    bpf::attach_device_program(group.as_fd(), program.as_fd())
        .map_err(|error| Error::io(error, format!("cannot attach the device filter to `{path}`")))
}
