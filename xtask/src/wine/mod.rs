//! Windows programs on this machine, by Wine: `cargo xtask wine`, and the bed of the suite `windows`.

mod build;
mod prefix;
mod service;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use build::Built;
pub(crate) use build::{MANIFEST as SIM_MANIFEST, target as sim_target};
use service::Service;

use crate::failure::{Failure, Result};
use crate::product;
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

/// How programs by Wine see a file of this machine.
pub(crate) fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

/// A Windows installation with our DLLs, its running server and the compute service behind the DLLs.
/// They end with this value.
pub(crate) struct Bed {
    prefix: PathBuf,
    /// Where executables lie beside the DLLs.
    programs: PathBuf,
    service: Service,
}

impl Bed {
    /// Builds the DLLs, makes an installation and starts its services.
    pub(crate) fn open() -> Result<Bed> {
        if let Some(reason) = impossible() {
            return Err(Failure::new(format!("{reason}; `cargo xtask setup` installs Wine")));
        }
        let built = build::build()?;
        let template = prefix::template()?;
        link(&built.random, &system_directory(&template))?;
        sweep();
        let own = prefix::directory().join(format!("{RUN}{}", std::process::id()));
        let (prefix, programs) = (own.join("prefix"), own.join("programs"));
        workspace::make_directory(&programs)?;
        prefix::copy(&template, &prefix)?;
        add_libraries(&built, &prefix, &programs)?;
        let service = Service::start(&built, &prefix, &template, &own.join("state"))?;
        let bed = Bed { prefix, programs, service };
        bed.start()?;
        Ok(bed)
    }

    /// Starts Wine's services with nothing of ours: they would hold a test's pipe open for ever.
    fn start(&self) -> Result<()> {
        prefix::run_quiet(self.inside(SERVER).arg("-p"))?;
        prefix::run_quiet(self.inside(WINE).args(["cmd", "/c", "exit"]))
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = self.service.inside(program);
        prefix::surroundings(&mut command, &self.prefix);
        command
    }

    /// Puts a further program beside the others.
    pub(crate) fn add(&self, program: &Path) -> Result<()> {
        link(program, &self.programs).map(drop)
    }

    /// The command that runs the Windows executable `program`, with the DLLs beside it.
    pub(crate) fn command(&self, program: &Path) -> Result<Command> {
        let mut command = self.inside(WINE);
        command.arg(link(program, &self.programs)?);
        Ok(command)
    }

    /// The command for a file here, or for a program of the installation's.
    fn any(&self, program: &str) -> Result<Command> {
        let here = env::current_dir().map_err(|error| Failure::io("the working directory", &error))?;
        let file = here.join(program);
        if file.is_file() {
            return self.command(&file);
        }
        let mut command = self.inside(WINE);
        command.arg(program);
        Ok(command)
    }
}

/// Puts the DLLs beside the programs and into System32, where other loaders look alone.
fn add_libraries(built: &Built, prefix: &Path, programs: &Path) -> Result<()> {
    for library in built.libraries.iter().chain([&built.random]) {
        link(library, programs)?;
        link(library, &system_directory(prefix))?;
    }
    Ok(())
}

fn system_directory(prefix: &Path) -> PathBuf {
    prefix.join("drive_c/windows/system32")
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.service.stop();
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

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let usage = || Failure::usage("usage: cargo xtask wine -- PROGRAM [ARGUMENT..]");
    let Some(("--", words)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return Err(usage());
    };
    let (program, words) = words.split_first().ok_or_else(usage)?;
    setup::install().iter().for_each(|item| println!("missing: {item}"));
    let bed = Bed::open()?;
    // Detached commands need one; whoever works on it builds it.
    if let Some(cv) = product::built_windows_cv() {
        bed.add(&cv)?;
    }
    let status = bed.any(program)?.args(words).status();
    let status = status.map_err(|error| Failure::io("starting Wine", &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{program}`: {status}"))) }
}
