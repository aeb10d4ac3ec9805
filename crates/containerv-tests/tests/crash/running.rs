//! Crashes while something is done with a container that exists.

use std::fs;
use std::time::{Duration, SystemTime};

use containerv::Container;
use containerv::spec::Request;
use containerv::spec::plan::Plan;
use containerv::spec::request::Overlay;
use containerv::spec::state::Status;
use containerv_tests::{Bed, Caller, Ended, machine, shell, skip};

use crate::{PROGRAM, repair, until_it_survives};

#[test]
fn a_further_process() {
    let bed = Bed::with_program();
    let caller = Caller::new(&bed, PROGRAM);
    let container = bed.keeper(|_| {});
    let killed = until_it_survives(|step| {
        let ended = caller.change("exec", container.id().as_str(), Some(step));
        // The keeper, and the shell that looks.
        let look = || container.command("sh").args(["-c", "set -- /proc/[0-9]*; echo $#"]).output().unwrap();
        let alone = containerv_tests::wait_until(Duration::from_secs(5), || look().stdout == b"2\n");
        assert!(alone, "killed after step {step}: {}", String::from_utf8_lossy(&look().stdout));
        assert_eq!(caller.repair(false), "");
        assert_eq!(container.state().unwrap().status, Status::Running);
        ended
    });
    assert!(killed >= 12, "only {killed} steps");
}

fn removal(change: impl Fn(&mut Request), detached: bool) {
    let bed = Bed::new();
    let caller = Caller::new(&bed, PROGRAM);
    let killed = until_it_survives(|step| {
        let mut request = bed.request();
        change(&mut request);
        let made = if detached { Container::run_detached } else { Container::create };
        let container = made(bed.host(), request).unwrap();
        let ended = caller.change("delete", container.id().as_str(), Some(step));
        let when = format!("removal killed after step {step}");
        repair(&bed, &caller, false, &when);
        bed.assert_nothing_left(&when);
        ended
    });
    assert!(killed >= 5, "only {killed} steps");
}

#[test]
fn an_update_that_adds_a_control_group() {
    if !machine::is_root() || !machine::has_controller("cpuset") {
        return skip("needs root, and the `cpuset` controller");
    }
    let bed = Bed::with_program();
    let caller = Caller::new(&bed, PROGRAM);
    let killed = until_it_survives(|step| {
        let container = bed.keeper(|_| {});
        let id = container.id().as_str().to_owned();
        let ended = caller.change("update", &id, Some(step));
        let when = format!("update killed after step {step}");
        repair(&bed, &caller, false, &when);
        assert_eq!(container.state().unwrap().status, Status::Running, "{when}");
        assert!(container.command("true").status().unwrap().success(), "{when}");
        caller.change("update", &id, None).survived();
        let pid = container.state().unwrap().pid.unwrap();
        assert_eq!(machine::status_field(pid, "Cpus_allowed_list"), "0", "{when}");
        container.delete(true).unwrap();
        bed.assert_nothing_left(&when);
        ended
    });
    assert!(killed >= 3, "only {killed} steps");
}

#[test]
fn removal_of_a_running_keeper() {
    removal(|request| request.name = Some("gone".into()), false);
}

#[test]
fn removal_of_a_running_command_over_an_overlay() {
    removal(
        |request| {
            request.overlay = Overlay::Container;
            request.process = Some(shell("echo x > /written; sleep 1000"));
        },
        true,
    );
}

#[test]
fn the_start_of_a_prepared_command() {
    let bed = Bed::new();
    let caller = Caller::new(&bed, PROGRAM);
    let killed = until_it_survives(|step| {
        let mut request = bed.request();
        request.process = Some(shell("echo started > /tmp/note; sleep 1000"));
        let container = Container::create(bed.host(), request).unwrap();
        let ended = caller.change("start", container.id().as_str(), Some(step));
        assert_eq!(caller.repair(false), "");
        // Whoever starts it then finds it started, at once.
        container.start().unwrap();
        assert_eq!(container.state().unwrap().status, Status::Running);
        container.delete(true).unwrap();
        bed.assert_nothing_left("after a started container was removed");
        ended
    });
    assert_eq!(killed, 2);
}

/// Runs or prepares a container again that has ended.
fn runs_again(operation: &str, change: impl Fn(&mut Request)) {
    let bed = Bed::new();
    let caller = Caller::new(&bed, PROGRAM);
    let mut request = bed.request();
    request.overlay = Overlay::Container;
    request.name = Some("phoenix".into());
    change(&mut request);
    let Plan::Linux(plan) = bed.host().plan(&request, false).unwrap() else { panic!("not of Linux") };
    // A command that is only prepared waits for `start` in a step of its own.
    let steps = plan.steps.len() as u32 + u32::from(operation == "prepare");
    let is_keeper = request.process.is_none();
    let container = if is_keeper { Container::create } else { Container::run_detached };
    let container = container(bed.host(), request).unwrap();
    let end = || {
        container.stop(Some(Duration::ZERO)).unwrap();
        container.wait().unwrap();
    };
    end();
    let killed = until_it_survives(|step| {
        let ended = caller.change(operation, container.id().as_str(), Some(step));
        let noted = step == steps + 1;
        let when = format!("start killed after step {step}");
        if !noted && matches!(ended, Ended::Killed) {
            repair(&bed, &caller, false, &when);
            assert_eq!(container.state().unwrap().status, Status::Exited, "{when}");
            assert!(container.state().unwrap().pid.is_none(), "{when}");
            assert_eq!(bed.host().container("phoenix").unwrap().id(), container.id());
        }
        if operation == "prepare" && matches!(ended, Ended::Survived(_)) {
            // A fault behind the gate would strike at the start.
            assert_eq!(container.state().unwrap().status, Status::Created, "{when}");
            container.kill().unwrap();
            container.wait().unwrap();
            return ended;
        }
        container.start().unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert_eq!(container.state().unwrap().status, Status::Running, "{when}");
        end();
        ended
    });
    let expected = steps + 1;
    // Names, requests and sockets are kept, but their steps are counted all the same.
    assert!(killed + 3 >= expected, "{killed} of {expected}");
}

#[test]
fn a_new_start_of_a_command() {
    runs_again("start", |request| request.process = Some(shell("sleep 1000")));
}

#[test]
fn a_new_preparation_of_a_command() {
    runs_again("prepare", |request| request.process = Some(shell("sleep 1000")));
}

#[test]
fn a_new_start_of_a_keeper() {
    runs_again("start", |_| {});
}

#[test]
fn a_directory_without_a_journal_is_removed_once_it_is_old() {
    let bed = Bed::new();
    // The first container makes the directories of the state root.
    bed.keeper(|_| {}).delete(true).unwrap();
    let id = bed.host().new_id().unwrap();
    let directory = bed.state().join("data/containers").join(id.as_str());
    fs::create_dir(&directory).unwrap();
    assert_eq!(bed.host().repair(false).unwrap(), []);
    assert!(directory.exists(), "somebody may be about to write the journal");
    let old = SystemTime::now() - Duration::from_secs(60);
    fs::File::open(&directory).unwrap().set_modified(old).unwrap();
    assert!(!bed.host().repair(true).unwrap().is_empty());
    assert!(directory.exists());
    assert!(!bed.host().repair(false).unwrap().is_empty());
    assert!(!directory.exists());
}

#[test]
fn a_journal_that_is_cut_off_or_damaged_can_be_repaired() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    container.stop(Some(Duration::ZERO)).unwrap();
    let journal = bed.state().join("data/containers").join(container.id().as_str()).join("journal");
    let whole = fs::read(&journal).unwrap();
    // A crash can cut the last line off, which then was never acted upon.
    fs::write(&journal, [&whole[..], b"{\"remov"].concat()).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Exited);
    fs::write(&journal, [b"garbage\n", &whole[..]].concat()).unwrap();
    let error = container.state().unwrap_err();
    assert!(error.to_string().contains("journal"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("cv system repair")), "{error:?}");
    assert!(!bed.host().repair(true).unwrap().is_empty());
    assert!(!bed.host().repair(false).unwrap().is_empty());
    bed.assert_nothing_left("after repair");
}

#[test]
fn a_name_whose_container_is_gone_is_released() {
    let bed = Bed::new();
    bed.keeper(|request| request.name = Some("first".into())).delete(true).unwrap();
    let id = bed.host().new_id().unwrap();
    std::os::unix::fs::symlink(id.as_str(), bed.state().join("data/names/orphan")).unwrap();
    let told = bed.host().repair(true).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].object, "orphan");
    assert!(bed.state().join("data/names/orphan").is_symlink());
    assert_eq!(bed.host().repair(false).unwrap(), told);
    assert_eq!(bed.host().repair(false).unwrap(), []);
}
