//! Golden plans, refusals, and properties of lowering.

mod images;
mod properties;
mod remount;

use containerv_spec::facts::{CgroupFacts, GroupAccess, V2Hierarchy};
use containerv_spec::machine::{Machine, MountsBelow, Subordinate, SystemRoot};
use containerv_spec::plan::{Action, LinuxPlan};
use containerv_spec::request::{
    IdRange, Lifetime, Mount, MountOptions, MountSource, Namespaces, Network, Overlay, Process, Request,
    Rlimit, RlimitResource, Root, Share, TerminalSize, TimeNamespace, UserNamespace, Veth,
};
use containerv_spec::{Bound, ByteSize, Capability, CapabilitySet, ContainerId};

use super::{Joined, Launch, Places, join, lower, view};
use crate::ErrorKind;

pub(super) fn places() -> Places {
    Places { directory: "/state/containers/c".into(), names: "/state/names".into() }
}

pub(super) fn root_machine() -> Machine {
    Machine {
        uid: 0,
        gid: 0,
        capabilities: CapabilitySet::ALL,
        kernel: (6, 1),
        cgroups: CgroupFacts {
            v2: Some(V2Hierarchy {
                controllers: vec![
                    containerv_spec::cgroup::Controller::Cpu,
                    containerv_spec::cgroup::Controller::Memory,
                    containerv_spec::cgroup::Controller::Pids,
                ],
                mount: "/sys/fs/cgroup".into(),
                own: "/".into(),
                access: GroupAccess::Below("/".into()),
            }),
            ..CgroupFacts::default()
        },
        subordinate: Subordinate::default(),
        system: SystemRoot {
            directories: vec!["usr".into(), "etc".into()],
            links: vec![("bin".into(), "usr/bin".into()), ("lib".into(), "usr/lib".into())],
            resolver: None,
            secrets: vec!["/etc/shadow".into()],
        },
        hard_limits: Vec::new(),
        mounts_below: Vec::new(),
    }
}

pub(super) fn user_machine() -> Machine {
    let range = |outside| vec![IdRange { inside: 0, outside, count: 65536 }];
    Machine {
        uid: 1000,
        gid: 1000,
        capabilities: CapabilitySet::EMPTY,
        cgroups: CgroupFacts::default(),
        subordinate: Subordinate {
            uids: range(100_000),
            gids: range(200_000),
            helpers: Some(("/usr/bin/newuidmap".into(), "/usr/bin/newgidmap".into())),
            missing: None,
        },
        ..root_machine()
    }
}

pub(super) fn process(arguments: &[&str]) -> Process {
    Process {
        env: vec!["PATH=/usr/bin:/bin".into()],
        ..Process::new(arguments.iter().map(|argument| (*argument).into()).collect())
    }
}

pub(super) fn request(root: Root) -> Request {
    let json = serde_json::json!({ "id": ContainerId::from_random([0xab; 32]), "root": root });
    let mut request: Request = serde_json::from_value(json).unwrap();
    request.process = Some(process(&["sh", "-c", "true"]));
    request
}

fn directory() -> Root {
    Root::Directory("/srv/root".into())
}

fn attached() -> Launch {
    Launch::Attached { main_thread: true }
}

fn text(plan: &LinuxPlan) -> String {
    plan.to_string()
}

#[test]
fn a_command_in_a_directory_as_root() {
    insta::assert_snapshot!(text(
        &lower(&request(directory()), &root_machine(), &places(), attached()).unwrap()
    ));
}

#[test]
fn labels_steer_nothing() {
    let plain = request(directory());
    let mut labelled = plain.clone();
    for name in [
        "containerd.io/restart.loguri",
        "io.containerd.runtime.v2.shim",
        "cdi.k8s.io/device",
        "org.opencontainers.image.volume",
        "containerv.security.privileged",
        "containerv.mounts",
    ] {
        labelled.labels.insert(name.to_owned(), "binary:///bin/sh?x=../../etc".to_owned());
    }
    let plan = |request: &Request| lower(request, &root_machine(), &places(), Launch::Detached).unwrap();
    assert_eq!(plan(&labelled), plan(&plain));
}

#[test]
fn the_host_image_read_only_as_an_ordinary_user() {
    let mut request = request(Root::Host);
    request.read_only = true;
    insta::assert_snapshot!(text(&lower(&request, &user_machine(), &places(), attached()).unwrap()));
}

fn below(directory: &str, mount: &str, copied_without: Option<&[&str]>) -> MountsBelow {
    let texts = |paths: &[&str]| paths.iter().map(|path| (*path).into()).collect();
    MountsBelow {
        directory: directory.into(),
        mount: mount.into(),
        copied_without: copied_without.map(texts),
    }
}

#[test]
fn directories_with_mounts_below_are_copied_for_an_ordinary_user() {
    let mut machine = user_machine();
    machine.mounts_below = vec![
        below("/usr", "/usr/lib/wsl/lib", Some(&["/usr/bin", "/usr/lib/100%"])),
        below("/etc", "/etc/hosts", Some(&[])),
    ];
    let plan = lower(&request(Root::Host), &machine, &places(), attached()).unwrap();
    let lines: Vec<String> = text(&plan)
        .lines()
        .filter(|line| ["note", "copy", "overlay", "upper", "lower"].iter().any(|word| line.contains(word)))
        .map(str::to_owned)
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_cannot_be_copied_for_an_ordinary_user_is_refused() {
    let mut machine = user_machine();
    machine.mounts_below = vec![below("/usr", "/usr/lib/libmuch.so", None)];
    let host = lower(&request(Root::Host), &machine, &places(), attached()).unwrap_err();
    machine.mounts_below = vec![below("/srv/root", "/srv/root/proc", Some(&[]))];
    let mut request = request(directory());
    request.overlay = Overlay::Container;
    let directory = lower(&request, &machine, &places(), attached()).unwrap_err();
    insta::assert_snapshot!(format!("{host:?}\n{directory:?}"));
}

#[test]
fn names_of_layers_lead_back_to_their_directories() {
    for path in ["/usr", "/usr/lib/x", "/usr/100%", "/usr/%2F/a-b"] {
        let name = super::layer_name("upper", &path.into());
        assert!(!name.as_bytes().contains(&b'/'));
        assert_eq!(super::layer_directory(name.as_bytes()), Some(path.into()), "{name}");
    }
    assert_eq!(super::layer_directory(b"work-usr"), None);
}

#[test]
fn the_host_image_detached_with_everything_asked_for() {
    let mut request = request(Root::Host);
    request.name = Some("web".to_owned());
    request.hostname = Some("box".to_owned());
    request.extra_hosts = vec![("db".to_owned(), "10.0.0.2".to_owned())];
    request.sysctls.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
    request.limits.memory = Some(Bound::At(ByteSize::mib(64)));
    request.limits.pids = Some(Bound::At(32));
    request.security.oom_score_adj = Some(500);
    request.auto_remove = true;
    request.init = true;
    request.mounts = vec![
        bind("/home/me", "/src", true),
        Mount {
            source: MountSource::Tmpfs { size: Some(1 << 20), mode: None },
            target: "/scratch".into(),
            read_only: false,
            options: MountOptions { create_target: true, noexec: true, ..MountOptions::default() },
        },
    ];
    let process = request.process.as_mut().unwrap();
    process.terminal = Some(TerminalSize { columns: 80, rows: 24 });
    process.user = "www-data".to_owned();
    process.rlimits = vec![Rlimit { resource: RlimitResource::Nofile, soft: 1024, hard: 4096 }];
    insta::assert_snapshot!(text(&lower(&request, &root_machine(), &places(), Launch::Detached).unwrap()));
}

#[test]
fn a_keeper_with_mapped_ids_and_a_veth_pair() {
    let mut request = request(directory());
    request.process = None;
    request.lifetime = Lifetime::OwnerBound;
    let range = vec![IdRange { inside: 0, outside: 100_000, count: 1000 }];
    request.namespaces.user = UserNamespace::Mapped { uids: range.clone(), gids: range };
    request.network = Network::Veth(Veth {
        host_interface: "vethab".to_owned(),
        container_interface: "eth0".to_owned(),
        host_address: [10, 0, 0, 1].into(),
        container_address: [10, 0, 0, 2].into(),
        prefix: 24,
    });
    insta::assert_snapshot!(text(&lower(&request, &root_machine(), &places(), Launch::Keeper).unwrap()));
}

#[test]
fn a_root_without_namespaces_is_only_changed_to() {
    let mut request = request(directory());
    request.namespaces = Namespaces {
        mount: false,
        pid: Share::Host,
        ipc: Share::Host,
        uts: Share::Host,
        cgroup: Share::Host,
        ..Namespaces::default()
    };
    request.network = Network::Host;
    insta::assert_snapshot!(text(&lower(&request, &root_machine(), &places(), Launch::Prepared).unwrap()));
}

#[test]
fn an_overlay_in_memory_joined_to_another_container() {
    let other = ContainerId::from_random([0xcd; 32]);
    let mut request = request(directory());
    request.overlay = Overlay::Memory;
    request.namespaces.pid = Share::Container(other.clone());
    request.network = Network::Container(other);
    insta::assert_snapshot!(text(&lower(&request, &user_machine(), &places(), attached()).unwrap()));
}

#[test]
fn a_further_process() {
    let request = request(directory());
    let plan = lower(&request, &root_machine(), &places(), attached()).unwrap();
    let joined = Joined { request: &request, groups: &plan.groups, privileged: false };
    insta::assert_snapshot!(text(&join(&joined, &process(&["ps"]), &root_machine()).unwrap()));
}

#[test]
fn a_view_makes_nothing_on_the_host() {
    let plan = view(&request(Root::Host), &root_machine(), &places()).unwrap();
    assert!(plan.phase(containerv_spec::plan::Phase::Host).next().is_none());
    assert!(matches!(plan.steps.last().map(|step| &step.action), Some(Action::Keep { owner_bound: true })));
}

#[test]
fn a_plan_survives_json() {
    let plan = lower(&request(Root::Host), &root_machine(), &places(), Launch::Detached).unwrap();
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<LinuxPlan>(&json).unwrap().to_string(), plan.to_string());
}

#[test]
fn the_owner_is_watched_by_an_init_where_the_death_signal_would_follow_a_thread() {
    let mut request = request(directory());
    request.lifetime = Lifetime::OwnerBound;
    let actions = |main_thread| {
        let plan = lower(&request, &root_machine(), &places(), Launch::Attached { main_thread }).unwrap();
        plan.steps.into_iter().map(|step| step.action).collect::<Vec<_>>()
    };
    assert!(actions(true).contains(&Action::DieWithSupervisor));
    assert!(actions(false).contains(&Action::StayAsInit { owner_bound: true }));
    assert!(!actions(false).contains(&Action::DieWithSupervisor));
}

fn bind(source: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        source: MountSource::Bind { path: source.into(), recursive: true },
        target: target.into(),
        read_only,
        options: MountOptions { create_target: true, ..MountOptions::default() },
    }
}

/// Lowers a changed request and returns its problems.
fn problems(machine: &Machine, change: impl FnOnce(&mut Request)) -> Vec<String> {
    let mut request = request(directory());
    change(&mut request);
    let error = lower(&request, machine, &places(), attached()).unwrap_err();
    for problem in error.all_problems() {
        // What a limit takes stands in the message itself.
        let tells = problem.hint().is_some() || problem.to_string().contains("the minimum of");
        assert!(tells, "`{problem}` has no way out");
    }
    error.all_problems().iter().map(ToString::to_string).collect()
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let found = problems(&root_machine(), |request| {
        request.name = Some("-x".to_owned());
        request.hostname = Some("a b".to_owned());
        request.mounts = vec![bind("relative", "/proc/x", false), bind("/a", "/b/../c", false)];
        request.sysctls.insert("kernel.panic".to_owned(), "1".to_owned());
        request.limits.memory = Some(Bound::At(ByteSize::kib(1)));
        request.stop.signal = 0;
        let process = request.process.as_mut().unwrap();
        process.cwd = "here".into();
        process.user = "4294967296".to_owned();
        process.env.push("novalue".into());
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn what_only_root_may_do_is_refused_to_others_by_name() {
    let found = problems(&user_machine(), |request| {
        request.namespaces.user = UserNamespace::Host;
        request.network = Network::Veth(Veth {
            host_interface: "a".to_owned(),
            container_interface: "much-too-long-a-name".to_owned(),
            host_address: [10, 0, 0, 1].into(),
            container_address: [10, 0, 0, 2].into(),
            prefix: 33,
        });
        request.limits.pids = Some(Bound::At(5));
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn namespaces_that_could_not_be_shown_are_refused() {
    let other = ContainerId::from_random([0xcd; 32]);
    let range = vec![IdRange { inside: 0, outside: 100_000, count: 1000 }];
    let found = problems(&root_machine(), |request| {
        request.namespaces.user = UserNamespace::Mapped { uids: range.clone(), gids: range };
        request.namespaces.pid = Share::Container(other.clone());
        request.network = Network::Container(other);
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("`--pid container:`") && found[1].starts_with("`--network container:`"));
    let found = problems(&user_machine(), |request| {
        request.namespaces.user = UserNamespace::Single { uid: 1000, gid: 1000 };
        request.namespaces.time = TimeNamespace::Offsets { monotonic_seconds: 1, boottime_seconds: 1 };
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|problem| problem.starts_with("`--userns keep-id`")), "{found:?}");
    assert!(found.iter().any(|problem| problem.starts_with("`--timens`")), "{found:?}");
}

#[test]
fn ranges_of_ids_that_no_kernel_takes_are_refused() {
    let range = |inside, outside, count| IdRange { inside, outside, count };
    for (ranges, expected) in [
        (vec![], "do not map 0"),
        (vec![range(1, 1000, 10)], "do not map 0"),
        (vec![range(0, 1000, 0)], "empty"),
        (vec![range(0, u32::MAX - 1, 2)], "too large"),
        (vec![range(0, 1000, 10), range(9, 2000, 10)], "overlap"),
        (vec![range(10, 2009, 5), range(0, 2000, 10)], "overlap"),
    ] {
        let found = problems(&root_machine(), |request| {
            let gids = vec![range(0, 1000, 10)];
            request.namespaces.user = UserNamespace::Mapped { uids: ranges.clone(), gids };
        });
        assert!(found.len() == 1 && found[0].contains(expected), "{ranges:?} {found:?}");
    }
}

#[test]
fn a_capability_that_the_caller_lacks_is_refused_by_name() {
    let mut machine = root_machine();
    machine.capabilities = CapabilitySet::ALL.without(Capability::SYS_RESOURCE);
    let found = problems(&machine, |request| {
        request.security.capabilities.0 = CapabilitySet::DEFAULT.with(Capability::SYS_RESOURCE);
    });
    assert_eq!(found, ["`--cap-add SYS_RESOURCE`: the caller does not have CAP_SYS_RESOURCE itself"]);
}

#[test]
fn user_ids_that_would_wrap_to_root_are_refused() {
    for user in ["4294967296", "2147483648", "-1", "0:4294967295", "a:b:c", "/x"] {
        let found =
            problems(&root_machine(), |request| request.process.as_mut().unwrap().user = user.to_owned());
        assert_eq!(found.len(), 1, "{user}: {found:?}");
    }
}

#[test]
fn the_hosts_root_is_no_containers() {
    for path in ["/", "//", ""] {
        let error = lower(&request(Root::Directory(path.into())), &root_machine(), &places(), attached())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_process_leaves_its_caller_before_it_joins_another_pid_namespace() {
    let mut request = request(directory());
    request.namespaces.pid = Share::Container(ContainerId::from_random([0xcd; 32]));
    let plan = lower(&request, &root_machine(), &places(), Launch::Detached).unwrap();
    let position =
        |wanted: fn(&Action) -> bool| plan.steps.iter().position(|step| wanted(&step.action)).unwrap();
    let left = position(|action| matches!(action, Action::Daemonize));
    let joined = position(|action| matches!(action, Action::JoinNamespaces { .. }));
    let started = position(|action| matches!(action, Action::Start { .. }));
    assert!(left < joined && joined < started);
}

/// What only Windows has, or has first, is named.
#[test]
fn what_only_windows_has_is_refused_by_name() {
    use containerv_spec::request::{
        AssignedDevice, CredentialSpec, Isolation, Layers, NamedNetwork, Protocol, PublishedPort,
    };
    let found = problems(&root_machine(), |request| {
        request.isolation = Isolation::Vm;
        request.root =
            Root::Layers(Layers { folders: vec![r"C:\layers\base".into()], os_version: None, image: None });
        let source = MountSource::NamedPipe { path: r"\\.\pipe\a".into() };
        let target = "/run/pipe".into();
        request.mounts = vec![Mount { source, target, read_only: false, options: MountOptions::default() }];
        request.network = Network::Named(NamedNetwork::new("nat"));
        request.ports = vec![PublishedPort {
            host_address: None,
            host_port: None,
            container_port: 80,
            protocol: Protocol::Tcp,
        }];
        request.dns.servers = vec![[10, 0, 0, 1].into()];
        request.assigned_devices = vec![AssignedDevice::Location("PCIROOT(0)".to_owned())];
        request.storage_bytes = Some(1);
        request.process.as_mut().unwrap().command_line = Some("cmd /c dir".to_owned());
        request.security.credential_spec = Some(CredentialSpec::Registry("web".to_owned()));
        (request.limits.cpu_count, request.limits.cpu_percent) = (Some(1), Some(1));
        (request.limits.io_operations, request.limits.io_bytes) = (Some(1), Some(1));
    });
    let options = [
        "--isolation vm",
        "--layer",
        "--mount type=npipe",
        "--network nat",
        "--publish",
        "--dns",
        "--device class/",
        "--storage-opt size",
        "commandLine",
        "--security-opt credentialspec",
        "--cpu-count",
        "--cpu-percent",
        "--io-maxiops",
        "--io-maxbandwidth",
    ];
    for option in options {
        let named = found.iter().filter(|problem| problem.starts_with(&format!("`{option}`")));
        assert_eq!(named.count(), 1, "{option}: {found:?}");
    }
    assert_eq!(found.len(), options.len(), "{found:?}");
}
