//! Spelling, by `typos` with `typos.toml`.

use std::process::Command;

use crate::command;
use crate::failure::{Failure, Result};
use crate::setup;
use crate::workspace;

pub(super) fn run() -> Result<()> {
    let typos = setup::typos().ok_or_else(|| {
        Failure::new("the spelling checker `typos` is missing; `cargo xtask setup` fetches it")
    })?;
    command::run(Command::new(typos).arg("--force-exclude").current_dir(workspace::root()))
}
