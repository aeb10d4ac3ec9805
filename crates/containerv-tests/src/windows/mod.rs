//! What a bed is made of on Windows: layers for the stand-ins of the services, which are asked for
//! what is left.

mod caller;
mod leftovers;
pub(crate) mod network;
mod services;
mod stand_ins;

use std::fs;
use std::path::{Path, PathBuf};

use containerv::spec::request::Isolation;
use serde_json::Value;

pub(crate) use caller::{Rights, was_killed};
pub(crate) use leftovers::leftovers;
pub use stand_ins::StandIns;

/// Says which isolation this run of the tests is about: `process` or `hyperv`.
const ISOLATION_VARIABLE: &str = "CONTAINERV_TEST_ISOLATION";

/// Folders of the layers of an image, topmost first, parted by `;`: then this is a real Windows, where a layer cannot
/// be made up. The image has the program `inside` and a directory `C:\tmp` that everybody may write.
const LAYERS_VARIABLE: &str = "CONTAINERV_TEST_LAYERS";

/// The layers of a real image, if the tests run on a real Windows.
fn real_layers() -> Option<Vec<String>> {
    let layers = std::env::var(LAYERS_VARIABLE).ok().filter(|layers| !layers.is_empty())?;
    Some(layers.split(';').map(str::to_owned).collect())
}

/// Where the program `inside` is in a container.
pub(crate) const PROGRAM: &str = r"C:\inside.exe";

/// What is looked for besides what ids tell: nothing.
pub(crate) type Watched = ();

/// A base layer for both isolations.
pub(crate) fn make_root(directory: &Path) {
    for folder in [r"Files\Windows\System32", r"Files\tmp", r"UtilityVM\Files"] {
        fs::create_dir_all(base(directory).join(folder)).unwrap();
    }
}

/// A layer's identity follows from the last part of its path.
fn base(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap().to_str().unwrap();
    directory.join("layers").join(format!("base-{name}"))
}

pub(crate) fn root(directory: &Path) -> Value {
    let own = || vec![base(directory).to_string_lossy().into_owned()];
    serde_json::json!({"layers": {"folders": real_layers().unwrap_or_else(own)}})
}

pub(crate) fn in_root(directory: &Path, name: &str) -> PathBuf {
    let below = name.trim_start_matches("C:").trim_start_matches(['\\', '/']);
    base(directory).join("Files").join(below)
}

pub(crate) fn isolation() -> Isolation {
    match std::env::var(ISOLATION_VARIABLE).as_deref() {
        Ok("process") | Err(_) => Isolation::Process,
        Ok("hyperv") => Isolation::Vm,
        Ok(other) => panic!("`{ISOLATION_VARIABLE}={other}`: neither `process` nor `hyperv`"),
    }
}

pub(crate) fn path(below: &str) -> String {
    format!(r"C:\{}", below.replace('/', r"\"))
}

pub(crate) fn write_program(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
}
