//! Installs the C library: shared and static, headers, and files for pkg-config and CMake.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::command;
use crate::dll;
use crate::failure::{Failure, Result};
use crate::workspace;

const USAGE: &str = "\
usage: cargo xtask install [OPTION..]

Builds and installs the C library, its headers, and its files for pkg-config and CMake.

With `--target x86_64-pc-windows-gnu` or `x86_64-pc-windows-msvc` that is the DLL, in `bin`, and the
libraries that linkers of GNU and Microsoft find it by.

options:
  --target TRIPLE  the system and compiler that it is for; this one unless given
  --prefix DIR     where the files belong; `/usr/local` unless given
  --libdir DIR     for libraries, below the prefix; `lib` unless given
  --destdir DIR    put everything below this directory, as packagers do
  --built DIR      take the libraries from here instead of building them";

const CRATE: &str = "containerv-capi";

/// How the libraries are built: as every release, but with panics that can be caught.
const PROFILE: &str = "c-library";

/// Number of the binary interface: part of the name by which programs find the shared library, as
/// the build script of the crate gives it.
const SO_VERSION: &str = "0";

/// What the static library needs of the system.
const STATIC_NEEDS: &str = "-lutil -lrt -lpthread -lm -ldl";

/// What the command line asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    target: Option<String>,
    prefix: PathBuf,
    libdir: PathBuf,
    destdir: Option<PathBuf>,
    built: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options {
            target: None,
            prefix: "/usr/local".into(),
            libdir: "lib".into(),
            destdir: None,
            built: None,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), rest.next().cloned()),
            };
            let value = value.ok_or_else(|| Failure::usage(format!("`{name}` needs a value\n{USAGE}")));
            match name {
                "--target" => options.target = Some(value?),
                "--prefix" => options.prefix = value?.into(),
                "--libdir" => options.libdir = value?.into(),
                "--destdir" => options.destdir = Some(value?.into()),
                "--built" => options.built = Some(value?.into()),
                _ => return Err(Failure::usage(format!("no option `{name}`\n{USAGE}"))),
            }
        }
        options.check()
    }

    fn check(self) -> Result<Options> {
        if !self.prefix.is_absolute() {
            return Err(Failure::usage(format!("`--prefix {}` is not absolute", self.prefix.display())));
        }
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        if self.libdir.as_os_str().is_empty() || !self.libdir.components().all(inside) {
            let libdir = self.libdir.display();
            return Err(Failure::usage(format!("`--libdir {libdir}` is not a path below the prefix")));
        }
        Ok(self)
    }

    /// Whether this is for Windows.
    fn windows(&self) -> bool {
        self.target.as_ref().is_some_and(|target| target.contains("-windows-"))
    }

    /// Where a path below the prefix is written.
    fn place(&self, path: impl AsRef<Path>) -> PathBuf {
        match &self.destdir {
            None => self.prefix.join(path),
            Some(destdir) => destdir.join(self.prefix.strip_prefix("/").unwrap_or(&self.prefix)).join(path),
        }
    }
}

/// `cargo xtask install`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let built = options.built.clone().map_or_else(|| build(&options), Ok)?;
    install_headers(&options)?;
    if options.windows() {
        install_dll(&options, &built)?;
    } else {
        install_libraries(&options, &built)?;
    }
    install_descriptions(&options)?;
    println!("installed in `{}`", options.place("").display());
    if options.destdir.is_none() && !options.windows() {
        println!("hint: run `ldconfig` if programs do not find `libcontainerv.so.{SO_VERSION}`");
    }
    Ok(())
}

/// Builds the libraries; returns the directory that they are in.
fn build(options: &Options) -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--package", CRATE, "--profile", PROFILE]);
    let mut place = workspace::target();
    if let Some(target) = &options.target {
        cargo.args(["--target", target]);
        place.push(target);
    }
    command::run(&mut cargo)?;
    Ok(place.join(PROFILE))
}

fn install_headers(options: &Options) -> Result<()> {
    for header in workspace::entries(&crate_directory().join("include/chef")) {
        let name = header.file_name().unwrap_or_default();
        if options.windows() && name.to_string_lossy().contains("-linux.") {
            continue;
        }
        copy(&header, &options.place("include/chef").join(name), 0o644)?;
    }
    Ok(())
}

fn install_libraries(options: &Options, built: &Path) -> Result<()> {
    let place = options.place(&options.libdir);
    let full = format!("libcontainerv.so.{}", version());
    copy(&built.join("libcontainerv_capi.so"), &place.join(&full), 0o755)?;
    copy(&built.join("libcontainerv_capi.a"), &place.join("libcontainerv.a"), 0o644)?;
    // The middle name is the one that programs look for, the short one that linkers look for.
    let middle = format!("libcontainerv.so.{SO_VERSION}");
    link(&full, &place.join(&middle))?;
    link(&middle, &place.join("libcontainerv.so"))
}

/// The DLL lies where programs find it, and is found by linkers through its libraries of imports.
fn install_dll(options: &Options, built: &Path) -> Result<()> {
    let dll = built.join(dll::BUILT);
    copy(&dll, &options.place("bin").join(dll::NAME), 0o755)?;
    for library in dll::write_imports(&dll, &options.place(&options.libdir))? {
        set_mode(&library, 0o644)?;
    }
    Ok(())
}

fn install_descriptions(options: &Options) -> Result<()> {
    let libdir = options.place(&options.libdir);
    let config =
        if options.windows() { "windows/containervConfig.cmake.in" } else { "containervConfig.cmake.in" };
    for (template, directory) in [
        ("containerv.pc.in", "pkgconfig"),
        (config, "cmake/containerv"),
        ("containervConfigVersion.cmake.in", "cmake/containerv"),
    ] {
        let text = workspace::read(&crate_directory().join("install").join(template))?;
        let name = template.rsplit('/').next().unwrap_or(template).trim_end_matches(".in");
        let place = libdir.join(directory).join(name);
        workspace::write(&place, filled(&text, options)?)?;
        set_mode(&place, 0o644)?;
    }
    Ok(())
}

/// Fills a template in. A name that is left is a mistake in the template.
fn filled(template: &str, options: &Options) -> Result<String> {
    // From `LIBDIR/cmake/containerv` back to the prefix.
    let up = vec![".."; options.libdir.components().count() + 2].join("/");
    let version = version();
    let major = version.split('.').next().unwrap_or_default();
    let values = [
        ("@PREFIX@", options.prefix.display().to_string()),
        ("@PRIVATE@", if options.windows() { "" } else { STATIC_NEEDS }.to_owned()),
        ("@LIBDIR@", options.libdir.display().to_string()),
        ("@VERSION@", version.to_owned()),
        ("@SOVERSION@", SO_VERSION.to_owned()),
        ("@MAJOR@", major.to_owned()),
        ("@UP@", up),
    ];
    let text = values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value));
    match text.find('@') {
        None => Ok(text),
        Some(at) => Err(Failure::new(format!("a template has an unknown name at `{:.20}`", &text[at..]))),
    }
}

/// The version of the workspace, which this program shares.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn crate_directory() -> PathBuf {
    workspace::root().join("crates").join(CRATE)
}

/// Puts a copy in place at once: a program that uses the old file goes on with that.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let failed = |error| Failure::io(format!("copying `{}` to `{}`", from.display(), to.display()), &error);
    if let Some(parent) = to.parent() {
        workspace::make_directory(parent)?;
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = to.with_file_name(name);
    fs::copy(from, &new).map_err(failed)?;
    set_mode(&new, mode)?;
    fs::rename(&new, to).map_err(failed)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| Failure::io(format!("setting the mode of `{}`", path.display()), &error))
}

fn link(target: &str, path: &Path) -> Result<()> {
    // It is not there the first time.
    let _ = fs::remove_file(path);
    std::os::unix::fs::symlink(target, path)
        .map_err(|error| Failure::io(format!("linking `{}`", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_take_their_value_in_both_ways() {
        let options =
            parse(&["--prefix=/usr", "--libdir", "lib/x86_64-linux-gnu", "--destdir", "/tmp/d"]).unwrap();
        assert_eq!(options.place("include"), Path::new("/tmp/d/usr/include"));
        assert_eq!(options.libdir, Path::new("lib/x86_64-linux-gnu"));
        assert_eq!(parse(&[]).unwrap().place("include"), Path::new("/usr/local/include"));
    }

    #[test]
    fn wrong_options_are_named() {
        for (arguments, part) in [
            (&["--prefix"][..], "`--prefix` needs a value"),
            (&["--prefix", "usr"], "`--prefix usr` is not absolute"),
            (&["--libdir", "/usr/lib"], "not a path below the prefix"),
            (&["--libdir", "../lib"], "not a path below the prefix"),
            (&["--static"], "no option `--static`"),
        ] {
            let failure = parse(arguments).unwrap_err();
            assert!(failure.to_string().contains(part), "{failure}");
            assert_eq!(failure.exit_code(), 2);
        }
    }

    #[test]
    fn templates_are_filled_in_whole() {
        let options = parse(&["--prefix=/usr", "--libdir=lib/x"]).unwrap();
        assert_eq!(filled("a@PREFIX@b@LIBDIR@c@UP@", &options).unwrap(), "a/usrblib/xc../../../..");
        assert!(filled("@NOBODY@", &options).is_err());
    }
}
