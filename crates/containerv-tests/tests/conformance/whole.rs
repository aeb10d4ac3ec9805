//! One container through everything.

use std::fs;

use containerv::spec::request::{Overlay, TerminalSize};
use containerv::spec::state::Status;
use containerv::spec::{Bound, ByteSize, Limits};
use containerv::{CopyOptions, ErrorKind};
use containerv_tests::differences::has;
use containerv_tests::inside::{self, command, said};
use containerv_tests::{Bed, Caller};

use crate::streams::through;
use crate::terminals::Terminal;
use crate::{PROGRAM, eventually};

const SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

#[test]
fn a_container_is_used_from_beginning_to_end() {
    let bed = Bed::with_program();
    let memory = |mib| Limits { memory: Some(Bound::At(ByteSize::mib(mib))), ..Limits::default() };
    let limited = has(bed.host(), "limit-memory");
    let container = bed.keeper(|request| {
        request.name = Some("whole".into());
        request.overlay = Overlay::Container;
        request.limits = if limited { memory(512) } else { Limits::default() };
    });

    // Three commands: at a terminal, with 100 MB through it, and one that fails.
    let mut shown = command(&container, "terminal + answer").terminal(SIZE).spawn().unwrap();
    let mut terminal = Terminal::of(&mut shown);
    terminal.sees("[true, true]");
    through(command(&container, "cat"), 100);
    assert_eq!(command(&container, "exit 42").status().unwrap().code(), Some(42));

    let tree = bed.make_directory("tree/deep");
    fs::write(tree.join("file"), "content").unwrap();
    let options = CopyOptions::default();
    let there = inside::path("tmp/tree");
    container.upload(bed.path("tree"), there.as_str(), &options).unwrap();
    assert!(said(command(&container, &format!("tree {there}"))).contains("deep/file 7 "));
    container.download(there.as_str(), bed.path("back"), &options).unwrap();
    assert_eq!(fs::read_to_string(bed.path("back/deep/file")).unwrap(), "content");

    if limited && has(bed.host(), "update-limits") {
        container.update(&memory(600)).unwrap();
    }
    let stats = container.stats().unwrap();
    assert!(stats.timestamp_unix_ns > 0);
    if has(bed.host(), "pause") {
        container.pause().unwrap();
        assert_eq!(container.state().unwrap().status, Status::Paused);
        container.resume().unwrap();
    }

    let caller = Caller::new(&bed, PROGRAM);
    let seen = caller.change("look", "whole", None).survived();
    assert_eq!(seen.replace('\r', ""), "running\nfrom inside\n");
    terminal.types("hello");
    terminal.sees("got hello");

    container.kill().unwrap();
    assert!(!shown.wait().unwrap().success());
    eventually("it has ended", || container.state().unwrap().status == Status::Exited);
    container.delete(false).unwrap();
    assert_eq!(container.state().unwrap_err().kind(), ErrorKind::NotFound);
    bed.assert_nothing_left("after the whole");
}
