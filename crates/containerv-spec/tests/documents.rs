//! Every document that is sent, in its fullest form, against the schema; and that the validator refuses
//! what is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod schema;

use std::collections::BTreeMap;

use containerv_spec::hcs::network::{
    self, Dns, Endpoint, EndpointPolicy, EndpointReference, Health, IpConfig, ModifyNamespace, Namespace,
    NamespaceRequest, NamespaceResourceType, Network, NetworkType, OutboundNat, PortMapping,
};
use containerv_spec::hcs::process::{
    CloseHandle, ConsoleEvent, ConsoleSize, ModifyProcess, ProcessParameters, ProcessStatus, SignalProcess,
    StandardHandle,
};
use containerv_spec::hcs::properties::{Properties, PropertyQuery, PropertyType, SystemQuery, SystemType};
use containerv_spec::hcs::request::{ModifyContainer, ModifyV1, RequestType};
use containerv_spec::hcs::result::{CrashReport, ExitType, ResultError, SystemExitStatus};
use containerv_spec::hcs::service::{
    AddCredentials, BasicInformation, CredentialInstances, CredentialOperation, ModifyService,
    RemoveCredentials, ServiceProperties, ServicePropertyType, ServiceQuery,
};
use containerv_spec::hcs::storage::{BaseLayerOptions, BaseLayerType, ExportOptions, LayerData};
use containerv_spec::hcs::system::{
    ComputeSystem, Container, CredentialGuard, CredentialTransport, Device, DeviceType, GuestOs, Layer,
    MappedDirectory, MappedPipe, Memory, Networking, Processor, RegistryChanges, RegistryHive, RegistryKey,
    RegistryValue, RegistryValueType, Storage, StorageQos,
};
use containerv_spec::hcs::{Version, v1};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use schema::Schema;

const GUID: &str = "1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11";
const VOLUME: &str = r"\\?\Volume{baac0fd5-16b7-405b-9621-112aa8e3d973}\";

fn layers() -> Vec<Layer> {
    vec![Layer { id: GUID.into(), path: r"C:\layers\app".into() }]
}

fn directory() -> MappedDirectory {
    MappedDirectory { host_path: r"C:\data".into(), container_path: r"C:\in".into(), read_only: true }
}

fn pipe() -> MappedPipe {
    MappedPipe { container_pipe_name: "agent".into(), host_path: r"\\.\pipe\agent".into() }
}

fn full_system() -> ComputeSystem {
    let value = RegistryValue {
        key: RegistryKey { hive: RegistryHive::System, name: r"ControlSet001\Control".into() },
        name: "WaitToKillServiceTimeout".into(),
        kind: RegistryValueType::String,
        string_value: "2147483647".into(),
    };
    ComputeSystem {
        owner: "containerv".into(),
        schema_version: Version::CONTAINER,
        container: Container {
            guest_os: Some(GuestOs { host_name: "web01".into() }),
            storage: Some(Storage {
                layers: layers(),
                path: VOLUME.into(),
                qos: Some(StorageQos { iops_maximum: Some(100), bandwidth_maximum: Some(1 << 20) }),
            }),
            mapped_directories: vec![directory()],
            mapped_pipes: vec![pipe()],
            memory: Some(Memory { size_in_mb: 1024 }),
            processor: Processor { maximum: Some(2500), ..Processor::default() },
            networking: Some(Networking {
                allow_unqualified_dns_query: true,
                dns_search_list: Some("corp.example,example".into()),
                namespace: Some(GUID.into()),
            }),
            container_credential_guard: Some(CredentialGuard {
                cookie: "cookie".into(),
                rpc_endpoint: "endpoint".into(),
                transport: CredentialTransport::LocalCalls,
                credential_spec: "{}".into(),
            }),
            registry_changes: Some(RegistryChanges { add_values: vec![value] }),
            assigned_devices: vec![
                Device { interface_class_guid: Some(GUID.into()), ..Device::default() },
                Device {
                    kind: Some(DeviceType::DeviceInstance),
                    location_path: Some("PCIROOT(0)#PCI(0100)".into()),
                    ..Device::default()
                },
            ],
        },
        should_terminate_on_last_handle_closed: true,
    }
}

fn full_v1() -> v1::ContainerConfig {
    v1::ContainerConfig {
        system_type: v1::SystemType::Container,
        name: "c1".into(),
        owner: "containerv".into(),
        ignore_flushes_during_boot: true,
        layer_folder_path: r"C:\scratch\c1".into(),
        layers: vec![v1::Layer { id: GUID.into(), path: r"C:\layers\base".into() }],
        credentials: Some("{}".into()),
        processor_count: Some(2),
        processor_weight: Some(500),
        processor_maximum: Some(5000),
        storage_iops_maximum: Some(100),
        storage_bandwidth_maximum: Some(1000),
        memory_maximum_in_mb: Some(1024),
        host_name: "web01".into(),
        mapped_directories: vec![v1::MappedDirectory {
            host_path: r"C:\data".into(),
            container_path: r"C:\in".into(),
            read_only: true,
            bandwidth_maximum: 0,
            iops_maximum: 0,
            create_in_utility_vm: false,
        }],
        mapped_pipes: vec![v1::MappedPipe {
            host_path: r"\\.\pipe\agent".into(),
            container_pipe_name: "agent".into(),
        }],
        hv_partition: true,
        endpoint_list: vec![GUID.into()],
        hv_runtime: v1::HvRuntime { image_path: r"C:\layers\base\UtilityVM".into() },
        allow_unqualified_dns_query: true,
        dns_search_list: Some("example".into()),
        terminate_on_last_handle_closed: true,
    }
}

fn full_process() -> ProcessParameters {
    ProcessParameters {
        command_line: "cmd /c ver".into(),
        user: Some("ContainerUser".into()),
        working_directory: Some(r"C:\app".into()),
        environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
        emulate_console: true,
        create_std_in_pipe: true,
        create_std_out_pipe: true,
        create_std_err_pipe: true,
        console_size: Some([25, 80]),
    }
}

fn full_endpoint() -> Endpoint {
    let mapping = |flags, vip| {
        EndpointPolicy::PortMapping(PortMapping {
            protocol: 6,
            internal_port: 80,
            external_port: Some(8080),
            vip,
            flags,
        })
    };
    Endpoint {
        id: Some(GUID.into()),
        name: "containerv-c1".into(),
        host_compute_network: GUID.into(),
        policies: vec![
            mapping(0, None),
            mapping(PortMapping::IPV6, Some("::1".parse().unwrap())),
            EndpointPolicy::OutboundNat(OutboundNat { exceptions: vec!["10.0.0.0/8".into()] }),
        ],
        ip_configurations: vec![IpConfig { ip_address: [172, 20, 0, 10].into(), prefix_length: Some(16) }],
        dns: Dns {
            domain: "example".into(),
            search: vec!["corp.example".into()],
            server_list: vec![[172, 20, 0, 1].into()],
        },
        mac_address: Some("00-15-5D-52-C0-10".into()),
        health: Health::default(),
        schema_version: Version::NETWORK,
    }
}

fn full_network() -> Network {
    Network {
        id: Some(GUID.into()),
        name: "nat".into(),
        kind: NetworkType::Nat,
        mac_pool: network::Empty::default(),
        dns: Dns::default(),
        health: Health::default(),
        schema_version: Version::NETWORK,
    }
}

/// Checks the document against each type, and that it is read back as it was.
fn sent<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(kinds: &[&str], document: &T) {
    written(kinds, document);
    let json = serde_json::to_value(document).unwrap();
    assert_eq!(serde_json::from_value::<T>(json).unwrap(), *document);
}

fn written<T: Serialize>(kinds: &[&str], document: &T) {
    let schema = Schema::load();
    let json = serde_json::to_value(document).unwrap();
    for kind in kinds {
        schema.check(kind, &json).unwrap_or_else(|wrong| panic!("{kind}: {wrong}\n{json:#}"));
    }
}

#[test]
fn systems_and_processes_are_of_the_schema() {
    sent(&["ComputeSystem", "docs.ComputeSystem"], &full_system());
    let bare = ComputeSystem {
        container: Container::default(),
        should_terminate_on_last_handle_closed: false,
        ..full_system()
    };
    sent(&["ComputeSystem", "docs.ComputeSystem"], &bare);
    assert_eq!(serde_json::to_value(bare).unwrap()["Container"], json!({"Processor": {}}));
    sent(&["schema1.ContainerConfig"], &full_v1());
    sent(&["ProcessParameters", "docs.ProcessParameters", "schema1.ProcessConfig"], &full_process());
    sent(&["ProcessParameters", "docs.ProcessParameters"], &ProcessParameters::default());
    let size = ModifyProcess::ConsoleSize { size: ConsoleSize { height: 40, width: 100 } };
    sent(&["ProcessModifyRequest", "docs.ProcessModifyRequest"], &size);
    use StandardHandle::{All, StdErr, StdIn, StdOut};
    for handle in [StdIn, StdOut, StdErr, All] {
        let close = ModifyProcess::CloseHandle { stream: CloseHandle { handle } };
        sent(&["ProcessModifyRequest", "docs.ProcessModifyRequest"], &close);
    }
    use ConsoleEvent::{CtrlBreak, CtrlC, CtrlClose, CtrlLogOff, CtrlShutdown};
    for signal in [CtrlC, CtrlBreak, CtrlClose, CtrlLogOff, CtrlShutdown] {
        sent(&["docs.SignalProcessOptions"], &SignalProcess { signal });
    }
}

#[test]
fn changes_and_questions_are_of_the_schema() {
    for change in [
        ModifyContainer::Memory(256),
        ModifyContainer::Processor(Processor { weight: Some(300), ..Processor::default() }),
        ModifyContainer::AddDirectory(directory()),
        ModifyContainer::RemoveDirectory(directory()),
        ModifyContainer::AddPipe(pipe()),
        ModifyContainer::RemovePipe(pipe()),
    ] {
        written(&["ModifySettingRequest"], &change);
    }
    let expected =
        json!({"ResourcePath": "Container/Memory/SizeInMB", "RequestType": "Update", "Settings": 256});
    assert_eq!(serde_json::to_value(ModifyContainer::Memory(256)).unwrap(), expected);
    for request_type in [RequestType::Add, RequestType::Remove] {
        let change = ModifyV1::endpoint(request_type, GUID);
        written(&["schema1.ResourceModificationRequestResponse"], &change);
    }
    let both = PropertyQuery { property_types: vec![PropertyType::Statistics, PropertyType::ProcessList] };
    written(&["PropertyQuery", "docs.System_PropertyQuery", "schema1.PropertyQuery"], &both);
    assert_eq!(serde_json::to_value(PropertyQuery::default()).unwrap(), json!({}));
    let systems = SystemQuery {
        ids: vec!["a".into()],
        names: vec!["b".into()],
        types: vec![SystemType::Container, SystemType::VirtualMachine],
        owners: vec!["containerv".into()],
    };
    written(&["docs.SystemQuery", "schema1.ComputeSystemQuery"], &systems);
}

#[test]
fn service_documents_are_of_the_schema() {
    use ServicePropertyType::{Basic, ContainerCredentialGuard};
    let query = ServiceQuery { property_types: vec![Basic, ContainerCredentialGuard] };
    sent(&["docs.Service_PropertyQuery"], &query);
    let add = CredentialOperation::AddInstance(AddCredentials {
        id: "c1".into(),
        credential_spec: "{}".into(),
        transport: CredentialTransport::LocalCalls,
    });
    let remove = CredentialOperation::RemoveInstance(RemoveCredentials { id: "c1".into() });
    for operation in [add, remove] {
        sent(&["ModificationRequest"], &ModifyService::ContainerCredentialGuard(operation));
    }
    let layers = LayerData { schema_version: Version::CONTAINER, layers: layers() };
    sent(&["computestorage.LayerData", "docs.LayerData"], &layers);
    sent(&["computestorage.ExportLayerOptions"], &ExportOptions { is_writable_layer: true });
    for kind in [BaseLayerType::Container, BaseLayerType::Vm] {
        sent(&["docs.OsLayerOptions"], &BaseLayerOptions { kind });
    }
}

#[test]
fn network_documents_are_of_the_schema() {
    sent(&["hcn.HostComputeNetwork"], &full_network());
    sent(&["hcn.HostComputeEndpoint"], &full_endpoint());
    for kind in NetworkType::ALL {
        sent(&["hcn.HostComputeNetwork"], &Network { kind, ..full_network() });
        assert_eq!(NetworkType::from_name(&kind.name().to_lowercase()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.name()));
    }
    let namespace = Namespace { id: Some(GUID.into()), schema_version: Version::NETWORK };
    sent(&["hcn.HostComputeNamespace"], &namespace);
    sent(&["hcn.HostComputeQuery"], &network::Query::named("nat"));
    for request_type in [NamespaceRequest::Add, NamespaceRequest::Remove] {
        let change = ModifyNamespace {
            resource_type: NamespaceResourceType::Endpoint,
            request_type,
            settings: EndpointReference { endpoint_id: GUID.into() },
        };
        sent(&["hcn.ModifyNamespaceSettingRequest", "hcndocs.ModifyNamespaceSettingRequest"], &change);
    }
}

/// Answers as they were seen on Windows, or as the published reference shows them.
#[test]
fn answers_are_read_and_unknown_fields_are_passed_over() {
    let schema = Schema::load();
    let error = json!({
        "Error": -2147024883, "ErrorMessage": "The data is invalid.",
        "ErrorEvents": [{
            "Message": "Invalid JSON document '$'", "Provider": "17103e3f-3c6e-4677-bb17-3b267eb5be57",
            "EventId": 11000, "Data": [{"Type": "String", "Value": "0x8007000D"}]
        }],
        "Attribution": [{"SystemExit": {"Detail": "Terminate", "Initiator": "Client"}}]
    });
    schema.check("docs.ResultError", &error).unwrap();
    let read: ResultError = serde_json::from_value(error).unwrap();
    assert_eq!(read.code(), 0x8007_000D);
    assert_eq!(read.error_events[0].message, "Invalid JSON document '$'");
    assert_eq!(read.attribution[0].system_exit.as_ref().unwrap().initiator, "Client");
    written(&["docs.ResultError"], &read);

    let exit = json!({"Status": -2143878905, "ExitType": "ForcedExit", "New": 1});
    let read: SystemExitStatus = serde_json::from_value(exit).unwrap();
    assert_eq!((read.status.cast_unsigned(), read.exit_type), (0x8037_0107, Some(ExitType::ForcedExit)));
    let newer: SystemExitStatus = serde_json::from_value(json!({"ExitType": "VanishedExit"})).unwrap();
    assert_eq!(newer.exit_type, Some(ExitType::Unknown));

    let ended: ProcessStatus =
        serde_json::from_value(json!({"ProcessId": 7, "Exited": true, "ExitCode": 3, "LastWaitResult": 0}))
            .unwrap();
    assert_eq!(ended.code(), Some(3));
    assert_eq!(ProcessStatus { last_wait_result: -1, ..ended }.code(), None);
    assert_eq!(ProcessStatus { exited: false, ..ended }.code(), None);
    written(&["docs.ProcessStatus", "ProcessStatus"], &ended);

    let properties = json!({
        "Id": "c3f2", "SystemType": "Container", "State": "Running", "Later": {},
        "Statistics": {"Uptime100ns": 601234567, "Processor": {"TotalRuntime100ns": 31250000},
            "Memory": {"MemoryUsageCommitBytes": 52428800}, "Storage": {"ReadSizeBytes": 50331648}},
        "ProcessList": [{"ProcessId": 1396, "ImageName": "smss.exe", "KernelTime100ns": 5_000_000_000_u64}]
    });
    let read: Properties = serde_json::from_value(properties).unwrap();
    let statistics = read.statistics.as_ref().unwrap();
    let used = statistics.processor.unwrap();
    assert_eq!((statistics.uptime100ns, used.total_runtime100ns), (601_234_567, 31_250_000));
    assert_eq!(read.process_list.as_ref().unwrap()[0].image_name, "smss.exe");
    written(&["docs.Properties"], &read);

    let versions: ServiceProperties<BasicInformation> = serde_json::from_value(
        json!({"Properties": [{"SupportedSchemaVersions": [{"Major": 2, "Minor": 5}]}]}),
    )
    .unwrap();
    assert!(versions.properties[0].supported_schema_versions[0] > Version::CONTAINER);
    let instances: ServiceProperties<CredentialInstances> = serde_json::from_value(json!({"Properties": [{
        "Instances": [{"Id": "c1", "CredentialGuard": {"Cookie": "x", "RpcEndpoint": "y", "Transport": "LRPC",
            "CredentialSpec": "{}"}}]
    }]}))
    .unwrap();
    assert_eq!(instances.properties[0].instances[0].credential_guard.cookie, "x".into());
    let crash: CrashReport =
        serde_json::from_value(json!({"SystemId": "c1", "ActivityId": "8d2b6d6e-0c3b-4f0e-9d59-4b1f2a7c9d10",
            "CrashParameters": [1], "CrashLog": "x", "Status": -5, "PreOSId": 1, "CrashStackUnavailable": true,
            "WindowsCrashInfo": {"DumpFile": "C:\\x.dmp", "OsBuildNumber": 20348, "FinalPhase": "Complete"}}))
        .unwrap();
    written(&["docs.CrashReport"], &crash);
}

/// One change of a document that has to be refused.
struct Mutation {
    kind: &'static str,
    pointer: &'static str,
    with: Value,
}

fn mutation(kind: &'static str, pointer: &'static str, with: Value) -> Mutation {
    Mutation { kind, pointer, with }
}

fn full(kind: &str) -> Value {
    match kind {
        "ComputeSystem" => serde_json::to_value(full_system()),
        "schema1.ContainerConfig" => serde_json::to_value(full_v1()),
        "ProcessParameters" => serde_json::to_value(full_process()),
        "hcn.HostComputeEndpoint" => serde_json::to_value(full_endpoint()),
        "hcn.HostComputeNetwork" => serde_json::to_value(full_network()),
        "ModifySettingRequest" => serde_json::to_value(ModifyContainer::AddDirectory(directory())),
        other => panic!("no document {other}"),
    }
    .unwrap()
}

fn mutations() -> Vec<Mutation> {
    let system = |pointer, with| mutation("ComputeSystem", pointer, with);
    let v1 = |pointer, with| mutation("schema1.ContainerConfig", pointer, with);
    let process = |pointer, with| mutation("ProcessParameters", pointer, with);
    let endpoint = |pointer, with| mutation("hcn.HostComputeEndpoint", pointer, with);
    let network = |pointer, with| mutation("hcn.HostComputeNetwork", pointer, with);
    let change = |pointer, with| mutation("ModifySettingRequest", pointer, with);
    vec![
        system("", json!([])),
        system("/Owner", json!(1)),
        system("/Frobnicate", json!(true)),
        system("/SchemaVersion/Major", json!("2")),
        system("/SchemaVersion/major", json!(2)),
        system("/ShouldTerminateOnLastHandleClosed", json!("true")),
        system("/Container/GuestOs/Hostname", json!("web01")),
        system("/Container/GuestOs", Value::Null),
        system("/Container/Storage/Layers", json!({})),
        system("/Container/Storage/Layers/0/ID", json!(GUID)),
        system("/Container/Storage/Path", json!([VOLUME])),
        system("/Container/Storage/QoS/IopsMaximum", json!(1_u64 << 31)),
        system("/Container/Storage/Qos", json!({})),
        system("/Container/MappedDirectories/0/ReadOnly", json!(1)),
        system("/Container/MappedPipes/0/Name", json!("agent")),
        system("/Container/Memory/SizeInMB", json!(-1)),
        system("/Container/Memory/SizeInMb", json!(1)),
        system("/Container/Processor/Count", json!(1.5)),
        system("/Container/Processor/Limit", json!(1)),
        system("/Container/Networking/Namespace", json!({"Id": GUID})),
        system("/Container/RegistryChanges/AddValues/0/Type", json!("Text")),
        system("/Container/RegistryChanges/AddValues/0/Key/Hive", json!("HKLM")),
        system("/Container/AssignedDevices/0/Type", json!("Class")),
        v1("/HvPartition", json!("true")),
        v1("/Layers/0/Id", json!(GUID)),
        v1("/ProcessorCount", json!(-1)),
        v1("/MemoryMaximumInMb", json!(1)),
        v1("/MappedDirectories/0/IopsMaximum", json!(0)),
        v1("/HvRuntime/ImagePath", json!(null)),
        v1("/EndpointList", json!(GUID)),
        process("/ConsoleSize", json!({"Height": 25, "Width": 80})),
        process("/Environment/A", json!(1)),
        process("/Environment", json!(["A=1"])),
        process("/CommandLine", json!(["cmd"])),
        endpoint("/Policies/0/Type", json!("PortMap")),
        endpoint("/Policies/0/Settings/Protocol", json!("TCP")),
        endpoint("/Policies/0/Settings/InternalPort", json!(65536)),
        endpoint("/Policies/0/Settings/Flags", json!(4)),
        endpoint("/Id", json!(GUID)),
        endpoint("/Dns/ServerList", json!("10.0.0.1")),
        network("/Type", json!("nat")),
        network("/Subnets", json!([])),
        change("/RequestType", json!("Replace")),
        change("/Settings/HostDirectory", json!("C:\\")),
        change("/Settings", json!("C:\\")),
    ]
}

#[test]
fn mutated_documents_are_refused() {
    let schema = Schema::load();
    let mutations = mutations();
    assert!(mutations.len() >= 30);
    for Mutation { kind, pointer, with } in mutations {
        let mut document = full(kind);
        schema.check(kind, &document).unwrap();
        place(&mut document, pointer, with);
        assert_ne!(document, full(kind), "{kind}{pointer} changes nothing");
        let wrong = schema.check(kind, &document).expect_err(pointer);
        assert!(wrong.starts_with('$'), "{wrong}");
    }
}

/// Puts a value where the pointer says, as a new field if there is none.
fn place(document: &mut Value, pointer: &str, with: Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        *document = with;
        return;
    };
    match document.pointer_mut(parent).unwrap() {
        Value::Object(fields) => _ = fields.insert(name.to_owned(), with),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = with,
        other => panic!("{parent}: {other}"),
    }
}

/// What we send has no field that our own types would not read back.
#[test]
fn our_own_types_refuse_unknown_fields_too() {
    let mut system = full("ComputeSystem");
    place(&mut system, "/Container/Frobnicate", json!(1));
    assert!(serde_json::from_value::<ComputeSystem>(system).is_err());
    let mut config = full("schema1.ContainerConfig");
    place(&mut config, "/VolumePath", json!(VOLUME));
    assert!(serde_json::from_value::<v1::ContainerConfig>(config).is_err());
}
