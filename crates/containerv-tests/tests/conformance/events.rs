//! What is told of containers.

use std::time::SystemTime;

use containerv::spec::request::Process;
use containerv::{Container, Event, ExecOptions, StdioSet};
use containerv_tests::Bed;
use containerv_tests::inside::doing;

use crate::{eventually, prepared};

fn told(bed: &Bed) -> Vec<Event> {
    bed.host().events(Some(SystemTime::UNIX_EPOCH), false).unwrap().map(Result::unwrap).collect()
}

fn actions(bed: &Bed) -> Vec<String> {
    told(bed).into_iter().map(|event| event.action).collect()
}

fn long() -> Process {
    doing("sleep 600000")
}

#[test]
fn a_life_is_told_in_order() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.name = Some("told".into());
    request.labels.insert("team".into(), "blue".into());
    request.process = Some(doing("exit 7"));
    let container = Container::run_detached(bed.host(), request).unwrap();
    container.wait().unwrap();
    eventually("its end is told", || actions(&bed).contains(&"die".to_owned()));
    container.rename("other").unwrap();
    container.delete(false).unwrap();
    assert_eq!(actions(&bed), ["create", "start", "die", "rename", "destroy"]);
    let all = told(&bed);
    assert!(all.iter().all(|event| event.id == *container.id() && event.attributes["team"] == "blue"));
    // An end has the moment when it came, which may be before somebody told of the start.
    let told_at = all.iter().filter(|event| event.action != "die").map(|event| event.time_unix_ns);
    assert!(told_at.is_sorted());
    assert_eq!(all[2].attributes["exitCode"], "7");
    assert_eq!((all[0].name.as_str(), all[4].name.as_str()), ("told", "other"));
    assert_eq!(all[3].attributes["oldName"], "told");
}

#[test]
fn a_follower_hears_of_what_comes() {
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("exit 0"));
    let mut events = bed.host().events(Some(SystemTime::UNIX_EPOCH), true).unwrap();
    let mut next = move || events.next().unwrap().unwrap().action;
    assert_eq!(next(), "create");
    container.start().unwrap();
    assert_eq!((next(), next()), ("start".into(), "die".into()));
    container.wait().unwrap();
    container.delete(false).unwrap();
    assert_eq!(next(), "destroy");
}

#[test]
fn further_commands_are_told_when_asked_for() {
    let bed = Bed::with_program();
    let keeper = bed.keeper(|_| {});
    let announced = ExecOptions { announced: true, ..ExecOptions::default() };
    keeper.exec(&doing("exit 3"), StdioSet::null(), announced).unwrap().wait().unwrap();
    keeper.exec(&doing("exit 0"), StdioSet::null(), ExecOptions::default()).unwrap().wait().unwrap();
    let all = told(&bed);
    let of_commands: Vec<&Event> = all.iter().filter(|event| event.action.starts_with("exec_")).collect();
    assert_eq!(of_commands.len(), 2, "{all:?}");
    assert_eq!((of_commands[0].action.as_str(), of_commands[1].action.as_str()), ("exec_start", "exec_die"));
    assert!(of_commands[0].attributes["execCommand"].contains("exit 3"));
    assert_eq!(of_commands[1].attributes["exitCode"], "3");
    assert_eq!(of_commands[0].attributes["execID"], of_commands[1].attributes["execID"]);
}

#[test]
fn ends_by_force_are_told_with_what_was_sent() {
    let bed = Bed::with_program();
    let container = prepared(&bed, long());
    container.start().unwrap();
    container.kill().unwrap();
    container.wait().unwrap();
    eventually("its end is told", || actions(&bed).contains(&"die".to_owned()));
    let kill = told(&bed).into_iter().find(|event| event.action == "kill").unwrap();
    assert_eq!(kill.attributes["signal"], "9");
}
