//! A console of a test's own, with a program in it.

use std::fs::File;
use std::io::{self, Write as _};
use std::mem;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::System::Console::{COORD, ClosePseudoConsole, CreatePseudoConsole, HPCON};
use windows_sys::Win32::System::Pipes::CreatePipe;
use windows_sys::Win32::System::Threading::{
    CreateProcessW, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW,
    UpdateProcThreadAttribute,
};

/// A console with a program in it.
pub(super) struct Console {
    console: HPCON,
    keyboard: File,
    process: OwnedHandle,
}

impl Console {
    /// Starts a command line in a new console.
    pub(super) fn start(command: &str, columns: i16, rows: i16) -> Self {
        let (console_input, keyboard) = pipe();
        let (screen, console_output) = pipe();
        let size = COORD { X: columns, Y: rows };
        let mut console: HPCON = 0;
        // SAFETY: both handles are open; `console` takes the answer.
        let made = unsafe {
            CreatePseudoConsole(
                size,
                console_input.as_raw_handle(),
                console_output.as_raw_handle(),
                0,
                &raw mut console,
            )
        };
        assert!(made >= 0, "CreatePseudoConsole: {made:#x}");
        let process = start(command, console);
        let mut screen = File::from(screen);
        // A console whose output nobody takes stops at some time.
        std::thread::spawn(move || io::copy(&mut screen, &mut io::sink()));
        Self { console, keyboard: File::from(keyboard), process }
    }

    /// Types on its keyboard.
    pub(super) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the program's end.
    pub(super) fn wait(&self, limit: std::time::Duration) -> bool {
        crate::windows::wait::wait(&self.process, Some(limit)).unwrap()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // SAFETY: it was made by `start` and is closed here alone.
        unsafe { ClosePseudoConsole(self.console) };
    }
}

fn pipe() -> (OwnedHandle, OwnedHandle) {
    let (mut read, mut write) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: room for two handles; no security and the usual size.
    let made = unsafe { CreatePipe(&raw mut read, &raw mut write, ptr::null(), 0) };
    assert!(made != 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the handles were made just now and nobody else has them.
    unsafe { (OwnedHandle::from_raw_handle(read), OwnedHandle::from_raw_handle(write)) }
}

fn start(command: &str, console: HPCON) -> OwnedHandle {
    // Room for one attribute; the system needs less.
    let mut attributes = vec![0_usize; 64];
    let list = attributes.as_mut_ptr().cast();
    let mut length = mem::size_of_val(&attributes[..]);
    let mut startup = STARTUPINFOEXW { lpAttributeList: list, ..Default::default() };
    startup.StartupInfo.cb = mem::size_of::<STARTUPINFOEXW>() as u32;
    // Without handles of the caller's, so that its streams are the console's.
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    let mut command: Vec<u16> = command.encode_utf16().chain([0]).collect();
    let mut started = PROCESS_INFORMATION::default();
    // SAFETY: the list has room for one attribute, whose value is the console itself; the startup structure is of the
    // extended form, as its size and the flag say; the command line may be written to, as the function asks.
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
            EXTENDED_STARTUPINFO_PRESENT,
            ptr::null(),
            ptr::null(),
            (&raw const startup).cast(),
            &raw mut started,
        )
    };
    assert!(success != 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the handles were made just now and nobody else has them.
    unsafe {
        drop(OwnedHandle::from_raw_handle(started.hThread));
        OwnedHandle::from_raw_handle(started.hProcess)
    }
}
