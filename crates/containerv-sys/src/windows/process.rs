//! Processes of this system that are not our children.

// UNSAFETY: opening processes by number, which the standard library does not do.
#![allow(unsafe_code, reason = "processes of others have no safe wrapper")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    PROCESS_TERMINATE, TerminateProcess,
};

use super::wait;

/// An open process. Its handle is signaled when it has ended.
#[derive(Debug)]
pub struct Process(OwnedHandle);

impl Process {
    /// Opens a process, to wait for it; none if there is no process of this number. A process that
    /// has ended is still there while somebody has it open.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open(id: u32) -> io::Result<Option<Self>> {
        Self::open_for(id, PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION)
    }

    /// The same, to end it too.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open_to_end(id: u32) -> io::Result<Option<Self>> {
        let access = PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE;
        Self::open_for(id, access)
    }

    fn open_for(id: u32, access: u32) -> io::Result<Option<Self>> {
        // SAFETY: takes numbers only.
        let raw = unsafe { OpenProcess(access, 0, id) };
        if raw.is_null() {
            return match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(ERROR_INVALID_PARAMETER.cast_signed()) => Ok(None),
                error => Err(error),
            };
        }
        // SAFETY: the handle was opened just now and nobody else has it.
        Ok(Some(Self(unsafe { OwnedHandle::from_raw_handle(raw) })))
    }

    /// Returns when it was started, in units of 100 ns since 1601. Number and time together name a
    /// process; numbers alone are used again.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn started(&self) -> io::Result<u64> {
        let [mut start, mut end, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: the process is open; the rest is room for answers.
        let success = unsafe {
            let raw = self.0.as_raw_handle();
            GetProcessTimes(raw, &raw mut start, &raw mut end, &raw mut kernel, &raw mut user)
        };
        if success == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(u64::from(start.dwHighDateTime) << 32 | u64::from(start.dwLowDateTime))
    }

    /// Waits for its end and returns its exit code; none when the time is over.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<Option<u32>> {
        // Not by the code alone: 259, which means that it runs, is a code like others.
        if !wait::wait(&self.0, limit)? {
            return Ok(None);
        }
        let mut code = 0;
        // SAFETY: the process is open; `code` takes the number.
        let success = unsafe { GetExitCodeProcess(self.0.as_raw_handle(), &raw mut code) };
        if success == 0 { Err(io::Error::last_os_error()) } else { Ok(Some(code)) }
    }

    /// Ends it by force, if it was opened for that.
    ///
    /// # Errors
    ///
    /// The system's, `PermissionDenied` also if it has ended.
    pub fn terminate(&self, code: u32) -> io::Result<()> {
        // SAFETY: the process is open.
        let success = unsafe { TerminateProcess(self.0.as_raw_handle(), code) };
        if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl From<OwnedHandle> for Process {
    /// Takes the handle of a process.
    fn from(handle: OwnedHandle) -> Self {
        Self(handle)
    }
}

impl AsHandle for Process {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A process that runs until its input ends.
    fn child() -> std::process::Child {
        let mut command = Command::new("cmd.exe");
        command.args(["/d", "/c", "set /p line= & exit 300"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    #[test]
    fn the_end_of_a_process_is_waited_for() {
        let mut child = child();
        let process = Process::open(child.id()).unwrap().unwrap();
        assert_eq!(process.wait(Some(Duration::from_millis(1))).unwrap(), None);
        let again = Process::open(child.id()).unwrap().unwrap();
        assert_eq!(again.started().unwrap(), process.started().unwrap());
        assert!(process.started().unwrap() > 0);
        drop(child.stdin.take());
        assert_eq!(process.wait(None).unwrap(), Some(300));
        child.wait().unwrap();
    }

    #[test]
    fn a_process_is_ended_by_force_once() {
        let mut child = child();
        let process = Process::open_to_end(child.id()).unwrap().unwrap();
        process.terminate(0xC000_013A).unwrap();
        assert_eq!(process.wait(None).unwrap(), Some(0xC000_013A));
        child.wait().unwrap();
    }

    #[test]
    fn no_process_is_none() {
        // Numbers are multiples of four.
        assert!(Process::open(0xFFFF_FFF3).unwrap().is_none());
    }
}
