//! How a monitor ends: the last output, the record, and the removal of what nobody needs.

use super::{LAST_WORDS_MS, Monitor, log};
use crate::call;
use crate::creds;
use crate::frame;
use crate::logline::{self, Sink};
use crate::namespaces::clone_process;
use crate::program::Program;
use crate::remove;
use crate::sys::{self, AT_FDCWD};
use crate::wire::{NO_FD, monitor_flag};

const AT_REMOVEDIR: usize = 0x200;
const EBUSY: i32 = 16;

impl Monitor {
    /// The command has ended.
    pub(super) fn end(&mut self, program: &Program) -> ! {
        const WALL: usize = 0x4000_0000;
        let mut status = 0u32;
        let _ = call!(WAIT4, self.pid, &raw mut status, WALL, 0);
        if self.gate >= 0 && self.hear_gate() {
            self.tell_start();
        }
        // Once a client was waited for in vain, nobody is waited for again.
        let mut read = true;
        for stream in 0..2 {
            while self.streams.output[stream] >= 0 {
                read = read && self.wait_for_readers();
                if !read || !self.pass_output(stream) {
                    break;
                }
            }
        }
        read = read && self.wait_for_readers();
        self.log.finish();
        let out_of_memory = out_of_memory(self.settings.oom);
        self.record(status, out_of_memory);
        let payload = u64::from(status) | u64::from(out_of_memory) << 32;
        self.clients.send_last(frame::EXITED, &payload.to_ne_bytes());
        if read {
            self.wait_for_readers();
        }
        if self.settings.has(monitor_flag::REMOVE) {
            remove_everything(program, self.settings.removals, self.user_namespace);
        }
        sys::exit(0)
    }

    /// Lets clients take the last piece of output. Returns false when one does not in time.
    fn wait_for_readers(&mut self) -> bool {
        const STEP_MS: usize = 10;
        for _ in 0..LAST_WORDS_MS / STEP_MS {
            if !self.clients.has_output() {
                return true;
            }
            let _ = call!(POLL, 0, 0, STEP_MS);
            self.clients.catch_up();
        }
        false
    }

    /// Writes the record into the supervisor's file. Those who wait read it once the lock on that
    /// file is gone, even if the file itself is removed meanwhile.
    fn record(&self, status: u32, out_of_memory: bool) {
        let mut text = Text { bytes: [0; 192], length: 0 };
        let signal = status & 0x7f;
        let code = match (self.failure, signal) {
            (Some((_, sys::ENOENT)), _) => 127,
            (Some(_), _) => 126,
            (None, 0) => status >> 8 & 0xff,
            (None, signal) => 128 + signal,
        };
        text.put(b"{\"code\":");
        logline::number(&mut text, u64::from(code), 1);
        if signal != 0 {
            text.put(b",\"signal\":");
            logline::number(&mut text, u64::from(signal), 1);
        }
        let oom: &[u8] = if out_of_memory { b"true" } else { b"false" };
        text.put(b",\"out_of_memory\":");
        text.put(oom);
        let (seconds, nanoseconds) = log::now();
        text.put(b",\"finished_unix_ns\":");
        logline::number(&mut text, seconds as u64 * 1_000_000_000 + u64::from(nanoseconds), 1);
        text.put(b"}");
        let _ = call!(FTRUNCATE, self.settings.keep, 0);
        let _ = sys::write_all(self.settings.keep, text.bytes.get(..text.length).unwrap_or(&[]));
    }
}

struct Text {
    bytes: [u8; 192],
    length: usize,
}

impl Sink for Text {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }
}

/// Looks for `oom_kill N` with N above 0 in `memory.events` (v2) or `memory.oom_control` (v1).
fn out_of_memory(events: i32) -> bool {
    let mut text = [0u8; 512];
    if events < 0 {
        return false;
    }
    let count = call!(PREAD64, events, text.as_mut_ptr(), text.len(), 0).unwrap_or(0);
    let lines = text.get(..count).unwrap_or(&[]).split(|byte| *byte == b'\n');
    lines.filter_map(|line| line.strip_prefix(b"oom_kill ")).any(|number| number != b"0")
}

/// Removes control groups, then the container's directory, then its name.
fn remove_everything(program: &Program, removals: u64, owner: i32) {
    for entry in program.list(removals) {
        let path = program.text(entry);
        match program.bytes(entry).first() {
            Some(b'g') => remove_group(path.wrapping_add(1)),
            Some(b'd') => remove_tree(path.wrapping_add(1), owner),
            _ => {
                let _ = call!(UNLINKAT, AT_FDCWD, path.wrapping_add(1), 0);
            }
        }
    }
}

/// A control group can be removed once the kernel has taken the last process out of it, shortly
/// after that one was reaped.
fn remove_group(path: *const u8) {
    for _ in 0..200 {
        match call!(UNLINKAT, AT_FDCWD, path, AT_REMOVEDIR) {
            Err(EBUSY) => drop(call!(POLL, 0, 0, 5)),
            _ => return,
        }
    }
}

/// Removes the container's directory. What belongs to ids of its user namespace only a process in
/// that namespace can remove.
fn remove_tree(path: *const u8, user_namespace: i32) {
    if remove::tree(path).is_ok() || user_namespace < 0 {
        return;
    }
    if clone_process(0, NO_FD, None) == Ok(0) {
        let entered = call!(SETNS, user_namespace, 0).and_then(|_| creds::become_root());
        let removed = entered.and_then(|()| remove::tree(path));
        sys::exit(i32::from(removed.is_err()));
    }
    let _ = call!(WAIT4, -1i32, 0, 0, 0);
    // The directory itself lies in one of the caller's.
    let _ = remove::tree(path);
}
