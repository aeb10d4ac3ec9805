//! Processes on a pseudo console: output and errors come on standard output.

use std::fs::File;
use std::mem;
use std::os::windows::io::AsRawHandle;
use std::ptr;
use std::thread;

use serde_json::Value;
use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::Console::{
    AttachConsole, CONSOLE_SCREEN_BUFFER_INFO, COORD, ClosePseudoConsole, CreatePseudoConsole, FreeConsole,
    GetConsoleScreenBufferInfo, GetStdHandle, HPCON, SMALL_RECT, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleScreenBufferSize, SetConsoleWindowInfo,
};
use windows_sys::Win32::System::Pipes::CreatePipe;
use windows_sys::Win32::System::Threading::{
    EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE,
    STARTUPINFOEXW, STARTUPINFOW, UpdateProcThreadAttribute,
};

use crate::windows::{self, Begun, Finish};

pub fn create(parameters: &Value) -> Begun {
    let side = |at: usize, otherwise: i16| {
        parameters["ConsoleSize"][at]
            .as_i64()
            .and_then(|side| i16::try_from(side).ok())
            .filter(|side| *side > 0)
            .unwrap_or(otherwise)
    };
    let size = COORD { Y: side(0, 25), X: side(1, 80) };
    let (console_input, our_input) = pipe()?;
    let (our_output, console_output) = pipe()?;
    let mut console: HPCON = 0;
    // SAFETY: live handles.
    let made = unsafe { CreatePseudoConsole(size, console_input, console_output, 0, &mut console) };
    if made < 0 {
        return Err(made as u32 & 0xFFFF);
    }
    let mut attributes = vec![0_usize; 64];
    let list = attributes.as_mut_ptr().cast();
    let mut length = mem::size_of_val(&attributes[..]);
    // SAFETY: the list has room for one attribute; the console lives until the process has ended.
    unsafe {
        InitializeProcThreadAttributeList(list, 1, 0, &mut length);
        UpdateProcThreadAttribute(
            list,
            0,
            PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE as usize,
            console as *const std::ffi::c_void,
            size_of::<HPCON>(),
            ptr::null_mut(),
            ptr::null(),
        );
    }
    let mut startup = STARTUPINFOEXW { lpAttributeList: list, ..Default::default() };
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    // SAFETY: the longer structure begins with the shorter, as its size and the flag say.
    let shown = unsafe { &*(&raw const startup).cast::<STARTUPINFOW>() };
    let process = windows::create(parameters, shown, false, EXTENDED_STARTUPINFO_PRESENT)?;
    drop(attributes);
    // SAFETY: this program's own streams.
    let (input, output) = unsafe { (GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE)) };
    pump(input, our_input);
    let drained = pump(our_output, output);
    let finish = move || {
        // SAFETY: the console and its ends are used no more; closing them ends the output.
        unsafe {
            ClosePseudoConsole(console);
            CloseHandle(console_output);
        }
        let _ = drained.join();
    };
    Ok((process, Box::new(finish) as Finish))
}

/// Gives the console of a process a new size, `COLUMNSxROWS`. Wine's own function for it is not
/// implemented; a program on the console may change it.
pub fn resize(process: &str, size: &str) -> i32 {
    let side = |text: &str| text.parse::<i16>().ok().filter(|side| *side > 0);
    let Some((Some(columns), Some(rows))) =
        size.split_once('x').map(|(columns, rows)| (side(columns), side(rows)))
    else {
        return 2;
    };
    // SAFETY: no pointers.
    unsafe {
        FreeConsole();
        if AttachConsole(process.parse().unwrap_or(0)) == 0 {
            return 1;
        }
    }
    let Ok(screen) = File::options().read(true).write(true).open("CONOUT$") else { return 1 };
    let screen: HANDLE = screen.as_raw_handle().cast();
    let window = SMALL_RECT { Left: 0, Top: 0, Right: columns - 1, Bottom: rows - 1 };
    let size = COORD { X: columns, Y: rows };
    // The window has to lie in the buffer before and after each step: first the smaller window.
    let mut now = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: a live console, and structures of the right type.
    unsafe {
        if GetConsoleScreenBufferInfo(screen, &mut now) == 0 {
            return 1;
        }
        let smaller = SMALL_RECT {
            Left: 0,
            Top: 0,
            Right: window.Right.min(now.dwSize.X - 1),
            Bottom: window.Bottom.min(now.dwSize.Y - 1),
        };
        let done = SetConsoleWindowInfo(screen, 1, &smaller) != 0
            && SetConsoleScreenBufferSize(screen, size) != 0
            && SetConsoleWindowInfo(screen, 1, &window) != 0;
        i32::from(!done)
    }
}

fn pipe() -> Result<(HANDLE, HANDLE), u32> {
    let (mut read, mut write) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: room for two handles.
    if unsafe { CreatePipe(&mut read, &mut write, ptr::null(), 0) } == 0 { Err(8) } else { Ok((read, write)) }
}

/// Copies until the end.
fn pump(from: HANDLE, to: HANDLE) -> thread::JoinHandle<()> {
    let (from, to) = (from as usize, to as usize);
    thread::spawn(move || {
        let mut buffer = [0_u8; 4096];
        loop {
            let (mut count, mut written) = (0, 0);
            // SAFETY: live handles and a buffer of this size.
            let read = unsafe {
                ReadFile(
                    from as HANDLE,
                    buffer.as_mut_ptr(),
                    buffer.len() as u32,
                    &mut count,
                    ptr::null_mut(),
                )
            };
            if read == 0 || count == 0 {
                return;
            }
            // SAFETY: as above.
            if unsafe { WriteFile(to as HANDLE, buffer.as_ptr(), count, &mut written, ptr::null_mut()) } == 0
            {
                return;
            }
        }
    })
}
