//! What to do about the kernel's refusals.

use containerv_spec::OsText;
use containerv_spec::cgroup::{Controller, GroupVersion, Setting};
use rustix::io::Errno;

use super::change::failed;
use crate::{Error, ErrorKind};

/// The error of a group that could not be made.
pub(super) fn making(errno: Errno, path: &OsText) -> Error {
    let error = failed(errno, format!("cannot make control group `{path}`"));
    match errno {
        Errno::EXIST => error.with_hint("an interrupted run left it: `cv system repair` removes it"),
        Errno::NOSPC | Errno::AGAIN => {
            error.with_hint("too many groups: see `cgroup.stat` and `cgroup.max.descendants` of the parents")
        }
        Errno::ROFS => error.with_hint("the hierarchy is mounted read-only"),
        Errno::ACCESS | Errno::PERM => {
            error.with_hint("run as root, or below a group that is delegated to you")
        }
        Errno::NOENT => error.with_hint("the parent group was removed meanwhile; try again"),
        _ => error,
    }
}

/// The error of controllers that could not be passed on to a group's children.
pub(super) fn enabling(errno: Errno, path: &OsText, controller: Controller) -> Error {
    let name = controller.name(GroupVersion::V2);
    let error = failed(errno, format!("cannot enable the `{name}` controller below `{path}`"));
    match errno {
        Errno::BUSY => error.with_kind(ErrorKind::Unavailable).with_hint(format!(
            "`{path}` holds processes itself, and such a group cannot pass controllers on: move them to a group below it"
        )),
        Errno::NOENT => error.with_kind(ErrorKind::Unavailable).with_hint(format!(
            "`cgroup.controllers` of `{path}` must list `{name}`: enable it in the groups above, or delegate it"
        )),
        Errno::ACCESS | Errno::PERM => error.with_hint("run as root, or below a group that is delegated to you"),
        _ => error,
    }
}

/// The error of a value that the kernel did not take.
pub(super) fn setting(errno: Errno, setting: &Setting) -> Error {
    let Setting { path, file, value, option } = setting;
    let message = format!("`{option}`: cannot set `{file}` of control group `{path}` to `{value}`");
    let error = failed(errno, message);
    match hint(errno, file) {
        Some(hint) if errno == Errno::NOENT => error.with_kind(ErrorKind::Unavailable).with_hint(hint),
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Returns the controller whose file this is.
pub(super) fn controller_of(file: &str) -> &str {
    file.split('.').next().unwrap_or(file)
}

fn hint(errno: Errno, file: &str) -> Option<String> {
    let controller = controller_of(file);
    let text = match (errno, controller) {
        (Errno::NOENT, "memory") if file.contains("swap") || file.contains("memsw") => {
            "this kernel does not count swap: boot it with `swapaccount=1`, or leave `--memory-swap` out"
                .to_owned()
        }
        (Errno::NOENT, _) => {
            format!(
                "the kernel offers no such file: the `{controller}` controller is too old or not enabled here"
            )
        }
        (Errno::BUSY, "memory") => {
            "its processes use more already: end some, or give a larger limit".to_owned()
        }
        (Errno::INVAL, "memory") => {
            "memory may not exceed memory and swap together: raise `--memory-swap` as well".to_owned()
        }
        (Errno::NODEV, "io" | "blkio") => {
            "give a whole disk, not a partition or a character device".to_owned()
        }
        (Errno::INVAL | Errno::ACCESS, "cpuset") => {
            "the parent group must have all of these; see its `cpuset.cpus` and `cpuset.mems`".to_owned()
        }
        (Errno::BUSY, "cpuset") => "another group has some of these exclusively".to_owned(),
        (Errno::NOSPC, "cpuset") => {
            "a group with processes needs at least one CPU and one memory node".to_owned()
        }
        (Errno::INVAL, "cpu") => {
            "a group above may allow less; see its `cpu.max` or `cpu.cfs_quota_us`".to_owned()
        }
        (Errno::ACCESS | Errno::PERM, _) => {
            "run as root, or below a group that is delegated to you".to_owned()
        }
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_names_option_file_and_value() {
        let setting = Setting {
            path: "/sys/fs/cgroup/memory/containerv/x".into(),
            file: "memory.memsw.limit_in_bytes".to_owned(),
            value: "8388608".to_owned(),
            option: "--memory-swap".to_owned(),
        };
        let error = super::setting(Errno::NOENT, &setting);
        assert_eq!(
            error.to_string(),
            "`--memory-swap`: cannot set `memory.memsw.limit_in_bytes` of control group \
             `/sys/fs/cgroup/memory/containerv/x` to `8388608`: No such file or directory (ENOENT)"
        );
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.hint().is_some_and(|hint| hint.contains("swapaccount=1")));
    }
}
