//! The C program of the README compiles and runs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Bed, library, obstacle};

#[test]
fn the_program_of_the_readme_runs() {
    if let Some(reason) = obstacle() {
        println!("skipped: {reason}");
        return;
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let program = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let bed = Bed::new("readme");
    bed.make_root();
    std::fs::write(bed.path("hello.c"), program).unwrap();
    let hello = bed.compile(&bed.path("hello.c"), library(), &["-std=c99", "-pedantic"]);
    let limit = Duration::from_secs(60);
    let ran = bed.run(Command::new(&hello).arg(bed.path("root")), limit);
    ran.assert_success("the program of the README");
    assert_eq!(ran.stdout, "uid=0 gid=0\ncontainerv-host\n");
    let ran = bed.run(&mut Command::new(&hello), limit);
    assert!(
        ran.status.is_some_and(|status| status.code() == Some(2)) && ran.stderr.starts_with("usage: "),
        "{ran:?}"
    );
    let ran = bed.run(Command::new(&hello).arg(bed.path("nowhere")), limit);
    assert!(ran.status.is_some_and(|status| status.code() == Some(1)), "{ran:?}");
    assert!(ran.stderr.contains("No such file or directory"), "{}", ran.stderr);
}
