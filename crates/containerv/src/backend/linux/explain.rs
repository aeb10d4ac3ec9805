//! Failures of the stage in words: the step, its object, what the kernel said, and what to do.

use containerv_spec::OsText;
use containerv_spec::plan::{Action, LinuxPlan, Namespace, Resolve, Shift, Slot};
use rustix::io::Errno;

use super::store;
use crate::{Error, ErrorKind};

/// Describes a failed step.
pub(crate) fn step_failed(plan: &LinuxPlan, number: u32, errno: i32) -> Error {
    let Some(step) = plan.step(number) else {
        return Error::os(errno, format!("step {number} failed"));
    };
    let failure = match &step.action {
        Action::Execute(execution) => return command_failed(execution, errno),
        action => Error::os(errno, format!("step {number}: {action}")),
    };
    let errno = Errno::from_raw_os_error(errno);
    match hint(&step.action, errno) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The program could not be executed: Docker's codes 127 and 126.
fn command_failed(execution: &containerv_spec::plan::Execution, errno: i32) -> Error {
    let program = execution.arguments.first().map(ToString::to_string).unwrap_or_default();
    let tried = execution.candidates.iter().map(ToString::to_string).collect::<Vec<_>>();
    let message = format!("cannot execute `{program}`");
    let missing = errno == Errno::NOENT.raw_os_error();
    let kind = if missing { ErrorKind::CommandNotFound } else { ErrorKind::CommandNotExecutable };
    let hint = match Errno::from_raw_os_error(errno) {
        Errno::NOENT if tried.len() > 1 => {
            format!("not in the container's PATH; looked at {}", tried.join(", "))
        }
        Errno::NOENT => {
            "the file, or the interpreter or loader that it names, is not in the container".to_owned()
        }
        Errno::ACCESS => "the file is not executable for this user, or is a directory".to_owned(),
        Errno::NOEXEC => {
            "the file is no program for this machine; a script needs a first line such as `#!/bin/sh`"
                .to_owned()
        }
        Errno::TOOBIG => {
            "arguments and environment together are larger than the kernel takes; see execve(2)".to_owned()
        }
        _ => "see execve(2)".to_owned(),
    };
    Error::os(errno, message).with_kind(kind).with_hint(hint)
}

fn hint(action: &Action, errno: Errno) -> Option<String> {
    let text = match (action, errno) {
        (Action::Start { namespaces, .. }, Errno::PERM) if namespaces.contains(&Namespace::User) => {
            "user namespaces are forbidden here: look at the sysctls kernel.unprivileged_userns_clone and \
             kernel.apparmor_restrict_unprivileged_userns, and `cv doctor`"
        }
        // What Docker's filter answers to those who may not make namespaces.
        (Action::Start { .. }, Errno::NOSYS) => {
            "a system call filter forbids new namespaces, as in a container of Docker's or ours: give the outer one \
             `--security-opt seccomp=unconfined`; or the kernel is older than 5.12"
        }
        (Action::Start { .. }, Errno::PERM) => "making namespaces needs CAP_SYS_ADMIN, or a user namespace",
        (Action::Start { .. }, Errno::NOSPC) => {
            "a limit of namespaces is reached: look at the sysctls user.max_*_namespaces"
        }
        (Action::Start { .. }, Errno::AGAIN) => {
            "no more processes: the container's `--pids-limit` or the user's `ulimit -u` is reached"
        }
        (Action::Start { .. }, Errno::INVAL) => {
            "the kernel lacks one of the namespaces; `cv doctor` tells which"
        }
        (Action::Shift(Shift::Layer { path }), Errno::INVAL | Errno::OPNOTSUPP) => {
            return Some(format!(
                "the file system of `{path}` cannot show other ids than files have (an overlay, as in other containers, \
                 NFS, tmpfs before Linux 6.3), or the kernel is older than 5.19: give a copy of the tree to the mapped \
                 ids, and use that with `--overlay none`"
            ));
        }
        (Action::Shift(Shift::Layer { .. }), Errno::PERM) => {
            "only root of the machine can do that, not root of a user namespace: use a directory that belongs to the mapped \
             ids, with `--overlay none`"
        }
        (Action::MountOverlay { .. }, Errno::NODEV) => {
            "the kernel has no overlay: load the module `overlay`, or use `--overlay none`"
        }
        (Action::MountOverlay { lower, .. }, Errno::NOENT | Errno::NOTDIR | Errno::INVAL)
            if lower.iter().any(|path| !store::path(path).is_dir()) =>
        {
            return lower.iter().find(|path| !store::path(path).is_dir()).map(no_directory);
        }
        (Action::MountOverlay { upper, .. }, Errno::INVAL) => {
            return Some(format!(
                "the file system of `{upper}` cannot carry the upper layer of an overlay (an overlay itself, NFS, or \
                 without extended attributes): use `--overlay memory`, `--overlay none`, or another `--root`"
            ));
        }
        (Action::MountOverlay { .. }, Errno::PERM) => {
            "overlays as an ordinary user need Linux 5.11: use `--overlay none` with `--read-only`"
        }
        (Action::CloneTree { slot: Slot::ROOT, source, .. }, Errno::NOENT | Errno::NOTDIR) => {
            return Some(no_directory(source));
        }
        (Action::CloneTree { source, .. }, Errno::NOENT) => {
            return Some(format!(
                "make `{source}` first; `--volume` makes missing directories, `--mount` does not"
            ));
        }
        (Action::CloneTree { .. }, Errno::INVAL) => "the source is on a mount that may not be cloned",
        (Action::OpenHost { path, .. }, Errno::NOENT) => {
            return Some(format!(
                "`{path}` is not there any more, so that its mount cannot be told from others: stop the container first"
            ));
        }
        (Action::Detach { .. }, Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::INVAL | Errno::XDEV) => {
            "something else is there, as when the container has moved the directories above it: stop the container \
             first"
        }
        (Action::Attach { .. }, Errno::NOENT) => "the mount point is missing and the root may not be changed",
        (Action::Attach { .. }, Errno::LOOP) => "the target passes a symbolic link, which is refused there",
        (Action::Attach { .. }, Errno::XDEV) => "the target leaves the root",
        (Action::Attach { resolve: Resolve::InRoot | Resolve::Beneath, .. }, Errno::PERM) => {
            "a link in the root leads the target into `/proc`, where nothing may be mounted"
        }
        (Action::Attach { .. }, Errno::ROFS | Errno::ACCESS) => {
            "a missing mount point cannot be made in this root: make it, or use `--overlay memory`"
        }
        (Action::Attach { .. }, Errno::NOTDIR | Errno::INVAL) => {
            "a file cannot be mounted on a directory, nor the reverse"
        }
        (Action::ResolveUser { .. }, Errno::NOENT) => {
            "the container's own /etc/passwd or /etc/group has no such entry; numbers need none"
        }
        (Action::ResolveUser { .. }, Errno::FBIG) => {
            "the container's /etc/passwd or /etc/group is larger than 8 MiB"
        }
        (Action::ResolveUser { .. }, _) => "the container's /etc/passwd or /etc/group is no regular file",
        (Action::DropPrivileges(_), Errno::INVAL) => {
            "the user or group id is not mapped: add ranges to /etc/subuid and /etc/subgid, or run as root"
        }
        (Action::DropPrivileges(_), Errno::PERM) => {
            "further groups cannot be set where only one id is mapped: install `uidmap` and add subordinate ids"
        }
        (Action::EnterDirectory { path, .. }, Errno::NOENT) => {
            return Some(format!("make `{path}` in the root, or choose another `--workdir`"));
        }
        (Action::EnterDirectory { .. }, Errno::LOOP) => "a working directory may not lead through /proc/*/fd",
        (Action::AdjustOomScore { .. }, Errno::ACCESS | Errno::PERM) => {
            "lowering the score below the caller's needs CAP_SYS_RESOURCE"
        }
        (Action::SetRlimit(_), Errno::PERM) => "raising a hard limit needs CAP_SYS_RESOURCE",
        (Action::SetSysctl { .. }, Errno::NOENT) => "this kernel has no such setting in a container",
        (Action::FilterCalls(_), Errno::INVAL) => "the kernel refused the filter; is seccomp built in?",
        (Action::AttachOutside { .. } | Action::PivotRoot, Errno::INVAL) => {
            "the root directory cannot be a root: it lies on a mount that is shared or the initial ramdisk"
        }
        (Action::NewFileSystem { kind, .. }, Errno::PERM) if kind == "proc" || kind == "sysfs" => {
            "the kernel shows a new one only where the caller's own is fully visible; nested containers often hide parts"
        }
        (Action::NewFileSystem { .. }, Errno::NODEV) => "the kernel lacks this file system",
        _ => return general_hint(errno),
    };
    Some(text.to_owned())
}

fn no_directory(path: &OsText) -> String {
    format!("there is no directory `{path}`; the root of a container must exist")
}

fn general_hint(errno: Errno) -> Option<String> {
    match errno {
        Errno::NOSPC => Some("the file system or a limit of the kernel is full".to_owned()),
        Errno::NOMEM => Some("the machine or the container's control group is out of memory".to_owned()),
        Errno::NOSYS => Some("this kernel is too old; Linux 5.12 is the oldest that works".to_owned()),
        _ => None,
    }
}
