//! Starting a program that lives on without this one.

// UNSAFETY: the standard library passes on every handle that can be inherited.
#![allow(unsafe_code, reason = "processes without any of our handles have no safe wrapper")]

use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_ACCESS_DENIED;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CreateProcessW, DETACHED_PROCESS,
    PROCESS_CREATION_FLAGS, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOW,
};

use super::process::Process;
use super::wide::Wide;

/// Starts a program without a console, standard streams or any other handle of this process, in no
/// job of this process if that may be. `command_line` begins with the program's name as it is told to it.
/// Returns the process and its number.
///
/// # Errors
///
/// The system's.
pub fn start_detached(program: &Path, command_line: &str, directory: &Path) -> io::Result<(Process, u32)> {
    match start(program, command_line, directory, CREATE_BREAKAWAY_FROM_JOB) {
        // Our job does not allow it. The program ends with the job then.
        Err(error) if error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => {
            start(program, command_line, directory, 0)
        }
        started => started,
    }
}

fn start(
    program: &Path,
    command_line: &str,
    directory: &Path,
    flags: PROCESS_CREATION_FLAGS,
) -> io::Result<(Process, u32)> {
    const INHERIT_NOTHING: i32 = 0;
    let (program, directory) = (Wide::path(program)?, Wide::path(directory)?);
    let mut command_line = Wide::path(command_line.as_ref())?;
    // Streams that are named and null are none; unnamed ones would be this process's.
    let startup = STARTUPINFOW {
        cb: size_of::<STARTUPINFOW>() as u32,
        dwFlags: STARTF_USESTDHANDLES,
        ..STARTUPINFOW::default()
    };
    let mut started = PROCESS_INFORMATION::default();
    // SAFETY: the texts outlive the call, and the command line is ours to be written to; what is null
    // asks for defaults; `started` takes the answer.
    let success = unsafe {
        CreateProcessW(
            program.as_ptr(),
            command_line.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            INHERIT_NOTHING,
            DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | flags,
            ptr::null(),
            directory.as_ptr(),
            &raw const startup,
            &raw mut started,
        )
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both handles were made just now and nobody else has them.
    let (process, thread) = unsafe {
        (OwnedHandle::from_raw_handle(started.hProcess), OwnedHandle::from_raw_handle(started.hThread))
    };
    drop(thread);
    Ok((Process::from(process), started.dwProcessId))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::windows::io::AsRawHandle;
    use std::path::PathBuf;

    use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};

    use super::*;
    use crate::windows::{pipe, random};

    fn system32() -> PathBuf {
        PathBuf::from(std::env::var_os("SystemRoot").unwrap()).join("System32")
    }

    #[test]
    fn a_program_runs_where_it_is_told_to_and_its_code_is_seen() {
        let directory =
            std::env::temp_dir().join(format!("containerv-spawn-{}", random::hex::<8>().unwrap()));
        fs::create_dir(&directory).unwrap();
        let program = system32().join("cmd.exe");
        let (process, number) =
            start_detached(&program, "cmd.exe /d /c echo said> here.txt& exit 300", &directory).unwrap();
        assert!(number != 0);
        assert_eq!(process.wait(None).unwrap(), Some(300));
        assert_eq!(fs::read_to_string(directory.join("here.txt")).unwrap().trim(), "said");
        drop(process);
        fs::remove_dir_all(&directory).unwrap();
        let missing = start_detached(&directory.join("none.exe"), "none.exe", &system32()).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    const SLEEP: &str = "really-sleep";

    /// Only where a test has started this program once more.
    #[test]
    fn a_child_that_sleeps() {
        if std::env::args().any(|argument| argument == SLEEP) {
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
    }

    /// A pipe of which a child had an end would stay open as long as the child.
    #[test]
    fn no_handle_is_passed_on() {
        let name = format!("containerv-spawn-{}", random::hex::<8>().unwrap());
        let security = crate::windows::security::SecurityDescriptor::private().unwrap();
        let mut listener = pipe::PipeListener::bind(&name, security).unwrap();
        let client = pipe::connect(&name, std::time::Duration::from_secs(60)).unwrap();
        let mut server = listener.accept(None, None).unwrap().unwrap();
        let client = OwnedHandle::from(client);
        // SAFETY: the handle is open.
        let set =
            unsafe { SetHandleInformation(client.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
        assert_ne!(set, 0);
        let program = std::env::current_exe().unwrap();
        let line = format!("x --exact windows::spawn::tests::a_child_that_sleeps {SLEEP}");
        let (process, _) = start_detached(&program, &line, &system32()).unwrap();
        drop(client);
        assert_eq!(io::Read::read(&mut server, &mut [0; 8]).unwrap(), 0);
        assert_eq!(process.wait(Some(std::time::Duration::ZERO)).unwrap(), None);
        process.terminate(1).unwrap();
    }
}
