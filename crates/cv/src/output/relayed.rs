//! What containers write, on its way to this program's streams.

use std::io::{self, IsTerminal as _, Write as _};

use super::{print, write_failure};
use crate::failure::Failure;

/// One of this program's two streams of output.
#[derive(Debug)]
pub struct Relayed {
    is_error: bool,
    /// For a console of Windows, which takes text only.
    text: Option<Text>,
}

impl Relayed {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { is_error: false, text: Text::for_console(io::stdout().is_terminal()) }
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self { is_error: true, text: Text::for_console(io::stderr().is_terminal()) }
    }

    /// Writes bytes at once.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.text {
            None => self.put(bytes),
            Some(text) => {
                let text = text.take(bytes);
                self.put(text.as_bytes())
            }
        }
    }

    fn put(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self.is_error {
            false => print(bytes),
            true => io::stderr().lock().write_all(bytes).map_err(write_failure),
        }
    }
}

/// Turns bytes that come in pieces into text: what is no UTF-8 is shown as U+FFFD, and the beginning of a character
/// waits for its rest.
#[derive(Debug, Default)]
struct Text {
    held: Vec<u8>,
}

impl Text {
    fn for_console(terminal: bool) -> Option<Self> {
        (cfg!(windows) && terminal).then(Self::default)
    }

    fn take(&mut self, bytes: &[u8]) -> String {
        let bytes = [std::mem::take(&mut self.held).as_slice(), bytes].concat();
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes.len();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            rest -= chunk.valid().len() + chunk.invalid().len();
            let unfinished = |bytes| str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
            match chunk.invalid() {
                [] => {}
                last if rest == 0 && unfinished(last) => self.held = last.to_vec(),
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_put_together_and_other_bytes_shown() {
        let mut text = Text::default();
        assert_eq!(text.take("a\u{e4}".as_bytes()), "a\u{e4}");
        assert_eq!(text.take(b"x\xe2\x82"), "x");
        assert_eq!(text.take(b"\xac!"), "\u{20ac}!");
        assert_eq!(text.take(b"\x84\xe2\x82a"), "\u{fffd}\u{fffd}a");
        assert_eq!(text.take(b"\xf0\x9f"), "");
        assert_eq!(text.take(b"\xff"), "\u{fffd}\u{fffd}");
        assert_eq!(text.take(b""), "");
    }

    #[test]
    fn pieces_make_no_difference() {
        let whole = "\u{e4}\u{20ac}\u{1f600}z".as_bytes();
        let mut text = Text::default();
        let pieces: String = whole.iter().map(|byte| text.take(&[*byte])).collect();
        assert_eq!(pieces.as_bytes(), whole);
    }
}
