//! The headers and libraries as compilers, linkers and people meet them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Bed, include, library, obstacle, sources, tool};

const LIMIT: Duration = Duration::from_secs(60);

/// What the static library needs from the system.
const NATIVE: [&str; 4] = ["-lutil", "-lrt", "-lm", "-ldl"];

fn run(bed: &Bed, program: &Path) -> String {
    let ran = bed.run(&mut Command::new(program), LIMIT);
    ran.assert_success(&program.display().to_string());
    ran.stdout
}

fn expected(name: &str) -> String {
    fs::read_to_string(sources().join(format!("{name}.expected"))).unwrap()
}

#[test]
fn sizes_offsets_and_values_are_those_of_the_interface() {
    let bed = Bed::new("layout");
    for standard in ["-std=c99", "-std=c11", "-std=c17", "-std=c2x"] {
        let program = bed.compile(&sources().join("layout.c"), library(), &[standard, "-pedantic"]);
        assert_eq!(run(&bed, &program), expected("layout"), "{standard}");
    }
}

#[test]
fn every_function_has_its_type_and_links() {
    let bed = Bed::new("prototypes");
    let program = bed.compile(&sources().join("prototypes.c"), library(), &["-std=c99", "-pedantic"]);
    assert_eq!(run(&bed, &program), "");
}

#[test]
fn the_headers_are_cplusplus_too() {
    let bed = Bed::new("cplusplus");
    for standard in ["-std=c++11", "-std=c++14", "-std=c++17", "-std=c++20"] {
        for included in ["-DPLAIN", "-DWRAPPED"] {
            let flags = [standard, included, "-pedantic"];
            let program = bed.compile(&sources().join("cplusplus.cpp"), library(), &flags);
            assert_eq!(run(&bed, &program), expected("cplusplus"), "{standard} {included}");
        }
    }
}

#[test]
fn each_header_stands_alone_and_may_be_included_twice() {
    let bed = Bed::new("alone");
    for header in ["chef/containerv.h", "chef/containerv-user-linux.h"] {
        let source = bed.path("alone.c");
        fs::write(
            &source,
            format!("#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"),
        )
        .unwrap();
        bed.compile(&source, library(), &["-std=c99", "-pedantic", "-Wconversion"]);
    }
}

/// The functions that a header declares: an identifier of ours right before a parenthesis, in
/// lines that are neither comment nor preprocessor.
fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for header in ["containerv.h", "containerv-user-linux.h"] {
        let text = fs::read_to_string(include().join("chef").join(header)).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with(['/', '*', '#'])) {
            let Some((before, _)) = line.split_once('(') else { continue };
            let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
            names.extend(name.starts_with("containerv_").then(|| name.to_owned()));
        }
    }
    names
}

#[test]
fn exactly_the_declared_functions_are_exported() {
    let shared = library().join("libcontainerv.so.0").display().to_string();
    let listing = tool("nm", ["-D", "--defined-only", "--format=posix", &shared]);
    let exported: BTreeSet<String> =
        listing.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(exported, declared());
    assert_eq!(exported.len(), 20);
}

#[test]
fn the_shared_library_has_a_name_and_needs_only_the_system() {
    let shared = library().join("libcontainerv.so.0").display().to_string();
    let dynamic = tool("readelf", ["-d", &shared]);
    assert!(dynamic.contains("Library soname: [libcontainerv.so.0]"), "{dynamic}");
    let needed: Vec<&str> = dynamic
        .lines()
        .filter_map(|line| line.split_once("Shared library: ["))
        .map(|entry| entry.1)
        .collect();
    let system =
        ["libc.so.", "libgcc_s.so.", "ld-linux", "libm.so.", "libpthread.so.", "libdl.so.", "librt.so."];
    assert!(needed.iter().all(|name| system.iter().any(|known| name.starts_with(known))), "{needed:?}");
}

#[test]
fn programs_may_link_the_static_library() {
    let bed = Bed::new("static");
    let program = bed.path("program");
    let (include, source, archive) =
        (include(), sources().join("prototypes.c"), library().join("libcontainerv.a"));
    let arguments = ["-std=c99", "-I"].map(std::ffi::OsStr::new);
    let files = [include.as_os_str(), source.as_os_str(), archive.as_os_str()];
    let rest = ["-lpthread", "-o"].map(std::ffi::OsStr::new);
    let native = NATIVE.map(std::ffi::OsStr::new);
    tool("gcc", arguments.into_iter().chain(files).chain(native).chain(rest).chain([program.as_os_str()]));
    assert_eq!(run(&bed, &program), "");
    let needed = tool("readelf", ["-d", &program.display().to_string()]);
    assert!(!needed.contains("libcontainerv"), "{needed}");
}

#[test]
fn the_example_runs() {
    if let Some(reason) = obstacle() {
        println!("skipped: {reason}");
        return;
    }
    let bed = Bed::new("example");
    bed.make_root();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/c/lifecycle.c");
    let program = bed.compile(&source, library(), &["-std=c99", "-pedantic"]);
    let mut command = Command::new(&program);
    command.arg(bed.path("root")).args(["/bin/echo", "hello from the container"]);
    let ran = bed.run(&mut command, LIMIT);
    ran.assert_success("the example");
    let mut lines = ran.stdout.lines();
    assert_eq!(lines.next(), Some("hello from the container"));
    assert!(
        lines.next().is_some_and(|line| line.starts_with("container ") && line.ends_with(" ran process 2"))
    );
    let mut command = Command::new(&program);
    let ran = bed.run(command.arg(bed.path("missing")).arg("/bin/true"), LIMIT);
    assert_eq!(ran.status.and_then(|status| status.code()), Some(1));
    assert!(ran.stderr.contains("No such file or directory"), "{}", ran.stderr);
    assert!(bed.leftovers(&BTreeSet::new()).is_empty());
}
