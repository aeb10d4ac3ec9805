//! Connections to the command of a supervised container.

use std::time::Duration;

use containerv::spec::request::{Process, TerminalSize};
use containerv::spec::state::Status;
use containerv::{AttachFrame, AttachOptions, AttachReader, Container, ErrorKind};
use containerv_tests::machine::{own_descriptors, own_memory_kib};
use containerv_tests::{Bed, shell, wait_until};

fn prepared(bed: &Bed, process: Process) -> Container {
    let mut request = bed.request();
    request.process = Some(process);
    Container::create(bed.host(), request).unwrap()
}

fn with_input(script: &str) -> Process {
    Process { open_stdin: true, ..shell(script) }
}

/// Everything until the command's end.
#[derive(Default, Debug)]
struct Heard {
    started: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    code: Option<i32>,
}

fn hear(reader: &mut AttachReader) -> Heard {
    let mut heard = Heard::default();
    while let Some(frame) = reader.next_frame().unwrap() {
        match frame {
            AttachFrame::Started => heard.started = true,
            AttachFrame::Stdout(bytes) => heard.stdout.extend(bytes),
            AttachFrame::Stderr(bytes) => heard.stderr.extend(bytes),
            AttachFrame::Exited(status) => heard.code = Some(status.docker_code()),
            other => panic!("{other:?}"),
        }
    }
    heard
}

/// Waits for a piece of output.
fn next_output(reader: &mut AttachReader) -> String {
    loop {
        match reader.next_frame().unwrap().unwrap() {
            AttachFrame::Stdout(bytes) => return String::from_utf8(bytes).unwrap(),
            AttachFrame::Started => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn everything_is_heard_when_attached_before_the_start() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("echo out; echo err >&2; cat; exit 6"));
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    writer.write(b"typed\n").unwrap();
    writer.close_stdin().unwrap();
    let heard = hear(&mut reader);
    assert!(heard.started);
    assert_eq!(String::from_utf8_lossy(&heard.stdout), "out\ntyped\n");
    assert_eq!(String::from_utf8_lossy(&heard.stderr), "err\n");
    assert_eq!(heard.code, Some(6));
    assert_eq!(container.wait().unwrap().code, 6);
}

#[test]
fn only_the_asked_streams_are_heard() {
    let bed = Bed::new();
    let container = prepared(&bed, shell("echo out; echo err >&2"));
    let only = |stdout, stderr| {
        let options = AttachOptions { stdin: false, stdout, stderr };
        container.attach(options).unwrap().split().0
    };
    let (mut output, mut errors, mut end) = (only(true, false), only(false, true), only(false, false));
    container.start().unwrap();
    let heard = hear(&mut output);
    assert_eq!((heard.stdout.as_slice(), heard.stderr.as_slice()), (&b"out\n"[..], &b""[..]));
    let heard = hear(&mut errors);
    assert_eq!((heard.stdout.as_slice(), heard.stderr.as_slice()), (&b""[..], &b"err\n"[..]));
    let heard = hear(&mut end);
    assert_eq!((heard.stdout.len() + heard.stderr.len(), heard.code), (0, Some(0)));
}

#[test]
fn attaching_again_goes_on_where_the_command_is() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("while read x; do echo got $x; done"));
    container.start().unwrap();
    for number in 0..10 {
        let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
        writer.write(format!("{number}\n").as_bytes()).unwrap();
        assert_eq!(next_output(&mut reader), format!("got {number}\n"));
    }
    assert_eq!(container.state().unwrap().status, Status::Running);
}

#[test]
fn detaching_ends_the_reader_in_another_thread() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("cat"));
    container.start().unwrap();
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    let listening = std::thread::spawn(move || hear(&mut reader));
    std::thread::sleep(Duration::from_millis(50));
    writer.detach();
    assert_eq!(listening.join().unwrap().code, None);
    assert_eq!(container.state().unwrap().status, Status::Running);
}

#[test]
fn ten_megabytes_in_both_directions() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("cat"));
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    let data: Vec<u8> =
        (0..10u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sent = data.clone();
    let sender = std::thread::spawn(move || {
        for piece in sent.chunks(8192) {
            writer.write(piece).unwrap();
        }
        writer.close_stdin().unwrap();
    });
    let heard = hear(&mut reader);
    sender.join().unwrap();
    assert!(heard.stdout == data, "{} of {} bytes", heard.stdout.len(), data.len());
    assert_eq!(heard.code, Some(0));
}

#[test]
fn a_reader_that_is_slow_loses_nothing() {
    let bed = Bed::new();
    let container = prepared(&bed, shell("seq 1 100000"));
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let heard = hear(&mut reader);
    let text = String::from_utf8(heard.stdout).unwrap();
    assert_eq!(text.lines().count(), 100_000);
    assert!(text.ends_with("\n100000\n"));
    assert_eq!(heard.code, Some(0));
}

#[test]
fn several_hear_the_same() {
    let bed = Bed::new();
    let container = prepared(&bed, shell("seq 1 20000"));
    let listening: Vec<_> = (0..8)
        .map(|_| {
            let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
            std::thread::spawn(move || hear(&mut reader).stdout)
        })
        .collect();
    // They are known to the monitor in the order in which they have connected.
    container.start().unwrap();
    let heard: Vec<Vec<u8>> = listening.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(heard.iter().all(|bytes| bytes.ends_with(b"\n20000\n") && *bytes == heard[0]));
}

#[test]
fn a_terminal_is_attached_with_its_size() {
    let bed = Bed::new();
    let mut process = with_input("read x; stty size; read x; stty size; exit 2");
    process.terminal = Some(TerminalSize { columns: 80, rows: 24 });
    let container = prepared(&bed, process);
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    writer.write(b"\n").unwrap();
    let mut shown = String::new();
    while !shown.contains("24 80") {
        shown.push_str(&next_output(&mut reader));
    }
    writer.resize(TerminalSize { columns: 132, rows: 43 }).unwrap();
    writer.write(b"\n").unwrap();
    let heard = hear(&mut reader);
    assert!(String::from_utf8_lossy(&heard.stdout).contains("43 132"), "{heard:?}");
    assert_eq!(heard.code, Some(2));
}

#[test]
fn input_after_the_end_is_an_error_and_no_hang() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("exit 0"));
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    container.wait().unwrap();
    assert_eq!(hear(&mut reader).code, Some(0));
    let failed = wait_until(Duration::from_secs(5), || writer.write(&[b'x'; 4096]).is_err());
    assert!(failed);
}

#[test]
fn the_end_is_heard_by_one_who_is_typing() {
    let bed = Bed::new();
    for _ in 0..30 {
        let container = prepared(&bed, with_input("exit 3"));
        let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
        let typing = std::thread::spawn(move || while writer.write(b"more").is_ok() {});
        container.start().unwrap();
        assert_eq!(hear(&mut reader).code, Some(3));
        typing.join().unwrap();
        container.delete(true).unwrap();
    }
}

#[test]
fn what_has_no_monitor_cannot_be_attached_to() {
    let bed = Bed::new();
    let keeper = bed.keeper(|_| {});
    let error = keeper.attach(AttachOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.hint().is_some(), "{error}");
    let ended = prepared(&bed, shell("true"));
    ended.start().unwrap();
    ended.wait().unwrap();
    assert_eq!(ended.attach(AttachOptions::default()).unwrap_err().kind(), ErrorKind::InvalidState);
}

#[test]
fn cve_2025_64329_attaching_2000_times_leaves_nothing() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("cat"));
    container.start().unwrap();
    let first = container.state().unwrap().pid.unwrap();
    let monitor = containerv_tests::machine::status_field(first, "PPid").parse::<u32>().unwrap();
    let descriptors = || std::fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().count();
    let memory = || containerv_tests::machine::status_field(monitor, "RssAnon");
    let attach = |number: u32| {
        let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
        if number.is_multiple_of(20) {
            writer.write(b"x\n").unwrap();
            assert_eq!(next_output(&mut reader), "x\n");
        }
    };
    (0..20).for_each(attach);
    let settled = |before: usize| wait_until(Duration::from_secs(5), || descriptors() <= before);
    let mut base = usize::MAX;
    wait_until(Duration::from_millis(500), || {
        base = base.min(descriptors());
        false
    });
    let (theirs, ours) = (memory(), own_memory_kib());
    let open = own_descriptors();
    (0..2000).for_each(attach);
    assert!(settled(base), "{base} {}", descriptors());
    assert_eq!(memory(), theirs);
    // Other tests run in this process meanwhile.
    assert!(own_descriptors() < open + 300, "{open} {}", own_descriptors());
    assert!(own_memory_kib() < ours + 64 * 1024, "{ours} {}", own_memory_kib());
    assert_eq!(container.state().unwrap().status, Status::Running);
}

#[test]
fn a_monitor_needs_little_memory() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("sleep 100"));
    container.start().unwrap();
    let first = container.state().unwrap().pid.unwrap();
    let monitor = containerv_tests::machine::status_field(first, "PPid");
    let rollup = std::fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).unwrap();
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let private = field("Private_Dirty:") + field("Private_Clean:");
    assert!(private <= 330, "{private} KiB: {rollup}");
}
