//! Detached commands by the public API, with the stand-ins and the `cv.exe` beside this program.

use std::fs;
use std::time::{Duration, Instant};

use containerv_spec::request::{Isolation, LogDriver, TerminalSize};
use containerv_spec::state::Status;

use super::OwnProcess;
use crate::backend::hcs::bed::Bed;
use crate::{AttachFrame, AttachOptions, AttachReader, Container, ContainerBuilder, ErrorKind, LogOptions};

/// A container of a command of `cmd`.
fn builder(bed: &Bed, line: &str) -> ContainerBuilder {
    Container::builder(bed.image()).isolation(Isolation::Process).command(["cmd", "/q", "/d", "/c", line])
}

fn detached(bed: &Bed, builder: ContainerBuilder) -> Container {
    Container::run_detached(&bed.host, builder.request(&bed.host).unwrap()).unwrap()
}

fn wait_until(mut condition: impl FnMut() -> bool, what: &str) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What is in the log, as the entries say.
fn logged(container: &Container) -> String {
    let path = container.directory().unwrap().join("container.log");
    let text = fs::read_to_string(path).unwrap();
    let text = text.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["log"].as_str().unwrap().to_owned()
    });
    text.collect()
}

/// Everything up to the end: output, error output, exit code.
fn read_to_end(reader: &mut AttachReader) -> (String, String, Option<i32>) {
    let (mut output, mut errors, mut code) = (Vec::new(), Vec::new(), None);
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame {
            AttachFrame::Stdout(bytes) => output.extend(bytes),
            AttachFrame::Stderr(bytes) => errors.extend(bytes),
            AttachFrame::Exited(status) => code = status.code(),
            AttachFrame::StartFailed { .. } => panic!("it did not start"),
            _ => {}
        }
    }
    (String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap(), code)
}

#[test]
fn a_detached_command_is_logged_and_its_end_is_recorded() {
    let Some(bed) = Bed::new() else { return };
    for isolation in [Isolation::Process, Isolation::Vm] {
        logged_and_recorded(&bed, isolation);
    }
}

fn logged_and_recorded(bed: &Bed, isolation: Isolation) {
    let container = detached(bed, builder(bed, "echo out& echo err>&2& exit 300").isolation(isolation));
    assert_eq!(container.wait().unwrap().code, 300);
    assert_eq!(container.state().unwrap().status, Status::Exited);
    let log = logged(&container);
    assert!(log.contains("out\r\n") && log.contains("err\r\n"), "{log:?}");
    // Again, into the same log.
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 300);
    assert_eq!(logged(&container).matches("out\r\n").count(), 2);
    container.delete(false).unwrap();
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn who_attaches_before_the_start_misses_nothing() {
    let Some(bed) = Bed::new() else { return };
    let builder = builder(&bed, "echo begin& set /p line=& call echo heard %line%& echo err>&2& exit 4")
        .with_process(|process| process.open_stdin = true);
    let container = builder.create(&bed.host).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Created);
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    assert_eq!(container.state().unwrap().status, Status::Created);
    // Sent before the start, it waits.
    writer.write(b"early\r\n").unwrap();
    container.start().unwrap();
    let (output, errors, code) = read_to_end(&mut reader);
    assert!(output.starts_with("begin\r\n"), "{output:?}");
    assert_eq!((errors.as_str(), code), ("err\r\n", Some(4)));
    assert_eq!(container.wait().unwrap().code, 4);
    assert!(writer.write(b"late").is_err());
    container.delete(false).unwrap();
}

#[test]
fn what_is_not_logged_can_be_attached_to() {
    let Some(bed) = Bed::new() else { return };
    let log = crate::spec::request::Log { driver: LogDriver::None, ..Default::default() };
    let request = builder(&bed, "echo seen").request(&bed.host).unwrap();
    let container = Container::create(&bed.host, crate::spec::Request { log, ..request }).unwrap();
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    assert_eq!(read_to_end(&mut reader), ("seen\r\n".to_owned(), String::new(), Some(0)));
    let error = container.logs(LogOptions::default()).unwrap_err();
    assert!(error.to_string().contains("`none`"), "{error}");
    container.delete(false).unwrap();
}

#[test]
fn input_of_any_length_goes_through_and_ends() {
    let Some(bed) = Bed::new() else { return };
    let builder = Container::builder(bed.image()).isolation(Isolation::Process).command(["find", "00"]);
    let builder = builder.with_process(|process| process.open_stdin = true);
    let container = detached(&bed, builder);
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    let input: String = (0..5000).map(|number| format!("{number:06}\r\n")).collect();
    let sent = input.clone();
    let sender = std::thread::spawn(move || {
        writer.write(sent.as_bytes()).unwrap();
        writer.close_stdin().unwrap();
    });
    let (output, _, code) = read_to_end(&mut reader);
    sender.join().unwrap();
    assert_eq!((output.replace("\r\n", "\n"), code), (input.replace("\r\n", "\n"), Some(0)));
    assert_eq!(logged(&container), output);
    container.delete(false).unwrap();
}

#[test]
fn a_client_that_lets_go_or_never_reads_does_not_stop_the_end() {
    let Some(bed) = Bed::new() else { return };
    let container = detached(&bed, builder(&bed, "for /l %i in (1,1,20000) do @echo line %i"));
    let (mut gone, writer) = container.attach(AttachOptions::default()).unwrap().split();
    let silent = container.attach(AttachOptions::default()).unwrap();
    writer.detach();
    while gone.next_frame().unwrap().is_some() {}
    // The pipe is full, and the command waits for the client that does not read.
    container.stop(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Exited);
    drop(silent);
    container.delete(false).unwrap();
}

#[test]
fn a_program_that_is_missing_is_told_and_recorded() {
    let Some(bed) = Bed::new() else { return };
    let builder = || Container::builder(bed.image()).isolation(Isolation::Process).command(["nowhere.exe"]);
    let request = builder().request(&bed.host).unwrap();
    let error = Container::run_detached(&bed.host, request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotFound, "{error}");
    assert!(bed.host.containers().unwrap().is_empty());
    // Made first, it stays, with the exit code that shells have for this.
    let container = builder().create(&bed.host).unwrap();
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    let error = container.start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotFound, "{error}");
    assert!(matches!(reader.next_frame().unwrap(), Some(AttachFrame::StartFailed { .. })));
    assert_eq!(reader.next_frame().unwrap(), None);
    let state = container.state().unwrap();
    assert_eq!((state.status, state.exit.map(|exit| exit.code)), (Status::Exited, Some(127)));
    container.delete(false).unwrap();
    // Told to remove itself, it does.
    let container = builder().auto_remove().create(&bed.host).unwrap();
    assert_eq!(container.start().unwrap_err().kind(), ErrorKind::CommandNotFound);
    assert!(bed.host.containers().unwrap().is_empty());
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn a_container_removes_itself_after_its_end() {
    let Some(bed) = Bed::new() else { return };
    let container = detached(&bed, builder(&bed, "set /p line=").auto_remove());
    wait_until(|| container.state().is_err(), "it is still there");
    assert!(bed.host.containers().unwrap().is_empty());
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn what_is_prepared_can_be_removed_or_prepared_again() {
    let Some(bed) = Bed::new() else { return };
    let container = builder(&bed, "exit 6").create(&bed.host).unwrap();
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 6);
    assert!(container.attach(AttachOptions::default()).is_err());
    container.prepare().unwrap();
    container.prepare().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Created);
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    assert_eq!(read_to_end(&mut reader).2, Some(6));
    container.prepare().unwrap();
    container.delete(false).unwrap();
    assert!(bed.host.repair(true).unwrap().is_empty());
}

#[test]
fn a_terminal_has_one_output() {
    let Some(bed) = Bed::new() else { return };
    let builder = builder(&bed, "echo out& exit 8").terminal(TerminalSize { columns: 100, rows: 30 });
    let container = builder.create(&bed.host).unwrap();
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    // Its input does not end, and a size that comes late does no harm.
    writer.close_stdin().unwrap();
    let (output, errors, code) = read_to_end(&mut reader);
    assert!(output.contains("out"), "{output:?}");
    assert_eq!((errors.as_str(), code), ("", Some(8)));
    container.delete(false).unwrap();
}

#[test]
fn without_the_program_there_is_a_way_out() {
    let Some(bed) = Bed::new() else { return };
    let host = bed.host.with_monitor(bed.root.join("none.exe"));
    let request = builder(&bed, "exit").request(&host).unwrap();
    let error = Container::run_detached(&host, request).unwrap_err();
    assert!(error.to_string().contains("cannot start the monitor"), "{error}");
    assert!(bed.host.containers().unwrap().is_empty());
    // A program that is no monitor ends and says nothing.
    let system32 = std::path::PathBuf::from(std::env::var_os("SystemRoot").unwrap()).join("System32");
    let host = bed.host.with_monitor(system32.join("hostname.exe"));
    let request = builder(&bed, "exit").request(&host).unwrap();
    let error = Container::run_detached(&host, request).unwrap_err();
    assert!(error.to_string().contains("ended with exit code"), "{error}");
    assert!(bed.host.containers().unwrap().is_empty());
}

#[test]
fn two_who_start_it_at_once_start_it_once() {
    let Some(bed) = Bed::new() else { return };
    let container = builder(&bed, "echo once& ping -n 2 127.0.0.1 >nul").create(&bed.host).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| container.start().unwrap());
        }
    });
    container.wait().unwrap();
    assert_eq!(logged(&container), "once\r\n");
    container.delete(false).unwrap();
}

fn texts(logs: crate::Logs) -> Vec<String> {
    logs.map(|entry| String::from_utf8(entry.unwrap().data).unwrap()).collect()
}

#[test]
fn a_log_is_read_over_rotations_and_from_behind() {
    let Some(bed) = Bed::new() else { return };
    let request = builder(&bed, "for /l %i in (1,1,200) do @echo line %i").request(&bed.host).unwrap();
    let request = crate::spec::Request {
        log: crate::spec::request::Log { max_bytes: 2000, max_files: 5, ..Default::default() },
        ..request
    };
    let container = Container::run_detached(&bed.host, request).unwrap();
    container.wait().unwrap();
    let all = texts(container.logs(LogOptions::default()).unwrap());
    assert!(all.len() > 80 && all.len() < 180, "{}", all.len());
    let last = texts(container.logs(LogOptions { tail: Some(60), ..LogOptions::default() }).unwrap());
    assert_eq!(last, all[all.len() - 60..]);
    let none = texts(container.logs(LogOptions { stdout: false, ..LogOptions::default() }).unwrap());
    assert!(none.is_empty());
    let finished = container.state().unwrap().exit.unwrap().finished_unix_ns;
    let later = LogOptions { since_unix_ns: Some(finished + 1), ..LogOptions::default() };
    assert!(texts(container.logs(later).unwrap()).is_empty());
    // Who follows sees all of a further run.
    container.start().unwrap();
    let following = LogOptions { follow: true, ..LogOptions::default() };
    let followed = texts(container.logs(following).unwrap());
    assert_eq!(followed.last().map(String::as_str), Some("line 200\r\n"));
    container.delete(true).unwrap();
}

#[test]
fn a_container_without_a_log_says_why() {
    let Some(bed) = Bed::new() else { return };
    let why = |container: &Container| container.logs(LogOptions::default()).unwrap_err().to_string();
    let keeper = bed.keeper(Isolation::Process);
    assert!(why(&keeper).contains("no command of its own"));
    keeper.delete(true).unwrap();
    let created = builder(&bed, "exit").create(&bed.host).unwrap();
    assert!(texts(created.logs(LogOptions::default()).unwrap()).is_empty());
    created.delete(false).unwrap();
    let (container, mut child) = builder(&bed, "exit").run(&bed.host, crate::StdioSet::null()).unwrap();
    child.wait().unwrap();
    assert!(why(&container).contains("run in the foreground"));
    container.delete(false).unwrap();
}

/// What the log of events tells of a container: actions with exit codes.
fn told(bed: &Bed, container: &Container) -> Vec<String> {
    let begin = std::time::SystemTime::UNIX_EPOCH;
    let events = bed.host.events(Some(begin), false).unwrap().map(Result::unwrap);
    let of_it = events.filter(|event| event.id == *container.id());
    let shown = of_it.map(|event| match event.attributes.get("exitCode") {
        Some(code) => format!("{} {code}", event.action),
        None => event.action,
    });
    shown.collect()
}

#[test]
fn lives_are_told_in_order_and_each_end_once() {
    let Some(bed) = Bed::new() else { return };
    let container = builder(&bed, "exit 9").name("told").create(&bed.host).unwrap();
    let mut follower = bed.host.events(None, true).unwrap();
    container.start().unwrap();
    container.wait().unwrap();
    container.start().unwrap();
    container.wait().unwrap();
    container.rename("renamed").unwrap();
    container.delete(false).unwrap();
    let expected = ["create", "start", "die 9", "start", "die 9", "rename", "destroy"];
    assert_eq!(told(&bed, &container), expected);
    let followed: Vec<String> =
        (1..expected.len()).map(|_| follower.next().unwrap().unwrap().action).collect();
    assert_eq!(followed, ["start", "die", "start", "die", "rename", "destroy"]);
    let keeper = bed.keeper(Isolation::Process);
    keeper.pause().unwrap();
    keeper.resume().unwrap();
    let child = crate::ExecOptions { announced: true, ..Default::default() };
    let process = crate::spec::request::Process::new(["cmd", "/c", "exit 2"].map(Into::into).to_vec());
    keeper.exec(&process, crate::StdioSet::null(), child).unwrap().wait().unwrap();
    keeper.stop(Some(Duration::ZERO)).unwrap();
    keeper.delete(false).unwrap();
    let told = told(&bed, &keeper);
    let (exec, rest): (Vec<String>, Vec<String>) = told.into_iter().partition(|it| it.starts_with("exec_"));
    assert_eq!(exec, ["exec_start", "exec_die 2"]);
    assert_eq!(rest[..5], ["create", "start", "pause", "unpause", "kill"]);
    assert!(rest[5].starts_with("die ") && rest[6..] == ["stop", "destroy"], "{rest:?}");
}

#[test]
fn an_end_without_its_supervisor_is_told_by_who_looks() {
    let Some(bed) = Bed::new() else { return };
    let container = detached(&bed, builder(&bed, "set /p line=& ping -n 60 127.0.0.1 >nul"));
    let mut follower = bed.host.events(None, true).unwrap();
    // The monitor dies; what it supervised is ended by force, and nobody has recorded it.
    let channel = super::connect(&bed.host.system.directory(container.id()).unwrap()).unwrap();
    let monitor = channel.sender().unwrap().server_process().unwrap();
    OwnProcess::open_to_end(monitor).unwrap().unwrap().terminate(1).unwrap();
    wait_until(
        || !bed.host.system.directory(container.id()).unwrap().is_supervised().unwrap(),
        "the monitor lives",
    );
    assert_eq!(container.state().unwrap().status, Status::Running);
    let running = bed.host.system.running_now(container.id()).unwrap().1;
    running.system.terminate().unwrap();
    drop(running);
    assert_eq!(follower.next().unwrap().unwrap().action, "die");
    assert_eq!(container.state().unwrap().status, Status::Exited);
    assert_eq!(told(&bed, &container), ["create", "start", "die"]);
    container.delete(false).unwrap();
    assert!(bed.host.repair(true).unwrap().is_empty());
}
