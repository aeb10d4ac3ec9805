//! Copies of containers in all states, with the stand-ins.

use std::fs;
use std::path::Path;
use std::time::Duration;

use containerv_spec::request::Isolation;

use super::*;
use crate::backend::hcs::bed::Bed;
use crate::copy::ChangeKind;
use crate::{Container, MakeOptions};

fn said(container: &Container, command: &str) -> String {
    let output = container.command("cmd").args(["/c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn options() -> CopyOptions {
    CopyOptions::default()
}

#[test]
fn files_go_in_and_out_of_a_container_that_runs_and_of_one_that_does_not() {
    let Some(bed) = Bed::new() else { return };
    let host = bed.scratch();
    fs::create_dir(host.join("tree")).unwrap();
    fs::write(host.join("tree").join("file.txt"), "from outside").unwrap();
    let container = bed.keeper(Isolation::Process);
    let summary = container.upload(host.join("tree"), "C:\\data", &options()).unwrap();
    assert_eq!((summary.files, summary.directories, summary.bytes), (1, 1, 12));
    assert_eq!(said(&container, "type C:\\data\\file.txt"), "from outside");
    said(&container, "echo from inside> C:\\data\\made.txt");
    container.download("/data", host.join("out"), &options()).unwrap();
    assert_eq!(fs::read_to_string(host.join("out").join("made.txt")).unwrap(), "from inside\r\n");
    container.stop(Some(Duration::from_secs(20))).unwrap();
    container.download("/data/made.txt", host.join("again.txt"), &options()).unwrap();
    assert_eq!(fs::read_to_string(host.join("again.txt")).unwrap(), "from inside\r\n");
    fs::write(host.join("later.txt"), "later").unwrap();
    container.upload(host.join("later.txt"), "C:\\data\\", &options()).unwrap();
    let error = container.upload(host.join("later.txt"), "C:\\none\\x", &options()).unwrap_err();
    assert!(error.to_string().contains("cannot copy files of container"), "{error}");
    let mut archive = Vec::new();
    container.download_tar("/data", &mut archive, &options()).unwrap();
    assert_eq!(container.upload_tar(&archive[..], "/", &options()).unwrap().files, 3);
    assert!(bed.host.repair(true).unwrap().is_empty());
    container.start().unwrap();
    assert_eq!(said(&container, "type C:\\data\\later.txt"), "later");
    assert!(container.disk_usage().unwrap() > 0);
    container.delete(true).unwrap();
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn the_disk_of_a_virtual_machine_is_reached_when_that_does_not_run() {
    let Some(bed) = Bed::new() else { return };
    let host = bed.scratch();
    fs::write(host.join("file.txt"), "x").unwrap();
    let container = bed.keeper(Isolation::Vm);
    container.stop(Some(Duration::from_secs(20))).unwrap();
    container.upload(host.join("file.txt"), "C:\\", &options()).unwrap();
    container.start().unwrap();
    assert_eq!(said(&container, "type C:\\file.txt"), "x");
    container.delete(true).unwrap();
}

#[test]
fn a_program_copies_in_a_virtual_machine_that_runs() {
    let Some(bed) = Bed::new() else { return };
    let Some(cv) = std::env::var_os("CONTAINERV_CV").filter(|path| Path::new(path).is_file()) else {
        println!("skipped: CONTAINERV_CV names no program");
        return;
    };
    let host = bed.scratch();
    fs::create_dir_all(host.join("tree").join("sub")).unwrap();
    fs::write(host.join("tree").join("file.txt"), "from outside").unwrap();
    fs::write(host.join("tree").join("sub").join("large"), vec![7; 3 << 20]).unwrap();
    let made = bed.keeper(Isolation::Vm);
    let container = bed.host.with_monitor(cv).container(made.id().short()).unwrap();
    let summary = container.upload(host.join("tree"), "C:\\data", &options()).unwrap();
    assert_eq!((summary.files, summary.directories, summary.bytes), (2, 2, (3 << 20) + 12));
    assert_eq!(said(&container, "type C:\\data\\file.txt"), "from outside");
    // The directory is there now, and is copied into.
    container.upload(host.join("tree").join("file.txt"), "/data/", &options()).unwrap();
    container.upload(host.join("tree"), "/data", &options()).unwrap();
    said(&container, "echo from inside> C:\\data\\tree\\made.txt");
    let summary = container.download("C:\\data", host.join("out"), &options()).unwrap();
    assert_eq!((summary.files, summary.directories), (5, 4));
    assert_eq!(
        fs::read_to_string(host.join("out").join("tree").join("made.txt")).unwrap(),
        "from inside\r\n"
    );
    assert_eq!(fs::read(host.join("out").join("sub").join("large")).unwrap(), vec![7; 3 << 20]);
    container.download("/data/file.txt", host.join("one.txt"), &options()).unwrap();
    container.download("/data/tree/.", host.join("out"), &options()).unwrap();
    assert!(host.join("out").join("made.txt").is_file());
    let mut archive = Vec::new();
    let packed = container.download_tar("/data/tree", &mut archive, &options()).unwrap();
    assert_eq!((packed.files, packed.directories), (3, 2));
    let unpacked = container.upload_tar(&archive[..], "/data/sub", &options()).unwrap();
    assert_eq!(unpacked.files, 3);
    assert_eq!(said(&container, "type C:\\data\\sub\\tree\\made.txt"), "from inside\r\n");
    for error in [
        container.upload(host.join("one.txt"), "C:\\none\\x", &options()).unwrap_err(),
        container.download("/none", host.join("none"), &options()).unwrap_err(),
        container.download_tar("/none", &mut archive, &options()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("in the container"), "{error}");
    }
    let error = container.upload(host.join("one.txt"), "C:\\x:y", &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = container.download("/data", host.join("one.txt"), &options()).unwrap_err();
    assert!(error.to_string().contains("cannot overwrite non-directory"), "{error}");
    // Nothing of the program is left in the container or beside it.
    let looked = container.command("cmd").args(["/c", "dir C:\\.containerv-copy\\cv.exe"]).output().unwrap();
    assert!(!looked.status.success());
    assert!(!container.directory().unwrap().join("guest").exists());
    container.delete(true).unwrap();
}

#[test]
fn changes_are_told_of_a_container_that_does_not_run() {
    let Some(bed) = Bed::new() else { return };
    bed.put_in_layer("data\\old.txt", "old");
    let container = bed.keeper(Isolation::Process);
    said(&container, "echo new> C:\\data\\new.txt & echo other> C:\\data\\old.txt & mkdir C:\\made");
    let error = container.changes().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    container.stop(Some(Duration::from_secs(20))).unwrap();
    let changes = container.changes().unwrap();
    let kind =
        |path: &str| changes.iter().find(|change| change.path == path.into()).map(|change| change.kind);
    assert_eq!(kind("C:\\data\\new.txt"), Some(ChangeKind::Added), "{changes:?}");
    assert_eq!(kind("C:\\data\\old.txt"), Some(ChangeKind::Modified), "{changes:?}");
    assert_eq!(kind("C:\\data"), Some(ChangeKind::Modified), "{changes:?}");
    assert_eq!(kind("C:\\made"), Some(ChangeKind::Added), "{changes:?}");
    assert!(!container.directory().unwrap().join("changes").exists());
    container.delete(false).unwrap();
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn all_files_are_exported_from_a_container_that_does_not_run() {
    let Some(bed) = Bed::new() else { return };
    bed.put_in_layer("data\\old.txt", "old");
    for isolation in [Isolation::Process, Isolation::Vm] {
        let container = bed.keeper(isolation);
        said(&container, "echo new> C:\\data\\new.txt");
        let error = container.export(std::io::sink(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
        container.stop(Some(Duration::from_secs(20))).unwrap();
        let mut archive = Vec::new();
        let summary = container.export(&mut archive, None).unwrap();
        assert!(summary.files >= 2, "{summary:?}");
        let mut found = Vec::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let records = entry.pax_extensions().unwrap();
            let records: Vec<_> = records.into_iter().flatten().map(|record| record.unwrap()).collect();
            let has = |key: &str| records.iter().any(|record| record.key() == Ok(key));
            if name.starts_with("./data/") && !name.ends_with('/') {
                assert!(has("MSWINDOWS.fileattr") && has("MSWINDOWS.rawsd"), "{name}");
                found.push(name);
            }
        }
        found.sort();
        assert_eq!(found, ["./data/new.txt", "./data/old.txt"]);
        // Of folders alone no image is made.
        let error = bed.host.images().commit(&container, &MakeOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("cv export")), "{error:?}");
        // Nothing of it stays mounted, and it starts again.
        assert!(bed.host.repair(true).unwrap().is_empty());
        container.start().unwrap();
        container.delete(true).unwrap();
    }
}

#[test]
fn a_copy_that_a_crash_ended_is_tidied_up() {
    let Some(bed) = Bed::new() else { return };
    let container = bed.keeper(Isolation::Process);
    container.stop(Some(Duration::from_secs(20))).unwrap();
    let system = &bed.host.system;
    let View { access, resting, _lock: lock, .. } =
        system.view(system.directory(container.id()).unwrap()).unwrap();
    assert!(resting.is_some());
    // As the end of a process leaves it: closed and unlocked, and mounted.
    drop((access, lock));
    let found = bed.host.repair(true).unwrap();
    assert!(found.iter().any(|action| action.action.contains("DeactivateLayer")), "{found:?}");
    // Whoever needs the container does not have to know.
    container.start().unwrap();
    assert_eq!(said(&container, "echo up"), "up\r\n");
    container.stop(Some(Duration::from_secs(20))).unwrap();
    drop(system.view(system.directory(container.id()).unwrap()).map(|view| drop((view.access, view._lock))));
    bed.host.repair(false).unwrap();
    assert!(bed.host.repair(true).unwrap().is_empty());
    container.delete(false).unwrap();
    assert!(bed.host.containers().unwrap().is_empty());
}
