//! Disks and filters by `virtdisk.dll` and `computestorage.dll`.
#![cfg(windows)]

use std::fs;

use serde_json::json;
use sim_protocol::codes;
use sim_tests::api_layers as layers;
use sim_tests::api_storage as storage;
use sim_tests::bed::{Service, wait_until};
use sim_tests::layers::Layered;

#[test]
fn a_scratch_is_mounted_without_the_first_generation() {
    let layered = Layered::new("storage");
    let folder = format!("{}-disk", layered.scratch);
    fs::create_dir_all(&folder).unwrap();
    let path = format!("{folder}\\sandbox.vhdx");
    let (code, disk) = storage::create_disk(&path, 1 << 30, None);
    assert_eq!(code, 0);
    let disk = disk.unwrap();
    assert_eq!(storage::create_disk(&path, 1 << 30, None).0, 80);
    assert_eq!(storage::format(&disk), 0);
    assert_eq!(storage::mount_path(&disk), (codes::NOT_READY, None));
    assert_eq!(storage::attach(&disk, true), 0);
    assert_eq!(storage::attach(&disk, true), 32);
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

/// A scratch that is not mounted: its layers, and its disk's file.
fn unmounted(name: &str) -> (Layered, String) {
    let layered = Layered::new(name);
    layered.unmount();
    let file = format!("{}\\sandbox.vhdx", layered.scratch);
    (layered, file)
}

#[test]
fn disks_have_sizes_that_grow() {
    const GIB: u64 = 1 << 30;
    let (layered, scratch) = unmounted("sizes");
    let file = |name: &str| format!("{}\\{name}", layered.scratch);
    for wrong in [0, 1 << 20, GIB + 1, 1 << 60] {
        assert_eq!(storage::create_disk(&file("wrong.vhdx"), wrong, None).0, 87, "{wrong}");
    }
    assert_eq!(storage::create_disk("C:\\none\\new.vhdx", GIB, None).0, 3);
    assert_eq!(storage::create_disk(&file("child.vhdx"), 0, Some(&file("none.vhdx"))).0, 2);
    assert_eq!(storage::create_disk(&file("child.vhdx"), 0, Some(&scratch)).0, 0);
    fs::write(file("text.vhdx"), "no disk").unwrap();
    assert_eq!(storage::open_disk(&file("text.vhdx")).0, 1392);
    assert_eq!(storage::open_disk(&file("none.vhdx")).0, 2);
    let (code, disk) = storage::open_disk(&scratch);
    assert_eq!(code, 0);
    let disk = disk.unwrap();
    assert_eq!(storage::expand(&disk, 10 * GIB), 87);
    assert_eq!(storage::expand(&disk, 30 * GIB), 0);
    assert_eq!(storage::expand(&disk, 20 * GIB), 87);
    drop(disk);
    assert_eq!(layers::expand(&layered.scratch, 10 * GIB), codes::E_INVALIDARG);
    assert_eq!(layers::expand(&layered.scratch, 40 * GIB), 0);
}

#[test]
fn a_disk_is_attached_for_as_long_as_it_is_open() {
    let (layered, scratch) = unmounted("held");
    let disk = storage::open_disk(&scratch).1.unwrap();
    assert_eq!(storage::physical_path(&disk, 128).0, 55);
    assert_eq!(storage::attach(&disk, false), 0);
    let (code, bytes, path) = storage::physical_path(&disk, 128);
    assert_eq!((code, bytes as usize), (0, path.len() * 2 + 2));
    assert!(path.starts_with(r"\\.\PhysicalDrive"), "{path}");
    assert_eq!(storage::physical_path(&disk, 8), (122, bytes, String::new()));
    assert_eq!(layers::on_layer("ActivateLayer", &layered.scratch), codes::SHARING_VIOLATION);
    // A copy of the handle is as good.
    let copy = disk.try_clone().unwrap();
    drop(disk);
    assert_eq!(storage::physical_path(&copy, 128).2, path);
    drop(copy);
    wait_until("it is detached", || layers::on_layer("ActivateLayer", &layered.scratch) == 0);
    assert_eq!(layers::on_layer("DeactivateLayer", &layered.scratch), 0);
    let disk = storage::open_disk(&scratch).1.unwrap();
    assert_eq!(storage::attach(&disk, true), 0);
    drop(disk);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let disk = storage::open_disk(&scratch).1.unwrap();
    assert_eq!(storage::physical_path(&disk, 128).0, 0);
    assert_eq!(storage::detach(&disk), 0);
    assert_eq!(storage::detach(&disk), 21);
}

#[test]
fn a_volume_is_a_device_that_follows_its_disk() {
    const GIB: u64 = 1 << 30;
    let layered = Layered::new("extended");
    let name = layered.volume.trim_end_matches('\\');
    let sizes = || {
        let state = Service::connect().state();
        let layers = state["layers"].as_array().unwrap().clone();
        let own = layers.iter().find(|layer| layer["folder"] == layered.scratch.as_str()).unwrap();
        (own["disk_bytes"].as_u64().unwrap(), own["volume_bytes"].as_u64().unwrap())
    };
    assert_eq!(sizes(), (20 * GIB, 20 * GIB));
    assert_eq!(layers::expand(&layered.scratch, 25 * GIB), 0);
    assert_eq!(sizes(), (25 * GIB, 20 * GIB));
    let volume = fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    assert_eq!(storage::length(&volume).unwrap(), 25 * GIB);
    assert!(storage::extend(&volume, 26 * GIB).is_err());
    storage::extend(&volume, 25 * GIB).unwrap();
    assert_eq!(sizes(), (25 * GIB, 25 * GIB));
    drop(volume);
    // As a directory it is what it was, and what is no volume of ours is not there.
    assert!(fs::read_dir(&layered.volume).is_ok());
    assert!(fs::File::open(r"\\?\Volume{00000000-0000-0000-0000-000000000001}").is_err());
    let plain = fs::File::create(std::env::temp_dir().join("no-volume.txt")).unwrap();
    assert!(storage::length(&plain).is_err());
}

/// As the published client makes the disks of a base layer.
#[test]
fn the_disks_of_a_base_layer_are_made() {
    let layered = Layered::new("base-disks");
    let folder = layered.parents.last().unwrap();
    let (base, blank) = (format!("{folder}\\blank-base.vhdx"), format!("{folder}\\blank.vhdx"));
    let disk = storage::create_disk(&base, 20 << 30, None).1.unwrap();
    assert_eq!(storage::format(&disk), 0);
    assert_eq!(storage::attach(&disk, false), 0);
    let (code, volume) = storage::mount_path(&disk);
    assert_eq!(code, 0);
    let volume = volume.unwrap();
    assert!(fs::read_dir(format!("{volume}\\")).unwrap().next().is_none());
    assert_eq!(storage::setup_volume(folder, &volume, r#"{"Type":"Container"}"#), 0);
    assert_eq!(storage::setup_volume(folder, &volume, r#"{"Kind":"Container"}"#), codes::INVALID_JSON);
    assert_eq!(storage::destroy(folder), codes::SHARING_VIOLATION);
    assert_eq!(storage::detach(&disk), 0);
    drop(disk);
    assert_eq!(storage::create_disk(&blank, 0, Some(&base)).0, 0);
    wait_until("its disks are closed", || storage::destroy(folder) == 0);
}

#[test]
fn there_is_no_wsl() {
    assert!(!storage::is_distribution("debian"));
}
