//! Packages of Debian and Ubuntu.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use crate::command;
use crate::workspace;

/// How to see that a package's content is there, whoever installed it.
enum Probe {
    Program(&'static str),
    /// A program that needs no shared library, so that it runs in an empty root.
    StaticProgram(&'static str),
    File(&'static str),
}

struct Package {
    name: &'static str,
    probe: Probe,
    why: &'static str,
}

const PACKAGES: &[Package] = &[
    package(
        "gcc",
        Probe::Program("gcc"),
        "links Rust programs; compiles the C tests and the benchmark's floor",
    ),
    package("g++", Probe::Program("g++"), "the C header has to compile as C++ too"),
    package("libc6-dev", Probe::File("/usr/include/stdio.h"), "C headers"),
    package("musl-tools", Probe::Program("musl-gcc"), "compiles the C parts of the static `cv`"),
    package("binutils", Probe::Program("nm"), "lists the symbols that the C library exports"),
    package("gcc-mingw-w64-x86-64", Probe::Program("x86_64-w64-mingw32-gcc"), "links Windows programs"),
    package(
        "busybox-static",
        Probe::StaticProgram("busybox"),
        "small roots for tests, benchmarks and the VM",
    ),
    package("debootstrap", Probe::Program("debootstrap"), "a real Debian root for tests"),
    package("uidmap", Probe::Program("newuidmap"), "full id ranges for containers of ordinary users"),
    package("iproute2", Probe::Program("ip"), "test hosts in network namespaces"),
    package(
        "util-linux",
        Probe::Program("setpriv"),
        "runs suites as an ordinary user; `unshare` for benchmarks",
    ),
    package("pkg-config", Probe::Program("pkg-config"), "how other builds find the C library"),
    package("cmake", Probe::Program("cmake"), "how other builds find the C library"),
    package("umoci", Probe::Program("umoci"), "a peer that unpacks images"),
    package("skopeo", Probe::Program("skopeo"), "a peer that reads and writes images"),
    package("podman", Probe::Program("podman"), "a peer that unpacks, loads and runs images"),
    package("containerd", Probe::Program("containerd"), "a peer that unpacks images"),
    package("pigz", Probe::Program("pigz"), "what decompressing costs, in benchmarks"),
    package("curl", Probe::Program("curl"), "what sending costs, in benchmarks"),
    package("docker-registry", Probe::Program("docker-registry"), "a real registry of images"),
    package("openssl", Probe::Program("openssl"), "certificates of test registries"),
    package("zsh", Probe::Program("zsh"), "reads the completion script of `cv`"),
    package("fish", Probe::Program("fish"), "completes with the script of `cv`"),
    package("valgrind", Probe::Program("valgrind"), "memory errors in the C library"),
    package("crun", Probe::Program("crun"), "a peer in benchmarks"),
    package("runc", Probe::Program("runc"), "a peer in benchmarks"),
    package("qemu-system-x86", Probe::Program("qemu-system-x86_64"), "a machine with cgroup v2 only"),
    package("wine64", Probe::File("/usr/lib/wine/wine64"), "runs Windows programs"),
    package("e2fsprogs", Probe::Program("mkfs.ext4"), "the virtual machine's scratch disk"),
    package("python3-pip", Probe::Program("pip3"), "brings the spelling checker"),
];

const fn package(name: &'static str, probe: Probe, why: &'static str) -> Package {
    Package { name, probe, why }
}

impl Probe {
    fn present(&self) -> bool {
        match self {
            Probe::Program(program) => workspace::find_program(program).is_some(),
            Probe::StaticProgram(program) => {
                workspace::find_program(program).is_some_and(|path| is_static(&path))
            }
            Probe::File(path) => Path::new(path).exists(),
        }
    }
}

/// Whether the ELF file asks for no loader. The loader's path stands near the start, behind the
/// program headers.
fn is_static(program: &Path) -> bool {
    let mut start = Vec::new();
    let read = fs::File::open(program).and_then(|file| file.take(4096).read_to_end(&mut start));
    read.is_ok() && start.starts_with(b"\x7fELF") && !start.windows(4).any(|bytes| bytes == b"/ld-")
}

/// Installs what is missing with one call of `apt-get`, as root; returns what is missing still.
pub(super) fn install() -> Vec<String> {
    let missing = missing();
    if missing.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let hint = match try_install(&names) {
        Ok(()) => "apt-get installed it, but it does not show".to_owned(),
        Err(hint) => hint,
    };
    self::missing().iter().map(|package| format!("`{}` ({}); {hint}", package.name, package.why)).collect()
}

fn missing() -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| !package.probe.present()).collect()
}

fn try_install(names: &[&str]) -> Result<(), String> {
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if workspace::find_program("apt-get").is_none() {
        return Err(format!("not a Debian or Ubuntu system: install what `{by_hand}` would"));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(format!("as root: `{by_hand}`"));
    }
    if !has_lists() {
        update()?;
    }
    let first = command::run(&mut apt_install(names));
    if first.is_ok() {
        return Ok(());
    }
    // Old lists name versions that the archive no longer has.
    update()?;
    command::run(&mut apt_install(names)).map_err(|failure| failure.to_string())
}

fn apt_install(names: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt.args(["install", "-y", "-qq", "--no-install-recommends"]).args(names);
    apt
}

/// Fetches the archive's package lists.
pub(super) fn update() -> Result<(), String> {
    command::run(Command::new("apt-get").args(["update", "-qq"])).map_err(|failure| failure.to_string())
}

/// Whether package lists were ever fetched.
pub(super) fn has_lists() -> bool {
    let lists = workspace::entries(Path::new("/var/lib/apt/lists"));
    lists.iter().any(|path| path.to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_no_static_program_and_neither_is_a_linked_one() {
        assert!(!is_static(Path::new("/etc/passwd")));
        assert!(!is_static(&std::env::current_exe().unwrap()));
    }

    #[test]
    fn every_package_has_a_reason() {
        assert!(PACKAGES.iter().all(|package| !package.why.is_empty()));
    }
}
