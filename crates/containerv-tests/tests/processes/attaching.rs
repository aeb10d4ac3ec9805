//! Connections to the command of a supervised container.

use std::time::Duration;

use containerv::spec::request::{Process, TerminalSize};
use containerv::spec::state::Status;
use containerv::{AttachFrame, AttachOptions, AttachReader, Container};
use containerv_tests::attached::hear;
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
