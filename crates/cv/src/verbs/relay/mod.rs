//! A container's command in the foreground: bytes, signals, the terminal's size, the end.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{Signals, attach, start_attached, terminal, wait_for};

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub use other::{Signals, attach, start_attached, terminal, wait_for};

use super::run::detach_keys;
use crate::failure::Failure;
#[cfg(target_os = "linux")]
use crate::output;
use crate::syntax::Parsed;
use crate::terminal::detach::DetachKeys;

/// Signals that are passed on to a command: HUP, INT, QUIT, USR1, USR2, ALRM, TERM. Not those with
/// which a shell stops and continues this program itself.
pub const PROXIED_SIGNALS: &[i32] = &[1, 2, 3, 10, 12, 14, 15];
/// Signals that matter while the terminal is raw: HUP, INT, QUIT and TERM end this program, which
/// gives the terminal back first, and WINCH tells of a new size.
pub const TERMINAL_SIGNALS: &[i32] = &[1, 2, 3, 15, 28];

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

/// Returns the exit code of a command, and says so if the kernel ended it for want of memory.
#[cfg(target_os = "linux")]
fn finish(code: i32, out_of_memory: bool, quiet: bool) -> i32 {
    if out_of_memory && !quiet {
        output::message("cv: a process was killed: out of memory (`--memory` sets the limit)\n");
    }
    code
}
