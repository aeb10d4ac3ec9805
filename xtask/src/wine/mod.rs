//! Windows programs on this machine, by Wine: `cargo xtask wine`, and the bed of the suite `windows`.

mod prefix;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::failure::{Failure, Result};
use crate::setup;
use crate::workspace;

/// Debian's names; the wrapper scripts of other packages choose another Wine by the environment.
const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver64";

/// The target of Windows programs.
pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";

/// Why Windows programs cannot run here.
pub(crate) fn impossible() -> Option<String> {
    let missing = [WINE, SERVER].into_iter().find(|path| !Path::new(path).is_file())?;
    Some(format!("`{missing}` is missing"))
}

/// A Windows installation with our DLLs, and its running server. It ends with this value.
pub(crate) struct Bed {
    prefix: PathBuf,
    /// Where executables lie beside the DLLs.
    programs: PathBuf,
}

impl Bed {
    /// Builds the DLLs, makes an installation and starts its services.
    pub(crate) fn open() -> Result<Bed> {
        if let Some(reason) = impossible() {
            return Err(Failure::new(format!("{reason}; `cargo xtask setup` installs Wine")));
        }
        let template = prefix::template()?;
        sweep();
        let own = prefix::directory().join(format!("{RUN}{}", std::process::id()));
        let bed = Bed { prefix: own.join("prefix"), programs: own.join("programs") };
        workspace::make_directory(&bed.programs)?;
        prefix::copy(&template, &bed.prefix)?;
        bed.add_libraries()?;
        bed.start()?;
        Ok(bed)
    }

    /// Puts the DLLs beside the programs and into System32, where other loaders look alone.
    fn add_libraries(&self) -> Result<()> {
        let system = self.prefix.join("drive_c/windows/system32");
        for library in libraries()? {
            link(&library, &self.programs)?;
            link(&library, &system)?;
        }
        Ok(())
    }

    /// Starts Wine's services with nothing of ours: they would hold a test's pipe open for ever.
    fn start(&self) -> Result<()> {
        prefix::run_quiet(&mut prefix::server(&self.prefix, "-p"))?;
        prefix::run_quiet(prefix::wine_command(Path::new(WINE), &self.prefix).args(["cmd", "/c", "exit"]))
    }

    /// The command that runs the Windows executable `program`, with the DLLs beside it.
    pub(crate) fn command(&self, program: &Path) -> Result<Command> {
        let mut command = prefix::wine_command(Path::new(WINE), &self.prefix);
        command.arg(link(program, &self.programs)?);
        Ok(command)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        end(self.prefix.parent().unwrap_or(&self.prefix));
    }
}

/// Beginning of the names of directories of runs; the process id follows.
const RUN: &str = "run-";

/// Ends a run's programs and removes its directory.
fn end(run: &Path) {
    let ended = prefix::stop(&run.join("prefix")).and_then(|()| prefix::remove(run));
    if let Err(failure) = ended {
        println!("leftover: {failure}");
    }
}

/// Ends what killed runs have left.
fn sweep() {
    for run in workspace::entries(&prefix::directory()) {
        let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let alive = |id: &str| Path::new("/proc").join(id).is_dir();
        if name.strip_prefix(RUN).is_some_and(|id| !alive(id)) {
            end(&run);
        }
    }
}

/// Makes `file` appear in `directory`, in the place of another of its name; returns the path there.
fn link(file: &Path, directory: &Path) -> Result<PathBuf> {
    let name = file.file_name().ok_or_else(|| Failure::new(format!("`{}` is no file", file.display())))?;
    let linked = directory.join(name);
    let _ = fs::remove_file(&linked);
    fs::hard_link(file, &linked)
        .or_else(|_| fs::copy(file, &linked).map(drop))
        .map_err(|error| Failure::io(format!("linking `{}`", file.display()), &error))?;
    Ok(linked)
}

/// Builds the DLLs of `sim/`.
fn libraries() -> Result<Vec<PathBuf>> {
    Ok(vec![random_library()?])
}

/// `bcryptprimitives.dll`, without which no Rust program starts under this Wine.
fn random_library() -> Result<PathBuf> {
    let library = prefix::directory().join("bcryptprimitives.dll");
    let source = workspace::root().join("sim/bcryptprimitives/bcryptprimitives.c");
    let mut compiler = Command::new("x86_64-w64-mingw32-gcc");
    compiler.args(["-shared", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o"]);
    command::output(compiler.arg(&library).arg(source).arg("-ladvapi32"))?;
    Ok(library)
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let usage = || Failure::usage("usage: cargo xtask wine -- PROGRAM [ARGUMENT..]");
    let Some(("--", words)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return Err(usage());
    };
    let (program, words) = words.split_first().ok_or_else(usage)?;
    setup::install().iter().for_each(|item| println!("missing: {item}"));
    let bed = Bed::open()?;
    let status = bed.any(program)?.args(words).status();
    let status = status.map_err(|error| Failure::io("starting Wine", &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{program}`: {status}"))) }
}

impl Bed {
    /// The command for a file here, or for a program of the installation's.
    fn any(&self, program: &str) -> Result<Command> {
        let here = env::current_dir().map_err(|error| Failure::io("the working directory", &error))?;
        let file = here.join(program);
        if file.is_file() {
            return self.command(&file);
        }
        let mut command = prefix::wine_command(Path::new(WINE), &self.prefix);
        command.arg(program);
        Ok(command)
    }
}
