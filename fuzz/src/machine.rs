//! Machines to lower for.

use containerv_spec::cgroup::Controller;
use containerv_spec::facts::{CgroupFacts, GroupAccess, V1Hierarchy, V2Hierarchy};
use containerv_spec::machine::{Machine, MountsBelow, Subordinate, SystemRoot};
use containerv_spec::request::IdRange;
use containerv_spec::{CapabilitySet, OsText};

/// One caller each: root with groups of version 2, root with a hybrid, an ordinary user.
pub(crate) fn machines() -> [Machine; 3] {
    [root(CgroupFacts { v2: Some(version_2()), ..CgroupFacts::default() }), root(hybrid()), user()]
}

fn root(cgroups: CgroupFacts) -> Machine {
    Machine {
        uid: 0,
        gid: 0,
        capabilities: CapabilitySet::ALL,
        kernel: (6, 1),
        cgroups,
        subordinate: Subordinate::default(),
        system: SystemRoot {
            directories: vec!["usr".into(), "etc".into()],
            links: vec![("bin".into(), "usr/bin".into()), ("lib".into(), "usr/lib".into())],
            secrets: vec!["/etc/shadow".into()],
            ..SystemRoot::default()
        },
        hard_limits: Vec::new(),
        mounts_below: Vec::new(),
    }
}

fn user() -> Machine {
    let range = |outside| vec![IdRange { inside: 0, outside, count: 65536 }];
    Machine {
        uid: 1000,
        gid: 1000,
        capabilities: CapabilitySet::EMPTY,
        subordinate: Subordinate {
            uids: range(100_000),
            gids: range(200_000),
            helpers: Some(("/usr/bin/newuidmap".into(), "/usr/bin/newgidmap".into())),
            missing: None,
        },
        mounts_below: vec![
            MountsBelow {
                directory: "/usr".into(),
                mount: "/usr/lib/x".into(),
                copied_without: Some(vec!["/usr/bin".into(), "/usr/lib/100%".into()]),
            },
            MountsBelow { directory: "/srv".into(), mount: "/srv/x".into(), copied_without: None },
        ],
        ..root(CgroupFacts::default())
    }
}

fn version_2() -> V2Hierarchy {
    V2Hierarchy {
        controllers: vec![
            Controller::Cpu,
            Controller::Cpuset,
            Controller::Io,
            Controller::Memory,
            Controller::Pids,
        ],
        mount: "/sys/fs/cgroup".into(),
        own: "/".into(),
        access: GroupAccess::Below("/".into()),
    }
}

fn hybrid() -> CgroupFacts {
    let controllers = [Controller::Cpu, Controller::Cpuset, Controller::Memory, Controller::Pids];
    let hierarchy = |controller| V1Hierarchy {
        controllers: vec![controller],
        mount: OsText::from(format!("/sys/fs/cgroup/{controller:?}")),
        own: "/".into(),
        access: GroupAccess::Below("/".into()),
    };
    CgroupFacts {
        v1: controllers.map(hierarchy).into(),
        v2: Some(V2Hierarchy { controllers: Vec::new(), ..version_2() }),
        cpus: Some("0-3".to_owned()),
        memory_nodes: Some("0".to_owned()),
    }
}
