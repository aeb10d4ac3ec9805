//! Layers and scratch disks: what is attached, what is prepared, and where.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use sim_protocol::{Call, codes};

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::machine::{self, Machine};
use crate::overlay;
use crate::schema;
use crate::server::{Service, Work};

#[derive(Default)]
pub struct Layers {
    /// Attached scratch disks by their folder, in lower case.
    active: BTreeMap<String, Active>,
}

pub struct Active {
    folder: String,
    volume: String,
    /// The parents of the filter, topmost first.
    parents: Option<Vec<String>>,
    /// Where layers and scratch are seen as one, as root.
    merged: Option<PathBuf>,
}

/// What the scratch disk of these stand-ins is: a marker file beside a directory with the files.
pub const DISK: &str = "sandbox.vhdx";
pub const DISK_FILES: &str = "sandbox.vhdx.files";

fn key(folder: &str) -> String {
    folder.trim_start_matches(r"\\?\").trim_end_matches(['\\', '/']).replace('/', "\\").to_ascii_lowercase()
}

impl Layers {
    pub fn is_active(&self, folder: &str) -> bool {
        self.active.contains_key(&key(folder))
    }

    /// The scratch folder behind a volume that is prepared over exactly these parents.
    pub fn prepared(&self, volume: &str, parents: &[String]) -> Answer<String> {
        let active = self.active.values().find(|active| active.volume.eq_ignore_ascii_case(volume));
        let active = active
            .ok_or_else(|| Refusal::new(codes::OBJECT_NO_LONGER_EXISTS, format!("no volume {volume}")))?;
        let same = |prepared: &Vec<String>| {
            prepared.iter().map(|path| key(path)).eq(parents.iter().map(|path| key(path)))
        };
        match &active.parents {
            None => refuse(codes::E_INVALIDARG, "Construct: the scratch layer is not prepared"),
            Some(prepared) if !same(prepared) => {
                refuse(codes::E_INVALIDARG, format!("Construct: the scratch is prepared over {prepared:?}"))
            }
            Some(_) => Ok(active.folder.clone()),
        }
    }

    /// Where the prepared scratch is seen with its layers.
    pub fn merged(&self, folder: &str) -> Option<PathBuf> {
        self.active.get(&key(folder)).and_then(|active| active.merged.clone())
    }

    pub fn described(&self) -> Value {
        self.active
            .values()
            .map(|active| json!({"folder": active.folder, "volume": active.volume, "prepared": active.parents.is_some()}))
            .collect()
    }

    fn get(&mut self, folder: &str) -> Answer<&mut Active> {
        self.active
            .get_mut(&key(folder))
            .ok_or_else(|| Refusal::new(codes::NOT_READY, format!("the layer {folder} is not activated")))
    }

    fn by_volume(&mut self, path: &str) -> Answer<&mut Active> {
        let volume = crate::documents::volume(path).unwrap_or_default().to_owned();
        self.active
            .values_mut()
            .find(|active| active.volume.eq_ignore_ascii_case(&volume))
            .ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("no volume {path}")))
    }
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

/// The functions on layers; `None` for others.
pub fn perform(service: &Arc<Service>, call: &Call) -> Option<Work> {
    let text = |name: &str| call.arguments[name].as_str().unwrap_or_default();
    let (layer, machine) = (text("layer"), &service.machine);
    let done = Success::default();
    let answer = match call.function.as_str() {
        "NameToGuid" => Ok(Success::values(json!(machine::name_to_guid(text("name"))))),
        "CreateSandboxLayer" => create(machine, layer, &parents(call)),
        "ActivateLayer" | "AttachVirtualDisk" => activate(service, layer),
        "DeactivateLayer" | "DetachVirtualDisk" => deactivate(service, layer),
        "PrepareLayer" => prepare(service, layer, parents(call)),
        "UnprepareLayer" => unprepare(service, layer),
        "GetLayerMountPath" | "HcsGetLayerVhdMountPath" => mount_path(service, layer),
        "LayerExists" => Ok(Success::values(json!(machine.path(layer).is_some()))),
        "DestroyLayer" | "HcsDestroyLayer" => destroy(service, layer),
        "CreateLayer" => make_folder(machine, layer).map(|_| done),
        "CopyLayer" => refuse(codes::E_NOTIMPL, "layers are not copied here"),
        "ExpandSandboxSize" => disk(machine, layer).map(|_| done),
        "ImportLayer" | "HcsImportLayer" => import(machine, layer, text("source")),
        "ExportLayer" | "HcsExportLayer" | "HcsExportLegacyWritableLayer" => {
            export(machine, layer, text("target"))
        }
        "ProcessBaseImage" | "ProcessUtilityImage" => process_image(machine, layer, &call.function),
        "GetBaseImages" => Ok(Success::document(&json!([]))),
        "HcsSetupBaseOSLayer" => {
            checked("OsLayerOptions", text("options")).and_then(|()| setup_base(machine, layer))
        }
        "HcsSetupBaseOSVolume" => checked("OsLayerOptions", text("options")).map(|()| done),
        "HcsInitializeWritableLayer" | "HcsInitializeLegacyWritableLayer" => {
            layer_data(text("data")).map(|_| done)
        }
        "HcsAttachLayerStorageFilter" | "HcsAttachOverlayFilter" => attach(service, layer, text("data")),
        "HcsDetachLayerStorageFilter" | "HcsDetachOverlayFilter" => detach(service, layer),
        "HcsFormatWritableLayerVhd" => disk(machine, layer).map(|_| done),
        _ => return None,
    };
    Some(Work::Done(answer))
}

fn parents(call: &Call) -> Vec<String> {
    let list = call.arguments["parents"].as_array().into_iter().flatten();
    list.map(|parent| parent["path"].as_str().unwrap_or_default().to_owned()).collect()
}

fn checked(name: &str, text: &str) -> Answer<()> {
    if text.is_empty() { Ok(()) } else { Ok(schema::parse(name, text).map(drop)?) }
}

fn layer_data(text: &str) -> Answer<Vec<String>> {
    let document = schema::parse("LayerData", text)?;
    let layers = document["Layers"].as_array().into_iter().flatten();
    Ok(layers.map(|layer| layer["Path"].as_str().unwrap_or_default().to_owned()).collect())
}

/// The folder of a Windows path whose parent is there; made if it is not.
fn make_folder(machine: &Machine, windows: &str) -> Answer<PathBuf> {
    if let Some(path) = machine.path(windows) {
        return Ok(path);
    }
    let name = machine::last_component(windows);
    let parent = windows.trim_end_matches('\\').strip_suffix(name).unwrap_or_default();
    let parent = machine.path(parent).filter(|_| !name.is_empty());
    let parent =
        parent.ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("no folder for {windows}")))?;
    let path = parent.join(name);
    fs::create_dir(&path).or_refuse("making the layer's folder")?;
    Ok(path)
}

fn create(machine: &Machine, layer: &str, parents: &[String]) -> Answer {
    let with_files =
        |path: &String| machine.path(path).and_then(|path| machine::entry(&path, "Files")).is_some();
    if parents.is_empty() || !parents.iter().all(with_files) {
        return refuse(codes::PATH_NOT_FOUND, format!("the parents of {layer}: {parents:?}"));
    }
    let folder = make_folder(machine, layer)?;
    if folder.join(DISK).exists() {
        return refuse(codes::FILE_EXISTS, format!("{layer} has a scratch disk"));
    }
    fs::create_dir(folder.join(DISK_FILES)).or_refuse("making the scratch's files")?;
    fs::write(folder.join(DISK), b"vhdxfile").or_refuse("making the scratch disk")?;
    Ok(Success::default())
}

/// The folder and its disk's files. A disk that was copied gets files of its own.
pub fn disk(machine: &Machine, layer: &str) -> Answer<PathBuf> {
    let missing = || Refusal::new(codes::FILE_NOT_FOUND, format!("{layer} has no {DISK}"));
    let folder = machine.path(layer).ok_or_else(missing)?;
    let folder =
        if folder.is_file() { folder.parent().map(PathBuf::from).unwrap_or_default() } else { folder };
    machine::entry(&folder, DISK).ok_or_else(missing)?;
    let disk = folder.join(DISK_FILES);
    fs::create_dir_all(disk.join("files")).or_refuse("making the scratch's files")?;
    Ok(disk)
}

fn activate(service: &Service, layer: &str) -> Answer {
    let files = disk(&service.machine, layer)?.join("files");
    let mut world = service.world();
    if world.layers.is_active(layer) {
        return refuse(codes::SHARING_VIOLATION, format!("the layer {layer} is active"));
    }
    // Its virtual machine has the disk open.
    if in_use(&world, &service.machine, layer) {
        return refuse(codes::SHARING_VIOLATION, format!("a compute system uses {layer}"));
    }
    let volume = machine::new_guid();
    std::os::unix::fs::symlink(&files, service.machine.volume_link(&volume))
        .or_refuse("mounting the volume")?;
    let active = Active { folder: layer.to_owned(), volume, parents: None, merged: None };
    world.layers.active.insert(key(layer), active);
    Ok(Success::default())
}

/// Whether a system that has not stopped writes to the scratch.
fn in_use(world: &crate::world::World, machine: &Machine, layer: &str) -> bool {
    let Ok(files) = disk(machine, layer) else { return false };
    let running = |system: &&crate::world::System| system.state != crate::world::State::Stopped;
    world.systems.values().filter(running).any(|system| system.scratch.as_ref() == Some(&files))
}

fn deactivate(service: &Service, layer: &str) -> Answer {
    let mut world = service.world();
    let active = world.layers.get(layer)?;
    if active.parents.is_some() {
        return refuse(codes::SHARING_VIOLATION, format!("the layer {layer} is prepared"));
    }
    fs::remove_file(service.machine.volume_link(&active.volume)).or_refuse("unmounting the volume")?;
    world.layers.active.remove(&key(layer));
    Ok(Success::default())
}

fn prepare(service: &Service, layer: &str, parents: Vec<String>) -> Answer {
    let with_files =
        |path: &String| service.machine.path(path).and_then(|path| machine::entry(&path, "Files")).is_some();
    if parents.is_empty() || !parents.iter().all(with_files) {
        return refuse(codes::PATH_NOT_FOUND, format!("the parents of {layer}: {parents:?}"));
    }
    let mut world = service.world();
    let active = world.layers.get(layer)?;
    if active.parents.is_some() {
        return refuse(codes::SHARING_VIOLATION, format!("the layer {layer} is prepared"));
    }
    if rustix::process::geteuid().is_root() {
        let merged = service.machine.state.join(format!("volume-{}", active.volume));
        let layers: Vec<PathBuf> = parents
            .iter()
            .filter_map(|path| service.machine.path(path).and_then(|path| machine::entry(&path, "Files")))
            .collect();
        overlay::mount(&service.machine, &layers, &disk(&service.machine, layer)?, &merged)?;
        point(&service.machine.volume_link(&active.volume), &merged)?;
        active.merged = Some(merged);
    }
    active.parents = Some(parents);
    Ok(Success::default())
}

/// Has the volume be seen as the directory.
fn point(link: &std::path::Path, to: &std::path::Path) -> Answer<()> {
    fs::remove_file(link).or_refuse("mounting the volume")?;
    std::os::unix::fs::symlink(to, link).or_refuse("mounting the volume")
}

fn unprepare(service: &Service, layer: &str) -> Answer {
    let mut world = service.world();
    if in_use(&world, &service.machine, layer) {
        return refuse(codes::SHARING_VIOLATION, format!("a compute system uses {layer}"));
    }
    let active = world.layers.get(layer)?;
    if active.parents.take().is_none() {
        return refuse(codes::NOT_READY, format!("the layer {layer} is not prepared"));
    }
    if let Some(merged) = active.merged.take() {
        let files = disk(&service.machine, layer)?.join("files");
        point(&service.machine.volume_link(&active.volume), &files)?;
        overlay::unmount(&merged);
    }
    Ok(Success::default())
}

fn mount_path(service: &Service, layer: &str) -> Answer {
    let mut world = service.world();
    let active = world.layers.get(layer)?;
    Ok(Success::values(json!(format!(r"\\?\Volume{{{}}}", active.volume))))
}

fn attach(service: &Service, volume: &str, data: &str) -> Answer {
    let parents = layer_data(data)?;
    let mut world = service.world();
    let folder = world.layers.by_volume(volume)?.folder.clone();
    drop(world);
    prepare(service, &folder, parents)
}

fn detach(service: &Service, volume: &str) -> Answer {
    let mut world = service.world();
    let folder = world.layers.by_volume(volume)?.folder.clone();
    drop(world);
    unprepare(service, &folder)
}

fn destroy(service: &Service, layer: &str) -> Answer {
    let world = service.world();
    if world.layers.is_active(layer) || in_use(&world, &service.machine, layer) {
        return refuse(codes::SHARING_VIOLATION, format!("the layer {layer} is in use"));
    }
    let inside = key(layer).split('\\').filter(|part| !part.is_empty()).count() > 1;
    let path = service.machine.path(layer).filter(|_| inside);
    let path = path.ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("no layer {layer}")))?;
    fs::remove_dir_all(path).or_refuse("removing the layer")?;
    Ok(Success::default())
}

/// A layer that came in the transport format: here its files as they are.
fn import(machine: &Machine, layer: &str, source: &str) -> Answer {
    let from = machine.path(source).and_then(|path| machine::entry(&path, "Files"));
    let from = from.ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("{source} has no files")))?;
    let to = make_folder(machine, layer)?;
    copy(&from, &to.join("Files"))?;
    Ok(Success::default())
}

fn export(machine: &Machine, layer: &str, target: &str) -> Answer {
    let folder = machine.path(layer);
    let folder = folder.ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("no layer {layer}")))?;
    let files = machine::entry(&folder, DISK_FILES).map(|disk| disk.join("files"));
    let Some(files) = files.filter(|files| files.is_dir()) else {
        return refuse(codes::E_INVALIDARG, format!("{layer} is no writable layer"));
    };
    let to = make_folder(machine, target)?;
    copy(&files, &to.join("Files"))?;
    Ok(Success::default())
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Answer<()> {
    let status = std::process::Command::new("cp").arg("-a").arg("--").args([from, to]).status();
    match status.or_refuse("copying the layer's files")? {
        status if status.success() => Ok(()),
        status => refuse(codes::E_FAIL, format!("copying the layer's files: {status}")),
    }
}

fn process_image(machine: &Machine, layer: &str, function: &str) -> Answer {
    let missing = || Refusal::new(codes::PATH_NOT_FOUND, format!("{layer} has no files"));
    let folder = machine.path(layer).ok_or_else(missing)?;
    machine::entry(&folder, "Files").ok_or_else(missing)?;
    let made: &[&str] = match function {
        "ProcessBaseImage" => &["blank-base.vhdx", "blank.vhdx", "layout"],
        _ => &["SystemTemplateBase.vhdx", "SystemTemplate.vhdx"],
    };
    // Leftovers of a run that failed.
    if let Some(left) = made.iter().find(|name| machine::entry(&folder, name).is_some()) {
        return refuse(codes::FILE_EXISTS, format!("{layer} has {left}"));
    }
    for name in made {
        let content: &[u8] = if *name == "layout" { b"vhd-with-hives\n" } else { b"vhdxfile" };
        fs::write(folder.join(name), content).or_refuse("finishing the layer")?;
    }
    Ok(Success::default())
}

fn setup_base(machine: &Machine, layer: &str) -> Answer {
    let missing = || Refusal::new(codes::PATH_NOT_FOUND, format!("{layer} has no files"));
    let folder = machine.path(layer).ok_or_else(missing)?;
    machine::entry(&folder, "Files").ok_or_else(missing)?;
    if machine::entry(&folder, "Hives").is_some() || machine::entry(&folder, "layout").is_some() {
        return refuse(codes::FILE_EXISTS, format!("{layer} is set up"));
    }
    fs::create_dir(folder.join("Hives")).or_refuse("setting the layer up")?;
    fs::write(folder.join("layout"), b"vhd-with-hives\n").or_refuse("setting the layer up")?;
    Ok(Success::default())
}
