//! Processes on a pseudo console: output and errors come on standard output.

use std::fs::File;
use std::mem;
use std::os::windows::io::AsRawHandle;
use std::ptr;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE, HANDLE, HANDLE_FLAG_INHERIT,
    SetHandleInformation,
};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::Console::{
    AttachConsole, CONSOLE_SCREEN_BUFFER_INFO, COORD, ClosePseudoConsole, CreatePseudoConsole, FreeConsole,
    GetConsoleScreenBufferInfo, GetStdHandle, HPCON, SMALL_RECT, STD_ERROR_HANDLE, STD_INPUT_HANDLE,
    STD_OUTPUT_HANDLE, SetConsoleScreenBufferSize, SetConsoleWindowInfo,
};
use windows_sys::Win32::System::Pipes::CreatePipe;
use windows_sys::Win32::System::Threading::{
    EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE,
    PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW, TerminateProcess,
    UpdateProcThreadAttribute,
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
    // SAFETY: this program's own streams; on the console they are others.
    let (input, output) = unsafe { (GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE)) };
    let process = on(console, parameters)?;
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

/// Creates the process on a console. Wine gives a process that is begun on a pseudo console the
/// streams of its creator, or none; so this program goes to the console itself, where another copy of
/// it is already, and hands its streams on.
fn on(console: HPCON, parameters: &Value) -> Result<PROCESS_INFORMATION, u32> {
    let place = place_holder(console, &own_program()?)?;
    let created = attach(place.dwProcessId).and_then(|()| {
        let (input, output) = (stream("CONIN$")?, stream("CONOUT$")?);
        let startup = STARTUPINFOW {
            cb: size_of::<STARTUPINFOW>() as u32,
            dwFlags: STARTF_USESTDHANDLES,
            hStdInput: inherited(input.as_raw_handle().cast(), true),
            hStdOutput: inherited(output.as_raw_handle().cast(), true),
            hStdError: output.as_raw_handle().cast(),
            ..Default::default()
        };
        windows::create(parameters, &startup, true, 0)
    });
    // SAFETY: handles that are used no more.
    unsafe {
        FreeConsole();
        TerminateProcess(place.hProcess, 0);
        CloseHandle(place.hThread);
        CloseHandle(place.hProcess);
    }
    created
}

/// This program, which lies where no drive of the container's leads: Wine then says `unix\PATH`.
fn own_program() -> Result<String, u32> {
    let own = std::env::current_exe().map_err(|_| ERROR_FILE_NOT_FOUND)?;
    let own = own.display().to_string();
    Ok(if own.starts_with("unix\\") { format!(r"\\?\{own}") } else { own })
}

fn place_holder(console: HPCON, program: &str) -> Result<PROCESS_INFORMATION, u32> {
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
    windows::create(
        &json!({"ApplicationName": program, "CommandLine": "sim-launcher wait"}),
        shown,
        false,
        EXTENDED_STARTUPINFO_PRESENT,
    )
}

/// Goes to the console of a process, as soon as that has come there.
fn attach(process: u32) -> Result<(), u32> {
    for stream in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: this program's own streams, of which the process on the console gets none.
        inherited(unsafe { GetStdHandle(stream) }, false);
    }
    for _ in 0..1000 {
        // SAFETY: no pointers.
        let attached = unsafe {
            FreeConsole();
            AttachConsole(process)
        };
        if attached != 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(ERROR_INVALID_HANDLE)
}

fn stream(name: &str) -> Result<File, u32> {
    File::options().read(true).write(true).open(name).map_err(|_| ERROR_INVALID_HANDLE)
}

fn inherited(handle: HANDLE, inherit: bool) -> HANDLE {
    // SAFETY: a live handle.
    unsafe {
        SetHandleInformation(handle, HANDLE_FLAG_INHERIT, if inherit { HANDLE_FLAG_INHERIT } else { 0 })
    };
    handle
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
