//! The console of this program.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::windows::io::AsHandle;
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use containerv::Error;
use containerv_spec::request::TerminalSize;
use containerv_sys::windows::console::{self, Mode};

/// What the console was before raw mode, its input and its output; for a panic as well.
static SAVED: Mutex<(Option<Mode>, Option<Mode>)> = Mutex::new((None, None));

/// The console hands every key on as it is typed, and obeys the escape sequences that are written to it. Dropping it
/// gives the console back as it was; a panic does too, although it ends the program without dropping anything.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Enters raw mode if standard input is a console.
    ///
    /// # Errors
    ///
    /// The console refuses.
    pub fn enter() -> Result<Option<Self>, Error> {
        let (input, output) = (io::stdin(), io::stdout());
        let Some(typed) = console::mode(&input) else { return Ok(None) };
        let shown = console::mode(&output);
        restore_on_panic();
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = (Some(typed), shown);
        // From here on a failure gives back what was changed.
        let entered = Self(());
        let failed = |error| {
            Error::io(error, "put the console into raw mode")
                .with_hint("leave `-t` away; raw mode needs the console of Windows 10 or later")
        };
        console::set_mode(&input, typed.raw_input()).map_err(failed)?;
        if let Some(shown) = shown {
            // The first builds with escape sequences do not know the rest of it.
            console::set_mode(&output, shown.raw_output())
                .or_else(|_| console::set_mode(&output, shown.with_escapes()))
                .map_err(failed)?;
        }
        Ok(Some(entered))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let (typed, shown) = std::mem::take(&mut *SAVED.lock().unwrap_or_else(PoisonError::into_inner));
    // Nothing is to be done about a console that is gone.
    if let Some(typed) = typed {
        _ = console::set_mode(&io::stdin(), typed);
    }
    if let Some(shown) = shown {
        _ = console::set_mode(&io::stdout(), shown);
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

/// Returns the size of the console, if it is this program's input or output.
pub fn size() -> Option<TerminalSize> {
    let found = console::size(&io::stdout()).or_else(|| {
        let output = output_of_console().filter(|_| io::stdin().is_terminal());
        output.and_then(|output| console::size(&output))
    });
    found.map(|(columns, rows)| TerminalSize { columns, rows })
}

/// What the console did with output before escape sequences were switched on.
static UNESCAPED: OnceLock<Mode> = OnceLock::new();

/// Says whether escape sequences are obeyed where this stream goes, having switched that on for a console until
/// [`give_back`].
pub fn takes_escapes(stream: &(impl AsHandle + IsTerminal)) -> bool {
    let Some(mode) = console::mode(stream) else { return false };
    console::set_mode(stream, UNESCAPED.get_or_init(|| mode).with_escapes()).is_ok()
}

/// Gives the console's output back as it was, at the end of this program.
pub fn give_back() {
    if let (Some(mode), Some(output)) = (UNESCAPED.get(), output_of_console()) {
        // Nothing is to be done about a console that is gone.
        _ = console::set_mode(&output, *mode);
    }
}

/// Opens the output of this program's console, wherever its streams go.
fn output_of_console() -> Option<File> {
    File::options().read(true).write(true).open("CONOUT$").ok()
}

/// Reads keys from a console in raw mode.
#[derive(Debug, Default)]
pub struct Keys {
    /// The first half of a character whose second has not come.
    half: Option<u16>,
}

impl Keys {
    /// Waits for keys, and returns them as UTF-8.
    ///
    /// # Errors
    ///
    /// The console's; it is gone.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut room = [0; 1 << 10];
        loop {
            let taken = console::read(&io::stdin(), &mut room)?;
            // Nothing comes where a key is no character, and where a wait is interrupted.
            let text = self.decode(&room[..taken]);
            if !text.is_empty() {
                return Ok(text);
            }
        }
    }

    fn decode(&mut self, units: &[u16]) -> Vec<u8> {
        let mut units: Vec<u16> = self.half.take().into_iter().chain(units.iter().copied()).collect();
        self.half = units.pop_if(|last| (0xD800..0xDC00).contains(last));
        String::from_utf16_lossy(&units).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_in_two_halves_are_put_together() {
        let mut keys = Keys::default();
        assert_eq!(keys.decode(&[0x61, 0xD83D]), b"a");
        assert_eq!(keys.decode(&[0xDE00, 0x1A, 0x00]), "\u{1F600}\u{1a}\0".as_bytes());
        assert_eq!(keys.decode(&[0xD83D]), b"");
        assert_eq!(keys.decode(&[0x62]), "\u{FFFD}b".as_bytes());
        assert_eq!(keys.decode(&[0xDE00]), "\u{FFFD}".as_bytes());
    }

    #[test]
    fn a_program_without_a_console_has_no_raw_mode() {
        // The tests' input is no console.
        if console::mode(&io::stdin()).is_none() {
            assert!(RawMode::enter().unwrap().is_none());
        }
    }
}
