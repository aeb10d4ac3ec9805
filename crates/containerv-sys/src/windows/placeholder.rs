//! Process handles for what is no process of this system.
//!
//! A process in a virtual machine has no handle here, and callers want one that the system's own
//! functions take: to wait for it, to ask for the exit code. A placeholder is a process that never
//! runs an instruction: it is made suspended, and ended with the exit code of what it stands for.

// UNSAFETY: jobs, suspended processes and their end, which the standard library does not have.
#![allow(unsafe_code, reason = "jobs and exit codes of others have no safe wrapper")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, CREATE_SUSPENDED, CreateProcessW, PROCESS_INFORMATION, STARTUPINFOW, TerminateProcess,
};

/// A program that every Windows has, below its directory.
const PROGRAM: &str = "\\cmd.exe";

/// A process that stands for another. It ends with this process too, however that ends.
#[derive(Debug)]
pub struct Placeholder(OwnedHandle);

impl Placeholder {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new() -> io::Result<Self> {
        let job = job()?;
        // Dropped, and so ended, if what follows fails.
        let placeholder = Self(suspended()?);
        // SAFETY: both handles are open.
        let success = unsafe { AssignProcessToJobObject(job.as_raw_handle(), placeholder.as_raw_handle()) };
        if success == 0 { Err(io::Error::last_os_error()) } else { Ok(placeholder) }
    }

    /// Ends it with an exit code. One that has ended stays as it is.
    pub fn end(&self, code: u32) {
        // SAFETY: the handle is open. It fails only for a process that has ended.
        unsafe { TerminateProcess(self.0.as_raw_handle(), code) };
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        self.end(0);
    }
}

impl AsHandle for Placeholder {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl AsRawHandle for Placeholder {
    fn as_raw_handle(&self) -> RawHandle {
        self.0.as_raw_handle()
    }
}

/// The job of all placeholders of this process, whose handle nobody else has: the system ends what
/// is in it when the handle is closed.
fn job() -> io::Result<&'static OwnedHandle> {
    static JOB: OnceLock<OwnedHandle> = OnceLock::new();
    if let Some(job) = JOB.get() {
        return Ok(job);
    }
    let job = make_job()?;
    // Another thread may have been faster; its job is as good.
    Ok(JOB.get_or_init(|| job))
}

fn make_job() -> io::Result<OwnedHandle> {
    // SAFETY: takes no attributes and no name; the handle is not inherited.
    let raw = unsafe { CreateJobObjectW(null(), null()) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was made just now and nobody else has it.
    let job = unsafe { OwnedHandle::from_raw_handle(raw) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = size_of_val(&limits) as u32;
    // SAFETY: the structure belongs to this kind of information, and the size is its own.
    let success = unsafe {
        let limits = (&raw const limits).cast();
        SetInformationJobObject(job.as_raw_handle(), JobObjectExtendedLimitInformation, limits, size)
    };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(job) }
}

/// Makes a process that nobody resumes. It inherits nothing: a pipe that it had would not end.
fn suspended() -> io::Result<OwnedHandle> {
    let program = program()?;
    let flags = CREATE_SUSPENDED | CREATE_NO_WINDOW;
    let startup = STARTUPINFOW { cb: size_of::<STARTUPINFOW>() as u32, ..STARTUPINFOW::default() };
    let mut made = PROCESS_INFORMATION::default();
    // SAFETY: the program is a text that ends in NUL, the structures are whole, and the rest is left out.
    let success = unsafe {
        CreateProcessW(
            program.as_ptr(),
            null_mut(),
            null(),
            null(),
            0,
            flags,
            null(),
            null(),
            &raw const startup,
            &raw mut made,
        )
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both handles were made just now and nobody else has them.
    let (process, _thread) =
        unsafe { (OwnedHandle::from_raw_handle(made.hProcess), OwnedHandle::from_raw_handle(made.hThread)) };
    Ok(process)
}

/// The program's path, with a NUL.
fn program() -> io::Result<Vec<u16>> {
    let mut directory = [0; 260];
    // SAFETY: the buffer has room for as many characters as it says.
    let length = unsafe { GetSystemDirectoryW(directory.as_mut_ptr(), directory.len() as u32) };
    match usize::try_from(length) {
        Ok(length @ 1..260) => {
            Ok(directory[..length].iter().copied().chain(PROGRAM.encode_utf16()).chain([0]).collect())
        }
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::wait::wait;
    use super::*;
    use windows_sys::Win32::System::Threading::GetExitCodeProcess;

    fn code(process: BorrowedHandle<'_>) -> u32 {
        let mut code = 0;
        // SAFETY: the handle is open; `code` takes the number.
        assert_ne!(unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) }, 0);
        code
    }

    #[test]
    fn it_runs_until_it_is_told_how_it_has_ended() {
        let placeholder = Placeholder::new().unwrap();
        assert!(!wait(&placeholder, Some(Duration::from_millis(20))).unwrap());
        placeholder.end(0xC000_013A);
        assert!(wait(&placeholder, Some(Duration::from_secs(60))).unwrap());
        assert_eq!(code(placeholder.as_handle()), 0xC000_013A);
        placeholder.end(7);
        assert_eq!(code(placeholder.as_handle()), 0xC000_013A);
    }

    #[test]
    fn nothing_is_left_of_one_that_nobody_needs() {
        let placeholder = Placeholder::new().unwrap();
        let copy = placeholder.as_handle().try_clone_to_owned().unwrap();
        drop(placeholder);
        assert!(wait(&copy, Some(Duration::from_secs(60))).unwrap());
    }
}
