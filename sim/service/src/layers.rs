//! Layers and scratch disks: what is attached, what is prepared, and where.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sim_protocol::{Call, codes};

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::calls::Context;
use crate::disks::{self, plain};
use crate::machine::{self, Machine};
use crate::overlay;
use crate::schema;
use crate::server::{Service, Work};
use crate::transport;
use crate::world::{State, System, World};

#[derive(Default)]
pub struct Layers {
    /// Attached disks by their key.
    active: BTreeMap<String, Active>,
    /// How many disks were attached, for their numbers.
    attached: u32,
    /// Open devices by their names.
    devices: BTreeMap<String, Device>,
}

/// A disk, or the volume on it, that a client has open.
struct Device {
    client: u64,
    /// The disk's file or its scratch layer's folder.
    layer: String,
}

pub struct Active {
    /// The disk's file, or the folder of its scratch layer, as it was named.
    layer: String,
    volume: String,
    /// The number of the disk device.
    number: u32,
    /// The device that it goes with, if it is not to stay.
    holder: Option<String>,
    /// The parents of the filter, topmost first.
    parents: Option<Vec<String>>,
    /// Where layers and scratch are seen as one, as root.
    merged: Option<PathBuf>,
}

impl Layers {
    pub fn is_active(&self, layer: &str) -> bool {
        self.active.contains_key(&disks::key(layer))
    }

    /// The scratch behind a volume that is prepared over exactly these parents.
    pub fn prepared(&self, volume: &str, parents: &[String]) -> Answer<String> {
        let active = self.active.values().find(|active| active.volume.eq_ignore_ascii_case(volume));
        let active = active
            .ok_or_else(|| Refusal::new(codes::OBJECT_NO_LONGER_EXISTS, format!("no volume {volume}")))?;
        let same = |prepared: &Vec<String>| {
            prepared.iter().map(|path| plain(path)).eq(parents.iter().map(|path| plain(path)))
        };
        match &active.parents {
            None => refuse(codes::E_INVALIDARG, "Construct: the scratch layer is not prepared"),
            Some(prepared) if !same(prepared) => {
                refuse(codes::E_INVALIDARG, format!("Construct: the scratch is prepared over {prepared:?}"))
            }
            Some(_) => Ok(active.layer.clone()),
        }
    }

    /// Where the prepared scratch is seen with its layers.
    pub fn merged(&self, layer: &str) -> Option<PathBuf> {
        self.active.get(&disks::key(layer)).and_then(|active| active.merged.clone())
    }

    pub fn described(&self, machine: &Machine) -> Value {
        let one = |active: &Active| {
            let sizes = disks::find(machine, &active.layer).and_then(|disk| disk.sizes()).unwrap_or_default();
            json!({"folder": active.layer, "volume": active.volume, "prepared": active.parents.is_some(),
                "disk_bytes": sizes.0, "volume_bytes": sizes.1})
        };
        self.active.values().map(one).collect()
    }

    fn get(&mut self, layer: &str) -> Answer<&mut Active> {
        self.active
            .get_mut(&disks::key(layer))
            .ok_or_else(|| Refusal::new(codes::NOT_READY, format!("the layer {layer} is not activated")))
    }

    /// The layer whose volume this is.
    fn of_volume(&self, guid: &str) -> Answer<String> {
        let found = self.active.values().find(|active| active.volume.eq_ignore_ascii_case(guid));
        found
            .map(|active| active.layer.clone())
            .ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("no volume {guid}")))
    }

    /// The layer of a path, or of a device's name.
    fn of_name(&self, name: &str) -> String {
        self.devices.get(name).map_or_else(|| name.to_owned(), |device| device.layer.clone())
    }
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

/// The functions on layers; `None` for others.
pub fn perform(context: &Context<'_>) -> Option<Work> {
    let (service, call) = (context.service, context.call);
    let text = |name: &str| call.arguments[name].as_str().unwrap_or_default();
    let (layer, machine) = (service.world().layers.of_name(text("layer")), &service.machine);
    let layer = layer.as_str();
    let done = Success::default();
    let answer = match call.function.as_str() {
        "NameToGuid" => Ok(Success::values(json!(machine::name_to_guid(text("name"))))),
        "CreateSandboxLayer" => create(machine, layer, &parents(call)),
        "CreateVirtualDisk" => disks::create(machine, layer, context.number("size"), text("parent")),
        "OpenVirtualDisk" => disks::open(machine, layer),
        "ExpandSandboxSize" | "ExpandVirtualDisk" => disks::expand(machine, layer, context.number("size")),
        "GetVirtualDiskPhysicalPath" => physical_path(service, layer),
        "ActivateLayer" => activate(service, layer, None),
        "AttachVirtualDisk" => {
            let holder = (call.arguments["permanent"] != true).then(|| text("layer").to_owned());
            activate(service, layer, holder)
        }
        "device.open" => open_device(context),
        "device.close" => {
            close_device(service, text("name"));
            Ok(done)
        }
        "volume.length" => disks::find(machine, &service.world().layers.of_name(text("name")))
            .and_then(|disk| disk.size())
            .map(|size| Success::values(json!(size))),
        "volume.extend" => disks::find(machine, &service.world().layers.of_name(text("name")))
            .and_then(|disk| disk.extend_volume(context.number("size")))
            .map(|()| done),
        "DeactivateLayer" | "DetachVirtualDisk" => deactivate(service, layer),
        "PrepareLayer" => prepare(service, layer, parents(call)),
        "UnprepareLayer" => unprepare(service, layer),
        "GetLayerMountPath" | "HcsGetLayerVhdMountPath" => mount_path(service, layer),
        "LayerExists" => Ok(Success::values(json!(machine.path(layer).is_some()))),
        "DestroyLayer" | "HcsDestroyLayer" => destroy(service, layer),
        "CreateLayer" => make_folder(machine, layer).map(|_| done),
        "CopyLayer" => refuse(codes::E_NOTIMPL, "layers are not copied here"),
        "ImportLayer" => import(machine, layer, text("source"), &parents(call)),
        "HcsImportLayer" => {
            layer_data(text("data")).and_then(|parents| import(machine, layer, text("source"), &parents))
        }
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
        "HcsFormatWritableLayerVhd" => {
            disks::find(machine, layer).and_then(|disk| disk.extend_volume(disk.size()?)).map(|()| done)
        }
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
    let path = machine.new_file(windows)?;
    if !path.is_dir() {
        fs::create_dir(&path).or_refuse("making the layer's folder")?;
    }
    Ok(path)
}

fn create(machine: &Machine, layer: &str, parents: &[String]) -> Answer {
    let with_files =
        |path: &String| machine.path(path).and_then(|path| machine::entry(&path, "Files")).is_some();
    if parents.is_empty() || !parents.iter().all(with_files) {
        return refuse(codes::PATH_NOT_FOUND, format!("the parents of {layer}: {parents:?}"));
    }
    let folder = make_folder(machine, layer)?;
    disks::create_scratch(&folder)?;
    Ok(Success::default())
}

/// Attaches the disk: until it is detached, or until the client is gone that holds it.
fn activate(service: &Service, layer: &str, holder: Option<String>) -> Answer {
    let files = disks::find(&service.machine, layer)?.files();
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
    let number = world.layers.attached + 1;
    world.layers.attached = number;
    let active = Active { layer: layer.to_owned(), volume, number, holder, parents: None, merged: None };
    world.layers.active.insert(disks::key(layer), active);
    Ok(Success::default())
}

/// A client has a disk open, or a volume.
fn open_device(context: &Context<'_>) -> Answer {
    let mut world = context.service.world();
    let layer = match context.optional("volume") {
        Some(guid) => world.layers.of_volume(guid)?,
        None => context.text("layer").to_owned(),
    };
    let device = Device { client: context.client.number, layer };
    world.layers.devices.insert(context.text("name").to_owned(), device);
    Ok(Success::default())
}

/// The last handle is closed: a disk that is attached for no longer is detached, unless it is in use.
fn close_device(service: &Service, name: &str) {
    let layer = {
        let mut world = service.world();
        world.layers.devices.remove(name);
        let held = world.layers.active.values().find(|active| active.holder.as_deref() == Some(name));
        held.map(|active| active.layer.clone())
    };
    if let Some(layer) = layer {
        let _ = deactivate(service, &layer);
    }
}

/// A client is gone, and with it its handles.
pub fn forget(service: &Service, client: u64) {
    let own: Vec<String> = {
        let world = service.world();
        let own = world.layers.devices.iter().filter(|(_, device)| device.client == client);
        own.map(|(name, _)| name.clone()).collect()
    };
    own.iter().for_each(|name| close_device(service, name));
}

/// Whether a system that has not stopped writes to the scratch.
fn in_use(world: &World, machine: &Machine, layer: &str) -> bool {
    let Ok(disk) = disks::find(machine, layer) else { return false };
    let running = |system: &&System| system.state != State::Stopped;
    world.systems.values().filter(running).any(|system| system.scratch.as_ref() == Some(&disk.content))
}

fn deactivate(service: &Service, layer: &str) -> Answer {
    let mut world = service.world();
    let active = world.layers.get(layer)?;
    if active.parents.is_some() {
        return refuse(codes::SHARING_VIOLATION, format!("the layer {layer} is prepared"));
    }
    fs::remove_file(service.machine.volume_link(&active.volume)).or_refuse("unmounting the volume")?;
    world.layers.active.remove(&disks::key(layer));
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
        overlay::mount(&service.machine, &layers, &disks::find(&service.machine, layer)?.content, &merged)?;
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
        let files = disks::find(&service.machine, layer)?.files();
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

fn physical_path(service: &Service, layer: &str) -> Answer {
    match service.world().layers.active.get(&disks::key(layer)) {
        Some(active) => Ok(Success::values(json!(format!(r"\\.\PhysicalDrive{}", active.number)))),
        None => refuse(codes::DEV_NOT_EXIST, format!("the disk {layer} is not attached")),
    }
}

fn attach(service: &Service, volume: &str, data: &str) -> Answer {
    let parents = layer_data(data)?;
    let layer = service.world().layers.of_volume(guid(volume))?;
    prepare(service, &layer, parents)
}

fn detach(service: &Service, volume: &str) -> Answer {
    let layer = service.world().layers.of_volume(guid(volume))?;
    unprepare(service, &layer)
}

fn guid(volume: &str) -> &str {
    crate::documents::volume(volume).unwrap_or(volume)
}

fn destroy(service: &Service, layer: &str) -> Answer {
    let (world, name) = (service.world(), plain(layer));
    // Never a whole drive.
    let path = service.machine.path(layer).filter(|_| name.contains('\\'));
    let path = path.ok_or_else(|| Refusal::new(codes::PATH_NOT_FOUND, format!("no layer {layer}")))?;
    let running = world.systems.values().filter(|system| system.state != State::Stopped);
    let mut scratches = running.filter_map(|system| system.scratch.as_ref());
    let below = |disk: &String| disk.strip_prefix(&name).is_some_and(|rest| rest.starts_with('\\'));
    if scratches.any(|scratch| scratch.starts_with(&path)) || world.layers.active.keys().any(below) {
        return refuse(codes::SHARING_VIOLATION, format!("the layer {layer} is in use"));
    }
    fs::remove_dir_all(path).or_refuse("removing the layer")?;
    Ok(Success::default())
}

fn import(machine: &Machine, layer: &str, source: &str, parents: &[String]) -> Answer {
    let missing = |path: &str| Refusal::new(codes::PATH_NOT_FOUND, format!("no folder {path}"));
    let from = machine.path(source).ok_or_else(|| missing(source))?;
    let below = parents.iter().map(|path| machine.path(path).ok_or_else(|| missing(path)));
    let below: Vec<PathBuf> = below.collect::<Answer<_>>()?;
    let to = make_folder(machine, layer)?;
    transport::import(&from, &to, &below)?;
    Ok(Success::default())
}

fn export(machine: &Machine, layer: &str, target: &str) -> Answer {
    if machine.path(layer).is_none() {
        return refuse(codes::PATH_NOT_FOUND, format!("no layer {layer}"));
    }
    let Ok(disk) = disks::find(machine, layer) else {
        return refuse(codes::E_INVALIDARG, format!("{layer} is no writable layer"));
    };
    transport::export(&disk.files(), &make_folder(machine, target)?)?;
    Ok(Success::default())
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
    if function == "ProcessBaseImage" {
        make_hives(&folder)?;
    }
    for name in made {
        let content: &[u8] = if *name == "layout" { b"vhd-with-hives\n" } else { b"vhdxfile" };
        fs::write(folder.join(name), content).or_refuse("finishing the layer")?;
    }
    Ok(Success::default())
}

/// The registry of a base layer is that of the system in it.
fn make_hives(layer: &std::path::Path) -> Answer<()> {
    let hives = layer.join("Hives");
    fs::create_dir_all(&hives).or_refuse("making the registry")?;
    for (file, hive) in [
        ("DEFAULT", "DefaultUser"),
        ("SAM", "Sam"),
        ("SECURITY", "Security"),
        ("SOFTWARE", "Software"),
        ("SYSTEM", "System"),
    ] {
        let path = std::path::Path::new("Files/Windows/System32/config").join(file);
        let hive = hives.join(format!("{hive}_Base"));
        if let Some(from) = transport::find(layer, &path).filter(|_| !hive.exists()) {
            fs::copy(from, hive).or_refuse("making the registry")?;
        }
    }
    Ok(())
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
