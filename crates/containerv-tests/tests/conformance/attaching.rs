//! Connections to the command of a supervised container.

use std::time::Duration;

use containerv::spec::request::{Process, TerminalSize};
use containerv::spec::state::Status;
use containerv::{AttachFrame, AttachOptions, AttachReader, ErrorKind};
use containerv_tests::Bed;
use containerv_tests::attached::hear;
use containerv_tests::inside::{self, doing};

use crate::{assert_error, eventually, prepared};

fn with_input(words: &str) -> Process {
    Process { open_stdin: true, ..doing(words) }
}

/// Waits until this much text has come.
fn hear_text(reader: &mut AttachReader, text: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(text) {
        match reader.next_frame().unwrap() {
            Some(AttachFrame::Stdout(bytes)) => heard.push_str(&String::from_utf8(bytes).unwrap()),
            Some(AttachFrame::Started) => {}
            other => panic!("{other:?} after {heard:?}"),
        }
    }
    heard
}

#[test]
fn everything_is_heard_when_attached_before_the_start() {
    let bed = Bed::with_program();
    let container = prepared(&bed, with_input("echo out + error err + cat + exit 6"));
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    writer.write(b"typed\n").unwrap();
    writer.close_stdin().unwrap();
    let heard = hear(&mut reader);
    assert!(heard.started);
    assert_eq!(inside::text(&heard.stdout), "out\ntyped");
    assert_eq!(inside::text(&heard.stderr), "err");
    assert_eq!(heard.code, Some(6));
    assert_eq!(container.wait().unwrap().code, 6);
}

#[test]
fn only_the_asked_streams_are_heard() {
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("echo out + error err"));
    let only = |stdout, stderr| {
        let options = AttachOptions { stdin: false, stdout, stderr };
        container.attach(options).unwrap().split().0
    };
    let (mut output, mut errors, mut end) = (only(true, false), only(false, true), only(false, false));
    container.start().unwrap();
    let heard = hear(&mut output);
    assert_eq!((inside::text(&heard.stdout), heard.stderr), ("out".into(), Vec::new()));
    let heard = hear(&mut errors);
    assert_eq!((heard.stdout, inside::text(&heard.stderr)), (Vec::new(), "err".into()));
    let heard = hear(&mut end);
    assert_eq!((heard.stdout.len() + heard.stderr.len(), heard.code), (0, Some(0)));
}

#[test]
fn attaching_again_goes_on_where_the_command_is() {
    let bed = Bed::with_program();
    let container = prepared(&bed, with_input("answer"));
    container.start().unwrap();
    for number in 0..10 {
        let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
        writer.write(format!("{number}\n").as_bytes()).unwrap();
        assert_eq!(hear_text(&mut reader, "\n").trim_end(), format!("got {number}"));
    }
    assert_eq!(container.state().unwrap().status, Status::Running);
}

#[test]
fn detaching_ends_the_reader_in_another_thread() {
    let bed = Bed::with_program();
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
    let bed = Bed::with_program();
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
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("numbers 100000"));
    let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let heard = hear(&mut reader);
    let text = inside::text(&heard.stdout);
    assert_eq!(text.lines().count(), 100_000);
    assert!(text.ends_with("\n100000"));
    assert_eq!(heard.code, Some(0));
}

#[test]
fn several_hear_the_same() {
    let bed = Bed::with_program();
    let container = prepared(&bed, doing("numbers 20000"));
    let listening: Vec<_> = (0..8)
        .map(|_| {
            let (mut reader, _writer) = container.attach(AttachOptions::default()).unwrap().split();
            std::thread::spawn(move || hear(&mut reader).stdout)
        })
        .collect();
    // They are known to the monitor in the order in which they have connected.
    container.start().unwrap();
    let heard: Vec<Vec<u8>> = listening.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(heard.iter().all(|bytes| inside::text(bytes).ends_with("\n20000") && *bytes == heard[0]));
}

#[test]
fn a_terminal_is_attached_to() {
    let bed = Bed::with_program();
    let mut process = with_input("terminal + answer");
    process.terminal = Some(TerminalSize { columns: 80, rows: 24 });
    let container = prepared(&bed, process);
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    hear_text(&mut reader, "[true, true]");
    writer.write(b"hello\r").unwrap();
    hear_text(&mut reader, "got hello");
    writer.resize(TerminalSize { columns: 132, rows: 43 }).unwrap();
    writer.write(b"exit 2\r").unwrap();
    assert_eq!(hear(&mut reader).code, Some(2));
}

#[test]
fn input_after_the_end_is_an_error_and_no_hang() {
    let bed = Bed::with_program();
    let container = prepared(&bed, with_input("exit 0"));
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    container.wait().unwrap();
    assert_eq!(hear(&mut reader).code, Some(0));
    eventually("writing fails", || writer.write(&[b'x'; 4096]).is_err());
}

#[test]
fn the_end_is_heard_by_one_who_is_typing() {
    let bed = Bed::with_program();
    for _ in 0..5 {
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
    let bed = Bed::with_program();
    let keeper = bed.keeper(|_| {});
    assert_error(&keeper.attach(AttachOptions::default()).unwrap_err(), ErrorKind::InvalidState, "");
    let ended = prepared(&bed, doing("exit 0"));
    ended.start().unwrap();
    ended.wait().unwrap();
    let attach = || ended.attach(AttachOptions::default());
    eventually("its monitor is gone", || attach().is_err());
    assert_error(&attach().unwrap_err(), ErrorKind::InvalidState, "");
}

#[test]
fn a_container_that_has_ended_is_prepared_and_attached_to_again() {
    let bed = Bed::with_program();
    let container = prepared(&bed, with_input("cat + exit 5"));
    container.start().unwrap();
    container.stop(Some(Duration::ZERO)).unwrap();
    container.prepare().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Created);
    let (mut reader, writer) = container.attach(AttachOptions::default()).unwrap().split();
    container.start().unwrap();
    writer.write(b"again").unwrap();
    writer.close_stdin().unwrap();
    let heard = hear(&mut reader);
    assert_eq!((heard.stdout.as_slice(), heard.code), (&b"again"[..], Some(5)));
}
