//! What `cargo xtask install` puts in place, as other builds find it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Bed, built, obstacle, sources, tool};
use containerv::Host;

const LIMIT: Duration = Duration::from_secs(60);

/// Installs the libraries of this test's build.
fn installed(bed: &Bed) -> PathBuf {
    install(bed, &built(), &[])
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

fn install(bed: &Bed, built: &Path, options: &[&str]) -> PathBuf {
    let prefix = bed.path("prefix");
    let mut cargo = cargo();
    cargo.args(["run", "--quiet", "--package", "xtask", "--", "install", "--built"]).arg(built);
    cargo.arg("--prefix").arg(&prefix).args(options);
    let ran = bed.run(&mut cargo, Duration::from_secs(600));
    ran.assert_success("cargo xtask install");
    prefix
}

fn run(bed: &Bed, program: &Path) {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", bed.path("prefix/lib"));
    let ran = bed.run(command.arg(bed.path("root")).arg(bed.path("scratch")), LIMIT);
    ran.assert_success(&program.display().to_string());
}

/// A program that does with the library what those do that know the original only. Its last
/// container ends with it, and it does not tidy up.
fn client() -> PathBuf {
    sources().join(if obstacle().is_none() { "clients.c" } else { "prototypes.c" })
}

fn tidy_up(bed: &Bed) {
    let host = Host::open_at(bed.path("state")).unwrap();
    let deadline = Instant::now() + LIMIT;
    while !bed.leftovers(&BTreeSet::new()).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", bed.leftovers(&BTreeSet::new()));
        host.repair(false).unwrap();
    }
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let path = format!("PKG_CONFIG_PATH={}", prefix.join("lib/pkgconfig").display());
    let arguments = [&path, "pkg-config"].into_iter().chain(arguments.iter().copied()).chain(["containerv"]);
    tool("env", arguments).split_whitespace().map(str::to_owned).collect()
}

fn compile(bed: &Bed, (compiler, standard): (&str, &str), flags: &[String]) -> PathBuf {
    let (source, program) = (client(), bed.path("program"));
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", standard].map(OsStr::new);
    let language = ["-x", if compiler == "g++" { "c++" } else { "c" }].map(OsStr::new);
    let files = [source.as_ref(), "-x".as_ref(), "none".as_ref(), "-o".as_ref(), program.as_os_str()];
    let flags = flags.iter().map(OsStr::new);
    tool(compiler, strict.into_iter().chain(language).chain(files).chain(flags));
    program
}

#[test]
fn pkg_config_finds_headers_and_libraries() {
    let bed = Bed::new("install");
    let prefix = installed(&bed);
    assert_eq!(pkg_config(&prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    bed.make_root();
    let shared = pkg_config(&prefix, &["--cflags", "--libs"]);
    let mut archive = pkg_config(&prefix, &["--static", "--cflags", "--libs"]);
    // All libraries, the system's as well.
    let whole: Vec<String> = archive.iter().cloned().chain(["-static".to_owned()]).collect();
    archive
        .iter_mut()
        .filter(|flag| *flag == "-lcontainerv")
        .for_each(|flag| *flag = "-l:libcontainerv.a".to_owned());
    for language in [("gcc", "-std=c99"), ("gcc", "-std=c11"), ("g++", "-std=c++17")] {
        let program = compile(&bed, language, &shared);
        run(&bed, &program);
        let needed = tool("readelf", ["-d", &program.display().to_string()]);
        assert!(needed.contains("[libcontainerv.so.0]"), "{needed}");
        let program = compile(&bed, language, &archive);
        run(&bed, &program);
        let needed = tool("readelf", ["-d", &program.display().to_string()]);
        assert!(!needed.contains("libcontainerv"), "{needed}");
    }
    run(&bed, &compile(&bed, ("gcc", "-std=c99"), &whole));
    tidy_up(&bed);
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
    bed.make_root();
    let project = bed.path("project");
    fs::create_dir(&project).unwrap();
    fs::copy(client(), project.join("main.c")).unwrap();
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
    tidy_up(&bed);
    assert!(!tool("readelf", ["-d", &build.join("static").display().to_string()]).contains("libcontainerv"));
}

/// The compiler for Windows, and cargo's name for what it makes.
const MINGW: (&str, &str) = ("x86_64-w64-mingw32-gcc", "x86_64-pc-windows-gnu");

#[test]
fn cmake_and_pkg_config_find_the_dll_too() {
    for program in [MINGW.0, "cmake"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("skipped: {program} is not installed");
            return;
        }
    }
    let bed = Bed::new("install-windows");
    let mut build = cargo();
    build.args(["build", "--quiet", "--package", "containerv-capi", "--target", MINGW.1]);
    bed.run(&mut build, Duration::from_secs(600)).assert_success("cargo build for Windows");
    // Cargo puts it below its target directory, in which this test is too.
    let target = built().ancestors().nth(2).unwrap().join(MINGW.1).join("debug");
    let prefix = install(&bed, &target, &["--target", MINGW.1]);
    let mut found: Vec<String> = tool("find", [prefix.as_os_str(), "-type".as_ref(), "f".as_ref()])
        .lines()
        .map(|line| line.trim_start_matches(prefix.to_str().unwrap()).to_owned())
        .collect();
    found.sort();
    let expected = [
        "/bin/containerv.dll",
        "/include/chef/containerv.h",
        "/lib/cmake/containerv/containervConfig.cmake",
        "/lib/cmake/containerv/containervConfigVersion.cmake",
        "/lib/containerv.lib",
        "/lib/libcontainerv.dll.a",
        "/lib/pkgconfig/containerv.pc",
    ];
    assert_eq!(found, expected);
    let seed = sources().join("seed.c").display().to_string();
    let program = bed.path("seed.exe").display().to_string();
    let flags = pkg_config(&prefix, &["--cflags", "--libs"]);
    tool(MINGW.0, [seed.clone(), "-o".to_owned(), program.clone()].into_iter().chain(flags));
    imports_the_dll(&program);
    let project = bed.path("project");
    fs::create_dir(&project).unwrap();
    let text = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(consumer C)\nfind_package(containerv 0.1 REQUIRED)\n\
         add_executable(consumer {seed})\ntarget_link_libraries(consumer containerv)\n"
    );
    fs::write(project.join("CMakeLists.txt"), text).unwrap();
    let arguments = [
        format!("-S{}", project.display()),
        format!("-B{}", bed.path("build").display()),
        format!("-DCMAKE_PREFIX_PATH={}", prefix.display()),
        "-DCMAKE_SYSTEM_NAME=Windows".to_owned(),
        format!("-DCMAKE_C_COMPILER={}", MINGW.0),
    ];
    tool("cmake", arguments);
    tool("cmake", ["--build".as_ref(), bed.path("build").as_os_str()]);
    imports_the_dll(&bed.path("build/consumer.exe").display().to_string());
}

fn imports_the_dll(program: &str) {
    let headers = tool("x86_64-w64-mingw32-objdump", ["-p", program]);
    assert!(headers.contains("DLL Name: containerv.dll"), "{headers}");
}
