//! `cargo xtask setup`: everything that the checks, tests and benchmarks use.
//!
//! Quick when all is there: each item is a look at a file.

mod apt;
mod debian;
mod kernel;
mod tools;

use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

pub(crate) use debian::{TREE_VARIABLE, tree as debian_tree};
pub(crate) use kernel::{Kernel, kernel};
pub(crate) use tools::typos;

/// Standard libraries of other targets, and what they are for.
const TARGETS: &[(&str, &str)] = &[
    ("x86_64-pc-windows-gnu", "everything is checked for Windows too"),
    ("x86_64-unknown-linux-musl", "the static `cv`, and tests in the virtual machine"),
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(first) = arguments.first() {
        return Err(Failure::usage(format!("`setup` takes no arguments, got `{first}`")));
    }
    let missing = install();
    for item in &missing {
        println!("missing: {item}");
    }
    if missing.is_empty() {
        println!("setup: everything is there");
        return Ok(());
    }
    Err(Failure::new(format!("{} things are missing, see above", missing.len())))
}

/// Installs what can be installed and returns the lines that say what is still missing and how to
/// get it.
pub(crate) fn install() -> Vec<String> {
    let mut missing = apt::install();
    missing.extend(TARGETS.iter().filter_map(|(target, why)| add_target(target, why).err()));
    missing.extend(tools::install_typos().err().map(|failure| failure.to_string()));
    missing.extend(kernel::install().err().map(|failure| failure.to_string()));
    missing.extend(debian::install().err().map(|failure| failure.to_string()));
    missing
}

/// Adds a target's standard library to the pinned toolchain.
fn add_target(target: &str, why: &str) -> std::result::Result<(), String> {
    let line = |hint: &str| format!("the standard library of `{target}` ({why}); {hint}");
    let sysroot = command::output(
        std::process::Command::new("rustc").args(["--print", "sysroot"]).current_dir(workspace::root()),
    )
    .map_err(|failure| line(&failure.to_string()))?;
    if std::path::Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(());
    }
    let toolchain = workspace::toolchain().map_err(|failure| failure.to_string())?;
    let mut add = std::process::Command::new("rustup");
    add.args(["target", "add", "--toolchain", &toolchain, target]);
    command::run(&mut add).map_err(|failure| line(&failure.to_string()))
}
