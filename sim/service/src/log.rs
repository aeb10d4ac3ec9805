//! A record of every call with its documents.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use sim_protocol::{Call, Outcome};

/// How many entries are kept for those who ask. The file keeps all.
const KEPT: usize = 20_000;

pub struct Log {
    begin: Instant,
    turns: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    file: Option<File>,
    entries: Vec<Value>,
}

impl Log {
    /// Writes to `file` too, one entry a line.
    pub fn new(file: Option<&Path>) -> std::io::Result<Log> {
        let file = file.map(File::create).transpose()?;
        Ok(Log {
            begin: Instant::now(),
            turns: AtomicU64::new(0),
            inner: Mutex::new(Inner { file, entries: Vec::new() }),
        })
    }

    /// A call has begun: returns its number. Entries are written when calls have ended.
    pub fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// An entry for a call that was answered, or that needs no answer.
    pub fn call(&self, turn: u64, library: &str, process: u32, call: &Call, outcome: Option<&Outcome>) {
        let mut entry = json!({
            "turn": turn, "library": library, "process": process, "function": call.function, "arguments": call.arguments,
        });
        if let Some(outcome) = outcome {
            entry["hresult"] = json!(format!("0x{:08X}", outcome.hresult));
            entry["document"] = json!(outcome.document);
        }
        self.add(entry);
    }

    /// An entry for something that is not a call: an event, a leak, misuse.
    pub fn note(&self, process: u32, kind: &str, what: Value) {
        self.add(json!({"process": process, "note": kind, "what": what}));
    }

    fn add(&self, mut entry: Value) {
        entry["ms"] = json!(self.begin.elapsed().as_millis() as u64);
        let mut inner = self.inner.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(file) = &mut inner.file {
            // The entries in memory are what tests read.
            let _ = writeln!(file, "{entry}");
        }
        if inner.entries.len() >= KEPT {
            inner.entries.drain(..KEPT / 2);
        }
        inner.entries.push(entry);
    }

    /// The entries of a process.
    pub fn entries(&self, process: u32) -> Vec<Value> {
        let inner = self.inner.lock().unwrap_or_else(|poison| poison.into_inner());
        inner.entries.iter().filter(|entry| entry["process"] == process).cloned().collect()
    }
}
