//! Commands in a running container: what they are given, and how they end.

use containerv::{Child, Container, ErrorKind, StdioSet};
use containerv_tests::Bed;
use containerv_tests::inside::{self, command, doing, said};

use crate::{assert_error, detached, eventually};

#[test]
fn exit_codes_pass_through() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    for code in [0, 1, 2, 125, 126, 127, 128, 200, 255] {
        let status = command(&container, &format!("exit {code}")).status().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(code), None));
    }
    for code in [0, 77, 255] {
        let mut request = bed.request();
        request.process = Some(doing(&format!("exit {code}")));
        let (_container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
        assert_eq!(child.wait().unwrap().docker_code(), code);
        let ended = detached(&bed, doing(&format!("exit {code}")));
        assert_eq!(ended.wait().unwrap().code, code);
        assert_eq!(ended.state().unwrap().exit.unwrap().code, code);
    }
}

#[test]
fn several_commands_run_at_once() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut children: Vec<Child> = (0..8)
        .map(|number| command(&container, &format!("sleep 200 + exit {number}")).spawn().unwrap())
        .collect();
    let ids: std::collections::HashSet<u32> = children.iter().map(Child::id).collect();
    assert_eq!(ids.len(), 8);
    for (number, child) in (0..).zip(&mut children) {
        assert_eq!(child.wait().unwrap().code(), Some(number));
    }
}

#[test]
fn waiting_can_be_repeated_and_looks_without_blocking() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "line + exit 3").stdin(containerv::Stdio::Piped).spawn().unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(3));
}

#[test]
fn the_end_of_a_command_shows_by_itself() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "sleep 100 + exit 9").spawn().unwrap();
    let mut seen = None;
    eventually("it ends", || {
        seen = child.try_wait().unwrap();
        seen.is_some()
    });
    assert_eq!(seen.unwrap().code(), Some(9));
}

#[test]
fn a_command_is_killed_and_others_are_not() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut other = command(&container, "sleep 600000").spawn().unwrap();
    let mut child = command(&container, "sleep 600000").spawn().unwrap();
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(child.kill().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(other.try_wait().unwrap(), None);
    for signal in [-1, 0, 1000] {
        assert_eq!(other.signal(signal).unwrap_err().kind(), ErrorKind::InvalidArgument, "{signal}");
        assert_eq!(container.signal(signal).unwrap_err().kind(), ErrorKind::InvalidArgument, "{signal}");
    }
    assert_eq!(other.try_wait().unwrap(), None);
    container.delete(true).unwrap();
    assert!(!other.wait().unwrap().success());
}

#[test]
fn the_environment_is_what_was_given() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let odd = "a=b; %PATH% $HOME \"quoted\" \u{e9}\u{1f600}";
    let given = command(&container, "environment").env("ODD", odd).env("TWICE", "1").env("TWICE", "2");
    let seen = said(given);
    let value = |name: &str| {
        seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    assert_eq!(value("ODD").as_deref(), Some(odd));
    assert_eq!(value("TWICE").as_deref(), Some("2"));
    let cleared = said(command(&container, "environment").env("A", "1").env_clear().env("B", "2"));
    assert!(cleared.lines().any(|line| line == "B=2"), "{cleared}");
    assert!(!cleared.lines().any(|line| line.starts_with("A=")), "{cleared}");
    // Nothing of this process is handed on.
    assert!(!seen.contains("CARGO_MANIFEST_DIR"), "{seen}");
}

#[test]
fn arguments_arrive_as_they_are() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let words = [
        "",
        " ",
        "a b",
        "c\"d",
        "\\\\x\\",
        "tail\\\\ \\",
        "$HOME",
        "%PATH%",
        "^&|<>",
        "'",
        "\u{e9}\u{1f600}",
    ];
    let given = command(&container, "words").args(words);
    assert_eq!(said(given), words.join("\n"));
    let many: Vec<String> = (0..200).map(|number| format!("{number:060}")).collect();
    assert_eq!(said(command(&container, "words").args(&many)), many.join("\n"));
}

#[test]
fn the_working_directory_is_entered_or_named_in_the_error() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let at = |directory: &str| command(&container, "directory").current_dir(directory);
    assert_eq!(said(at(&inside::path("tmp"))), inside::path("tmp"));
    assert_eq!(said(command(&container, "directory")), inside::path(""));
    let error = at(&inside::path("absent")).spawn().unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
    assert_error(&at("relative").spawn().unwrap_err(), ErrorKind::InvalidArgument, "`--workdir relative`");
}

#[test]
fn a_further_command_starts_in_the_directory_of_the_containers_own() {
    let bed = Bed::with_program();
    let mut process = doing("sleep 600000");
    process.cwd = inside::path("tmp").as_str().into();
    let container = detached(&bed, process);
    assert_eq!(said(command(&container, "directory")), inside::path("tmp"));
}

#[test]
fn a_program_that_is_missing_is_named_in_the_error() {
    let bed = Bed::with_program();
    let keeper = bed.keeper(|_| {});
    for program in ["absent-program".to_owned(), inside::path("tmp/absent-program")] {
        let error = keeper.command(&program).spawn().unwrap_err();
        assert_error(&error, ErrorKind::CommandNotFound, &program);
    }
    // The container is as good as before.
    assert_eq!(said(command(&keeper, "echo fine")), "fine");
}

#[test]
fn a_command_that_is_left_alone_goes_on() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let file = inside::path("tmp/later");
    let words = format!("sleep 300 + write {file} yes");
    drop(command(&container, &words).stdin(containerv::Stdio::Null).spawn().unwrap());
    let exists = || said(command(&container, &format!("exists {file}"))) == "true";
    eventually("the file is there", exists);
}
