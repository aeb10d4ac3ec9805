//! Programs of a few operations, run for real.

use std::io::Read;
use std::os::fd::AsFd;

use super::wire::{NO_FD, clone_mode, op, report};
use super::{Program, Report, StageFile, passwd};
use crate::linux::process::{self, Ended};

/// Runs a program that ends in one child; returns how that ended, or the failed step.
fn run(program: Program, inherit: &[std::os::fd::BorrowedFd<'_>]) -> Result<Ended, (u32, i32)> {
    let mut spawned = StageFile::new().unwrap().spawn(program, inherit).unwrap();
    let mut child = None;
    while let Some(report) = spawned.channel.receive().unwrap() {
        match report {
            Report { kind: report::CHILD, value, .. } => {
                let pid = rustix::process::Pid::from_raw(value as i32).unwrap();
                child = Some(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap());
            }
            other => {
                let failure = (other.step, other.failure().unwrap());
                if let Some(pidfd) = &child {
                    process::wait(pidfd, true).unwrap();
                }
                return Err(failure);
            }
        }
    }
    spawned.reap_outer();
    Ok(process::wait(&child.unwrap(), true).unwrap().unwrap())
}

fn sibling(program: &mut Program) {
    program.op(1, op::CLONE).int(0).int(NO_FD).int(clone_mode::SIBLING);
}

#[test]
fn a_program_executes_with_its_arguments_environment_and_streams() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let mut program = Program::new();
    sibling(&mut program);
    program.op(2, op::STDIO).fd(&null).fd(&writer).fd(&writer);
    program
        .op(3, op::EXEC)
        .list(["/nowhere/sh", "/bin/sh"])
        .list(["sh", "-c", "echo \"$0 $1 $X\"; exit 7", "zero", "one"])
        .list(["X=y"])
        .int(0);
    let inherit = [null.as_fd(), writer.as_fd()];
    assert_eq!(run(program, &inherit), Ok(Ended::Code(7)));
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "zero one y\n");
}

#[test]
fn a_failed_step_is_named_with_its_error_number() {
    let mut program = Program::new();
    sibling(&mut program);
    program.op(2, op::UMASK).int(0);
    program.op(9, op::EXEC).list(["/nowhere/a", "/nowhere/b"]).list(["a"]).list::<&str>([]).int(0);
    assert_eq!(run(program, &[]), Err((9, libc::ENOENT)));
}

#[test]
fn a_file_that_is_no_program_is_told_apart_from_a_missing_one() {
    let mut program = Program::new();
    sibling(&mut program);
    program.op(4, op::EXEC).list(["/etc/passwd", "/nowhere"]).list(["a"]).list::<&str>([]).int(0);
    assert_eq!(run(program, &[]), Err((4, libc::EACCES)));
}

#[test]
fn an_unknown_operation_is_refused() {
    let mut program = Program::new();
    program.op(3, 9999);
    assert_eq!(run(program, &[]).map_err(|failure| failure.1), Err(libc::ENOSYS));
}

#[test]
fn a_stage_that_awaits_ends_when_nobody_will_let_it_go_on() {
    let mut program = Program::new();
    sibling(&mut program);
    program.op(2, op::AWAIT);
    program.op(3, op::EXEC).list(["/bin/true"]).list(["true"]).list::<&str>([]).int(0);
    let mut spawned = StageFile::new().unwrap().spawn(program, &[]).unwrap();
    let pid = spawned.channel.receive().unwrap().unwrap().value as i32;
    spawned.reap_outer();
    spawned.channel.hang_up();
    while spawned.channel.receive().unwrap().is_some() {}
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    assert_eq!(process::wait(&pidfd, true).unwrap(), Some(Ended::Code(125)));
}

#[test]
fn a_stage_that_awaits_ends_with_its_library() {
    let mut program = Program::new();
    sibling(&mut program);
    program.op(2, op::AWAIT);
    program.op(3, op::EXEC).list(["/bin/true"]).list(["true"]).list::<&str>([]).int(0);
    let mut spawned = StageFile::new().unwrap().spawn(program, &[]).unwrap();
    let pid = spawned.channel.receive().unwrap().unwrap().value as i32;
    spawned.reap_outer();
    let pidfd = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::PidfdFlags::empty(),
    )
    .unwrap();
    drop(spawned);
    assert_eq!(process::wait(&pidfd, true).unwrap(), Some(Ended::Code(125)));
}

#[test]
fn a_file_of_lines_is_read_in_any_pieces() {
    let text = b"root:x:0:0:root:/root:/bin/sh\nbad line\n#c:x:1:1::/:\nuser:x:1000:100:U:/home/user:/bin/sh";
    for size in 1..text.len() {
        let mut lines = passwd::Lines::empty();
        let mut found = Vec::new();
        let mut take = |line: &[u8]| {
            if let Some(entry) = passwd::parse_passwd(line) {
                found.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.uid, entry.gid));
            }
            false
        };
        for piece in text.chunks(size) {
            lines.feed(piece, &mut take);
        }
        lines.finish(&mut take);
        assert_eq!(found, [("root".to_owned(), 0, 0), ("user".to_owned(), 1000, 100)]);
    }
}

#[test]
fn long_lines_are_skipped_and_ids_are_bounded() {
    let mut lines = passwd::Lines::empty();
    let mut count = 0;
    let mut take = |_: &[u8]| {
        count += 1;
        false
    };
    lines.feed(&vec![b'a'; 100_000], &mut take);
    lines.feed(b"\nshort\n", &mut take);
    assert_eq!(count, 1);
    for (text, id) in [
        ("0", Some(0)),
        ("2147483647", Some(i32::MAX as u32)),
        ("2147483648", None),
        ("4294967296", None),
        ("-1", None),
        ("", None),
        ("1x", None),
        ("00000000001", None),
    ] {
        assert_eq!(passwd::parse_id(text.as_bytes()), id, "{text}");
    }
    let group = passwd::parse_group(b"audio:x:29:ann,bob").unwrap();
    assert!(group.has_member(b"bob") && !group.has_member(b"an") && !group.has_member(b""));
}

#[test]
fn log_entries_are_docker_lines() {
    struct Bytes(Vec<u8>);
    impl crate::logline::Sink for Bytes {
        fn put(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }
    }
    let mut sink = Bytes(Vec::new());
    crate::logline::write_entry(&mut sink, b"a\"\\\t\x1b\xff\xe2\x82\xac\n", "stdout", 951_782_400, 5);
    let expected = "{\"log\":\"a\\\"\\\\\\t\\u001b\u{fffd}\u{20ac}\\n\",\"stream\":\"stdout\",\
                    \"time\":\"2000-02-29T00:00:00.000000005Z\"}\n";
    assert_eq!(String::from_utf8(sink.0).unwrap(), expected);
}
