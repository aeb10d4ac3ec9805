//! The volume of a scratch: programs of the host read and write a container's files through it.
#![cfg(windows)]
#![allow(clippy::disallowed_methods, reason = "that paths are what they say is what the test asks")]

use std::fs;
use std::path::{Path, PathBuf};

use sim_protocol::codes;
use sim_tests::api_layers as layers;
use sim_tests::layers::Layered;
use sim_tests::running::{HyperV, Running};

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    names
}

#[test]
fn host_and_container_see_the_same_files_while_it_runs_and_afterwards() {
    if sim_tests::no_containers() {
        return;
    }
    let container = Running::new("volume", |_| ());
    let root = PathBuf::from(&container.layers.volume);
    // What is in the layers, and what the installation itself has.
    assert_eq!(fs::read_to_string(root.join("app\\hello.txt")).unwrap(), container.layers.layer_text());
    assert!(names(&root).iter().any(|name| name.eq_ignore_ascii_case("windows")));
    // From the host into the container: a tree, a change of a layer's file, a removal.
    fs::create_dir_all(root.join("up\\deep")).unwrap();
    fs::write(root.join("up\\deep\\file.txt"), "from the host").unwrap();
    fs::write(root.join("app\\hello.txt"), "changed").unwrap();
    fs::copy(root.join("probe.exe"), root.join("up\\other.exe")).unwrap();
    fs::remove_file(root.join("probe.exe")).unwrap();
    assert_eq!(container.run("cmd /c type C:\\up\\deep\\file.txt", None).1, "from the host");
    assert_eq!(container.run("cmd /c type C:\\app\\hello.txt", None).1, "changed");
    assert_eq!(container.run("C:\\up\\other.exe exit 7", None).0, 7);
    assert_eq!(container.run("cmd /c if exist C:\\probe.exe exit 9", None).0, 0);
    // And back.
    let line =
        "cmd /c echo out> C:\\up\\out.txt& del C:\\up\\other.exe& md C:\\made& ren C:\\up\\deep deeper";
    container.run(line, None);
    assert_eq!(names(&root.join("up")), ["deeper", "out.txt"]);
    assert_eq!(fs::read_to_string(root.join("UP\\Out.TXT")).unwrap().trim(), "out");
    assert!(root.join("made").is_dir());
    // The layers are as they were.
    assert_eq!(container.layers.layer_text(), "hello from the layer\r\n");
    assert!(Path::new(&container.layers.parents[0]).join("Files\\probe.exe").is_file());
    container.stop();
    fs::write(root.join("up\\later.txt"), "while it was stopped").unwrap();
    assert_eq!(names(&root.join("up")), ["deeper", "later.txt", "out.txt"]);
}

#[test]
fn files_of_layers_are_renamed_and_removed_through_the_volume() {
    if sim_tests::no_containers() {
        return;
    }
    let layers = Layered::new("renames");
    let root = PathBuf::from(&layers.volume);
    fs::rename(root.join("app"), root.join("moved")).unwrap();
    assert_eq!(fs::read_to_string(root.join("moved\\hello.txt")).unwrap(), layers.layer_text());
    fs::create_dir(root.join("app")).unwrap();
    assert!(names(&root.join("app")).is_empty());
    fs::rename(root.join("moved\\hello.txt"), root.join("app\\hello.txt")).unwrap();
    fs::remove_dir_all(root.join("moved")).unwrap();
    assert_eq!(names(&root.join("app")), ["hello.txt"]);
    // No path of the volume's leads out of it.
    let inside = fs::canonicalize(root.join("app\\hello.txt")).unwrap();
    assert!(inside.starts_with(fs::canonicalize(&root).unwrap()), "{inside:?}");
    assert!(!root.join("..\\drive_c").exists());
    assert_eq!(layers.layer_text(), "hello from the layer\r\n");
}

#[test]
fn what_was_written_is_there_when_the_scratch_is_mounted_again() {
    if sim_tests::no_containers() {
        return;
    }
    let layers = Layered::new("again");
    fs::write(Path::new(&layers.volume).join("kept.txt"), "kept").unwrap();
    layers.unmount();
    assert!(!Path::new(&layers.volume).exists());
    assert_eq!(layers::on_layer("ActivateLayer", &layers.scratch), 0);
    // Without the filter there is what the scratch itself has.
    let (code, volume) = layers::mount_path(&layers.scratch);
    assert_eq!(code, 0);
    let root = PathBuf::from(format!("{volume}\\"));
    assert_eq!(names(&root), ["kept.txt"]);
    assert_eq!(layers::prepare(&layers.scratch, &layers.parents), 0);
    assert_eq!(fs::read_to_string(root.join("kept.txt")).unwrap(), "kept");
    assert!(root.join("app\\hello.txt").is_file());
}

#[test]
fn a_machine_of_its_own_keeps_the_scratch_for_itself() {
    if sim_tests::no_containers() {
        return;
    }
    let layers = Layered::new("owned");
    layers.unmount();
    let container = HyperV::new(&layers, |_| ());
    assert_eq!(layers::on_layer("ActivateLayer", &layers.scratch), codes::SHARING_VIOLATION);
    let (code, output) = container.run("cmd /c echo written> C:\\new.txt& type C:\\app\\hello.txt");
    assert_eq!((code, output.as_str()), (0, "hello from the layer\r\n"));
    container.stop();
    assert_eq!(layers::on_layer("ActivateLayer", &layers.scratch), 0);
    assert_eq!(layers::prepare(&layers.scratch, &layers.parents), 0);
    let (_, volume) = layers::mount_path(&layers.scratch);
    assert_eq!(fs::read_to_string(format!("{volume}\\new.txt")).unwrap().trim(), "written");
}
