//! What cannot be lowered, and what is said about it.

use containerv_spec::hcs::machine::{Rights, WindowsMachine};
use containerv_spec::request::{
    AssignedDevice, CredentialSpec, Device, IdRange, Isolation, Mount, MountSource, NamedNetwork, Network,
    Overlay, Propagation, PublishedPort, Request, Rlimit, RlimitResource, Root, Seccomp, Share,
    TimeNamespace, UserNamespace, Veth,
};
use containerv_spec::{Bound, ByteSize, Capability, ContainerId};

use super::{bind, changed, client, image, layers, on, pipe, plan_windows, port, process, server};

/// What is said about a request for a machine: the problems with their hints.
fn problems(request: &Request, machine: &WindowsMachine) -> Vec<String> {
    let error = plan_windows(request, machine).expect_err("it is refused");
    let problems = error.all_problems().iter();
    problems.map(|problem| format!("{problem}\n    {}", problem.hint().expect("a hint"))).collect()
}

type Change = fn(&mut Request);

/// Requests with one thing wrong each.
const WRONG: &[Change] = &[
    |r| r.security.capabilities.0 = r.security.capabilities.0.with(Capability::NET_ADMIN),
    |r| r.security.privileged = true,
    |r| r.security.seccomp = Seccomp::Unconfined,
    |r| r.security.allow_new_privileges = true,
    |r| r.security.unmask = true,
    |r| r.security.oom_score_adj = Some(5),
    |r| r.namespaces.user = UserNamespace::Host,
    |r| {
        let ids = vec![IdRange { inside: 0, outside: 1, count: 1 }];
        r.namespaces.user = UserNamespace::Mapped { uids: ids.clone(), gids: ids };
    },
    |r| r.namespaces.mount = false,
    |r| r.namespaces.pid = Share::Host,
    |r| r.namespaces.ipc = Share::Host,
    |r| r.namespaces.uts = Share::Host,
    |r| r.namespaces.cgroup = Share::Host,
    |r| r.namespaces.time = TimeNamespace::Offsets { monotonic_seconds: 1, boottime_seconds: 1 },
    |r| _ = r.sysctls.insert("net.ipv4.ip_forward".into(), "1".into()),
    |r| r.domainname = Some("example".into()),
    |r| r.extra_hosts = vec![("db".into(), "10.0.0.5".into())],
    |r| r.cgroup_parent = Some("/jobs".into()),
    |r| r.shm_bytes = Some(1 << 20),
    |r| r.init = true,
    |r| {
        let path: containerv_spec::OsText = "/dev/kvm".into();
        r.devices =
            vec![Device { host_path: path.clone(), path, access: "rw".into(), number: None, block: false }];
    },
    |r| r.limits.memory_and_swap = Some(Bound::At(ByteSize::mib(64))),
    |r| r.limits.memory_reservation = Some(ByteSize::mib(64)),
    |r| r.limits.cpuset_cpus = Some("0".into()),
    |r| r.limits.cpuset_mems = Some("0".into()),
    |r| r.limits.pids = Some(Bound::At(5)),
    |r| r.limits.io_weight = Some(100),
    |r| r.stop.signal = 3,
    |r| r.read_only = true,
    |r| r.overlay = Overlay::Memory,
    |r| r.overlay = Overlay::None,
    // Root
    |r| r.root = Root::Host,
    |r| r.root = Root::Directory(r"C:\containerfs".into()),
    |r| r.root = layers(&[]),
    |r| r.root = layers(&["layers"]),
    |r| r.root = layers(&["/layers/a"]),
    |r| r.root = layers(&[r"C:\a\base", r"C:\b\BASE"]),
    |r| r.root = layers(&["C:\\"]),
    |r| r.root = image(99999),
    // Names
    |r| r.name = Some("a b".into()),
    |r| r.name = Some("com1".into()),
    |r| r.hostname = Some("much-too-long-name".into()),
    |r| r.hostname = Some("12345".into()),
    |r| r.hostname = Some("web_01".into()),
    |r| r.labels = [(String::new(), "x".into())].into(),
    |r| r.log.max_files = 0,
    // Limits
    |r| (r.limits.cpu_shares, r.limits.cpu_percent) = (Some(1), Some(1)),
    |r| r.limits.cpu_count = Some(0),
    |r| r.limits.cpu_count = Some(5),
    |r| r.limits.cpu_percent = Some(0),
    |r| r.limits.cpu_percent = Some(101),
    |r| r.limits.cpu_shares = Some(20_000),
    |r| r.limits.cpu_quota = Some(Bound::At(0)),
    |r| r.limits.cpu_quota = Some(Bound::At(450_000)),
    |r| r.limits.memory = Some(Bound::At(ByteSize::bytes(0))),
    |r| r.limits.io_operations = Some(0),
    |r| r.limits.io_bytes = Some(1 << 31),
    |r| r.storage_bytes = Some(10 << 30),
    // Mounts
    |r| r.mounts = vec![bind("data", r"C:\data", false)],
    |r| r.mounts = vec![bind(r"C:\a\..\b", r"C:\data", false)],
    |r| r.mounts = vec![bind(r"\\.\PhysicalDrive0", r"C:\data", false)],
    |r| r.mounts = vec![bind(r"C:\data", "data", false)],
    |r| r.mounts = vec![bind(r"C:\data", "C:", false)],
    |r| r.mounts = vec![bind(r"C:\data", r"C:\a\..\..\b", false)],
    |r| r.mounts = vec![bind(r"C:\data", r"C:\NUL", false)],
    |r| r.mounts = vec![bind(r"C:\a", r"C:\data", false), bind(r"C:\b", "c:/DATA", false)],
    |r| {
        r.mounts = vec![bind(r"C:\a", r"C:\data", false)];
        r.mounts[0].options.noexec = true;
    },
    |r| {
        r.mounts = vec![bind(r"C:\a", r"C:\data", false)];
        r.mounts[0].options.propagation = Propagation::Shared;
    },
    |r| r.mounts = vec![pipe(r"\\.\pipe\a", r"C:\pipe")],
    |r| r.mounts = vec![pipe(r"C:\a", r"\\.\pipe\b")],
    |r| r.mounts = vec![Mount { read_only: true, ..pipe(r"\\.\pipe\a", r"\\.\pipe\b") }],
    |r| {
        let source = MountSource::Tmpfs { size: None, mode: None };
        r.mounts = vec![Mount { source, ..bind("", r"C:\run", false) }];
    },
    // Network
    |r| r.network = Network::Host,
    |r| {
        r.network = Network::Veth(Veth {
            host_interface: "a".into(),
            container_interface: "b".into(),
            host_address: [10, 0, 0, 1].into(),
            container_address: [10, 0, 0, 2].into(),
            prefix: 24,
        });
    },
    |r| r.network = on("nowhere"),
    |r| r.network = on("no\"where"),
    |r| r.ports = vec![port(80, 80)],
    |r| r.dns.servers = vec![[10, 0, 0, 1].into()],
    |r| (r.network, r.ports) = (on("lan"), vec![port(80, 80)]),
    |r| (r.network, r.ports) = (on("nat"), vec![port(80, 80), port(80, 81)]),
    |r| (r.network, r.ports) = (on("nat"), vec![PublishedPort { container_port: 0, ..port(80, 80) }]),
    |r| {
        let named = NamedNetwork::new("default switch");
        r.network = Network::Named(NamedNetwork { address: Some([10, 0, 0, 1].into()), ..named });
    },
    |r| {
        let named = NamedNetwork::new("nat");
        r.network = Network::Named(NamedNetwork { mac_address: Some("00-15-5d".into()), ..named });
    },
    |r| (r.network, r.dns.search) = (on("nat"), vec!["a b".into()]),
    // Devices and credentials
    |r| r.assigned_devices = vec![AssignedDevice::Class("5B45201D".into())],
    |r| r.assigned_devices = vec![AssignedDevice::Location(String::new())],
    |r| r.security.credential_spec = Some(CredentialSpec::File(r"..\x.json".into())),
    |r| r.security.credential_spec = Some(CredentialSpec::Raw("${network}".into())),
    |r| r.security.credential_spec = Some(CredentialSpec::Raw("[]".into())),
    |r| r.security.credential_spec = Some(CredentialSpec::Registry(String::new())),
    // Process
    |r| r.process = Some(process(&[])),
    |r| r.process = Some(process(&["a\"b"])),
    |r| r.process.as_mut().unwrap().cwd = "app".into(),
    |r| {
        let process = r.process.as_mut().unwrap();
        (process.cwd, process.create_cwd) = (r"C:\app".into(), true);
    },
    |r| r.process.as_mut().unwrap().user = "0:0".into(),
    |r| r.process.as_mut().unwrap().groups = vec!["wheel".into()],
    |r| r.process.as_mut().unwrap().program = Some("cmd".into()),
    |r| r.process.as_mut().unwrap().command_line = Some(" ".into()),
    |r| r.process.as_mut().unwrap().search_path = false,
    |r| r.process.as_mut().unwrap().umask = Some(0o77),
    |r| {
        let limit = Rlimit { resource: RlimitResource::Nofile, soft: 1, hard: 1 };
        r.process.as_mut().unwrap().rlimits = vec![limit];
    },
    |r| r.process.as_mut().unwrap().env = vec!["A".into()],
    |r| r.process.as_mut().unwrap().env = vec!["Path=a".into(), "PATH=b".into()],
    |r| r.process.as_mut().unwrap().env = vec![format!("A={}", "x".repeat(40_000)).into()],
];

#[test]
fn each_wrong_request_is_refused_by_name() {
    let mut said = String::new();
    for change in WRONG {
        let mut request = super::request();
        change(&mut request);
        let problems = problems(&request, &server());
        assert!(!problems.is_empty());
        said += &problems.join("\n");
        said.push('\n');
    }
    insta::assert_snapshot!("refusals", said);
}

#[test]
fn each_refusal_of_hyperv_names_its_reason() {
    let wrong: &[Change] = &[
        |r| r.assigned_devices = vec![AssignedDevice::Class("5B45201D-F2F2-4F3B-85BB-30FF1F953599".into())],
        |r| r.network = Network::Container(ContainerId::from_random([1; 32])),
        |r| r.limits.cpu_quota = Some(Bound::At(150_000)),
    ];
    let mut said = String::new();
    for change in wrong {
        let mut request = changed(|request| request.isolation = Isolation::Vm);
        change(&mut request);
        said += &(problems(&request, &server()).join("\n") + "\n");
    }
    insta::assert_snapshot!("refusals_of_hyperv", said);
}

#[test]
fn each_machine_that_cannot_says_what_it_lacks() {
    let with = |isolation| changed(|request| request.isolation = isolation);
    let mut old = with(Isolation::Process);
    old.root = image(17763);
    let mut newer = with(Isolation::Vm);
    newer.root = image(26100);
    let mut odd = with(Isolation::Default);
    if let Root::Layers(layers) = &mut odd.root {
        layers.os_version = Some("10.1.x".into());
    }
    let cases = [
        (with(Isolation::Default), WindowsMachine { build: 14393, ..server() }),
        (with(Isolation::Default), WindowsMachine { containers: false, ..server() }),
        (with(Isolation::Default), WindowsMachine { hyperv: false, ..client() }),
        (with(Isolation::Default), WindowsMachine { rights: Rights::None, ..server() }),
        (with(Isolation::Process), WindowsMachine { rights: Rights::HypervAdministrator, ..server() }),
        (old, server()),
        (newer, server()),
        (odd, server()),
        (
            changed(|r| r.assigned_devices = vec![AssignedDevice::Location("PCIROOT(0)".into())]),
            WindowsMachine { build: 17763, ..server() },
        ),
        (changed(|r| r.network = on("lan")), WindowsMachine { networks: Vec::new(), ..server() }),
    ];
    let mut said = String::new();
    for (request, machine) in cases {
        said += &(problems(&request, &machine).join("\n") + "\n");
    }
    insta::assert_snapshot!("refusals_of_machines", said);
}

/// Nothing is found out one by one.
#[test]
fn all_problems_come_at_once() {
    let request = changed(|request| {
        request.security.privileged = true;
        request.mounts = vec![bind("x", "y", false)];
        request.network = Network::Host;
        request.process = Some(process(&[]));
        request.limits.cpu_percent = Some(0);
    });
    assert_eq!(problems(&request, &server()).len(), 6, "a mount has two ends");
}
