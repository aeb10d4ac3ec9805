//! Names and paths that Windows reads as something else.

use std::thread::sleep;
use std::time::Duration;

use super::*;

/// A file below the root, made by the raw form of its name, as a container can.
fn raw(scratch: &Scratch, name: &str) {
    let directory = relative::open_path(&scratch.path("root"), Access::LIST).unwrap();
    let name: Name = name.encode_utf16().collect();
    drop(relative::open(directory.as_handle(), &name, How::new_file(Access::WRITE, false)).unwrap());
}

#[test]
fn paths_that_leave_the_root_or_name_something_else_are_refused() {
    let scratch = Scratch::new();
    let file = scratch.file("file", b"canary");
    scratch.file("root/inside", b"x");
    let root = scratch.root();
    let before = fingerprint(&scratch.path(""));
    for path in [
        "D:\\x",
        "C:x",
        "\\\\server\\share\\x",
        "\\\\?\\C:\\x",
        "//?/C:/x",
        "\\\\.\\C:\\x",
        "inside:stream",
        "inside::$DATA",
        "NUL",
        "con.txt",
        "C:\\COM1",
        "lpt9.log",
        "inside.",
        "inside ",
        "x\\.. \\y",
        "a*b",
        "a\"b",
    ] {
        let error = up(&root, &file, path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{path}: {error}");
        assert!(error.to_string().contains("is refused"), "{path}: {error}");
        down(&root, path, &scratch.path("out")).unwrap_err();
        download_tar(&root, &path.into(), &mut Vec::new(), &plain()).unwrap_err();
        upload_tar(&root, &[0; 1024][..], &path.into(), &plain()).unwrap_err();
    }
    assert_eq!(fingerprint(&scratch.path("")), before);
    // Climbing ends at the root.
    let out = scratch.path("out");
    assert_eq!(down(&root, "..\\..\\inside", &out).unwrap().files, 1);
    assert_eq!(fs::read(&out).unwrap(), b"x");
    let error = down(&root, "..\\file", &out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    up(&root, &file, "..\\..\\climbed").unwrap();
    assert!(scratch.path("root/climbed").is_file());
}

#[test]
fn names_of_the_host_are_refused_too() {
    let scratch = Scratch::new();
    scratch.file("root/inside", b"x");
    let root = scratch.root();
    for name in ["nul", "con", "x:y", "COM1.txt", "dot.", "blank "] {
        let mut path = scratch.path("").into_os_string();
        path.push("\\");
        path.push(name);
        let error = down(&root, "/inside", Path::new(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}: {error}");
    }
    assert_eq!(fs::read_dir(scratch.path("")).unwrap().count(), 1);
}

#[test]
fn files_with_names_of_devices_are_left_out_and_told() {
    let scratch = Scratch::new();
    for name in ["aux.c", "NUL", "COM7", "plain"] {
        raw(&scratch, name);
    }
    let summary = down(&scratch.root(), "/", &scratch.path("out")).unwrap();
    assert_eq!((summary.files, summary.skipped_count), (1, 3));
    assert!(summary.skipped.iter().all(|skipped| skipped.reason == SkipReason::Name));
    assert_eq!(fs::read_dir(scratch.path("out")).unwrap().count(), 1);
}

#[test]
fn another_case_of_a_name_is_the_same_file() {
    let scratch = Scratch::new();
    let file = scratch.file("NAME", b"new");
    scratch.file("root/Name", b"old");
    scratch.dir("root/Directory");
    // Changes of a moment ago would be taken for the copy's own.
    sleep(Duration::from_millis(60));
    let root = scratch.root();
    up(&root, &file, "/").unwrap();
    up(&root, &file, "/DIRECTORY").unwrap();
    assert_eq!(fs::read_dir(scratch.path("root")).unwrap().count(), 2);
    assert_eq!(fs::read(scratch.path("root/name")).unwrap(), b"new");
    assert!(scratch.path("root/Directory/NAME").is_file());
}
