//! Namespaces that containers share with each other.

use std::fs;

use containerv::spec::request::{Network, Share};
use containerv::{Container, ErrorKind};
use containerv_tests::Bed;
use containerv_tests::machine::namespace;

fn text(container: &Container, script: &str) -> String {
    let output = container.command("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn pid(container: &Container) -> u32 {
    container.state().unwrap().pid.unwrap()
}

#[test]
fn a_network_can_be_shared() {
    let bed = Bed::new();
    let one = bed.keeper(|_| {});
    let two = bed.keeper(|request| request.network = Network::Container(one.id().clone()));
    assert_eq!(namespace(pid(&one), "net"), namespace(pid(&two), "net"));
    assert_ne!(namespace(pid(&one), "mnt"), namespace(pid(&two), "mnt"));
    let mut server = one.command("nc").args(["-l", "-p", "80", "-e", "echo", "hi"]).spawn().unwrap();
    assert_eq!(
        text(
            &two,
            "for i in $(seq 50); do nc 127.0.0.1 80 </dev/null 2>/dev/null && break; usleep 20000; done"
        ),
        "hi"
    );
    server.wait().unwrap();
}

#[test]
fn processes_can_be_shared() {
    let bed = Bed::new();
    let one = bed.keeper(|_| {});
    let mut sleeper = one.command("sleep").arg("4321").spawn().unwrap();
    let two = bed.keeper(|request| request.namespaces.pid = Share::Container(one.id().clone()));
    assert_eq!(namespace(pid(&one), "pid"), namespace(pid(&two), "pid"));
    assert_eq!(
        text(
            &two,
            "for p in /proc/[0-9]*; do grep -q 'sleep.4321' $p/cmdline && [ $p != /proc/$$ ] && cat $p/comm; done; true"
        ),
        "sleep"
    );
    // Removing the guest leaves the owner of the processes alone, and takes the guest's along.
    let mut guest = two.command("sleep").arg("100").spawn().unwrap();
    two.delete(true).unwrap();
    assert_eq!(guest.wait().unwrap().signal(), Some(9));
    assert!(sleeper.try_wait().unwrap().is_none());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn ipc_and_host_name_can_be_shared() {
    let bed = Bed::new();
    let one = bed.keeper(|request| request.hostname = Some("walnut".into()));
    let two = bed.keeper(|request| {
        request.namespaces.ipc = Share::Container(one.id().clone());
        request.namespaces.uts = Share::Container(one.id().clone());
    });
    assert_eq!(namespace(pid(&one), "ipc"), namespace(pid(&two), "ipc"));
    assert_eq!(text(&two, "hostname"), "walnut");
}

#[test]
fn a_container_that_does_not_run_cannot_be_joined() {
    let bed = Bed::new();
    let one = bed.keeper(|_| {});
    one.stop(None).unwrap();
    let mut request = bed.request();
    request.network = Network::Container(one.id().clone());
    let error = Container::create(bed.host(), request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.to_string().contains(one.id().short()), "{error}");
    let mut request = bed.request();
    request.namespaces.pid = Share::Container(bed.host().new_id().unwrap());
    let error = Container::create(bed.host(), request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn two_containers_on_one_root_directory_share_its_files_only() {
    let bed = Bed::new();
    let (one, two) = (bed.keeper(|_| {}), bed.keeper(|_| {}));
    text(&one, "echo here > /tmp/note");
    assert_eq!(text(&two, "cat /tmp/note"), "here");
    text(&one, "echo here > /dev/shm/note");
    assert_eq!(text(&two, "ls /dev/shm"), "");
    one.delete(true).unwrap();
    assert_eq!(text(&two, "cat /tmp/note"), "here");
    assert!(fs::exists(bed.in_root("tmp/note")).unwrap());
}
