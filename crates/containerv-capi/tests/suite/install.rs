//! What `cargo xtask install` puts in place, as other builds find it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Bed, built, sources, tool};

const LIMIT: Duration = Duration::from_secs(60);

/// Installs the libraries of this test's build.
fn installed(bed: &Bed) -> PathBuf {
    let prefix = bed.path("prefix");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet", "--package", "xtask", "--", "install", "--built"]).arg(built());
    cargo.arg("--prefix").arg(&prefix).current_dir(env!("CARGO_MANIFEST_DIR"));
    let ran = bed.run(&mut cargo, Duration::from_secs(600));
    ran.assert_success("cargo xtask install");
    prefix
}

fn run(bed: &Bed, program: &Path) {
    let mut command = Command::new(program);
    let ran = bed.run(command.env("LD_LIBRARY_PATH", bed.path("prefix/lib")), LIMIT);
    ran.assert_success(&program.display().to_string());
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let path = format!("PKG_CONFIG_PATH={}", prefix.join("lib/pkgconfig").display());
    let arguments = [&path, "pkg-config"].into_iter().chain(arguments.iter().copied()).chain(["containerv"]);
    tool("env", arguments).split_whitespace().map(str::to_owned).collect()
}

fn compile(bed: &Bed, flags: Vec<String>) -> PathBuf {
    let (source, program) = (sources().join("prototypes.c"), bed.path("program"));
    let flags: Vec<&OsStr> = flags.iter().map(OsStr::new).collect();
    tool("gcc", [source.as_ref()].into_iter().chain(flags).chain(["-o".as_ref(), program.as_ref()]));
    program
}

#[test]
fn pkg_config_finds_headers_and_libraries() {
    let bed = Bed::new("install");
    let prefix = installed(&bed);
    assert_eq!(pkg_config(&prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let program = compile(&bed, pkg_config(&prefix, &["--cflags", "--libs"]));
    run(&bed, &program);
    let needed = tool("readelf", ["-d", &program.display().to_string()]);
    assert!(needed.contains("[libcontainerv.so.0]"), "{needed}");
    let mut flags = pkg_config(&prefix, &["--static", "--cflags", "--libs"]);
    flags
        .iter_mut()
        .filter(|flag| *flag == "-lcontainerv")
        .for_each(|flag| *flag = "-l:libcontainerv.a".to_owned());
    run(&bed, &compile(&bed, flags));
    let links =
        ["libcontainerv.so", "libcontainerv.so.0"].map(|name| fs::read_link(prefix.join("lib").join(name)));
    let full = format!("libcontainerv.so.{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(links.map(Result::unwrap), [PathBuf::from("libcontainerv.so.0"), full.into()]);
}

#[test]
fn cmake_finds_both_targets() {
    if Command::new("cmake").arg("--version").output().is_err() {
        println!("skipped: cmake is not installed");
        return;
    }
    let bed = Bed::new("cmake");
    let prefix = installed(&bed);
    let project = bed.path("project");
    fs::create_dir(&project).unwrap();
    fs::copy(sources().join("prototypes.c"), project.join("main.c")).unwrap();
    let text = "cmake_minimum_required(VERSION 3.16)\nproject(consumer C)\nfind_package(containerv 0.1 REQUIRED)\n\
                add_executable(shared main.c)\ntarget_link_libraries(shared containerv)\n\
                add_executable(static main.c)\ntarget_link_libraries(static containerv-static)\n";
    fs::write(project.join("CMakeLists.txt"), text).unwrap();
    let build = bed.path("build");
    let [source, binary, found] = [("-S", &project), ("-B", &build), ("-DCMAKE_PREFIX_PATH=", &prefix)]
        .map(|(flag, path)| format!("{flag}{}", path.display()));
    tool("cmake", [source, binary, found]);
    tool("cmake", ["--build".as_ref(), build.as_os_str()]);
    run(&bed, &build.join("shared"));
    run(&bed, &build.join("static"));
    assert!(!tool("readelf", ["-d", &build.join("static").display().to_string()]).contains("libcontainerv"));
}
