//! A small root file system: a static busybox and what a C library expects in `/etc`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::machine;

const BUSYBOX: &str = "/usr/bin/busybox";

/// The programs that the suites use; making links for all of busybox would take longer than most
/// tests do.
const APPLETS: &[&str] = &[
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "chroot",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "echo",
    "env",
    "expr",
    "false",
    "grep",
    "head",
    "hostname",
    "id",
    "ifconfig",
    "ip",
    "kill",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mknod",
    "mount",
    "mv",
    "nc",
    "nproc",
    "ping",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "su",
    "sync",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "uptime",
    "usleep",
    "wc",
    "which",
    "whoami",
    "xargs",
    "yes",
];

const DIRECTORIES: &[(&str, u32)] = &[
    ("bin", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("root", 0o700),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                      alice:x:1000:1000:Alice:/home/alice:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
const GROUP: &str = "root:x:0:\nusers:x:100:alice\naudio:x:29:alice\nalice:x:1000:\nnogroup:x:65534:\n";

/// Makes a root file system in `directory`, which must not exist.
///
/// # Panics
///
/// If something cannot be made: the package `busybox-static` must be installed.
pub fn make_rootfs(directory: &Path) {
    fs::create_dir(directory).unwrap();
    for (name, mode) in DIRECTORIES {
        let path = directory.join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    let busybox = directory.join("bin/busybox");
    assert!(Path::new(BUSYBOX).exists(), "no `{BUSYBOX}`; install the package `busybox-static`");
    // Not written by this process, whose other threads start children (ETXTBSY).
    machine::run("cp", &[BUSYBOX, busybox.to_str().unwrap()]);
    for applet in APPLETS {
        symlink("busybox", directory.join("bin").join(applet)).unwrap();
    }
    fs::write(directory.join("etc/passwd"), PASSWD).unwrap();
    fs::write(directory.join("etc/group"), GROUP).unwrap();
}
