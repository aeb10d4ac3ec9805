//! Where the benchmark happens: the compiled C programs, the root directory, the bundles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// What a container of root keeps by default.
const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// System calls that the peers' filter refuses; every other that the kernel headers name is allowed,
/// which gives a filter of the usual size.
const REFUSED: &[&str] = &[
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "create_module",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "get_kernel_syms",
    "get_mempolicy",
    "init_module",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "_sysctl",
    "sysfs",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "ustat",
];

pub(super) struct Place {
    /// The directory of all this, on a disk.
    directory: PathBuf,
    fifo: bool,
}

impl Place {
    pub(super) fn make(fifo: bool) -> Result<Place> {
        let place = Place { directory: workspace::target().join("bench"), fifo };
        for name in ["measure", "floor", "copyrange"] {
            place.compile(name, &["-O2", "-static"])?;
        }
        for name in ["noop", "pause"] {
            let bare = [
                "-O2",
                "-static",
                "-nostdlib",
                "-nostartfiles",
                "-fno-pie",
                "-no-pie",
                "-Wl,--build-id=none",
            ];
            place.compile(name, &bare)?;
        }
        place.make_root()?;
        let filter = seccomp()?;
        for (name, program, filter) in
            [("noop", "noop", &*filter), ("pause", "pause", &*filter), ("unfiltered", "noop", "")]
        {
            workspace::write(&place.bundle(name).join("config.json"), place.config(program, filter))?;
        }
        Ok(place)
    }

    /// A program of ours, compiled.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The root directory of every container: busybox, `noop` and `pause`.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The OCI bundle `noop`, `pause` or `unfiltered`.
    pub(super) fn bundle(&self, name: &str) -> PathBuf {
        self.directory.join(format!("bundle-{name}"))
    }

    /// A contender's state directory, on the tmpfs.
    pub(super) fn state(&self, contender: &str) -> PathBuf {
        self.directory.join("state").join(contender)
    }

    /// The largest directory: for files to copy.
    pub(super) fn copies(&self) -> PathBuf {
        copies()
    }

    /// What the last measured command printed.
    pub(super) fn output(&self) -> PathBuf {
        self.directory.join("state/output")
    }

    /// `measure` with the scheduling that was asked for.
    pub(super) fn measure(&self) -> Command {
        let mut measure = Command::new(self.program("measure"));
        measure.arg("-o").arg(self.output());
        if self.fifo {
            measure.arg("-f");
        }
        measure
    }

    fn compile(&self, name: &str, flags: &[&str]) -> Result<()> {
        workspace::make_directory(&self.directory)?;
        let source = workspace::root().join("xtask/bench").join(name).with_extension("c");
        let mut gcc = Command::new("gcc");
        gcc.args(["-Wall", "-Wextra", "-Werror"]).args(flags).arg("-o").arg(self.program(name)).arg(source);
        command::output(&mut gcc).map(drop)
    }

    fn make_root(&self) -> Result<()> {
        let root = self.root();
        for name in ["bin", "dev", "proc", "sys", "tmp", "etc"] {
            workspace::make_directory(&root.join(name))?;
        }
        let busybox = workspace::find_program("busybox").ok_or_else(|| Failure::new("no `busybox`"))?;
        let copies =
            [(busybox, "bin/busybox"), (self.program("noop"), "noop"), (self.program("pause"), "pause")];
        for (from, to) in copies {
            fs::copy(&from, root.join(to))
                .map_err(|error| Failure::io(format!("copying to `{to}`"), &error))?;
        }
        Ok(())
    }

    fn config(&self, program: &str, seccomp: &str) -> String {
        include_str!("../../bench/config.json")
            .replace("@PROGRAM@", &format!("/{program}"))
            .replace("@ROOT@", &self.root().to_string_lossy())
            .replace("@CAPABILITIES@", &list(CAPABILITIES.iter().copied()))
            .replace("@SECCOMP@", seccomp)
    }
}

/// The filter of the OCI runtimes, as a member of the document.
fn seccomp() -> Result<String> {
    let names = list(allowed_calls()?.iter().map(String::as_str));
    Ok(format!(
        r#""seccomp": {{
      "defaultAction": "SCMP_ACT_ERRNO",
      "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
      "syscalls": [{{ "names": {names}, "action": "SCMP_ACT_ALLOW" }}]
    }},"#
    ))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from(names.map(str::to_owned).collect::<Vec<_>>()).to_string()
}

/// The calls that the C headers know, less the refused ones.
fn allowed_calls() -> Result<Vec<String>> {
    let mut header = Command::new("gcc");
    header.args(["-E", "-dM", "-include", "asm/unistd_64.h", "-x", "c", "/dev/null"]);
    let names: Vec<String> = command::output(&mut header)?
        .lines()
        .filter_map(|line| line.strip_prefix("#define __NR_")?.split(' ').next())
        .filter(|name| !REFUSED.contains(name))
        .map(str::to_owned)
        .collect();
    if names.len() < 250 {
        return Err(Failure::new(format!("the C headers name only {} system calls", names.len())));
    }
    Ok(names)
}

/// Where files are copied from and to.
pub(super) fn copies() -> PathBuf {
    workspace::target().join("bench/copies")
}

/// The load averages of `/proc/loadavg`.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Draws an order (xorshift, Fisher and Yates).
pub(super) struct Shuffle(u64);

impl Shuffle {
    pub(super) fn new() -> Shuffle {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.subsec_nanos());
        Shuffle(u64::from(now) | 1)
    }

    pub(super) fn apply<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let other = usize::try_from(self.0 % (last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

/// Removes a directory tree that this benchmark made.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        println!("removing `{}`: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Shuffle(7).apply(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
