//! Golden plans, the rules that their documents keep, and refusals.

mod properties;
mod reference_client;
mod refusals;
mod remount;
#[path = "../../../../../containerv-spec/tests/schema/mod.rs"]
mod schema;
mod update;

use std::collections::BTreeMap;

use containerv_spec::hcs::machine::{KnownNetwork, Product, WindowsMachine};
use containerv_spec::hcs::network::NetworkType;
use containerv_spec::plan::Plan;
use containerv_spec::plan::hcs::{Call, HcsIsolation, HcsPlan, Stage};
use containerv_spec::request::{
    AssignedDevice, CredentialSpec, Dns, Isolation, Layers, Lifetime, Mount, MountOptions, MountSource,
    NamedNetwork, Network, Overlay, Process, Protocol, PublishedPort, Request, Root, TerminalSize,
};
use containerv_spec::{Bound, ByteSize, ContainerId};
use serde_json::Value;

use super::tag::Owned;
use super::{Places, Tag, lower, plan_windows};

pub(super) fn process(arguments: &[&str]) -> Process {
    Process { set_home: false, ..Process::new(arguments.iter().map(|argument| (*argument).into()).collect()) }
}

/// A command in a container of one layer without a network.
pub(super) fn request() -> Request {
    let id: [u8; 32] = std::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(11));
    Request {
        id: ContainerId::from_random(id),
        name: None,
        created_unix_ns: 0,
        labels: BTreeMap::new(),
        isolation: Isolation::Default,
        root: layers(&[r"C:\layers\nanoserver"]),
        overlay: Overlay::Default,
        read_only: false,
        mounts: Vec::new(),
        namespaces: Default::default(),
        network: Network::None,
        ports: Vec::new(),
        dns: Dns::default(),
        hostname: None,
        domainname: None,
        extra_hosts: Vec::new(),
        sysctls: BTreeMap::new(),
        limits: Default::default(),
        cgroup_parent: None,
        security: Default::default(),
        devices: Vec::new(),
        assigned_devices: Vec::new(),
        storage_bytes: None,
        shm_bytes: None,
        process: Some(process(&["cmd", "/c", "ver"])),
        init: false,
        lifetime: Lifetime::Detached,
        auto_remove: false,
        log: Default::default(),
        stop: Default::default(),
    }
}

pub(super) fn layers(folders: &[&str]) -> Root {
    Root::Layers(Layers {
        folders: folders.iter().map(|folder| (*folder).into()).collect(),
        os_version: None,
        image: None,
    })
}

fn image(build: u32) -> Root {
    let Root::Layers(layers) = layers(&[r"C:\layers\app", r"C:\layers\nanoserver"]) else { panic!() };
    Root::Layers(Layers { os_version: Some(format!("10.0.{build}.2527")), ..layers })
}

pub(super) fn server() -> WindowsMachine {
    let network = |name: &str, kind| KnownNetwork { name: name.to_owned(), kind };
    WindowsMachine {
        networks: vec![
            network("nat", NetworkType::Nat),
            network("lan", NetworkType::Transparent),
            network("bridge", NetworkType::L2Bridge),
            network("Default Switch", NetworkType::Ics),
        ],
        ..WindowsMachine::assumed()
    }
}

fn client() -> WindowsMachine {
    WindowsMachine { build: 22631, product: Product::Client, ..server() }
}

fn bind(source: &str, target: &str, read_only: bool) -> Mount {
    let source = MountSource::Bind { path: source.into(), recursive: true };
    Mount { source, target: target.into(), read_only, options: MountOptions::default() }
}

fn pipe(source: &str, target: &str) -> Mount {
    let source = MountSource::NamedPipe { path: source.into() };
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

fn port(host_port: u16, container_port: u16) -> PublishedPort {
    PublishedPort { host_address: None, host_port: Some(host_port), container_port, protocol: Protocol::Tcp }
}

fn on(network: &str) -> Network {
    Network::Named(NamedNetwork::new(network))
}

fn changed(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = request();
    change(&mut request);
    request
}

fn full_process() -> Request {
    changed(|request| {
        request.name = Some("web".to_owned());
        request.root = image(20348);
        request.hostname = Some("web01".to_owned());
        request.mounts = vec![
            bind(r"C:\data", r"C:\data", true),
            bind("C:/work", "d:", false),
            pipe(r"\\.\pipe\hostpipe", r"\\.\pipe\inpipe"),
        ];
        request.mounts[1].options.create_source = true;
        request.network = Network::Named(NamedNetwork {
            name: "NAT".to_owned(),
            address: Some([172, 20, 0, 10].into()),
            mac_address: Some("00:15:5d:52:c0:10".to_owned()),
        });
        request.ports = vec![
            port(8080, 80),
            PublishedPort {
                host_address: Some([127, 0, 0, 1].into()),
                host_port: None,
                container_port: 53,
                protocol: Protocol::Udp,
            },
        ];
        request.dns = Dns {
            servers: vec![[10, 0, 0, 1].into()],
            search: vec!["a.example".to_owned(), "b.example".to_owned()],
        };
        request.limits.memory = Some(Bound::At(ByteSize::mib(512)));
        request.limits.cpu_shares = Some(7500);
        request.limits.io_operations = Some(100);
        request.limits.io_bytes = Some(1_000_000);
        request.storage_bytes = Some(40 << 30);
        request.assigned_devices =
            vec![AssignedDevice::Class("5B45201D-F2F2-4F3B-85BB-30FF1F953599".to_owned())];
        request.lifetime = Lifetime::OwnerBound;
        let process = request.process.as_mut().unwrap();
        process.args = vec!["powershell".into(), "-Command".into(), "Write-Host \"hi there\"".into()];
        process.env = vec!["APP_MODE=test".into()];
        process.cwd = r"c:/app".into();
        process.user = "ContainerUser".to_owned();
        process.terminal = Some(TerminalSize { columns: 120, rows: 30 });
        process.open_stdin = true;
    })
}

fn hyperv_full() -> Request {
    changed(|request| {
        request.isolation = Isolation::Vm;
        request.root = image(20348);
        request.limits.memory = Some(Bound::At(ByteSize::mib(2048)));
        request.limits.cpu_quota = Some(Bound::At(200_000));
        request.limits.cpu_period = Some(100_000);
        request.limits.io_operations = Some(100);
        request.network = on("nat");
        request.ports = vec![port(8080, 80)];
        request.mounts = vec![bind(r"C:\data", r"C:\data", true), pipe("//./pipe/a", "//./pipe/b")];
        request.dns.search = vec!["corp.example".to_owned()];
        request.storage_bytes = Some(40 << 30);
    })
}

/// Every golden plan by its name.
fn goldens() -> Vec<(&'static str, Request, WindowsMachine)> {
    let credentials =
        |source: CredentialSpec| changed(|request| request.security.credential_spec = Some(source));
    let raw = r#"{"CmsPlugins":["ActiveDirectory"],"DomainJoinConfig":{"DnsName":"d.example"}}"#;
    vec![
        ("process", request(), server()),
        ("process_full", full_process(), server()),
        ("process_without_a_command", changed(|request| request.process = None), server()),
        ("process_on_nat", changed(|request| request.network = on("nat")), server()),
        (
            "process_in_the_network_of_another",
            changed(|request| request.network = Network::Container(ContainerId::from_random([0xab; 32]))),
            server(),
        ),
        (
            "process_part_of_a_processor",
            changed(|request| {
                request.limits.cpu_quota = Some(Bound::At(150_000));
                request.limits.memory = Some(Bound::At(ByteSize::bytes(1_500_000)));
            }),
            server(),
        ),
        (
            "process_percent_and_raw_credentials",
            {
                let mut request = credentials(CredentialSpec::Raw(raw.to_owned()));
                request.limits.cpu_percent = Some(25);
                request
            },
            server(),
        ),
        ("process_credentials_of_a_file", credentials(CredentialSpec::File("web.json".into())), server()),
        (
            "process_transparent",
            changed(|request| {
                let address = Some([192, 168, 1, 50].into());
                request.network =
                    Network::Named(NamedNetwork { name: "lan".to_owned(), address, mac_address: None });
            }),
            server(),
        ),
        ("process_l2bridge", changed(|request| request.network = on("bridge")), server()),
        ("process_ics", changed(|request| request.network = on("default switch")), server()),
        (
            "process_nat_made",
            changed(|request| request.network = on("nat")),
            WindowsMachine { networks: Vec::new(), ..server() },
        ),
        (
            "process_device_by_place",
            changed(|request| {
                request.assigned_devices = vec![AssignedDevice::Location("PCIROOT(0)#PCI(0100)".to_owned())];
            }),
            server(),
        ),
        ("hyperv_on_a_client", request(), client()),
        ("hyperv_full", hyperv_full(), server()),
        ("hyperv_by_the_build", changed(|request| request.root = image(17763)), server()),
        (
            "hyperv_credentials_of_the_registry",
            {
                let mut request = credentials(CredentialSpec::Registry("web".to_owned()));
                request.isolation = Isolation::Vm;
                request.limits.cpu_shares = Some(500);
                request
            },
            server(),
        ),
    ]
}

pub(super) fn planned(request: &Request, machine: &WindowsMachine) -> HcsPlan {
    match plan_windows(request, machine) {
        Ok(Plan::Hcs(plan)) => plan,
        Ok(Plan::Linux(_)) => panic!("a plan for Linux"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn golden_plans() {
    for (name, request, machine) in goldens() {
        insta::assert_snapshot!(name, planned(&request, &machine).to_string());
    }
}

#[test]
fn a_plan_as_json() {
    let plan = plan_windows(&hyperv_full(), &server()).unwrap();
    let json = serde_json::to_string_pretty(&plan).unwrap();
    insta::assert_snapshot!("hyperv_full_as_json", json);
    let back: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(back, plan);
    assert_eq!(back.to_string(), plan.to_string());
}

#[test]
fn every_document_is_of_the_schema() {
    let schema = schema::Schema::load();
    let mut checked = 0;
    for (name, request, machine) in goldens() {
        for step in &planned(&request, &machine).steps {
            for call in std::iter::once(&step.call).chain(&step.undo) {
                for (kind, document) in documents(call) {
                    schema.check(kind, &document).unwrap_or_else(|wrong| panic!("{name}: {kind}: {wrong}"));
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

/// The documents of a call with the types that each has to be of, and with what steps find filled in.
pub(super) fn documents(call: &Call) -> Vec<(&'static str, Value)> {
    let (kinds, argument): (&[&str], &str) = match call {
        Call::CreateSystem { .. } => (&["ComputeSystem", "docs.ComputeSystem"], "document"),
        Call::CreateSystemV1 { .. } => (&["schema1.ContainerConfig"], "document"),
        Call::CreateProcess { .. } => (&["ProcessParameters", "docs.ProcessParameters"], "parameters"),
        Call::CreateProcessV1 { .. } => (&["schema1.ProcessConfig"], "parameters"),
        Call::EnumerateNetworks { .. } => (&["hcn.HostComputeQuery"], "query"),
        Call::CreateNetwork { .. } => (&["hcn.HostComputeNetwork"], "settings"),
        Call::CreateEndpoint { .. } => (&["hcn.HostComputeEndpoint"], "settings"),
        Call::CreateNamespace { .. } => (&["hcn.HostComputeNamespace"], "settings"),
        Call::ModifyNamespace { .. } => (&["hcn.ModifyNamespaceSettingRequest"], "settings"),
        Call::ModifyServiceSettings { .. } => (&["ModificationRequest"], "settings"),
        Call::GetServiceProperties { .. } => (&["docs.Service_PropertyQuery"], "query"),
        _ => (&[], ""),
    };
    let json = serde_json::to_value(call).unwrap();
    kinds.iter().map(|kind| (*kind, filled(&json["arguments"][argument]))).collect()
}

fn filled(document: &Value) -> Value {
    match document {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), filled(value))).collect(),
        Value::Array(items) => items.iter().map(filled).collect(),
        Value::String(text) if text.starts_with("${") => match text.as_str() {
            "${scratch-volume}" => r"\\?\Volume{baac0fd5-16b7-405b-9621-112aa8e3d973}\".into(),
            text if text.starts_with("${mount-") => {
                r"\\?\Volume{00000000-0000-0000-0000-000000000043}\data".into()
            }
            text if text.starts_with("${cred") => "{}".into(),
            _ => "1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11".into(),
        },
        other => other.clone(),
    }
}

/// Where in the plan a call of this name is.
fn at(plan: &HcsPlan, name: &str) -> Option<usize> {
    plan.steps.iter().position(|step| step.call.name() == name)
}

/// What others paid for: each of these is refused by a real service if it is otherwise.
#[test]
fn the_rules_of_the_services_are_kept() {
    for (name, request, machine) in goldens() {
        let plan = planned(&request, &machine);
        match plan.isolation {
            HcsIsolation::Process => process_rules(name, &plan),
            HcsIsolation::Hyperv => hyperv_rules(name, &plan),
        }
        for step in &plan.steps {
            let makes = matches!(
                step.call.name(),
                "make_directory"
                    | "reserve_name"
                    | "vmcompute!CreateSandboxLayer"
                    | "vmcompute!ActivateLayer"
                    | "vmcompute!PrepareLayer"
                    | "computenetwork!HcnCreateEndpoint"
                    | "computenetwork!HcnCreateNamespace"
                    | "computenetwork!HcnModifyNamespace"
                    | "computecore!HcsModifyServiceSettings"
                    | "computecore!HcsCreateComputeSystem"
                    | "vmcompute!HcsCreateComputeSystem"
            );
            assert_eq!(!step.undo.is_empty(), makes, "{name}: {}", step.call.name());
            let last = step.call.name().rsplit('!').next().unwrap();
            assert!(
                step.exports.is_empty()
                    || step.exports.iter().any(|export| export == last)
                    || last == "extend_volume"
            );
        }
        // Nothing of a later stage comes before something of an earlier one.
        assert!(plan.steps.is_sorted_by_key(|step| step.stage == Stage::Start), "{name}");
    }
}

fn process_rules(name: &str, plan: &HcsPlan) {
    let order = [
        "vmcompute!CreateSandboxLayer",
        "vmcompute!ActivateLayer",
        "vmcompute!PrepareLayer",
        "vmcompute!GetLayerMountPath",
        "computecore!HcsCreateComputeSystem",
        "computecore!HcsSetComputeSystemCallback",
        "computecore!HcsStartComputeSystem",
    ];
    let places: Vec<usize> = order.iter().map(|call| at(plan, call).expect(call)).collect();
    assert!(places.is_sorted(), "{name}: {places:?}");
    let Call::CreateSystem { document, .. } = &plan.steps[places[4]].call else { panic!() };
    let json = serde_json::to_value(document).unwrap();
    let container = &json["Container"];
    assert!(container["Processor"].is_object(), "{name}: always sent");
    assert!(container["Processor"].as_object().unwrap().len() <= 1, "{name}: one limit");
    assert!(container["GuestOs"]["HostName"].as_str().is_some_and(|host| host.len() <= 15), "{name}");
    let namespace = container["Networking"]["Namespace"].as_str().unwrap();
    assert_eq!(namespace, namespace.to_lowercase(), "{name}");
    assert!(!namespace.contains(['{', '}']) && namespace.len() == 36, "{name}");
    let path = filled(&container["Storage"]["Path"]);
    assert!(path.as_str().unwrap().ends_with("}\\"), "{name}: a volume with a backslash");
    if let (Some(endpoint), Some(created)) =
        (at(plan, "computenetwork!HcnCreateEndpoint"), at(plan, "computenetwork!HcnCreateNamespace"))
    {
        assert!(endpoint < created && created < places[4], "{name}");
    }
}

fn hyperv_rules(name: &str, plan: &HcsPlan) {
    for call in ["vmcompute!ActivateLayer", "vmcompute!PrepareLayer", "computenetwork!HcnCreateNamespace"] {
        assert_eq!(at(plan, call), None, "{name}: the virtual machine opens the disk itself");
    }
    let created = at(plan, "vmcompute!HcsCreateComputeSystem").unwrap();
    let Call::CreateSystemV1 { document, .. } = &plan.steps[created].call else { panic!() };
    assert!(document.hv_partition, "{name}");
    assert_eq!(
        document.hv_runtime.image_path, r"C:\layers\nanoserver\UtilityVM",
        "{name}: of the base layer"
    );
    assert!(document.layer_folder_path.ends_with(r"\scratch"), "{name}");
}

#[test]
fn identifiers_of_objects_follow_from_the_container() {
    let id = request().id;
    let tag = Tag::of_root(r"C:\state");
    let (namespace, endpoint) = (tag.guid(&id, Owned::Namespace), tag.guid(&id, Owned::Endpoint));
    assert_ne!(namespace, endpoint);
    for text in [&namespace, &endpoint] {
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'8', "{text}: the version");
        assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}: the variant");
        assert_eq!(*text, text.to_lowercase());
    }
    assert_ne!(namespace, Tag::of_root(r"D:\state").guid(&id, Owned::Namespace));
}

/// A caller elsewhere on the machine keeps its containers elsewhere.
#[test]
fn places_are_the_callers() {
    let request = changed(|request| request.name = Some("web".to_owned()));
    let places = Places::below(r"D:\state", &request.id);
    let plan = lower(&request, &server(), &places).unwrap();
    let text = plan.to_string();
    assert!(text.contains(r"D:\state\names\web") && !text.contains("ProgramData"), "{text}");
}

#[test]
fn a_whole_command_line_is_taken_as_it_is() {
    let line = r#""C:\a b.exe"  x "y"#;
    let request = changed(|request| request.process.as_mut().unwrap().command_line = Some(line.to_owned()));
    let plan = planned(&request, &server());
    let found = plan.steps.iter().find_map(|step| match &step.call {
        Call::CreateProcess { parameters, .. } => Some(parameters.command_line.clone()),
        _ => None,
    });
    assert_eq!(found.as_deref(), Some(line));
}

#[test]
fn output_has_pipes_without_a_log_too() {
    let request = changed(|request| request.log.driver = containerv_spec::request::LogDriver::None);
    let plan = planned(&request, &server());
    let step = &plan.steps[at(&plan, "computecore!HcsCreateProcess").unwrap()];
    let Call::CreateProcess { parameters, .. } = step.call.clone() else { panic!() };
    assert!(parameters.create_std_out_pipe && parameters.create_std_err_pipe);
}

#[test]
fn a_container_has_a_computer_name_whatever_its_identifier() {
    for (digits, name) in [("271740988323", "c271740988323"), ("27174098832e", "27174098832e")] {
        let id = format!("{digits:0<64}");
        let request = changed(|request| request.id = id.parse().unwrap());
        let plan = lower(&request, &server(), &Places::below("C:\\x", &request.id)).unwrap();
        let creation = &plan.steps[at(&plan, "computecore!HcsCreateComputeSystem").unwrap()].call;
        let Call::CreateSystem { document, .. } = creation else { panic!() };
        let json = serde_json::to_value(document).unwrap();
        assert_eq!(json["Container"]["GuestOs"]["HostName"], name);
    }
}
