//! Programs that live in the target directory.

use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

const TYPOS_VERSION: &str = "1.52.0";

/// The spelling checker, from `PATH` or from the target directory.
pub(crate) fn typos() -> Option<PathBuf> {
    let own = tools_directory().join("bin/typos");
    if own.is_file() { Some(own) } else { workspace::find_program("typos") }
}

fn tools_directory() -> PathBuf {
    workspace::target().join("tools")
}

/// Fetches the spelling checker as a prebuilt package of the Python index: nothing is compiled.
pub(super) fn install_typos() -> Result<()> {
    if typos().is_some() {
        return Ok(());
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-input", "--target"])
        .arg(tools_directory())
        .arg(format!("typos=={TYPOS_VERSION}"));
    command::run(&mut pip).map_err(|failure| {
        Failure::new(format!("the spelling checker `typos`; install it yourself or mend: {failure}"))
    })
}
