//! The console: what it does with keys and output, its size, and the events of Ctrl+C and its like.

// UNSAFETY: consoles, which the standard library hides behind streams of text.
#![allow(unsafe_code, reason = "consoles have no safe wrapper")]

#[cfg(any(test, feature = "testing"))]
pub mod pseudo;

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT,
    CTRL_SHUTDOWN_EVENT, DISABLE_NEWLINE_AUTO_RETURN, ENABLE_ECHO_INPUT, ENABLE_EXTENDED_FLAGS,
    ENABLE_INSERT_MODE, ENABLE_LINE_INPUT, ENABLE_MOUSE_INPUT, ENABLE_PROCESSED_INPUT,
    ENABLE_PROCESSED_OUTPUT, ENABLE_QUICK_EDIT_MODE, ENABLE_VIRTUAL_TERMINAL_INPUT,
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, ENABLE_WINDOW_INPUT, ENABLE_WRAP_AT_EOL_OUTPUT, GetConsoleMode,
    GetConsoleScreenBufferInfo, ReadConsoleW, SetConsoleCtrlHandler, SetConsoleMode,
};

/// What a console does with what is typed, or with what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// Returns this mode of an input with every key handed on as it is typed: Ctrl+C is a character,
    /// and keys that are none come as the escape sequences of a VT terminal. Selecting with the mouse
    /// still works.
    #[must_use]
    pub fn raw_input(self) -> Self {
        const OFF: u32 = ENABLE_PROCESSED_INPUT
            | ENABLE_LINE_INPUT
            | ENABLE_ECHO_INPUT
            | ENABLE_WINDOW_INPUT
            | ENABLE_MOUSE_INPUT;
        const ON: u32 = ENABLE_EXTENDED_FLAGS
            | ENABLE_INSERT_MODE
            | ENABLE_QUICK_EDIT_MODE
            | ENABLE_VIRTUAL_TERMINAL_INPUT;
        Self(self.0 & !OFF | ON)
    }

    /// Returns this mode of an output with escape sequences obeyed.
    #[must_use]
    pub fn with_escapes(self) -> Self {
        Self(self.0 | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING)
    }

    /// Returns this mode of an output as a program at a VT terminal expects it: escape sequences are
    /// obeyed, and a line feed does not go back to the first column.
    #[must_use]
    pub fn raw_output(self) -> Self {
        Self(self.with_escapes().0 | ENABLE_WRAP_AT_EOL_OUTPUT | DISABLE_NEWLINE_AUTO_RETURN)
    }
}

/// Returns the mode of a console's input or output; none where the stream is no console.
pub fn mode(stream: &impl AsHandle) -> Option<Mode> {
    let mut mode = 0;
    // SAFETY: the handle is borrowed and so open; `mode` takes the answer.
    let success = unsafe { GetConsoleMode(stream.as_handle().as_raw_handle(), &raw mut mode) };
    (success != 0).then_some(Mode(mode))
}

/// Changes the mode.
///
/// # Errors
///
/// The system's: the console is gone, or does not know the mode, as before Windows 10 those with escape
/// sequences.
pub fn set_mode(stream: &impl AsHandle, mode: Mode) -> io::Result<()> {
    // SAFETY: the handle is borrowed and so open.
    let success = unsafe { SetConsoleMode(stream.as_handle().as_raw_handle(), mode.0) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns columns and rows of the window of a console's output; none where the stream is none.
pub fn size(output: &impl AsHandle) -> Option<(u16, u16)> {
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: the handle is borrowed and so open; `info` takes the answer.
    let success = unsafe { GetConsoleScreenBufferInfo(output.as_handle().as_raw_handle(), &raw mut info) };
    let window = info.srWindow;
    let length = |first: i16, last: i16| u16::try_from(i32::from(last) - i32::from(first) + 1).ok();
    let (columns, rows) = (length(window.Left, window.Right)?, length(window.Top, window.Bottom)?);
    (success != 0 && columns > 0 && rows > 0).then_some((columns, rows))
}

/// Waits for typed text and returns how many UTF-16 units of `room` it took. A surrogate pair may come
/// in two pieces.
///
/// # Errors
///
/// The system's: it is no console, or the console is gone.
pub fn read(input: &impl AsHandle, room: &mut [u16]) -> io::Result<usize> {
    let most = u32::try_from(room.len()).unwrap_or(u32::MAX);
    let mut taken = 0;
    // SAFETY: the handle is borrowed and so open; the system writes at most `most` units into `room`,
    // which has them, and their number into `taken`. No control structure is given.
    let success = unsafe {
        ReadConsoleW(
            input.as_handle().as_raw_handle(),
            room.as_mut_ptr().cast(),
            most,
            &raw mut taken,
            ptr::null(),
        )
    };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(taken as usize) }
}

/// What a console tells its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Ctrl+C, where it is not a character.
    C,
    /// Ctrl+Break.
    Break,
    /// The window is closed.
    Close,
    /// The user logs off.
    LogOff,
    /// The machine shuts down.
    Shutdown,
}

impl Control {
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            CTRL_C_EVENT => Self::C,
            CTRL_BREAK_EVENT => Self::Break,
            CTRL_CLOSE_EVENT => Self::Close,
            CTRL_LOGOFF_EVENT => Self::LogOff,
            CTRL_SHUTDOWN_EVENT => Self::Shutdown,
            _ => return None,
        })
    }

    /// Says whether Windows ends the program, whatever it does about it, after some seconds.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Close | Self::LogOff | Self::Shutdown)
    }
}

type Handler = Box<dyn Fn(Control) + Send + Sync>;

static HANDLER: OnceLock<Handler> = OnceLock::new();

/// Calls `handler`, in a thread of the system's, in place of ending this process when the console has
/// something to tell. The process goes on afterwards, or, for what [`Control::is_last`], ends itself
/// within the seconds that Windows gives.
///
/// # Errors
///
/// `AlreadyExists` at the second call; the system's.
pub fn on_control(handler: impl Fn(Control) + Send + Sync + 'static) -> io::Result<()> {
    HANDLER.set(Box::new(handler)).map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
    // SAFETY: `told` is a function of the whole program's life, of the kind that is asked for.
    let success = unsafe { SetConsoleCtrlHandler(Some(told), 1) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the system calls. A panic in it ends the process, as everywhere at this border.
unsafe extern "system" fn told(number: u32) -> i32 {
    let (Some(control), Some(handler)) = (Control::of(number), HANDLER.get()) else { return 0 };
    handler(control);
    while control.is_last() {
        // The system ends the process as soon as this returns.
        std::thread::park();
    }
    1
}

#[cfg(test)]
mod tests;
