//! Sizes and numbers that a container decides on.

use std::fs;
use std::time::Duration;

use containerv::spec::request::{Log, Process};
use containerv::{AttachFrame, AttachOptions, Container, ErrorKind, StdioSet};
use containerv_tests::machine::{own_memory_kib, status_field};
use containerv_tests::{Bed, shell, wait_until};

/// What a monitor may have of its own, in KiB; its buffers are fixed.
const MONITOR_KIB: u64 = 512;

#[test]
fn cve_2024_40635_a_container_for_a_user_id_that_wraps_is_not_made() {
    let bed = Bed::new();
    for user in ["4294967296", "-1", "2147483648", "4294967295:0", "0:4294967296", "wrap"] {
        fs::write(bed.in_root("etc/passwd"), "wrap:x:4294967296:0::/:/bin/sh\n").unwrap();
        let mut request = bed.request();
        request.process = Some(Process { user: user.into(), ..shell("true") });
        for detached in [false, true] {
            let made = if detached {
                Container::create(bed.host(), request.clone()).map(drop)
            } else {
                Container::run_attached(bed.host(), request.clone(), StdioSet::null()).map(drop)
            };
            let error = made.unwrap_err();
            let kind = if user == "wrap" { ErrorKind::NotFound } else { ErrorKind::InvalidArgument };
            assert_eq!(error.kind(), kind, "{user}: {error}");
        }
    }
    bed.assert_nothing_left("after refused creations");
}

#[test]
fn cve_2022_31030_files_without_end_are_refused_by_a_creation_too() {
    let bed = Bed::new();
    for (name, user) in [("etc/group", "alice:mallory"), ("etc/passwd", "mallory")] {
        let path = bed.in_root(name);
        let before = fs::read(&path).unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        let memory = own_memory_kib();
        let mut request = bed.request();
        request.process = Some(Process { user: user.into(), ..shell("true") });
        let error = Container::create(bed.host(), request).unwrap_err();
        assert!(error.hint().unwrap().contains("larger than 8 MiB"), "{error:?}");
        // Other tests run in this process meanwhile.
        assert!(own_memory_kib() < memory + 64 * 1024, "{memory} {}", own_memory_kib());
        fs::write(&path, before).unwrap();
    }
    bed.assert_nothing_left("after refused creations");
}

fn memory_kib(pid: u32) -> u64 {
    status_field(pid, "RssAnon").trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn cve_2022_31030_output_without_a_reader_fills_neither_the_monitor_nor_the_disk() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(shell("yes 'as much as there is'"));
    request.log = Log { max_bytes: 64 << 10, max_files: 2, ..Log::default() };
    let container = Container::create(bed.host(), request).unwrap();
    // This client reads the first piece and then no more.
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    while !matches!(reader.next_frame().unwrap().unwrap(), AttachFrame::Stdout(_)) {}
    let first = container.state().unwrap().pid.unwrap();
    let monitor = status_field(first, "PPid").parse().unwrap();
    let log = container.directory().unwrap().join("container.log");
    let mut most = 0;
    let held = wait_until(Duration::from_secs(30), || {
        most = most.max(memory_kib(monitor));
        fs::metadata(&log).is_ok_and(|data| data.len() > 0) && is_waiting(monitor)
    });
    assert!(held, "the monitor does not wait for its client");
    drop((reader, writer));
    // Without the client it flows, through the log, which turns over.
    let rotated = log.with_extension("log.1");
    let flows = wait_until(Duration::from_secs(30), || {
        most = most.max(memory_kib(monitor));
        fs::metadata(&rotated).is_ok()
    });
    assert!(flows, "{:?}", fs::read_dir(container.directory().unwrap()).unwrap().collect::<Vec<_>>());
    assert!(most < MONITOR_KIB, "{most} KiB");
    assert!(container.disk_usage().unwrap() < 1 << 20);
    container.kill().unwrap();
    container.wait().unwrap();
}

/// Says whether a process uses no processor time for a while.
fn is_waiting(pid: u32) -> bool {
    let used = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let before = used();
    std::thread::sleep(Duration::from_millis(100));
    before == used()
}
