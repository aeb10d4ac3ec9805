//! Standard streams.

use std::io::{BufRead, BufReader, Read, Write};

use containerv::{Stdio, StdioSet};
use containerv_tests::Bed;
use containerv_tests::inside::{self, command, doing, said};

const BLOCK: usize = 1 << 20;

/// A block of bytes that differs from the others by its number.
pub(crate) fn block(number: u64) -> Vec<u8> {
    let mut bytes = vec![0u8; BLOCK];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_ne_bytes());
    }
    bytes
}

/// Sends blocks through a command that repeats its input, and compares what comes back.
pub(crate) fn through(command: containerv::Command<'_>, blocks: u64) {
    let mut child = command.stdin(Stdio::Piped).stdout(Stdio::Piped).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..blocks {
            input.write_all(&block(number)).unwrap();
        }
    });
    let mut output = child.stdout.take().unwrap();
    let mut received = vec![0u8; BLOCK];
    for number in 0..blocks {
        output.read_exact(&mut received).unwrap();
        assert!(received == block(number), "block {number} differs");
    }
    assert_eq!(output.read(&mut received).unwrap(), 0);
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_hundred_megabytes_go_through_unchanged() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    through(command(&container, "cat"), 100);
}

#[test]
fn the_three_streams_are_apart() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let output = command(&container, "echo out + error err + exit 3").output().unwrap();
    assert_eq!((inside::text(&output.stdout), inside::text(&output.stderr)), ("out".into(), "err".into()));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn standard_input_of_output_is_empty() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    assert_eq!(said(command(&container, "count")), "0");
}

#[test]
fn waiting_closes_standard_input() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "cat").stdin(Stdio::Piped).stdout(Stdio::Null).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_command_is_talked_to_line_by_line() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "answer").stdin(Stdio::Piped).stdout(Stdio::Piped).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for number in 0..50 {
        writeln!(input, "line {number}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), format!("got line {number}"));
    }
    input.write_all(b"exit 8\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(8));
}

#[test]
fn nothing_is_nothing() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let stdio = StdioSet { stdin: Stdio::Null, stdout: Stdio::Piped, stderr: Stdio::Null };
    let process = doing("count + error lost + echo end");
    let child = container.exec(&process, stdio, containerv::ExecOptions::default()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((inside::text(&output.stdout), output.stderr), ("0\nend".into(), Vec::new()));
}

#[test]
fn output_that_nobody_reads_holds_the_command() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let mut child = command(&container, "flood").stdin(Stdio::Null).stdout(Stdio::Piped).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn many_short_commands_are_heard_in_full() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let container = container.clone();
            std::thread::spawn(move || {
                for number in 0..10 {
                    let words = format!("echo {thread} {number} + error {number}");
                    let output = command(&container, &words).output().unwrap();
                    assert_eq!(inside::text(&output.stdout), format!("{thread} {number}"));
                    assert_eq!(inside::text(&output.stderr), number.to_string());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
