//! Standard streams.

use std::io::{Read, Write};
use std::process::{Command, Stdio as HostStdio};
use std::time::{Duration, Instant};

use containerv::{Container, Stdio, StdioSet};
use containerv_tests::machine::{own_descriptors, own_memory_kib};
use containerv_tests::{Bed, shell, wait_until};

use crate::{PROGRAM, text};

#[test]
fn nothing_is_nothing() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let stdio = StdioSet { stdin: Stdio::Null, stdout: Stdio::Piped, stderr: Stdio::Null };
    let script = "wc -c; echo gone; exec sleep 100";
    let mut child = container.exec(&shell(script), stdio, containerv::ExecOptions::default()).unwrap();
    let mut shown = [0u8; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut shown).unwrap();
    assert_eq!(&shown, b"0\ngone\n");
    let open = descriptors(child.id());
    assert_eq!((open[0].as_str(), open[2].as_str()), ("0 /dev/null", "2 /dev/null"));
    assert!(open[1].starts_with("1 pipe:"), "{open:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_file_can_be_a_stream() {
    let bed = Bed::new();
    std::fs::write(bed.path("in"), "hello\n").unwrap();
    let input = std::fs::File::open(bed.path("in")).unwrap();
    let output = std::fs::File::create(bed.path("out")).unwrap();
    let container = bed.keeper(|_| {});
    let command = container.command("tr").args(["a-z", "A-Z"]);
    let status = command.stdin(Stdio::Fd(input.into())).stdout(Stdio::Fd(output.into())).status().unwrap();
    assert!(status.success());
    assert_eq!(std::fs::read_to_string(bed.path("out")).unwrap(), "HELLO\n");
}

#[test]
fn inherited_streams_are_the_callers() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(shell("tr a-z A-Z; echo err >&2; exit 7"));
    let file = bed.path("inherit.json");
    std::fs::write(&file, serde_json::to_vec(&request).unwrap()).unwrap();
    let mut caller = Command::new(PROGRAM)
        .args(["inherit", "--root"])
        .arg(bed.state())
        .arg("--request")
        .arg(&file)
        .stdin(HostStdio::piped())
        .stdout(HostStdio::piped())
        .stderr(HostStdio::piped())
        .spawn()
        .unwrap();
    caller.stdin.take().unwrap().write_all(b"shout\n").unwrap();
    let output = caller.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "SHOUT\ncode 7\ndone\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "err\n");
}

#[test]
fn a_caller_without_streams_can_still_run_commands() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(shell("cat; echo out; echo err >&2; ls -l /proc/self/fd > /tmp/fds; exit 7"));
    let file = bed.path("closed.json");
    std::fs::write(&file, serde_json::to_vec(&request).unwrap()).unwrap();
    let root = bed.state();
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{PROGRAM} inherit --root {} --request {} <&- >&- 2>&-", root.display(), file.display()))
        .status()
        .unwrap();
    assert!(status.code().is_some());
    let fds = std::fs::read_to_string(bed.in_root("tmp/fds")).unwrap();
    assert!(fds.contains("0 -> ") && fds.contains("2 -> "), "{fds}");
}

#[test]
fn output_that_nobody_reads_stays_in_the_pipe() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let memory = own_memory_kib();
    let mut child = container.command("yes").stdin(Stdio::Null).stdout(Stdio::Piped).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    // Other tests run meanwhile; what is written here would be gigabytes.
    assert!(own_memory_kib() < memory + 128 * 1024, "{memory} {}", own_memory_kib());
    assert_eq!(child.try_wait().unwrap(), None);
    // It ends by itself once the reader is gone.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().signal(), Some(13));
}

#[test]
fn a_process_left_behind_with_a_stream_does_not_hold_up_others() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let start = Instant::now();
    let mut child = container
        .command("sh")
        .args(["-c", "sleep 3 & echo first"])
        .stdin(Stdio::Null)
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    let mut line = [0u8; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn descriptors_of_the_caller_are_not_handed_on() {
    let bed = Bed::new();
    let secret = std::fs::File::open("/etc/hostname").unwrap();
    let copy = rustix::io::dup(&secret).unwrap();
    // Without the close-on-exec flag a child of the standard library would inherit it.
    assert!(!rustix::io::fcntl_getfd(&copy).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    let container = bed.keeper(|_| {});
    let mut further = container.command("sleep").arg("100").stdin(Stdio::Null).spawn().unwrap();
    let mut request = bed.request();
    request.process = Some(shell("exec sleep 100"));
    let (_container, mut first) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    for child in [&mut further, &mut first] {
        assert!(wait_until(Duration::from_secs(5), || descriptors(child.id()).len() == 3));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let keeper = descriptors(container.state().unwrap().pid.unwrap());
    assert!(!keeper.iter().any(|open| open.contains("/etc/hostname")), "{keeper:?}");
}

/// Returns the open descriptors of a process with what they refer to.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let described = entries.map(|entry| {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        format!("{} {}", entry.file_name().to_string_lossy(), target.display())
    });
    let mut described: Vec<String> = described.collect();
    described.sort();
    described
}

#[test]
fn nothing_is_left_open_in_the_caller() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    text(container.command("echo").arg("warm"));
    let children: Vec<_> = (0..100)
        .map(|_| {
            let command = container.command("true").stdin(Stdio::Piped).stdout(Stdio::Piped);
            command.stderr(Stdio::Piped).spawn().unwrap()
        })
        .collect();
    let open = own_descriptors();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // Four for each child: three pipes and the process. Other tests come and go meanwhile.
    assert!(own_descriptors() + 350 <= open, "{open} {}", own_descriptors());
}
