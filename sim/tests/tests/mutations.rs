//! Documents of our own plans, as the goldens have them: the stand-ins take them, and refuse each change
//! that makes them wrong, with the code that Windows has for it.
#![cfg(windows)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api;
use sim_tests::api_first::{self as first, Notifications};
use sim_tests::api_layers::name_to_guid;
use sim_tests::api_network::{endpoint, namespace, network};
use sim_tests::layers::Layered;

const INVALID_JSON: u32 = codes::INVALID_JSON;
const INVALID_ARGUMENT: u32 = codes::E_INVALIDARG;

/// The first document of a call in a golden plan: `text` is JSON behind `name: ` and the call.
fn golden(plan: &str, call: &str, name: &str) -> String {
    let file =
        format!("crates/containerv/src/lower/hcs/tests/snapshots/containerv__lower__hcs__tests__{plan}.snap");
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    // This program is one of Windows: the drive `Z:` has this machine's files.
    let text = std::fs::read_to_string(Path::new("Z:\\").join(root)).unwrap();
    let call = text.find(call).unwrap_or_else(|| panic!("{plan} has {call}"));
    let rest = &text[call..];
    let rest = &rest[rest.find(name).unwrap_or_else(|| panic!("{call} has {name}")) + name.len()..];
    let document: Value = serde_json::Deserializer::from_str(rest).into_iter().next().unwrap().unwrap();
    document.to_string()
}

/// The document with real layers and directories in the places of the plan's.
fn made_real(document: &str, layered: &Layered) -> Value {
    let quoted = |text: &str| text.replace('\\', "\\\\");
    let mut text = document.to_owned();
    for (at, (planned, real)) in ["app", "nanoserver"].into_iter().zip(&layered.parents).enumerate() {
        let id = name_to_guid(real.rsplit('\\').next().unwrap());
        text = text.replace(&format!("${{layer-{at}}}"), &id);
        text = text.replace(&format!("C:\\\\layers\\\\{planned}"), &quoted(real));
    }
    text = text.replace("${scratch-volume}", &quoted(&layered.volume));
    text = text.replace("${mount-0}", "C:\\\\windows").replace("${mount-1}", "C:\\\\windows\\\\system32");
    serde_json::from_str(&text).unwrap()
}

/// The document with a value where the pointer says; a new member if there is none.
fn changed(document: &Value, pointer: &str, with: &Value) -> Value {
    let mut document = document.clone();
    let Some((parent, name)) = pointer.rsplit_once('/') else { return with.clone() };
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Object(members) => _ = members.insert(name.to_owned(), with.clone()),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = with.clone(),
        other => panic!("{parent}: {other}"),
    }
    document
}

/// Sends the document as it is, which is answered with `right`, and with each change.
fn each(document: &Value, right: u32, cases: &[(&str, Value, u32)], send: impl Fn(&Value) -> u32) {
    assert_eq!(send(document), right, "{document}");
    for (pointer, with, expected) in cases {
        let wrong = changed(document, pointer, with);
        assert_ne!(wrong, *document, "{pointer} changes nothing");
        let code = send(&wrong);
        assert_eq!(code, *expected, "{pointer} = {with}: {code:#X}");
    }
}

#[test]
fn a_container_of_the_second_schema() {
    let layered = Layered::new("mutated");
    let (space, space_id) = namespace::create(None, &json!({})).unwrap();
    let mut document =
        made_real(&golden("process_full", "computecore!HcsCreateComputeSystem", "document: "), &layered);
    document["Container"]["Networking"]["Namespace"] = json!(space_id);
    let other = json!("1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11");
    let cases = [
        ("", json!([]), INVALID_JSON),
        ("/Owner", json!(1), INVALID_JSON),
        ("/Frobnicate", json!(true), INVALID_JSON),
        ("/VirtualMachine", json!({}), INVALID_JSON),
        ("/Container", Value::Null, INVALID_JSON),
        ("/SchemaVersion/Major", json!("2"), INVALID_JSON),
        ("/SchemaVersion/Major", json!(1), INVALID_JSON),
        ("/SchemaVersion/Minor", json!(99), INVALID_JSON),
        ("/SchemaVersion/major", json!(2), INVALID_JSON),
        ("/ShouldTerminateOnLastHandleClosed", json!("true"), INVALID_JSON),
        ("/Container/GuestOs/Hostname", json!("web01"), INVALID_JSON),
        ("/Container/GuestOs/HostName", json!("web_01"), INVALID_ARGUMENT),
        ("/Container/GuestOs/HostName", json!("1234"), INVALID_ARGUMENT),
        ("/Container/GuestOs", Value::Null, INVALID_ARGUMENT),
        ("/Container/Storage/Layers", json!({}), INVALID_JSON),
        ("/Container/Storage/Layers", json!([]), INVALID_ARGUMENT),
        ("/Container/Storage/Layers/0/ID", other.clone(), INVALID_JSON),
        ("/Container/Storage/Layers/0/Id", other.clone(), INVALID_ARGUMENT),
        ("/Container/Storage/Layers/0/Path", json!("C:\\none"), codes::PATH_NOT_FOUND),
        ("/Container/Storage/Path", json!([]), INVALID_JSON),
        ("/Container/Storage/Path", json!("C:\\scratch\\"), codes::OBJECT_NO_LONGER_EXISTS),
        ("/Container/Storage/QoS/IopsMaximum", json!(-1), INVALID_JSON),
        ("/Container/Storage/Qos", json!({}), INVALID_JSON),
        ("/Container/MappedDirectories/0/ReadOnly", json!(1), INVALID_JSON),
        ("/Container/MappedDirectories/0/HostPath", json!("C:\\none"), codes::FILE_NOT_FOUND),
        ("/Container/MappedDirectories/1/ContainerPath", json!("C:\\"), INVALID_ARGUMENT),
        ("/Container/MappedPipes/0/Name", json!("agent"), INVALID_JSON),
        ("/Container/Memory/SizeInMB", json!(-1), INVALID_JSON),
        ("/Container/Memory/SizeInMB", json!(0), INVALID_ARGUMENT),
        ("/Container/Memory/SizeInMb", json!(1), INVALID_JSON),
        ("/Container/Processor/Weight", json!(1.5), INVALID_JSON),
        ("/Container/Processor/Weight", json!(10_001), INVALID_ARGUMENT),
        ("/Container/Processor/Count", json!(2), INVALID_ARGUMENT),
        ("/Container/Processor/Limit", json!(1), INVALID_JSON),
        ("/Container/Networking/Namespace", json!({"Id": other}), INVALID_JSON),
        ("/Container/Networking/Namespace", other, codes::ELEMENT_NOT_FOUND),
        ("/Container/Networking/Namespace", json!(format!("{{{space_id}}}")), codes::ELEMENT_NOT_FOUND),
        ("/Container/RegistryChanges/AddValues/0/Type", json!("Text"), INVALID_JSON),
        ("/Container/RegistryChanges/AddValues/0/Key/Hive", json!("HKLM"), INVALID_JSON),
        ("/Container/AssignedDevices/0/Type", json!("Class"), INVALID_JSON),
    ];
    each(&document, 0, &cases, |document| {
        let ((code, text), system) = api::create(&layered.id, &document.to_string());
        api::close(system);
        if code != 0 {
            let result: Value = serde_json::from_str(&text.expect("a result document")).unwrap();
            assert_eq!(result["Error"], json!(code as i32));
            assert!(!result["ErrorMessage"].as_str().unwrap().is_empty());
        }
        code
    });
    assert_eq!(namespace::delete(&space_id).0, 0);
    namespace::close(space);
}

#[test]
fn a_container_of_the_first_schema() {
    const JSON: u32 = 0xC037_010D;
    let layered = Layered::new("older-mutated");
    layered.unmount();
    // Has the folder of the machine's files made.
    layered.first_document();
    let mut document = made_real(
        &golden("hyperv_full_as_json", "vmcompute!HcsCreateComputeSystem", "\"document\": "),
        &layered,
    );
    document["LayerFolderPath"] = json!(layered.scratch);
    document["EndpointList"] = json!([]);
    document["TerminateOnLastHandleClosed"] = json!(true);
    let cases = [
        ("/HvPartition", json!("true"), JSON),
        ("/SystemType", json!("VirtualMachine"), INVALID_ARGUMENT),
        ("/Layers/0/Id", json!("x"), JSON),
        ("/Layers/0/Path", json!("C:\\none"), codes::PATH_NOT_FOUND),
        ("/Layers", json!([]), INVALID_ARGUMENT),
        ("/ProcessorCount", json!(-1), JSON),
        ("/MemoryMaximumInMb", json!(1), JSON),
        ("/MappedDirectories/0/IopsMaximum", json!(0), JSON),
        ("/MappedDirectories/0/HostPath", json!("C:\\none"), codes::FILE_NOT_FOUND),
        ("/MappedPipes/0/ContainerPipeName", json!([]), JSON),
        ("/HvRuntime/ImagePath", json!("C:\\none"), codes::PATH_NOT_FOUND),
        ("/HvRuntime/Image", json!("C:\\windows"), JSON),
        ("/LayerFolderPath", json!("C:\\none"), codes::FILE_NOT_FOUND),
        ("/HostName", json!("a.b"), INVALID_ARGUMENT),
        ("/EndpointList", json!("1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11"), JSON),
        ("/EndpointList", json!(["1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11"]), codes::HCN_ENDPOINT_NOT_FOUND),
    ];
    each(&document, 0, &cases, |document| {
        let (code, system) = first::create(&layered.id, &document.to_string());
        assert_eq!(code, codes::V1_OPERATION_PENDING);
        let list = Notifications::leaked();
        first::listen(system, list);
        let (status, _) = list.wait(2).expect("CreateCompleted");
        first::close(system);
        status
    });
}

#[test]
fn processes_and_changes() {
    let layered = Layered::new("process-mutated");
    let ((code, text), system) = api::create(&layered.id, &layered.document().to_string());
    assert_eq!(code, 0, "{text:?}");
    let parameters: Value =
        serde_json::from_str(&golden("process_full", "computecore!HcsCreateProcess", "parameters: "))
            .unwrap();
    let cases = [
        ("/ConsoleSize", json!({"Height": 25, "Width": 80}), INVALID_JSON),
        ("/ConsoleSize", json!([25]), INVALID_JSON),
        ("/Environment/A", json!(1), INVALID_JSON),
        ("/Environment", json!(["A=1"]), INVALID_JSON),
        ("/CommandLine", json!(["cmd"]), INVALID_JSON),
        ("/CommandLine", json!(""), INVALID_ARGUMENT),
        ("/Directory", json!("C:\\"), INVALID_JSON),
        ("/EmulateConsole", json!(1), INVALID_JSON),
        ("/CreateStdErrPipe", json!(true), INVALID_ARGUMENT),
    ];
    // What is right is looked at no further: the container does not run yet.
    each(&parameters, codes::INVALID_STATE, &cases, |document| {
        let ((code, _), process, _) = api::create_process(system, &document.to_string());
        api::close_process(process);
        code
    });
    let change = json!({"ResourcePath": "Container/MappedDirectories", "RequestType": "Add",
        "Settings": {"HostPath": "C:\\windows", "ContainerPath": "C:\\w", "ReadOnly": true}});
    let cases = [
        ("/RequestType", json!("Replace"), INVALID_JSON),
        ("/RequestType", json!("Update"), INVALID_ARGUMENT),
        ("/ResourcePath", json!("Container/Directories"), INVALID_JSON),
        ("/ResourcePath", json!("VirtualMachine/ComputeTopology/Memory/SizeInMB"), INVALID_ARGUMENT),
        ("/Resource", json!("Container"), INVALID_JSON),
        ("/Settings/HostDirectory", json!("C:\\"), INVALID_JSON),
        ("/Settings", json!("C:\\"), INVALID_JSON),
        ("/Settings", Value::Null, INVALID_JSON),
    ];
    each(&change, codes::INVALID_STATE, &cases, |document| api::modify(system, &document.to_string()).0);
    api::close(system);
}

#[test]
fn networks_endpoints_and_namespaces() {
    const JSON: u32 = codes::HCN_INVALID_JSON;
    let mut settings: Value =
        serde_json::from_str(&golden("process_nat_made", "computenetwork!HcnCreateNetwork", "settings: "))
            .unwrap();
    // A subnet that no other test has.
    settings["ID"] = json!("7a1d4b0e-56c8-4a3e-9a50-0d7f54f1c2aa");
    settings["Ipams"] = json!([{"Type": "Static", "Subnets": [{"IpAddressPrefix": "10.81.0.0/16",
        "Routes": [{"NextHop": "10.81.0.1", "DestinationPrefix": "0.0.0.0/0"}]}]}]);
    let cases = [
        ("/Type", json!("nat"), JSON),
        ("/Type", Value::Null, codes::HCN_INVALID_NETWORK_TYPE),
        ("/Subnets", json!([]), JSON),
        ("/MacPool", json!([]), JSON),
        ("/SchemaVersion/Major", json!("2"), JSON),
        ("/Ipams/0/Type", json!(1), JSON),
        ("/Ipams/0/Subnets/0/IpAddressPrefix", json!("10.81.0.1/16"), codes::HCN_INVALID_PREFIX),
        (
            "/Policies",
            json!([{"Type": "NetAdapterName", "Settings": {"Adapter": "x"}}]),
            codes::HCN_INVALID_POLICY,
        ),
    ];
    each(&settings, 0, &cases, |document| match network::create(None, document) {
        Ok((handle, id)) => {
            network::close(handle);
            network::delete(&id).0
        }
        Err((code, record)) => {
            assert!(record.contains(r#""Success":false"#), "{record}");
            code
        }
    });
    let (net, net_id) = network::create(None, &settings).unwrap();
    let text = golden("process_full", "computenetwork!HcnCreateEndpoint", "settings: ");
    let mut settings: Value = serde_json::from_str(&text.replace("${network}", &net_id)).unwrap();
    settings["ID"] = json!("7a1d4b0e-56c8-4a3e-9a50-0d7f54f1c2ab");
    settings["IpConfigurations"][0]["IpAddress"] = json!("10.81.0.10");
    settings["Policies"][0]["Settings"]["ExternalPort"] = json!(18_481);
    let policy = codes::HCN_INVALID_POLICY;
    let cases = [
        ("/Id", json!("x"), JSON),
        ("/HostComputeNetwork", json!("7a1d4b0e-56c8-4a3e-9a50-0d7f54f1c2ac"), codes::HCN_INVALID_ENDPOINT),
        ("/Policies/0/Type", json!("PortMap"), JSON),
        ("/Policies/0/Settings/InternalPort", json!(65_536), policy),
        ("/Policies/0/Settings/Flags", json!("Both"), policy),
        ("/Policies/0/Settings/Port", json!(80), policy),
        ("/Dns/ServerList", json!("10.0.0.1"), JSON),
        ("/MacAddress", json!(5), JSON),
        ("/IpConfigurations/0/IpAddress", json!("10.81.0"), codes::HCN_INVALID_IP),
        ("/IpConfigurations/0/IpAddress", json!("10.82.0.10"), codes::HCN_ADDRESS_INVALID_OR_RESERVED),
        ("/IpConfigurations/0/Address", json!("10.81.0.10"), JSON),
        ("/Health", json!([]), JSON),
    ];
    each(&settings, 0, &cases, |document| match endpoint::create(Some(net), document) {
        Ok((handle, id)) => {
            endpoint::close(handle);
            endpoint::delete(&id).0
        }
        Err((code, _)) => code,
    });
    let (space, space_id) = namespace::create(None, &json!({})).unwrap();
    let request: Value =
        serde_json::from_str(&golden("process_full", "computenetwork!HcnModifyNamespace", "settings: "))
            .unwrap();
    let cases = [
        ("/ResourceType", json!("Endpoints"), JSON),
        ("/RequestType", json!("Attach"), JSON),
        ("/Settings", json!([]), JSON),
        ("/Settings/Id", json!("x"), JSON),
        ("/EndpointId", json!("x"), JSON),
    ];
    // The plan's endpoint is not there.
    each(&request, codes::HCN_ENDPOINT_NOT_FOUND, &cases, |document| namespace::modify(space, document).0);
    assert_eq!(namespace::delete(&space_id).0, 0);
    assert_eq!(network::delete(&net_id).0, 0);
    namespace::close(space);
    network::close(net);
}
