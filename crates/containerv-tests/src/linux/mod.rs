//! What a bed is made of on Linux.

mod bed;
mod caller;
mod leftovers;
pub mod machine;
pub(crate) mod network;
pub mod programs;
mod rootfs;
mod terminal;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use containerv::spec::request::Isolation;
use serde_json::Value;

pub use bed::{HostMount, shell};
pub(crate) use caller::{Rights, was_killed};
pub use leftovers::processes_with;
pub use rootfs::make_rootfs;
pub use terminal::Person;

/// Where the program `inside` is in a container.
pub(crate) const PROGRAM: &str = "/bin/inside";

/// What is looked for besides what ids tell: names of interfaces.
pub(crate) type Watched = Mutex<Vec<String>>;

pub(crate) fn make_root(directory: &Path) {
    // Ordinary users take part in some tests; what they must not see is in the state root.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    make_rootfs(&directory.join("rootfs"));
}

pub(crate) fn root(directory: &Path) -> Value {
    serde_json::json!({"directory": directory.join("rootfs")})
}

pub(crate) fn in_root(directory: &Path, name: &str) -> PathBuf {
    directory.join("rootfs").join(name.trim_start_matches('/'))
}

/// There is one way here.
pub(crate) fn isolation() -> Isolation {
    Isolation::Default
}

pub(crate) fn path(below: &str) -> String {
    format!("/{below}")
}

pub(crate) fn leftovers(directory: &Path, ids: &[String], interfaces: &Watched) -> Vec<String> {
    let mut marks = ids.to_vec();
    marks.push(directory.to_str().unwrap().to_owned());
    let interfaces = interfaces.lock().unwrap().clone();
    leftovers::Traces { marks: &marks, interfaces: &interfaces, state: &directory.join("state") }.find()
}

/// Not written by this process, whose other threads start children (ETXTBSY).
pub(crate) fn write_program(file: &Path, bytes: &[u8]) {
    let mut writer = Command::new("dd")
        .args(["bs=1M", "status=none"])
        .arg(format!("of={}", file.display()))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(writer.wait().unwrap().success());
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}
