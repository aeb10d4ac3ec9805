//! Starts commands in the stand-ins' containers, and does there what only a Windows program can.
//!
//! `launcher run ORDER REPORT` starts the command of the process parameters in the file ORDER, and
//! writes to the pipe REPORT `started PID` or `failed CODE`, then `exited CODE`: Linux keeps only eight
//! bits of an exit code. `terminate PID CODE`, `signal PID NAME`, `resize PID COLUMNSxROWS` and `list`
//! end at once. Both files are
//! paths of Linux: containers see no drive that has them.
#[cfg(windows)]
mod console;
#[cfg(windows)]
mod processes;
#[cfg(windows)]
mod signal;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
fn main() {
    std::process::exit(windows::run());
}

#[cfg(not(windows))]
fn main() {
    eprintln!("a Windows program");
}
