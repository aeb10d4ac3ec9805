//! Frames between a monitor and whoever talks to it: kind (1 byte), three bytes of zero, length of the
//! payload (32 bits, native order), payload of at most [`MAX_PAYLOAD`] bytes.
//!
//! On Linux each is a message of a socket, on Windows they follow each other in a pipe.

/// Size of a frame's head.
pub const HEAD: usize = 8;
/// Longest payload.
pub const MAX_PAYLOAD: usize = 16 * 1024;
/// To the monitor: let the command go.
pub const START: u8 = 1;
/// To the monitor: send output from now on; payload is one byte of [`ATTACH_STDIN`] and so on.
pub const ATTACH: u8 = 2;
/// To the monitor: input for the command.
pub const INPUT: u8 = 3;
/// To the monitor: end of input.
pub const CLOSE_INPUT: u8 = 4;
/// To the monitor: columns and rows, 16 bits each.
pub const RESIZE: u8 = 5;
/// To the monitor, on Windows: end, unless the command was started.
pub const DISMISS: u8 = 6;
/// To the monitor, on Windows, from whoever has started it: what to do, as JSON.
pub const ORDER: u8 = 7;
/// From the monitor: output.
pub const STDOUT: u8 = 11;
/// From the monitor: error output.
pub const STDERR: u8 = 12;
/// From the monitor: the command was executed.
pub const STARTED: u8 = 13;
/// From the monitor: the command could not be executed. On Linux step (32 bits) and error number (32
/// bits) of the start, on Windows the error as JSON.
pub const FAILED: u8 = 14;
/// From the monitor: wait status of the command (32 bits; on Windows its exit code), and 1 if memory
/// ran out, else 0 (32 bits).
pub const EXITED: u8 = 15;
/// From the monitor, on Windows, to whoever has started it: everything is prepared.
pub const PREPARED: u8 = 16;
/// From the monitor, on Windows, to whoever has started it: another one is at work.
pub const TAKEN: u8 = 17;
/// Bit of [`ATTACH`]: the client may send input.
pub const ATTACH_STDIN: u8 = 1;
/// Bit of [`ATTACH`]: output is wanted.
pub const ATTACH_STDOUT: u8 = 2;
/// Bit of [`ATTACH`]: error output is wanted.
pub const ATTACH_STDERR: u8 = 4;
