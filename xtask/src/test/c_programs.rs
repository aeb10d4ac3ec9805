//! The C programs of the C interface's tests, compiled for Windows: Windows has no compiler here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::dll;
use crate::failure::{Failure, Result};
use crate::install;
use crate::wine;
use crate::workspace;

/// The package whose tests use them.
pub(super) const PACKAGE: &str = "containerv-capi";
/// Tells those tests where they are.
pub(super) const VARIABLE: &str = "CONTAINERV_C_PROGRAMS";

const COMPILER: &str = "x86_64-w64-mingw32-gcc";
/// Programs that run in containers, and so need no library.
const FOR_CONTAINERS: [&str; 2] = ["arguments", "inside"];
/// The program that is linked as Microsoft's tools do it.
const OTHER_LINKER: &str = "linked";

/// Builds the DLL, installs it as others find it, and builds the programs for both systems; returns
/// the directory that they are in.
pub(super) fn build() -> Result<PathBuf> {
    let mut cargo = command::cargo();
    command::run(cargo.args(["build", "--quiet", "--target", wine::TARGET, "--package", PACKAGE]))?;
    let directory = workspace::target().join("windows/c");
    let prefix = directory.join("prefix");
    let built = workspace::target().join(wine::TARGET).join("debug");
    let options = [
        "--target",
        wine::TARGET,
        "--prefix",
        &prefix.to_string_lossy(),
        "--built",
        &built.to_string_lossy(),
    ];
    install::run(&options.map(str::to_owned))?;
    let dll = prefix.join("bin").join(dll::NAME);
    std::fs::copy(&dll, directory.join(dll::NAME)).map_err(|error| Failure::io(dll.display(), &error))?;
    let place =
        Place { sources: workspace::root().join("crates").join(PACKAGE).join("tests/c"), directory, prefix };
    for name in programs(&workspace::read(&place.sources.join("programs.txt"))?) {
        place.compile(&place.source(&name), &["-lcontainerv"])?;
    }
    place.compile(&workspace::root().join("examples/c/lifecycle.c"), &["-lcontainerv"])?;
    for name in FOR_CONTAINERS {
        place.compile(&place.source(name), &[])?;
    }
    place.link_otherwise()?;
    Ok(place.directory)
}

struct Place {
    sources: PathBuf,
    directory: PathBuf,
    prefix: PathBuf,
}

impl Place {
    /// Compiles one, with the compiler's own libraries in it: they are not there where it runs.
    fn compile(&self, source: &Path, libraries: &[&str]) -> Result<()> {
        let mut compiler = self.compiler(source);
        compiler.args(["-pthread", "-static", "-L"]).arg(self.prefix.join("lib"));
        // The DLL is no static library, whatever was said before.
        compiler.arg("-Wl,-Bdynamic").args(libraries).arg("-Wl,-Bstatic");
        let program = Path::new(source.file_name().unwrap_or_default()).with_extension("exe");
        command::output(compiler.arg("-o").arg(self.directory.join(program))).map(drop)
    }

    fn source(&self, name: &str) -> PathBuf {
        self.sources.join(name).with_extension("c")
    }

    fn compiler(&self, source: &Path) -> Command {
        let mut compiler = Command::new(COMPILER);
        compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-I"]);
        compiler.arg(self.prefix.join("include")).arg(source);
        compiler
    }

    /// Links a program without a C library by the linker that reads what Microsoft's does, which comes
    /// with the compiler of Rust.
    fn link_otherwise(&self) -> Result<()> {
        let object = self.directory.join(OTHER_LINKER).with_extension("obj");
        let mut compiler = self.compiler(&self.source(OTHER_LINKER));
        command::output(compiler.args(["-ffreestanding", "-c", "-o"]).arg(&object))?;
        let toolchain = command::output(Command::new("rustc").args(["--print", "target-libdir"]))?;
        let linker = Path::new(toolchain.trim()).with_file_name("bin/rust-lld");
        let mut link = Command::new(linker);
        link.args(["-flavor", "link", "/entry:start", "/subsystem:console"]).arg(&object);
        let program = self.directory.join(OTHER_LINKER).with_extension("exe");
        link.arg(format!("/out:{}", program.display())).arg(self.prefix.join("lib").join(dll::IMPORTS[1]));
        command::output(&mut link).map(drop)
    }
}

/// The programs of the table that are for both systems.
fn programs(table: &str) -> Vec<String> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&"both")).map(|row| row[0].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_for_one_system_are_left_out() {
        let table = "# a\nfirst  both\nsecond linux why\nthird both\n";
        assert_eq!(programs(table), ["first", "third"]);
    }
}
