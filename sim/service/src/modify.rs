//! `HcsModifyComputeSystem`: what may be changed, by path.

use serde_json::Value;
use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::calls::Context;
use crate::systems::{document, live};
use crate::world::{Kind, State, System};
use crate::{documents, schema};

/// A path, where `*` stands for one component; the type of its settings, the empty text for none;
/// and the requests that it takes.
const PATHS: &[(&str, &str, &[&str])] = &[
    ("Container/MappedDirectories", "MappedDirectory", &["Add", "Remove"]),
    ("Container/MappedPipes", "MappedPipe", &["Add", "Remove"]),
    ("Container/Memory/SizeInMB", "uint64", &["Update"]),
    ("Container/Processor", "Container_Processor", &["Update"]),
    ("Container/RegistryFlushState", "RegistryFlushState", &["Update"]),
    ("VirtualMachine/ComputeTopology/Memory/SizeInMB", "uint64", &["Update"]),
    ("VirtualMachine/ComputeTopology/Gpu", "GpuConfiguration", &["Update"]),
    ("VirtualMachine/ComputeTopology/Processor/CpuGroup", "CpuGroup", ANY),
    ("VirtualMachine/ComputeTopology/Processor/IdledProcessors", "IdleProcessorsRequest", &["Update"]),
    ("VirtualMachine/ComputeTopology/Processor/CpuFrequencyPowerCap", "uint64", ANY),
    ("VirtualMachine/ComputeTopology/Processor/Limits", "ProcessorLimits", &["Update"]),
    ("VirtualMachine/Devices/ComPorts/*", "ComPort", ANY),
    ("VirtualMachine/Devices/FlexibleIov/*", "FlexibleIoDevice", &["Add"]),
    ("VirtualMachine/Devices/MappedPipes/*", "", &["Add", "Remove"]),
    ("VirtualMachine/Devices/NetworkAdapters/*", "NetworkAdapter", ANY),
    ("VirtualMachine/Devices/Plan9/Shares", "Plan9Share", ANY),
    ("VirtualMachine/Devices/Scsi/*/Attachments/*", "Attachment", ANY),
    ("VirtualMachine/Devices/SharedMemory/Regions", "SharedMemoryRegion", ANY),
    ("VirtualMachine/Devices/VirtualPci/*", "VirtualPciDevice", &["Add", "Remove"]),
    ("VirtualMachine/Devices/VirtualPMem/Devices/*", "VirtualPMemDevice", &["Add", "Remove"]),
    ("VirtualMachine/Devices/VirtualPMem/Devices/*/Mappings/*", "VirtualPMemMapping", &["Add", "Remove"]),
    ("VirtualMachine/Devices/VirtualSmb/Shares", "VirtualSmbShare", ANY),
    (
        "VirtualMachine/Devices/HvSocket/HvSocketConfig/ServiceTable/*",
        "HvSocketServiceConfig",
        &["Update", "Remove"],
    ),
];

const ANY: &[&str] = &["Add", "Remove", "Update"];

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(expected), Some(found)) if expected == found || expected == "*" && !found.is_empty() => {}
            _ => return false,
        }
    }
}

pub fn perform(context: &Context<'_>) -> Answer {
    if let Some(text) = context.optional("first") {
        return first(context, text);
    }
    let request = document("ModifySettingRequest", context.optional("document"))?;
    let mut world = context.service.world();
    let number = context.system(&world, "system")?;
    let system = live(&mut world, number)?;
    if !request["GuestRequest"].is_null() {
        schema::check("GuestModifySettingRequest", &request["GuestRequest"])?;
        if request["GuestRequest"].get("GuestRequest").is_some() {
            return refuse(codes::INVALID_JSON | 0x4000_0000, "a guest request in a guest request");
        }
        if request["ResourcePath"].is_null() {
            return refuse(codes::NOT_SUPPORTED, format!("'{}' has no guest connection", system.id));
        }
    }
    let path = request["ResourcePath"].as_str().unwrap_or_default();
    let Some((_, settings, requests)) = PATHS.iter().find(|(pattern, ..)| matches(pattern, path)) else {
        return refuse(codes::INVALID_JSON, format!("Invalid JSON document '$.ResourcePath': {path}"));
    };
    // The client leaves it out where there is only one.
    let kind = request["RequestType"].as_str().unwrap_or(requests[0]);
    if !requests.contains(&kind) {
        return refuse(codes::E_INVALIDARG, format!("{path} takes {}, not {kind}", requests.join(", ")));
    }
    check_settings(settings, kind, path, &request["Settings"])?;
    if path.starts_with("Container/") == (system.kind == Kind::Machine) {
        return refuse(codes::E_INVALIDARG, format!("'{}' has no {path}", system.id));
    }
    if !matches!(system.state, State::Running | State::Paused) && system.kind != Kind::Machine {
        return refuse(codes::INVALID_STATE, format!("'{}' does not run", system.id));
    }
    let settings = &request["Settings"];
    let Some(container) = system.container.clone() else { return virtual_machine(system, path, settings) };
    match path {
        "Container/Memory/SizeInMB" => container.limit_memory(settings.as_u64()).map_err(|error| {
            Refusal::new(codes::E_OUTOFMEMORY, format!("limiting memory to {settings} MB: {error}"))
        })?,
        "Container/Processor" => {
            documents::processor(settings)?;
            container.limit_processor(settings).or_refuse("limiting the processor")?
        }
        "Container/MappedDirectories" if kind == "Add" => {
            documents::mapped_directory(&context.service.machine, settings)?;
            container.map(&context.service.machine, settings)?;
        }
        "Container/MappedDirectories" => container.unmap(settings)?,
        _ => {}
    }
    Ok(Success::default())
}

fn check_settings(name: &str, kind: &str, path: &str, settings: &Value) -> Answer<()> {
    let by_path = path.contains("/Scsi/")
        || path.contains("/VirtualPMem/")
        || path.contains("/VirtualPci/")
        || path.contains("/NetworkAdapters/")
        || path.contains("/ServiceTable/");
    match settings.is_null() {
        true if name.is_empty() || kind == "Remove" && by_path => Ok(()),
        true => refuse(codes::INVALID_JSON, "Invalid JSON document '$.Settings': none"),
        false if name.is_empty() => refuse(codes::INVALID_JSON, "Invalid JSON document '$.Settings'"),
        false => schema::check(name, settings).map_err(|wrong| {
            let place = wrong.path.replacen('$', "$.Settings", 1);
            Refusal::new(codes::INVALID_JSON, format!("Invalid JSON document '{place}': {}", wrong.what))
        }),
    }
}

fn virtual_machine(system: &mut System, path: &str, settings: &Value) -> Answer {
    if path != "VirtualMachine/ComputeTopology/Memory/SizeInMB" {
        return devices(system, path);
    }
    let mut machine = system.document["VirtualMachine"].clone();
    machine["ComputeTopology"]["Memory"]["SizeInMB"] = settings.clone();
    documents::virtual_machine(&machine)?;
    system.document["VirtualMachine"] = machine;
    Ok(Success::default())
}

/// Shares can only be added where the machine was made with their device.
fn devices(system: &System, path: &str) -> Answer {
    let device = path.split('/').nth(2).unwrap_or_default();
    let needed = ["Plan9", "VirtualSmb", "VirtualPMem", "Scsi"].contains(&device);
    if needed && system.document["VirtualMachine"]["Devices"][device].is_null() {
        return refuse(codes::ELEMENT_NOT_FOUND, format!("'{}' was made without {device}", system.id));
    }
    Ok(Success::default())
}

/// The first generation's request: `{"ResourceType": .., "RequestType": .., "Settings": ..}`, with an
/// endpoint's id for `Network` and a mapping for `MappedDirectory`.
fn first(context: &Context<'_>, text: &str) -> Answer {
    let request = schema::parse("schema1.ResourceModificationRequestResponse", text)?;
    let (machine, settings) = (&context.service.machine, &request["Settings"]);
    let mut world = context.service.world();
    let number = context.system(&world, "system")?;
    let system = live(&mut world, number)?;
    if !matches!(system.state, State::Running | State::Paused) {
        return refuse(codes::INVALID_STATE, format!("'{}' does not run", system.id));
    }
    let add = request["RequestType"] != "Remove";
    match (request["ResourceType"].as_str().unwrap_or_default(), &system.container) {
        ("Network", _) => {
            let endpoint = settings.as_str().unwrap_or_default().to_ascii_lowercase();
            if !add && !system.endpoints.contains(&endpoint) {
                return refuse(codes::ELEMENT_NOT_FOUND, format!("no endpoint {endpoint}"));
            }
            crate::network::plug(&mut world, number, &endpoint, add)?;
        }
        ("MappedDirectory", Some(container)) => {
            check_settings("schema1.MappedDir", "Add", "", settings)?;
            match add {
                true => {
                    documents::mapped_directory(machine, settings)?;
                    container.map(machine, settings)?;
                }
                false => container.unmap(settings)?,
            }
        }
        (kind, _) => return refuse(codes::NOT_SUPPORTED, format!("the stand-ins do not modify {kind}")),
    }
    Ok(Success::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole() {
        let found = |path: &str| PATHS.iter().any(|(pattern, ..)| matches(pattern, path));
        assert!(found("VirtualMachine/Devices/Scsi/df6d0690/Attachments/1"));
        assert!(found("VirtualMachine/Devices/MappedPipes/\\\\.\\pipe\\agent"));
        assert!(!found("VirtualMachine/Devices/Scsi/df6d0690/Attachments"));
        assert!(!found("VirtualMachine/Devices/ComPorts/"));
        assert!(!found("Container/Memory"));
    }

    #[test]
    fn every_type_of_settings_exists() {
        for (path, name, _) in PATHS.iter().filter(|(_, name, _)| !name.is_empty()) {
            let wrong = schema::check(name, &Value::Array(Vec::new())).unwrap_err();
            assert!(!wrong.what.is_empty(), "{path}");
            assert!(*name == "uint64" || wrong.what.contains("object"), "{path}: {wrong}");
        }
    }
}
