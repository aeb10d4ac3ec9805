//! Terminals of systems other than Linux.

use containerv::{Error, ErrorKind};
use containerv_spec::request::TerminalSize;

/// The terminal hands every key on as it is typed.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// Always, where standard input is a terminal.
    pub fn enter() -> Result<Option<Self>, Error> {
        match std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            true => Err(Error::new(ErrorKind::Unsupported, "terminals are offered on Linux only")),
            false => Ok(None),
        }
    }
}

/// Returns nothing: the size is not known.
pub fn size() -> Option<TerminalSize> {
    None
}
