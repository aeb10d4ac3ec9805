//! Each namespace, on and off.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};

use containerv::spec::request::{
    Capabilities, IdRange, Network, Request, Share, TimeNamespace, UserNamespace, Veth,
};
use containerv::spec::{Capability, CapabilitySet};
use containerv::{Container, ErrorKind};
use containerv_tests::machine::{namespace, run, status_field};
use containerv_tests::{Bed, wait_until};

const KINDS: [&str; 8] = ["mnt", "pid", "ipc", "uts", "net", "cgroup", "user", "time"];

/// Returns the kinds of which a container with this request has namespaces of its own.
fn own_namespaces(bed: &Bed, change: impl FnOnce(&mut Request)) -> Vec<&'static str> {
    let container = bed.keeper(change);
    let pid = container.state().unwrap().pid.unwrap();
    let own = std::process::id();
    KINDS.into_iter().filter(|kind| namespace(pid, kind) != namespace(own, kind)).collect()
}

#[test]
fn by_default_root_gets_everything_but_user_and_time() {
    let bed = Bed::new();
    assert_eq!(own_namespaces(&bed, |_| {}), ["mnt", "pid", "ipc", "uts", "net", "cgroup"]);
}

#[test]
fn each_namespace_can_be_left_out() {
    let bed = Bed::new();
    let without = |change: fn(&mut Request)| own_namespaces(&bed, change);
    assert_eq!(without(|r| r.namespaces.pid = Share::Host), ["mnt", "ipc", "uts", "net", "cgroup"]);
    assert_eq!(without(|r| r.namespaces.ipc = Share::Host), ["mnt", "pid", "uts", "net", "cgroup"]);
    assert_eq!(without(|r| r.namespaces.uts = Share::Host), ["mnt", "pid", "ipc", "net", "cgroup"]);
    assert_eq!(without(|r| r.network = Network::Host), ["mnt", "pid", "ipc", "uts", "cgroup"]);
    assert_eq!(without(|r| r.namespaces.cgroup = Share::Host), ["mnt", "pid", "ipc", "uts", "net"]);
    assert_eq!(without(|r| r.namespaces.mount = false), ["pid", "ipc", "uts", "net", "cgroup"]);
}

#[test]
fn user_and_time_namespaces_can_be_added() {
    let bed = Bed::new();
    let own = own_namespaces(&bed, |request| {
        request.namespaces.user = UserNamespace::Single { uid: 0, gid: 0 };
        request.namespaces.time = TimeNamespace::Offsets { monotonic_seconds: 0, boottime_seconds: 0 };
    });
    assert_eq!(own, KINDS);
}

#[test]
fn without_any_namespace_only_the_root_is_changed() {
    let bed = Bed::new();
    let all_off = |request: &mut Request| {
        let own = &mut request.namespaces;
        own.mount = false;
        (own.pid, own.ipc, own.uts, own.cgroup) = (Share::Host, Share::Host, Share::Host, Share::Host);
        request.network = Network::Host;
    };
    assert!(own_namespaces(&bed, all_off).is_empty());
    assert_eq!(bed.text(all_off, "ls / | tr '\\n' ' '"), "bin dev etc home mnt proc root sys tmp var ");
}

#[test]
fn further_processes_are_in_the_same_namespaces() {
    let bed = Bed::new();
    let container = bed.keeper(|request| {
        request.namespaces.user = UserNamespace::Single { uid: 0, gid: 0 };
        request.namespaces.time = TimeNamespace::Offsets { monotonic_seconds: 5, boottime_seconds: 5 };
    });
    let mut child = container.command("sleep").arg("100").spawn().unwrap();
    let (first, further) = (container.state().unwrap().pid.unwrap(), child.id());
    for kind in KINDS {
        assert_eq!(namespace(first, kind), namespace(further, kind), "{kind}");
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn the_host_name_is_the_short_id_unless_given() {
    let bed = Bed::new();
    let before = run("uname", &["-n"]);
    let mut id = String::new();
    let name = bed.text(|request| id = request.id.short().to_owned(), "hostname");
    assert_eq!(name, id);
    let given = bed.text(
        |request| {
            request.hostname = Some("walnut".into());
            request.domainname = Some("example.org".into());
        },
        "hostname; cat /proc/sys/kernel/domainname",
    );
    assert_eq!(given, "walnut\nexample.org");
    assert_eq!(run("uname", &["-n"]), before);
}

#[test]
fn processes_see_only_their_own_kind() {
    let bed = Bed::new();
    assert_eq!(bed.text(|_| {}, "echo $$; set -- /proc/[0-9]*; echo $#"), "1\n1");
    let container = bed.keeper(|_| {});
    let listed =
        container.command("sh").args(["-c", "cat /proc/1/comm; echo /proc/[0-9]*"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(text.lines().nth(1).unwrap().split(' ').count(), 2, "{text}");
}

#[test]
fn with_the_hosts_processes_they_are_all_visible() {
    let bed = Bed::new();
    let own = std::process::id().to_string();
    let found = bed.text(|request| request.namespaces.pid = Share::Host, &format!("cat /proc/{own}/comm"));
    assert_eq!(found, std::fs::read_to_string("/proc/self/comm").unwrap().trim());
}

#[test]
fn the_loopback_interface_is_up_and_the_only_one() {
    let bed = Bed::new();
    assert_eq!(bed.text(|_| {}, "ls /sys/class/net"), "lo");
    let flags =
        bed.text(|_| {}, "cat /sys/class/net/lo/flags; ping -c 1 -W 2 127.0.0.1 >/dev/null && echo up");
    assert_eq!(flags, "0x9\nup");
    assert_eq!(bed.text(|_| {}, "ip route | wc -l"), "0");
}

#[test]
fn the_hosts_network_is_the_hosts() {
    let bed = Bed::new();
    let inside = bed.text(
        |request| request.network = Network::Host,
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | sort",
    );
    let table = std::fs::read_to_string("/proc/net/dev").unwrap();
    let mut names: Vec<&str> = table.lines().skip(2).filter_map(|line| line.split(':').next()).collect();
    names.sort_unstable();
    assert_eq!(
        inside.lines().map(str::trim).collect::<Vec<_>>(),
        names.iter().map(|name| name.trim()).collect::<Vec<_>>()
    );
}

fn veth(bed: &Bed, name: &str, last: u8) -> Network {
    bed.watch_interface(name);
    Network::Veth(Veth {
        host_interface: name.into(),
        container_interface: "eth0".into(),
        host_address: Ipv4Addr::new(10, 231, last, 1),
        container_address: Ipv4Addr::new(10, 231, last, 2),
        prefix: 24,
    })
}

#[test]
fn a_veth_pair_connects_the_container_to_the_host() {
    let bed = Bed::new();
    let network = veth(&bed, "cvt-veth-a", 7);
    let container = bed.keeper(|request| request.network = network);
    let listed = container.command("ls").arg("/sys/class/net").output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "eth0\nlo\n");
    let mut server =
        container.command("nc").args(["-l", "-p", "7777", "-e", "echo", "hello"]).spawn().unwrap();
    let mut answer = String::new();
    assert!(wait_until(std::time::Duration::from_secs(5), || {
        TcpStream::connect("10.231.7.2:7777")
            .and_then(|mut stream| stream.read_to_string(&mut answer))
            .is_ok()
    }));
    assert_eq!(answer, "hello\n");
    assert!(server.wait().unwrap().success());
    container.delete(true).unwrap();
    bed.assert_nothing_left("after the container with the veth pair was removed");
}

#[test]
fn an_interface_name_that_is_taken_leaves_nothing_behind() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.network = Network::Veth(Veth {
        host_interface: "lo".into(),
        container_interface: "eth0".into(),
        host_address: Ipv4Addr::new(10, 231, 8, 1),
        container_address: Ipv4Addr::new(10, 231, 8, 2),
        prefix: 24,
    });
    let error = Container::create(bed.host(), request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert!(error.to_string().contains("`lo`"), "{error}");
    assert!(std::path::Path::new("/sys/class/net/lo").exists());
    bed.assert_nothing_left("after a failed creation");
}

#[test]
fn message_queues_are_the_containers_own() {
    let bed = Bed::new();
    let one = bed.keeper(|_| {});
    let two = bed.keeper(|_| {});
    let made = one.command("touch").arg("/dev/mqueue/letters").status().unwrap();
    assert!(made.success());
    let count = |container: &Container| {
        let output = container.command("sh").args(["-c", "ls /dev/mqueue | wc -l"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!((count(&one).as_str(), count(&two).as_str()), ("1", "0"));
}

#[test]
fn kernel_settings_of_its_own_namespaces_can_be_set() {
    let bed = Bed::new();
    let files = ["/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/shmmni"];
    let before = files.map(|file| std::fs::read_to_string(file).unwrap());
    let inside = bed.text(
        |request| {
            request.sysctls.insert("net.ipv4.ip_default_ttl".into(), "33".into());
            request.sysctls.insert("kernel.shmmni".into(), "77".into());
        },
        &format!("cat {} {}", files[0], files[1]),
    );
    assert_eq!(inside, "33\n77");
    assert_eq!(files.map(|file| std::fs::read_to_string(file).unwrap()), before);
}

#[test]
fn kernel_settings_of_the_host_are_refused_by_name() {
    let bed = Bed::new();
    for name in
        ["kernel.panic", "vm.swappiness", "kernel.core_pattern", "kernel.hostname", "net/../kernel.panic"]
    {
        let mut request = bed.request();
        request.sysctls.insert(name.into(), "1".into());
        let error = Container::create(bed.host(), request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
        assert!(error.to_string().contains(&format!("`--sysctl {name}`")), "{error}");
    }
    let mut request = bed.request();
    request.network = Network::Host;
    request.sysctls.insert("net.ipv4.ip_forward".into(), "1".into());
    let error = Container::create(bed.host(), request).unwrap_err();
    assert!(error.to_string().contains("shares this namespace"), "{error}");
}

#[test]
fn clocks_are_shifted_by_the_offsets() {
    let bed = Bed::new();
    let uptime = |text: &str| text.split(['.', ' ']).next().unwrap().parse::<i64>().unwrap();
    let host = uptime(&std::fs::read_to_string("/proc/uptime").unwrap());
    let shifted = |request: &mut Request| {
        request.namespaces.time =
            TimeNamespace::Offsets { monotonic_seconds: 1000, boottime_seconds: 86_400 };
    };
    let inside = uptime(&bed.text(shifted, "cat /proc/uptime"));
    assert!((inside - host - 86_400).abs() < 60, "{host} {inside}");
    let container = bed.keeper(shifted);
    let output = container.command("cat").arg("/proc/uptime").output().unwrap();
    let inside = uptime(std::str::from_utf8(&output.stdout).unwrap());
    assert!((inside - host - 86_400).abs() < 60, "{host} {inside}");
}

#[test]
fn the_control_group_view_begins_at_the_containers_group() {
    let bed = Bed::new();
    let view = bed.text(|_| {}, "cut -d: -f3 /proc/self/cgroup | sort -u");
    let mut id = String::new();
    let outside = bed.text(
        |request| {
            id = request.id.as_str().to_owned();
            request.namespaces.cgroup = Share::Host;
        },
        "cat /proc/self/cgroup",
    );
    assert!(outside.contains(&id), "{outside}");
    assert!(view.lines().any(|line| line == "/"), "{view}");
    assert!(!view.contains("containerv"), "{view}");
}

#[test]
fn ids_are_mapped_in_a_user_namespace() {
    let bed = Bed::new();
    let range = |inside, outside, count| vec![IdRange { inside, outside, count }];
    let container = bed.keeper(|request| {
        request.namespaces.user =
            UserNamespace::Mapped { uids: range(0, 200_000, 65_536), gids: range(0, 300_000, 65_536) };
    });
    let mut child = container.command("sleep").arg("100").user("1000:1000").spawn().unwrap();
    assert_eq!(status_field(child.id(), "Uid"), "201000\t201000\t201000\t201000");
    assert_eq!(status_field(child.id(), "Gid"), "301000\t301000\t301000\t301000");
    child.kill().unwrap();
    child.wait().unwrap();
    let output = container.command("id").arg("-u").output().unwrap();
    assert_eq!(output.stdout, b"0\n");
}

#[test]
fn the_built_in_image_takes_mapped_ids_read_only() {
    let bed = Bed::new();
    let range = |outside| vec![IdRange { inside: 0, outside, count: 65_536 }];
    let mapped = |request: &mut Request| {
        request.root = containerv::spec::request::Root::Host;
        request.read_only = true;
        request.namespaces.user = UserNamespace::Mapped { uids: range(200_000), gids: range(300_000) };
    };
    let script =
        "stat -c '%u:%g %a' / /root /tmp; touch /tmp/x && (: > /usr/x) 2>/dev/null || echo read-only";
    assert_eq!(bed.text(mapped, script), "0:0 755\n0:0 700\n0:0 1777\nread-only");
}

#[test]
fn a_mount_in_the_container_stays_in_it() {
    let bed = Bed::new();
    let may_mount = |request: &mut Request| {
        let all = CapabilitySet::DEFAULT.with(Capability::SYS_ADMIN);
        request.security.capabilities = Capabilities(all);
        request.security.seccomp = containerv::spec::request::Seccomp::Unconfined;
    };
    let container = bed.keeper(may_mount);
    let status = container.command("mount").args(["-t", "tmpfs", "none", "/mnt"]).status().unwrap();
    assert!(status.success());
    assert!(container.command("touch").arg("/mnt/x").status().unwrap().success());
    assert!(!bed.in_root("mnt/x").exists());
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(bed.path("rootfs").to_str().unwrap()), "{table}");
}

#[test]
fn a_mount_on_the_host_does_not_reach_the_container() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let _mount = bed.mount(&["-t", "tmpfs", "none"], &bed.in_root("mnt"));
    std::fs::write(bed.in_root("mnt/x"), "").unwrap();
    assert!(!container.command("test").args(["-e", "/mnt/x"]).status().unwrap().success());
}
