//! The example that shows a whole life of a container.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::{Bed, library, obstacle, sources};

/// It is for Windows; here it differs in its two paths only.
#[test]
fn it_runs_with_paths_of_linux() {
    if let Some(reason) = obstacle() {
        println!("skipped: {reason}");
        return;
    }
    let bed = Bed::new("seed");
    bed.make_root();
    let text = fs::read_to_string(sources().join("seed.c")).unwrap();
    let root = bed.path("root").display().to_string();
    let paths = [(r"C:\\containerfs", root.as_str()), (r"C:\\Windows\\System32\\cmd.exe", "/bin/arguments")];
    let text = paths.iter().fold(text, |text, (windows, linux)| {
        assert_eq!(text.matches(windows).count(), 1, "{windows}");
        text.replace(windows, linux)
    });
    fs::write(bed.path("seed.c"), text).unwrap();
    let program = bed.compile(&bed.path("seed.c"), library(), &["-std=c99", "-pedantic"]);
    let ran = bed.run(&mut Command::new(program), Duration::from_secs(60));
    ran.assert_success("the example");
    // It ignores all results; the library was asked to tell of failures.
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let arguments = fs::read_to_string(bed.path("root/shared/arguments")).unwrap();
    assert_eq!(arguments, "/bin/arguments|arg1|arg2");
    assert!(bed.leftovers(&Default::default()).is_empty());
}
