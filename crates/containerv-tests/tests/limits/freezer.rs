//! Pause and resume.

use std::fs;
use std::time::Duration;

use containerv::spec::state::Status;
use containerv::{Container, ErrorKind};
use containerv_tests::{Bed, wait_until};

use crate::{PATIENCE, detached, need};

const COUNTER: &str = "i=0; while :; do i=$((i+1)); echo $i >/tmp/count; done";

/// What a container counts in the file `/tmp/count`. In between, the file is empty.
struct Counter<'a> {
    bed: &'a Bed,
    container: Container,
}

impl<'a> Counter<'a> {
    fn start(bed: &'a Bed) -> Self {
        let _ = fs::remove_file(bed.in_root("tmp/count"));
        let counter = Self { bed, container: detached(bed, |_| {}, COUNTER) };
        counter.moves();
        counter
    }

    fn text(&self) -> String {
        fs::read_to_string(self.bed.in_root("tmp/count")).unwrap_or_default()
    }

    fn moves(&self) {
        let before = self.text();
        assert!(wait_until(PATIENCE, || !self.text().is_empty() && self.text() != before));
    }

    fn pause(&self) {
        self.container.pause().unwrap();
        assert_eq!(self.container.state().unwrap().status, Status::Paused);
    }
}

#[test]
fn a_counter_stands_still_while_paused() {
    need!();
    let bed = Bed::new();
    let counter = Counter::start(&bed);
    let container = &counter.container;
    for _ in 0..3 {
        counter.pause();
        let before = counter.text();
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(counter.text(), before);
        let error = container.command("true").status().unwrap_err();
        assert!(error.hint().unwrap().contains("cv unpause"), "{error:?}");
        container.resume().unwrap();
        assert_eq!(container.state().unwrap().status, Status::Running);
        counter.moves();
    }
    assert_eq!(container.resume().unwrap_err().kind(), ErrorKind::InvalidState);
    counter.pause();
    assert_eq!(container.pause().unwrap_err().kind(), ErrorKind::InvalidState);
    container.resume().unwrap();
    counter.moves();
}

#[test]
fn a_paused_container_can_be_ended_in_every_way() {
    need!();
    let bed = Bed::new();
    for how in ["kill", "stop", "delete"] {
        let counter = Counter::start(&bed);
        counter.pause();
        let before = counter.text();
        match how {
            "kill" => counter.container.kill().unwrap(),
            "stop" => counter.container.stop(Some(Duration::from_millis(100))).unwrap(),
            _ => counter.container.delete(true).unwrap(),
        }
        if how != "delete" {
            assert_eq!(counter.container.wait().unwrap().signal, Some(9), "{how}");
            // Nothing ran on in between.
            assert_eq!(counter.text(), before, "{how}");
            counter.container.delete(false).unwrap();
        }
        bed.assert_nothing_left(how);
    }
}
