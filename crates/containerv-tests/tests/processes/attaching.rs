//! Connections to the command of a supervised container.

use std::time::Duration;

use containerv::spec::request::{Process, TerminalSize};
use containerv::spec::state::Status;
use containerv::{AttachFrame, AttachOptions, AttachReader, Container};
use containerv_tests::attached::hear;
use containerv_tests::machine::{own_descriptors, own_memory_kib, status_field};
use containerv_tests::{Bed, shell, wait_until};

fn prepared(bed: &Bed, process: Process) -> Container {
    let mut request = bed.request();
    request.process = Some(process);
    Container::create(bed.host(), request).unwrap()
}

fn with_input(script: &str) -> Process {
    Process { open_stdin: true, ..shell(script) }
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

/// Attaches, and takes a little time for each frame: there is never room for all that is on its way. Returns how many
/// lines came by each stream, and the exit code.
fn heard_slowly(container: &Container) -> ([usize; 2], Option<i32>) {
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    let (mut heard, mut code) = ([0, 0], None);
    while let Some(frame) = reader.next_frame().unwrap() {
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        match frame {
            AttachFrame::Stdout(bytes) => heard[0] += count(&bytes),
            AttachFrame::Stderr(bytes) => heard[1] += count(&bytes),
            AttachFrame::Exited(status) => code = status.code(),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    (heard, code)
}

#[test]
fn a_reader_that_is_slow_hears_all_of_two_streams_and_how_they_end() {
    let bed = Bed::new();
    let script =
        "i=0; (while test $i -lt 20000; do i=$((i+1)); echo $i; done) >&2 & seq 200000; wait; exit 3";
    // Whether both streams have something while there is no room is chance.
    for _ in 0..4 {
        let container = prepared(&bed, shell(script));
        assert_eq!(heard_slowly(&container), ([200_000, 20_000], Some(3)));
        container.delete(true).unwrap();
    }
}

#[test]
fn who_was_attached_before_the_start_hears_all_however_late_the_monitor_is() {
    let bed = Bed::new();
    let container = prepared(&bed, shell("echo out; echo err >&2; exit 3"));
    let first = container.state().unwrap().pid.unwrap();
    let monitor = status_field(first, "PPid").parse().unwrap();
    let signal = |signal| {
        let pid = rustix::process::Pid::from_raw(monitor).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    };
    signal(rustix::process::Signal::STOP);
    assert!(wait_until(Duration::from_secs(5), || status_field(monitor as u32, "State").starts_with('T')));
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    // The command is let go by itself, and ends before the monitor has heard of anybody.
    container.start().unwrap();
    let ended = || status_field(first, "State").starts_with('Z');
    assert!(wait_until(Duration::from_secs(5), ended));
    signal(rustix::process::Signal::CONT);
    let heard = hear(&mut reader);
    assert!(heard.started);
    assert_eq!((heard.stdout, heard.stderr, heard.code), (b"out\n".to_vec(), b"err\n".to_vec(), Some(3)));
}

#[test]
fn cve_2025_64329_attaching_2000_times_leaves_nothing() {
    let bed = Bed::new();
    let container = prepared(&bed, with_input("cat"));
    container.start().unwrap();
    let first = container.state().unwrap().pid.unwrap();
    let monitor = status_field(first, "PPid").parse::<u32>().unwrap();
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
    let monitor = status_field(first, "PPid");
    let rollup = std::fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).unwrap();
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let private = field("Private_Dirty:") + field("Private_Clean:");
    assert!(private <= 330, "{private} KiB: {rollup}");
}
