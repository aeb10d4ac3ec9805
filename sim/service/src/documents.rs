//! What a document that creates a compute system has to be, beyond its types.

use serde_json::Value;
use sim_protocol::codes;

use crate::answer::{Answer, Refusal};
use crate::disks;
use crate::machine::{self, BUILD, Machine};
use crate::schema;
use crate::world::{Kind, World};

/// What a right document asks for.
#[derive(Debug)]
pub struct Wanted {
    pub kind: Kind,
    pub owner: String,
    pub host_name: Option<String>,
    pub terminate_on_last_handle: bool,
    /// Layer folders, topmost first.
    pub layers: Vec<String>,
    /// The scratch folder.
    pub scratch: Option<String>,
    pub memory_mb: Option<u64>,
    pub processor: Value,
    pub mapped: Vec<Value>,
    pub namespace: Option<String>,
    pub endpoints: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

/// Examines a document of the second schema.
pub fn examine(world: &World, machine: &Machine, document: &Value) -> Answer<Wanted> {
    version(&document["SchemaVersion"])?;
    let present = ["Container", "VirtualMachine", "HostedSystem"].map(|key| document[key].is_object());
    let mut wanted = match present {
        [true, false, false] => container(world, machine, &document["Container"], document)?,
        [false, true, false] => {
            virtual_machine(&document["VirtualMachine"])?;
            empty(Kind::Machine)
        }
        [false, false, true] => hosted(world, document)?,
        _ => {
            let message = "Invalid JSON document '$': one of Container, VirtualMachine, HostedSystem";
            return refuse(codes::INVALID_JSON, message);
        }
    };
    wanted.owner = text(&document["Owner"]);
    wanted.terminate_on_last_handle =
        document["ShouldTerminateOnLastHandleClosed"].as_bool().unwrap_or_default();
    Ok(wanted)
}

fn empty(kind: Kind) -> Wanted {
    Wanted {
        kind,
        owner: String::new(),
        host_name: None,
        terminate_on_last_handle: false,
        layers: Vec::new(),
        scratch: None,
        memory_mb: None,
        processor: Value::Null,
        mapped: Vec::new(),
        namespace: None,
        endpoints: Vec::new(),
    }
}

/// This build's service knows 2.0 to 2.5.
fn version(version: &Value) -> Answer<()> {
    match (version["Major"].as_u64(), version["Minor"].as_u64()) {
        (Some(2), minor) if minor.unwrap_or(0) <= 5 => Ok(()),
        _ => refuse(codes::INVALID_JSON, format!("Invalid JSON document '$.SchemaVersion': {version}")),
    }
}

fn container(world: &World, machine: &Machine, container: &Value, document: &Value) -> Answer<Wanted> {
    let mut wanted = empty(Kind::Process);
    processor(&container["Processor"])?;
    wanted.processor = container["Processor"].clone();
    wanted.memory_mb = memory(&container["Memory"]["SizeInMB"])?;
    wanted.host_name = container["GuestOs"]["HostName"].as_str().map(str::to_owned);
    network(world, container, &mut wanted)?;
    let storage = &container["Storage"];
    let layers = storage["Layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    wanted.layers = chain(machine, layers, "Id")?;
    builds(machine, &wanted.layers, document, false)?;
    let path = text(&storage["Path"]);
    let Some(guid) = volume(&path).filter(|_| path.ends_with('\\')) else {
        return refuse(codes::OBJECT_NO_LONGER_EXISTS, format!("Storage.Path is no volume path: {path}"));
    };
    wanted.scratch = Some(world.layers.prepared(guid, &wanted.layers)?);
    wanted.mapped = mapped(machine, &container["MappedDirectories"])?;
    Ok(wanted)
}

/// The GUID of `\\?\Volume{GUID}\`, the backslash at the end or not.
pub fn volume(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(r"\\?\Volume{")?;
    let guid = rest.trim_end_matches('\\').strip_suffix('}')?;
    schema::is_guid(guid).then_some(guid)
}

pub fn processor(processor: &Value) -> Answer<()> {
    let set = |key: &str| processor[key].as_i64();
    let given: Vec<&str> =
        ["Count", "Maximum", "Weight"].into_iter().filter(|key| set(key).is_some()).collect();
    if given.len() > 1 {
        return refuse(codes::E_INVALIDARG, format!("Construct: Processor has {}", given.join(" and ")));
    }
    let bad = set("Maximum").is_some_and(|value| !(1..=10_000).contains(&value))
        || set("Weight").is_some_and(|value| !(0..=10_000).contains(&value))
        || set("Count") == Some(0);
    if bad { refuse(codes::E_INVALIDARG, format!("Construct: Processor {processor}")) } else { Ok(()) }
}

fn memory(size: &Value) -> Answer<Option<u64>> {
    match size.as_u64() {
        Some(0) => refuse(codes::E_INVALIDARG, "Construct: Memory.SizeInMB is 0"),
        size => Ok(size),
    }
}

fn network(world: &World, container: &Value, wanted: &mut Wanted) -> Answer<()> {
    if let Some(name) = &wanted.host_name {
        host_name(name)?;
    }
    let Some(namespace) = container["Networking"]["Namespace"].as_str().filter(|text| !text.is_empty())
    else {
        return Ok(());
    };
    let bare = schema::is_guid(namespace)
        && !namespace.bytes().any(|byte| byte == b'{' || byte.is_ascii_uppercase());
    if !bare || !world.networks.namespaces.contains_key(namespace) {
        return refuse(codes::ELEMENT_NOT_FOUND, format!("no network namespace {namespace}"));
    }
    if wanted.host_name.is_none() {
        return refuse(codes::E_INVALIDARG, "Construct: Networking.Namespace without GuestOs.HostName");
    }
    wanted.namespace = Some(namespace.to_owned());
    Ok(())
}

fn host_name(name: &str) -> Answer<()> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=15).contains(&name.len())
        && name.bytes().all(safe)
        && !name.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(());
    }
    refuse(codes::E_INVALIDARG, format!("Construct: the host name '{name}' is no computer name"))
}

/// The folders of the layers. Each has files, and its id is that of its name.
fn chain(machine: &Machine, layers: &[Value], key: &str) -> Answer<Vec<String>> {
    if layers.is_empty() {
        return refuse(codes::E_INVALIDARG, "Construct: no layers");
    }
    let folder = |layer: &Value| {
        let path = text(&layer["Path"]);
        let found = machine.path(&path).and_then(|folder| machine::entry(&folder, "Files"));
        if found.is_none() {
            return refuse(codes::PATH_NOT_FOUND, format!("the layer {path} has no files"));
        }
        let id = text(&layer[key]);
        if !id.eq_ignore_ascii_case(&machine::name_to_guid(machine::last_component(&path))) {
            return refuse(codes::E_INVALIDARG, format!("Construct: {id} is not the id of the layer {path}"));
        }
        Ok(path)
    };
    layers.iter().map(folder).collect()
}

/// A base layer says in a file `build`, which is these stand-ins' own, what it was built for;
/// without one it fits.
fn builds(machine: &Machine, layers: &[String], document: &Value, hyper_v: bool) -> Answer<()> {
    let base =
        layers.last().and_then(|path| machine.path(path)).and_then(|path| machine::entry(&path, "build"));
    let Some(build) = base.and_then(|file| std::fs::read_to_string(file).ok()) else { return Ok(()) };
    let number: u32 = build.trim().parse().unwrap_or_default();
    if number == BUILD || hyper_v && number < BUILD {
        return Ok(());
    }
    refuse(
        codes::IMAGE_MISMATCH | 0x4000_0000,
        format!("the image's build {number}, the host's {BUILD}: {document}"),
    )
}

fn mapped(machine: &Machine, list: &Value) -> Answer<Vec<Value>> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter().try_for_each(|item| mapped_directory(machine, item))?;
    Ok(list)
}

pub fn mapped_directory(machine: &Machine, item: &Value) -> Answer<()> {
    let (host, container) = (text(&item["HostPath"]), text(&item["ContainerPath"]));
    if machine.path(&host).is_none() {
        return refuse(codes::FILE_NOT_FOUND, format!("MappedDirectories: no {host}"));
    }
    match crate::container::parts(&container) {
        Some(_) => Ok(()),
        None => refuse(codes::E_INVALIDARG, format!("Construct: the container path {container}")),
    }
}

pub fn virtual_machine(machine: &Value) -> Answer<()> {
    let direct = &machine["Chipset"]["LinuxKernelDirect"];
    if machine["Chipset"]["Uefi"].is_object() == direct.is_object() && direct.is_object() {
        return refuse(codes::E_INVALIDARG, "Construct: two ways to boot");
    }
    let memory = &machine["ComputeTopology"]["Memory"]["SizeInMB"];
    if memory.as_u64().is_some_and(|size| size % 2 == 1 || size == 0) {
        return refuse(codes::E_INVALIDARG, format!("Construct: {memory} MB of memory"));
    }
    Ok(())
}

fn hosted(world: &World, document: &Value) -> Answer<Wanted> {
    schema::check("HostedSystem", &document["HostedSystem"])?;
    let host = text(&document["HostingSystemId"]);
    let number = world
        .by_id(&host)
        .ok_or_else(|| Refusal::new(codes::SYSTEM_NOT_FOUND, format!("no hosting system '{host}'")))?;
    let connection = &world.systems[&number].document["VirtualMachine"]["Devices"]["GuestConnection"];
    let direct = &world.systems[&number].document["VirtualMachine"]["GuestConnection"];
    if connection.is_object() || direct.is_object() {
        return refuse(codes::NOT_SUPPORTED, "no guest answers in these virtual machines");
    }
    refuse(codes::INVALID_STATE, format!("the hosting system '{host}' has no guest connection"))
}

/// Examines a document of the first schema.
pub fn examine_first(world: &World, machine: &Machine, document: &Value) -> Answer<Wanted> {
    if text(&document["SystemType"]) != "Container" {
        return refuse(codes::E_INVALIDARG, "Construct: SystemType is not Container");
    }
    let hyper_v = document["HvPartition"].as_bool().unwrap_or_default();
    let mut wanted = empty(if hyper_v { Kind::HyperV } else { Kind::Process });
    wanted.owner = text(&document["Owner"]);
    wanted.terminate_on_last_handle = document["TerminateOnLastHandleClosed"].as_bool().unwrap_or_default();
    wanted.host_name = document["HostName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    if let Some(name) = &wanted.host_name {
        host_name(name)?;
    }
    wanted.memory_mb = document["MemoryMaximumInMB"].as_u64().filter(|size| *size > 0);
    wanted.processor = first_processor(document);
    let layers = document["Layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    wanted.layers = chain(machine, layers, "ID")?;
    builds(machine, &wanted.layers, document, hyper_v)?;
    wanted.scratch = Some(first_storage(world, machine, document, &wanted.layers, hyper_v)?);
    wanted.mapped = mapped(machine, &document["MappedDirectories"])?;
    for endpoint in document["EndpointList"].as_array().into_iter().flatten() {
        let id = text(endpoint).to_ascii_lowercase();
        if !world.networks.endpoints.contains_key(&id) {
            return refuse(codes::HCN_ENDPOINT_NOT_FOUND, format!("no endpoint {id}"));
        }
        wanted.endpoints.push(id);
    }
    Ok(wanted)
}

/// Zero means "not given" in the first schema.
fn first_processor(document: &Value) -> Value {
    let mut processor = serde_json::Map::new();
    for (from, to) in
        [("ProcessorCount", "Count"), ("ProcessorMaximum", "Maximum"), ("ProcessorWeight", "Weight")]
    {
        if let Some(value) = document[from].as_u64().filter(|value| *value > 0) {
            processor.insert(to.to_owned(), value.into());
        }
    }
    Value::Object(processor)
}

fn first_storage(
    world: &World,
    machine: &Machine,
    document: &Value,
    layers: &[String],
    hyper_v: bool,
) -> Answer<String> {
    let folder = text(&document["LayerFolderPath"]);
    let volume_path = text(&document["VolumePath"]);
    if !hyper_v {
        let Some(guid) = volume(&volume_path).filter(|_| !volume_path.ends_with('\\')) else {
            return refuse(codes::OBJECT_NO_LONGER_EXISTS, format!("VolumePath is no volume: {volume_path}"));
        };
        return world.layers.prepared(guid, layers);
    }
    let image = text(&document["HvRuntime"]["ImagePath"]);
    if machine.path(&image).is_none() {
        return refuse(codes::PATH_NOT_FOUND, format!("HvRuntime.ImagePath: no {image}"));
    }
    if world.layers.is_active(&folder) {
        return refuse(codes::SHARING_VIOLATION, format!("the scratch {folder} is mounted on the host"));
    }
    disks::find(machine, &folder).map(|_| folder)
}
