//! `cv` at a terminal: raw mode, sizes, detach keys, and the terminal given back.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it is skipped"
)]

mod support;

use containerv_tests::Person;
use rustix::process::Signal;
use support::{Place, eventually, words};

fn person(place: &Place, line: &str) -> Person {
    Person::at(&place.command(words(line)), 100, 30)
}

#[test]
fn a_shell_has_a_terminal_that_follows_the_size() {
    let place = Place::new();
    let mut person = person(&place, "run -it --rm host sh");
    person.types("test -t 0 && test -t 1 && echo is a 'ter'minal\r");
    person.sees("is a terminal");
    assert!(!person.is_cooked(), "keys go to the container as they are");
    person.types("stty size\r");
    person.sees("30 100");
    person.resize(120, 50);
    person.types("sleep 0.3; stty size\r");
    person.sees("50 120");
    person.types("exit 5\r");
    assert_eq!(person.leaves(), 5);
    assert!(person.is_cooked());
}

#[test]
fn keys_such_as_ctrl_c_go_to_the_container() {
    let place = Place::new();
    let mut person = person(
        &place,
        "run -it --rm host sh -c 'trap \"echo caught\" INT; echo ready; read line; read line'",
    );
    person.sees("ready");
    person.types("\x03");
    person.sees("caught");
    person.types("\x04\x04");
    assert_eq!(person.leaves(), 1, "end of input ends `read`");
}

#[test]
fn detach_keys_leave_the_container_running_and_attach_comes_back() {
    let place = Place::new();
    let mut first = person(&place, "run -it --name web host sh");
    first.types("x=kept; echo re''ady\r");
    first.sees("ready");
    first.types("\x10\x11");
    first.sees("detached from `web`");
    assert_eq!(first.leaves(), 0);
    assert!(first.is_cooked());
    assert_eq!(place.line("ps --format {{.Names}}").ok(), "web");

    let mut second = person(&place, "attach --detach-keys a,b web");
    second.types("echo $x; echo ca''b\r");
    second.sees("kept");
    second.sees("cab");
    second.types("ab");
    assert_eq!(second.leaves(), 0);
    assert_eq!(place.line("ps --format {{.Names}}").ok(), "web");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let place = Place::new();
    let mut person = person(&place, "run -it --rm host sh -c 'echo ready; sleep 100'");
    person.sees("ready");
    assert!(!person.is_cooked());
    person.signals(Signal::TERM);
    assert_eq!(person.leaves(), 128 + 15);
    assert!(person.is_cooked());
}

#[test]
fn a_failed_start_gives_the_terminal_back() {
    let place = Place::new();
    let mut person = person(&place, "run -it --rm host nosuchprogram");
    person.sees("nosuchprogram");
    assert_eq!(person.leaves(), 127);
    assert!(person.is_cooked());
    assert_eq!(place.line("ps -aq").ok(), "");
}

#[test]
fn exec_has_a_terminal_too() {
    let place = Place::new();
    place.line("run -d --name web host sleep 100").ok();
    let mut person = person(&place, "exec -it web sh");
    person.types("stty size\r");
    person.sees("30 100");
    person.resize(90, 20);
    person.types("sleep 0.3; stty size\r");
    person.sees("20 90");
    person.types("exit 6\r");
    assert_eq!(person.leaves(), 6);
    assert!(person.is_cooked());
}

#[test]
fn start_attaches_to_a_created_container() {
    let place = Place::new();
    place.line("create -it --name web host sh").ok();
    let mut person = person(&place, "start -ai web");
    person.types("stty size; exit 3\r");
    person.sees("30 100");
    assert_eq!(person.leaves(), 3);
}

#[test]
fn ctrl_c_without_a_terminal_of_its_own_is_passed_on() {
    let place = Place::new();
    let mut person = person(
        &place,
        "run --rm host sh -c 'trap \"echo got it; exit 9\" INT; echo ready; while :; do sleep 0.1; done'",
    );
    person.sees("ready");
    person.types("\x03");
    person.sees("got it");
    assert_eq!(person.leaves(), 9);
}

#[test]
fn a_process_1_that_ignores_ctrl_c_is_explained_once() {
    let place = Place::new();
    let ignoring = "sh -c 'echo ready; exec sleep 1000'";
    let mut first = person(&place, &format!("run --rm --name web host {ignoring}"));
    first.sees("ready");
    eventually("`sleep` is process 1", || {
        place.line("top web --format {{.Command}}").stdout == "sleep 1000\n"
    });
    first.types("\x03");
    first.sees("`cv kill web` ends it, and `--init`");
    first.types("\x03");
    place.line("kill web").ok();
    assert_eq!(first.leaves(), 137);
    assert!(!first.has_seen("`--init`"));

    place.line("run -d -i --name db host cat").ok();
    let mut second = person(&place, "attach db");
    second.types("hello\r");
    second.sees("hello\r\nhello");
    second.types("\x03");
    second.sees("`cv kill db` ends it, and `--init`");
    place.line("kill db").ok();
    assert_eq!(second.leaves(), 137);
}
