//! `cargo xtask man [DIRECTORY]`: the manual pages and completion scripts, which `cv` itself makes.

use std::fs;
use std::path::PathBuf;

use crate::command::{bytes, cargo, run};
use crate::failure::{Failure, Result};
use crate::workspace;

/// Shells and the file names that their distributions look for.
const SCRIPTS: [(&str, &str); 4] =
    [("bash", "cv.bash"), ("zsh", "_cv"), ("fish", "cv.fish"), ("powershell", "cv.ps1")];

/// Writes pages and scripts, into `target/man` unless told otherwise.
pub(crate) fn run_man(arguments: &[String]) -> Result<()> {
    let directory = match arguments {
        [] => workspace::target().join("man"),
        [directory] => PathBuf::from(directory),
        [_, extra, ..] => {
            return Err(Failure::usage(format!("`man` takes one directory, got also `{extra}`")));
        }
    };
    let directory = std::path::absolute(&directory)
        .map_err(|error| Failure::new(format!("`{}`: {error}", directory.display())))?;
    run(cargo().args(["run", "--quiet", "--package", "cv", "--", "__man"]).arg(&directory))?;
    for (shell, name) in SCRIPTS {
        let script = bytes(cargo().args(["run", "--quiet", "--package", "cv", "--", "completion", shell]))?;
        let path = directory.join(name);
        fs::write(&path, script)
            .map_err(|error| Failure::new(format!("write `{}`: {error}", path.display())))?;
    }
    println!("pages and scripts are in {}", directory.display());
    Ok(())
}
