//! A console of a test's own, with a program in it and a test at its keyboard.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::mem;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use windows_sys::Win32::System::Console::{COORD, ClosePseudoConsole, CreatePseudoConsole, HPCON};
use windows_sys::Win32::System::Pipes::CreatePipe;
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, EXTENDED_STARTUPINFO_PRESENT,
    InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, PROCESS_INFORMATION,
    STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

use crate::windows::wait;

/// A console with a program in it.
#[derive(Debug)]
pub struct PseudoConsole {
    console: HPCON,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    process: OwnedHandle,
}

impl PseudoConsole {
    /// Starts a command line in a new console, with one more variable in its environment. It opens its streams by
    /// the names `CONIN$` and `CONOUT$`: those that it is given are none under Wine.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn start(command: &str, variable: (&str, &OsStr), size: (i16, i16)) -> io::Result<Self> {
        let (console_input, keyboard) = pipe()?;
        let (screen, console_output) = pipe()?;
        let mut console: HPCON = 0;
        // SAFETY: both handles are open; `console` takes the answer.
        let made = unsafe {
            CreatePseudoConsole(
                COORD { X: size.0, Y: size.1 },
                console_input.as_raw_handle(),
                console_output.as_raw_handle(),
                0,
                &raw mut console,
            )
        };
        if made < 0 {
            return Err(io::Error::from_raw_os_error(made));
        }
        let process = start(command, variable, console)?;
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, seen) = (File::from(screen), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut room) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&room[..length]);
            }
        });
        Ok(Self { console, keyboard: File::from(keyboard), shown, process })
    }

    /// Types on its keyboard.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn types(&mut self, text: &str) -> io::Result<()> {
        self.keyboard.write_all(text.as_bytes())
    }

    /// Returns what it has shown, as it would draw that on a terminal.
    pub fn shown(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Waits for the program's end; false when the time is over.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        wait::wait(&self.process, Some(limit))
    }
}

impl Drop for PseudoConsole {
    fn drop(&mut self) {
        // SAFETY: it was made by `start` and is closed here alone.
        unsafe { ClosePseudoConsole(self.console) };
    }
}

fn pipe() -> io::Result<(OwnedHandle, OwnedHandle)> {
    let (mut read, mut write) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: room for two handles; no security and the usual size.
    let made = unsafe { CreatePipe(&raw mut read, &raw mut write, ptr::null(), 0) };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handles were made just now and nobody else has them.
    Ok(unsafe { (OwnedHandle::from_raw_handle(read), OwnedHandle::from_raw_handle(write)) })
}

fn start(command: &str, variable: (&str, &OsStr), console: HPCON) -> io::Result<OwnedHandle> {
    // Room for one attribute; the system needs less.
    let mut attributes = vec![0_usize; 64];
    let list = attributes.as_mut_ptr().cast();
    let mut length = mem::size_of_val(&attributes[..]);
    let mut startup = STARTUPINFOEXW { lpAttributeList: list, ..Default::default() };
    startup.StartupInfo.cb = mem::size_of::<STARTUPINFOEXW>() as u32;
    // Without handles of the caller's, so that its streams are the console's.
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    let mut command: Vec<u16> = command.encode_utf16().chain([0]).collect();
    let environment = environment(variable);
    let mut started = PROCESS_INFORMATION::default();
    // SAFETY: the list has room for one attribute, whose value is the console itself; the startup structure is of the
    // extended form, as its size and the flag say; the command line may be written to, as the function asks; the
    // environment ends in two NULs.
    let success = unsafe {
        InitializeProcThreadAttributeList(list, 1, 0, &raw mut length);
        UpdateProcThreadAttribute(
            list,
            0,
            PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE as usize,
            console as *const core::ffi::c_void,
            mem::size_of::<HPCON>(),
            ptr::null_mut(),
            ptr::null(),
        );
        CreateProcessW(
            ptr::null(),
            command.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            0,
            EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT,
            environment.as_ptr().cast(),
            ptr::null(),
            (&raw const startup).cast(),
            &raw mut started,
        )
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handles were made just now and nobody else has them.
    unsafe {
        drop(OwnedHandle::from_raw_handle(started.hThread));
        Ok(OwnedHandle::from_raw_handle(started.hProcess))
    }
}

/// This process's environment with one more variable.
fn environment((name, value): (&str, &OsStr)) -> Vec<u16> {
    let own = std::env::vars_os().filter(|(own, _)| own != name);
    let all = own.chain([(OsString::from(name), value.to_owned())]);
    let entry = |(name, value): (OsString, OsString)| -> Vec<u16> {
        name.encode_wide().chain([u16::from(b'=')]).chain(value.encode_wide()).chain([0]).collect()
    };
    all.flat_map(entry).chain([0]).collect()
}
