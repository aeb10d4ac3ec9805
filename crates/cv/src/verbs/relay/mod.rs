//! A container's command in the foreground: bytes, signals, the terminal's size, the end.

mod attached;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux::code_of_signal;
#[cfg(target_os = "linux")]
pub use linux::{PROXIED_SIGNALS, Signals, TERMINAL_SIGNALS, own_output, terminal, wait_for};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows::code_of_signal;
#[cfg(windows)]
pub use windows::{PROXIED_SIGNALS, Signals, TERMINAL_SIGNALS, own_output, terminal, wait_for};

pub use attached::{attach, start_attached};

use super::run::detach_keys;
use crate::failure::Failure;
use crate::output;
use crate::platform::TARGET;
use crate::syntax::Parsed;
use crate::terminal::detach::DetachKeys;
use crate::value::exit;

/// What is passed on.
pub struct Passing {
    /// Keys that let go.
    pub keys: DetachKeys,
    /// Signals that are caught and passed on.
    pub signals: &'static [i32],
    /// Say nothing of one's own that is not an error.
    pub quiet: bool,
}

impl Passing {
    /// Reads `--detach-keys`, `--sig-proxy` and `--quiet`.
    pub fn read(parsed: &Parsed) -> Result<Self, Failure> {
        let proxy = parsed.switch_or("sig-proxy", true);
        let signals = if proxy { PROXIED_SIGNALS } else { &[] };
        Ok(Self { keys: detach_keys(parsed)?, signals, quiet: parsed.switch("quiet") })
    }
}

/// Returns the exit code of a command, and says so if the system ended it: for want of memory, or on Windows with a
/// status that tells more than its number.
fn finish(code: i32, out_of_memory: bool, quiet: bool) -> i32 {
    if out_of_memory && !quiet {
        output::message("cv: a process was killed: out of memory (`--memory` sets the limit)\n");
    }
    if let Some(status) = exit::failure(TARGET, code).filter(|_| !quiet) {
        output::message(&format!("cv: Windows ended the command with {status}\n"));
    }
    code
}
