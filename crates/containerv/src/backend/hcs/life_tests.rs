//! Whole lives of containers by the public API, with the stand-ins.

use std::io::{Read, Write};
use std::time::Duration;

use containerv_spec::request::{Isolation, Root};
use containerv_spec::state::Status;

use crate::backend::hcs::bed::Bed;
use crate::{Container, ErrorKind, Host, Stdio};

const BOTH: [Isolation; 2] = [Isolation::Process, Isolation::Vm];

#[test]
fn a_container_without_a_command_is_made_used_stopped_and_removed() {
    let Some(bed) = Bed::new() else { return };
    BOTH.into_iter().for_each(|isolation| whole_life(&bed, isolation));
}

fn whole_life(bed: &Bed, isolation: Isolation) {
    let container = bed.keeper(isolation);
    assert_eq!(container.state().unwrap().status, Status::Running);
    let said = container.command("cmd").args(["/c", "echo hello"]).output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "hello\r\n");
    assert!(said.status.success());
    let code = container.command("cmd").args(["/c", "exit 7"]).stdin(Stdio::Null).status().unwrap();
    assert_eq!(code.code(), Some(7));
    let missing = container.command("nowhere.exe").output().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::CommandNotFound, "{missing}");
    let again = Host::open_at(&bed.root).unwrap().container(container.id().short()).unwrap();
    assert!(again.delete(false).is_err());
    again.stop(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Exited);
    container.start().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Running);
    container.delete(true).unwrap();
    assert!(bed.host.containers().unwrap().is_empty());
    assert!(bed.host.repair(true).unwrap().is_empty());
}

/// Its own chain names the base, so that the environment of other tests does not matter.
#[test]
fn a_plain_directory_is_laid_over_its_base() {
    let Some(bed) = Bed::new() else { return };
    let Root::Layers(layers) = bed.image() else { panic!("layers") };
    let directory = bed.scratch().join("containerfs");
    std::fs::create_dir_all(directory.join("data")).unwrap();
    std::fs::write(directory.join("layerchain.json"), serde_json::to_vec(&layers.folders).unwrap()).unwrap();
    for isolation in BOTH {
        let root = Root::Directory(directory.to_str().unwrap().into());
        let container = Container::builder(root).isolation(isolation).create(&bed.host).unwrap();
        let script = "echo kept> C:\\data\\kept& echo gone> C:\\gone& dir /b C:\\";
        let said = container.command("cmd").args(["/d", "/c", script]).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).to_lowercase();
        assert!(said.contains("windows") && said.contains("gone") && !said.contains("layerchain"), "{said}");
        container.delete(true).unwrap();
        assert_eq!(std::fs::read(directory.join(r"data\kept")).unwrap(), b"kept\r\n");
        assert!(!directory.join("gone").exists());
        std::fs::remove_file(directory.join(r"data\kept")).unwrap();
    }
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn streams_are_those_of_the_process() {
    let Some(bed) = Bed::new() else { return };
    let container = bed.keeper(Isolation::Process).delete_on_drop();
    let mut child = container
        .command("cmd")
        .args(["/q", "/d"])
        .stdin(Stdio::Piped)
        .stdout(Stdio::Piped)
        .stderr(Stdio::Piped)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"echo heard\r\n").unwrap();
    drop(stdin);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("heard"), "{said:?}");
    // It has seen the end of its input.
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_attached_command_is_waited_for_and_its_end_is_recorded() {
    let Some(bed) = Bed::new() else { return };
    for isolation in BOTH {
        let builder =
            Container::builder(bed.image()).isolation(isolation).command(["cmd", "/c", "echo hi& exit 5"]);
        let mut stdio = crate::StdioSet::piped();
        stdio.stdin = Stdio::Null;
        let (container, mut child) = builder.run(&bed.host, stdio).unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "hi\r\n");
        assert_eq!(child.wait().unwrap().code(), Some(5));
        let state = container.state().unwrap();
        assert_eq!((state.status, state.exit.map(|exit| exit.code)), (Status::Exited, Some(5)));
        assert_eq!(container.wait().unwrap().code, 5);
        container.delete(false).unwrap();
    }
}

#[test]
fn a_command_that_nobody_waits_for_can_be_removed() {
    let Some(bed) = Bed::new() else { return };
    BOTH.into_iter().for_each(|isolation| removed_while_it_runs(&bed, isolation));
}

fn removed_while_it_runs(bed: &Bed, isolation: Isolation) {
    let builder = Container::builder(bed.image()).isolation(isolation);
    let builder = builder.command(["cmd", "/q", "/d"]).name("waits");
    let mut stdio = crate::StdioSet::null();
    stdio.stdin = Stdio::Piped;
    let (container, child) = builder.run(&bed.host, stdio).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Running);
    container.pause().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Paused);
    container.resume().unwrap();
    container.rename("other").unwrap();
    assert_eq!(bed.host.container("other").unwrap().id(), container.id());
    container.delete(true).unwrap();
    drop(child);
    assert!(bed.host.container("other").is_err());
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn a_program_that_does_not_end_is_ended() {
    let Some(bed) = Bed::new() else { return };
    for isolation in BOTH {
        let container = bed.keeper(isolation);
        let mut child = container
            .command("cmd")
            .args(["/q", "/d"])
            .stdin(Stdio::Piped)
            .stdout(Stdio::Null)
            .stderr(Stdio::Null)
            .spawn()
            .unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(child.kill().unwrap_err().kind(), ErrorKind::NotFound);
        container.kill().unwrap();
        assert_eq!(container.wait().unwrap().code, 137);
        assert_eq!(container.state().unwrap().status, Status::Exited);
        container.delete(false).unwrap();
    }
}

/// Removes a container's directory behind its back; its system runs on.
fn lose(container: &Container) {
    let directory = container.directory().unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_a_lost_container_has_left_is_removed_and_nothing_of_others() {
    let (Some(bed), Some(other)) = (Bed::new(), Bed::new()) else { return };
    for isolation in [Isolation::Process, Isolation::Vm] {
        let on_nat = |bed: &Bed| {
            let network = containerv_spec::request::NamedNetwork {
                name: "nat".to_owned(),
                address: None,
                mac_address: None,
            };
            let builder = Container::builder(bed.image()).isolation(isolation);
            let network = containerv_spec::request::Network::Named(network);
            builder.network(network).create(&bed.host).unwrap()
        };
        let (lost, living, stranger) = (on_nat(&bed), on_nat(&bed), on_nat(&other));
        assert!(bed.host.repair(true).unwrap().is_empty());
        lose(&lost);
        let told = bed.host.repair(true).unwrap();
        let actions: Vec<&str> = told.iter().map(|action| action.action.as_str()).collect();
        let expected = match isolation {
            // A virtual machine has its endpoint without a namespace.
            Isolation::Vm => vec!["end the compute system", "remove the endpoint"],
            _ => vec!["end the compute system", "remove the network namespace", "remove the endpoint"],
        };
        assert_eq!(actions.len(), expected.len(), "{told:?}");
        for (action, expected) in actions.iter().zip(expected) {
            assert!(action.starts_with(expected), "{told:?}");
        }
        assert_eq!(bed.host.repair(false).unwrap(), told);
        assert!(bed.host.repair(false).unwrap().is_empty());
        assert!(other.host.repair(false).unwrap().is_empty());
        for container in [living, stranger] {
            assert_eq!(container.state().unwrap().status, Status::Running);
            container.delete(true).unwrap();
        }
    }
}
