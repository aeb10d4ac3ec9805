//! Disks and filters by `virtdisk.dll` and `computestorage.dll`.
#![cfg(windows)]

use std::fs;

use serde_json::json;
use sim_protocol::codes;
use sim_tests::api_layers as layers;
use sim_tests::api_storage as storage;
use sim_tests::layers::Layered;

#[test]
fn a_scratch_is_mounted_without_the_first_generation() {
    let layered = Layered::new("storage");
    let folder = format!("{}-disk", layered.scratch);
    fs::create_dir_all(&folder).unwrap();
    let path = format!("{folder}\\sandbox.vhdx");
    let (code, disk) = storage::create_disk(&path);
    assert_eq!(code, 0);
    let disk = disk.unwrap();
    assert_eq!(storage::create_disk(&path).0, 80);
    assert_eq!(storage::format(&disk), 0);
    assert_eq!(storage::mount_path(&disk), (codes::NOT_READY, None));
    assert_eq!(storage::attach(&disk), 0);
    assert_eq!(storage::attach(&disk), 32);
    let (code, volume) = storage::mount_path(&disk);
    assert_eq!(code, 0);
    let volume = volume.unwrap();
    assert!(volume.starts_with(r"\\?\Volume{") && volume.ends_with('}'), "{volume}");
    let layer =
        |path: &String| json!({"Id": layers::name_to_guid(path.rsplit('\\').next().unwrap()), "Path": path});
    let data = json!({"SchemaVersion": {"Major": 2, "Minor": 1}, "Layers": layered.parents.iter().map(layer).collect::<Vec<_>>()});
    assert_eq!(storage::initialize(&volume, &data.to_string()), 0);
    assert_eq!(storage::initialize(&volume, r#"{"Layer":[]}"#), codes::INVALID_JSON);
    assert_eq!(storage::attach_filter(&volume, &data.to_string()), 0);
    assert_eq!(storage::attach_filter(&volume, &data.to_string()), codes::SHARING_VIOLATION);
    assert_eq!(storage::detach(&disk), 32);
    assert_eq!(storage::destroy(&folder), codes::SHARING_VIOLATION);
    assert_eq!(storage::detach_filter(&volume), 0);
    assert_eq!(storage::detach_filter(&volume), codes::NOT_READY);
    assert_eq!(storage::detach(&disk), 0);
    drop(disk);
    assert_eq!(storage::destroy(&folder), 0);
    assert!(!fs::exists(&folder).unwrap());
    assert_eq!(storage::destroy(&folder), codes::PATH_NOT_FOUND);
    assert_eq!(storage::destroy("C:\\"), codes::PATH_NOT_FOUND);
}

#[test]
fn there_is_no_wsl() {
    assert!(!storage::is_distribution("debian"));
}
