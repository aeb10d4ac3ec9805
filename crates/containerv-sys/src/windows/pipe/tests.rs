use std::io::{Read, Write};
use std::os::windows::io::AsHandle;
use std::thread;
use std::time::Duration;

use super::*;
use crate::windows::random;
use crate::windows::security::SecurityDescriptor;
use crate::windows::wait::{self, Event};

const SHORT: Option<Duration> = Some(Duration::from_millis(5));
const PATIENCE: Duration = Duration::from_secs(60);

fn name() -> String {
    format!("containerv-test-{}", random::hex::<8>().unwrap())
}

fn listener(name: &str) -> PipeListener {
    PipeListener::bind(name, SecurityDescriptor::from_text("D:P(A;;GA;;;WD)").unwrap()).unwrap()
}

/// Both ends of a pipe.
fn pair() -> (Stream, Stream) {
    super::pair().unwrap()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

#[test]
fn bytes_arrive_and_the_end_is_seen() {
    let (mut ours, theirs) = pair();
    let sent = pattern(1 << 20);
    let expected = sent.clone();
    let writer = thread::spawn(move || {
        let mut theirs = theirs;
        theirs.write_all(&sent).unwrap();
    });
    let mut read = Vec::new();
    ours.read_to_end(&mut read).unwrap();
    writer.join().unwrap();
    assert!(read == expected);
}

#[test]
fn writing_to_nobody_is_a_broken_pipe() {
    let (mut ours, theirs) = pair();
    drop(theirs);
    let error = (0..100).find_map(|_| ours.write(b"x").err()).unwrap();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(ours.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn reading_is_given_up_and_loses_nothing() {
    let (mut ours, mut theirs) = pair();
    let mut buffer = [0; 8];
    assert_eq!(ours.read_unless(&mut buffer, None, SHORT).unwrap(), Transfer::TimedOut);
    let stop = Event::new().unwrap();
    stop.set();
    let stopped = ours.read_unless(&mut buffer, Some(stop.as_handle()), None).unwrap();
    assert_eq!(stopped, Transfer::Stopped);
    theirs.write_all(b"later").unwrap();
    assert_eq!(ours.read(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"later");
}

#[test]
fn both_directions_go_at_the_same_time() {
    let (mut ours, theirs) = pair();
    let mut reader = ours.try_clone().unwrap();
    let echo = thread::spawn(move || {
        let (mut from, mut to) = (theirs.try_clone().unwrap(), theirs);
        let mut buffer = [0; 999];
        loop {
            match from.read(&mut buffer).unwrap() {
                0 => return,
                count => to.write_all(&buffer[..count]).unwrap(),
            }
        }
    });
    let sent = pattern(300_000);
    let mut read = vec![0; sent.len()];
    thread::scope(|scope| {
        scope.spawn(|| ours.write_all(&sent).unwrap());
        reader.read_exact(&mut read).unwrap();
    });
    assert!(read == sent);
    drop((ours, reader));
    echo.join().unwrap();
}

#[test]
fn many_silent_streams_are_waited_for_by_one_thread() {
    let pairs: Vec<(Stream, Stream)> = (0..20).map(|_| pair()).collect();
    let (ours, mut theirs): (Vec<Stream>, Vec<Stream>) = pairs.into_iter().unzip();
    let mut readers: Vec<ReadAhead> = ours.into_iter().map(|stream| ReadAhead::new(stream, 16)).collect();
    let handles = |readers: &[ReadAhead], limit| {
        let handles: Vec<BorrowedHandle<'_>> = readers.iter().map(AsHandle::as_handle).collect();
        wait::wait_any(&handles, limit).unwrap()
    };
    assert_eq!(handles(&readers, SHORT), None);
    theirs[13].write_all(b"thirteen").unwrap();
    assert_eq!(handles(&readers, None), Some(13));
    assert_eq!(readers[13].receive().unwrap().unwrap(), b"thirteen");
    assert_eq!(handles(&readers, SHORT), None);
    drop(theirs.remove(4));
    assert_eq!(handles(&readers, None), Some(4));
    for _ in 0..2 {
        assert_eq!(readers[4].receive().unwrap(), None);
    }
    // The others are dropped while the system still waits to fill their memory.
}

#[test]
fn a_writer_does_not_wait_for_a_slow_reader() {
    let (ours, mut theirs) = pair();
    let sent = pattern(1 << 20);
    let mut writer = WriteBehind::new(ours, 1 << 20);
    assert!(wait::wait(&writer, SHORT).unwrap());
    // The whole is taken, although no pipe is as wide.
    assert_eq!(writer.send(&sent).unwrap(), sent.len());
    let reader = thread::spawn(move || {
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).unwrap();
        read
    });
    writer.finish().unwrap();
    assert!(wait::wait(&writer, SHORT).unwrap());
    drop(writer);
    assert!(reader.join().unwrap() == sent);
}

#[test]
fn feeding_and_reading_do_not_wait_for_each_other() {
    let ((input, child_in), (output, child_out), (errors, child_err)) = (pair(), pair(), pair());
    let sent = pattern(600_000);
    // A process that says on both streams what it hears, and much more than a pipe holds.
    let child = thread::spawn(move || {
        let (mut child_in, mut child_out, mut child_err) = (child_in, child_out, child_err);
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while let count @ 1.. = child_in.read(&mut buffer).unwrap() {
            heard.extend_from_slice(&buffer[..count]);
            child_err.write_all(&buffer[..count]).unwrap();
            child_out.write_all(&buffer[..count]).unwrap();
        }
        heard.len()
    });
    let mut done = 0;
    let collected =
        collect(Some((input, &sent)), vec![output, errors], None, Duration::ZERO, || done += 1).unwrap();
    assert_eq!(child.join().unwrap(), sent.len());
    assert_eq!(done, 1);
    assert!(collected[0] == sent && collected[1] == sent);
}

#[test]
fn outputs_that_stay_open_after_the_end_are_left() {
    let (output, mut child) = pair();
    let ended = Event::new().unwrap();
    child.write_all(b"said").unwrap();
    ended.set();
    let collected = collect(None, vec![output], Some(ended.as_handle()), PATIENCE / 1000, || ()).unwrap();
    assert_eq!(collected, [b"said"]);
    // The grandchild still has its end.
    drop(child);
}

#[test]
fn an_output_that_never_ends_is_left() {
    let (output, mut grandchild) = pair();
    let ended = Event::new().unwrap();
    let flood = thread::spawn(move || while grandchild.write_all(&[7; 10_000]).is_ok() {});
    ended.set();
    let grace = Duration::from_millis(5);
    let collected = collect(None, vec![output], Some(ended.as_handle()), grace, || ()).unwrap();
    assert!(collected[0].iter().all(|byte| *byte == 7));
    // The reader is closed, and so the grandchild fails at last.
    flood.join().unwrap();
}

#[test]
fn a_client_that_came_and_went_is_told_as_one() {
    let name = name();
    let mut listener = listener(&name);
    drop(connect(&name, PATIENCE).unwrap());
    let mut gone = listener.accept(None, None).unwrap().unwrap();
    assert_eq!(gone.read(&mut [0; 8]).unwrap(), 0);
    drop(gone);
    let _next = connect(&name, PATIENCE).unwrap();
    assert!(listener.accept(None, None).unwrap().is_some());
}

#[test]
fn an_input_that_nobody_reads_is_no_failure() {
    let ((input, child_in), (output, mut child_out)) = (pair(), pair());
    drop(child_in);
    child_out.write_all(b"no thanks").unwrap();
    drop(child_out);
    let collected = collect(Some((input, &[0; 100_000])), vec![output], None, Duration::ZERO, || ()).unwrap();
    assert_eq!(collected, [b"no thanks"]);
}

#[test]
fn a_name_is_taken_once() {
    let name = name();
    let _listener = listener(&name);
    match PipeListener::bind(&name, SecurityDescriptor::private().unwrap()) {
        Err(again) => assert_eq!(again.kind(), io::ErrorKind::PermissionDenied, "{again}"),
        Ok(_) => println!("skipped: this Wine ignores FILE_FLAG_FIRST_PIPE_INSTANCE"),
    }
}

#[test]
fn clients_come_one_after_the_other() {
    let name = name();
    let mut listener = listener(&name);
    assert!(listener.accept(None, SHORT).unwrap().is_none());
    thread::scope(|scope| {
        for _ in 0..5 {
            let name = &name;
            scope.spawn(move || {
                let mut client = connect(name, PATIENCE).unwrap();
                assert_eq!(client.server_process().unwrap(), std::process::id());
                client.write_all(b"x").unwrap();
                assert_eq!(client.read(&mut [0; 8]).unwrap(), 1);
            });
        }
        for _ in 0..5 {
            let mut client = listener.accept(None, None).unwrap().unwrap();
            assert_eq!(client.client_process().unwrap(), std::process::id());
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 1);
            client.write_all(b"y").unwrap();
            // Gone only after the client has read it.
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

#[test]
fn a_listener_is_signaled_while_a_client_waits() {
    let name = name();
    let mut listener = listener(&name);
    assert!(!wait::wait(&listener, Some(Duration::ZERO)).unwrap());
    let _client = connect(&name, PATIENCE).unwrap();
    assert!(wait::wait(&listener, Some(PATIENCE)).unwrap());
    assert!(listener.accept(None, Some(Duration::ZERO)).unwrap().is_some());
    assert!(!wait::wait(&listener, Some(Duration::ZERO)).unwrap());
}

#[test]
fn a_pipe_that_does_not_exist_is_not_found_at_once() {
    assert_eq!(connect(&name(), PATIENCE).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(connect(r"a\b", PATIENCE).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_busy_pipe_is_tried_until_the_time_is_over() {
    let name = name();
    let _listener = listener(&name);
    let _first = connect(&name, PATIENCE).unwrap();
    let error = connect(&name, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
