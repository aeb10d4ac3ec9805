//! `cargo xtask vm`: a virtual machine with cgroup v2 alone, where a command runs as root.
//!
//! It boots Debian's kernel with a small root of ours: busybox, the kernel's modules and the
//! programs given. Nothing of this machine is shared with it but those copies.

mod cpio;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cpio::Archive;

use crate::command::{self, Ending};
use crate::failure::{Failure, Result};
use crate::setup::{self, Kernel};
use crate::workspace;

/// The modules that are loaded, in this order: each needs those before it. The console needs none.
const MODULES: &[&str] = &[
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_mmio.ko",
    "drivers/block/virtio_blk.ko",
    "fs/overlayfs/overlay.ko",
    "drivers/net/veth.ko",
    "drivers/net/dummy.ko",
    "drivers/block/loop.ko",
];

/// Directories of the machine's root.
const DIRECTORIES: &[&str] = &[
    "bin",
    "dev",
    "etc",
    "mnt",
    "opt",
    "proc",
    "programs",
    "root",
    "run",
    "sbin",
    "scratch",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/sbin",
    "var",
    "var/lib",
    "home",
    "home/user",
];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n";

/// Programs of this machine that the tests call, copied with the libraries they ask for, in the
/// place of busybox's. The shell is one of them: busybox's takes its own applets before any program.
const HOST_PROGRAMS: &[&str] = &["sh", "setpriv", "unshare"];

/// A machine boots in about 2 s, in 20 on a busy host. One that takes longer hangs: the
/// emulated clock's calibration can fail to end when the host takes the processor away.
const BOOT_LIMIT: Duration = Duration::from_secs(60);
const BOOT_TRIES: u32 = 3;

/// What to run in the machine.
pub(crate) struct Guest {
    /// Copied to `/programs/NAME`, without debug information.
    pub(crate) programs: Vec<(String, PathBuf)>,
    /// A script for busybox's shell, run as root in `/`.
    pub(crate) script: String,
    /// For the script, counted from its begin.
    pub(crate) limit: Duration,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some(("--", words)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return Err(Failure::usage("usage: cargo xtask vm -- COMMAND.."));
    };
    if words.is_empty() {
        return Err(Failure::usage("usage: cargo xtask vm -- COMMAND.."));
    }
    let missing = setup::install();
    missing.iter().for_each(|item| println!("missing: {item}"));
    let guest = command_guest(words);
    match boot(&guest, &mut |line| println!("{line}"))? {
        0 => Ok(()),
        code => Err(Failure::new(format!("the command in the virtual machine: exit code {code}"))),
    }
}

/// A first word that is a file here is copied into the machine and run there.
fn command_guest(words: &[String]) -> Guest {
    let mut words = words.to_vec();
    let mut programs = Vec::new();
    let program = PathBuf::from(&words[0]);
    if let Some(name) = program.file_name().filter(|_| program.is_file()) {
        let name = name.to_string_lossy().into_owned();
        words[0] = format!("/programs/{name}");
        programs.push((name, program));
    }
    let quoted: Vec<String> = words.iter().map(|word| command::quoted(word)).collect();
    Guest { programs, script: quoted.join(" "), limit: Duration::from_secs(600) }
}

/// Boots the machine, hands each line of output to `line` and returns the script's exit code.
pub(crate) fn boot(guest: &Guest, line: &mut dyn FnMut(&str)) -> Result<i32> {
    let kernel = setup::kernel().ok_or_else(|| Failure::new("no kernel; `cargo xtask setup` fetches one"))?;
    let initrd = write_initrd(&kernel, guest)?;
    let disk = make_disk()?;
    for attempt in 1..=BOOT_TRIES {
        match boot_once(&kernel, &initrd, &disk, guest.limit, line)? {
            Boot::Ended(code) => return Ok(code),
            Boot::NeverBegan(ending, console) => {
                println!("{console}boot {attempt} of {BOOT_TRIES} did not come to its init: {ending}")
            }
        }
    }
    Err(Failure::new(format!("the virtual machine did not boot in {BOOT_TRIES} tries")))
}

enum Boot {
    Ended(i32),
    /// With what the console showed.
    NeverBegan(Ending, String),
}

fn boot_once(
    kernel: &Kernel,
    initrd: &Path,
    disk: &Path,
    limit: Duration,
    line: &mut dyn FnMut(&str),
) -> Result<Boot> {
    let deadline = Cell::new(Instant::now() + BOOT_LIMIT);
    let (mut began, mut code, mut console) = (false, None, String::new());
    let ending = command::run_lines_until(&mut machine(kernel, initrd, disk), &deadline, |text| {
        if text == "@vm begin" {
            began = true;
            deadline.set(Instant::now() + limit);
        } else if let Some(number) = text.strip_prefix("@vm exit ") {
            code = number.parse().ok();
        } else if !began {
            console.push_str(text);
            console.push('\n');
        } else if code.is_none() {
            line(text);
        }
    })?;
    match (began, code) {
        (false, _) => Ok(Boot::NeverBegan(ending, console)),
        (true, Some(code)) => Ok(Boot::Ended(code)),
        (true, None) => {
            Err(Failure::new(format!("the virtual machine ended before the command did: {ending}")))
        }
    }
}

/// The emulator's command line: the smallest machine type, its console on our standard input and
/// output, and no way to boot again.
fn machine(kernel: &Kernel, initrd: &Path, disk: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-M", "microvm,acpi=on,rtc=on,isa-serial=on", "-m", "1024", "-smp", "2"]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.args(["-serial", "stdio", "-device", "virtio-blk-device,drive=scratch"]);
    qemu.arg("-drive").arg(format!("id=scratch,if=none,format=raw,cache=unsafe,file={}", disk.display()));
    qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initrd);
    // Always emulated: a machine's `/dev/kvm` may be there and hang, and a boot takes seconds anyway.
    qemu.args(["-accel", "tcg", "-cpu", "qemu64"]);
    // `loglevel=1` keeps the kernel's own lines out of the command's.
    let mut line = "console=ttyS0 loglevel=1 panic=-1 reboot=t cryptomgr.notests=1".to_owned();
    // The emulated counter runs at the host's rate; told, the guest need not measure it.
    line.extend(host_khz().map(|khz| format!(" tsc_early_khz={khz}")));
    qemu.arg("-append").arg(line);
    qemu
}

/// The host's clock rate as `/proc/cpuinfo` gives it.
fn host_khz() -> Option<u64> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("cpu MHz"))?.split(':').nth(1)?;
    let (whole, fraction) = value.trim().split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 1000 + fraction.get(..3)?.parse::<u64>().ok()?)
}

fn write_initrd(kernel: &Kernel, guest: &Guest) -> Result<PathBuf> {
    let busybox = workspace::find_program("busybox")
        .ok_or_else(|| Failure::new("no `busybox`; `cargo xtask setup`"))?;
    let busybox = read_bytes(&busybox)?;
    let mut archive = Archive::default();
    ["bin", "dev", "proc", "root", "modules", "image"].iter().for_each(|name| archive.directory(name));
    archive.file("bin/busybox", 0o755, &busybox);
    archive.file("init", 0o755, include_bytes!("first-init.sh"));
    add_modules(&mut archive, kernel)?;
    DIRECTORIES.iter().for_each(|name| archive.directory(&format!("image/{name}")));
    archive.file("image/bin/busybox", 0o755, &busybox);
    archive.file("image/sbin/init", 0o755, include_bytes!("init.sh"));
    archive.file("image/etc/passwd", 0o644, PASSWD.as_bytes());
    archive.file("image/etc/group", 0o644, GROUP.as_bytes());
    archive.file("image/command", 0o644, guest.script.as_bytes());
    HOST_PROGRAMS.iter().try_for_each(|name| add_host_program(&mut archive, name))?;
    for (name, path) in &guest.programs {
        archive.file(&format!("image/programs/{name}"), 0o755, &stripped(path)?);
    }
    let initrd = workspace::target().join("vm/initrd.cpio");
    workspace::write(&initrd, archive.finish())?;
    Ok(initrd)
}

/// Adds the modules that this kernel has as files; the others are built in.
fn add_modules(archive: &mut Archive, kernel: &Kernel) -> Result<()> {
    let mut order = String::new();
    for module in MODULES {
        let path = kernel.modules.join("kernel").join(module);
        let packed = path.with_extension("ko.xz");
        let name = module.rsplit('/').next().unwrap_or(module);
        if path.is_file() {
            archive.file(&format!("modules/{name}"), 0o644, &read_bytes(&path)?);
        } else if packed.is_file() {
            let bytes = command::bytes(Command::new("xz").arg("-dc").arg(&packed))?;
            archive.file(&format!("modules/{name}"), 0o644, &bytes);
        } else {
            continue;
        }
        order.push_str(name);
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.as_bytes());
    Ok(())
}

/// Adds `/bin/NAME`, and each library at the path at which the loader looks for it here.
fn add_host_program(archive: &mut Archive, name: &str) -> Result<()> {
    let program = workspace::find_program(name)
        .ok_or_else(|| Failure::new(format!("no `{name}`; `cargo xtask setup`")))?;
    let listing = command::output(Command::new("ldd").arg(&program))?;
    for library in listing.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
        let below = library.strip_prefix("/").unwrap_or(library);
        let parents: Vec<&Path> =
            below.ancestors().skip(1).filter(|parent| parent.file_name().is_some()).collect();
        parents.iter().rev().for_each(|parent| archive.directory(&format!("image/{}", parent.display())));
        archive.file(&format!("image/{}", below.display()), 0o755, &read_bytes(library)?);
    }
    archive.file(&format!("image/bin/{name}"), 0o755, &read_bytes(&program)?);
    Ok(())
}

/// The program without its debug information, which is most of it.
fn stripped(program: &Path) -> Result<Vec<u8>> {
    let stripped = workspace::target().join("vm/stripped");
    workspace::make_directory(&workspace::target().join("vm"))?;
    command::output(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
    read_bytes(&stripped)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Failure::io(format!("reading `{}`", path.display()), &error))
}

/// A fresh ext4 of 256 MiB, sparse here.
fn make_disk() -> Result<PathBuf> {
    let disk = workspace::target().join("vm/scratch.img");
    workspace::write(&disk, b"")?;
    let mut mkfs = Command::new(workspace::find_program("mkfs.ext4").unwrap_or_else(|| "mkfs.ext4".into()));
    command::output(mkfs.args(["-q", "-F", "-O", "^has_journal"]).arg(&disk).arg("256M"))?;
    Ok(disk)
}
