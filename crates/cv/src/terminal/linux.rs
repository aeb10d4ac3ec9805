//! Raw mode of the terminal on standard input.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, Once, PoisonError};

use containerv::Error;
use containerv_spec::request::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What the terminal was before raw mode, for a panic as well.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal hands every key on as it is typed. Dropping it gives the terminal back as it was;
/// a panic does too, although it ends the program without dropping anything.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Enters raw mode if standard input is a terminal.
    ///
    /// # Errors
    ///
    /// The terminal refuses.
    pub fn enter() -> Result<Option<Self>, Error> {
        let input = io::stdin();
        if !input.is_terminal() {
            return Ok(None);
        }
        let failed =
            |errno: rustix::io::Errno| Error::os(errno.raw_os_error(), "put the terminal into raw mode");
        let before = tcgetattr(&input).map_err(failed)?;
        restore_on_panic();
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
        let mut raw = before;
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Now, &raw).map_err(failed)?;
        Ok(Some(Self(())))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(saved) = saved {
        // Nothing is to be done about a terminal that is gone.
        _ = tcsetattr(io::stdin(), OptionalActions::Drain, &saved);
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            print(panic);
        }));
    });
}

/// Says whether escape sequences are obeyed where this stream goes.
pub fn takes_escapes(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal()
}

/// Returns the size of the terminal on standard input or output, whichever is one.
pub fn size() -> Option<TerminalSize> {
    let found = tcgetwinsize(io::stdin()).or_else(|_| tcgetwinsize(io::stdout())).ok()?;
    (found.ws_col > 0 && found.ws_row > 0)
        .then_some(TerminalSize { columns: found.ws_col, rows: found.ws_row })
}
