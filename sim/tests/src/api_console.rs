//! The console that a program is on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, ptr, thread};

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
};
use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, GetConsoleScreenBufferInfo, SetConsoleCtrlHandler,
};

/// Its window, as `COLUMNSxROWS`.
pub fn size() -> Option<String> {
    let name: Vec<u16> = "CONOUT$\0".encode_utf16().collect();
    let mut now = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: a name that ends with a zero, and a structure of the right type. The handle stays: this is asked
    // a few times only.
    let known = unsafe {
        let screen = CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            ptr::null(),
            OPEN_EXISTING,
            0,
            ptr::null_mut(),
        );
        screen != INVALID_HANDLE_VALUE && GetConsoleScreenBufferInfo(screen, &mut now) != 0
    };
    let window = now.srWindow;
    known.then(|| format!("{}x{}", window.Right - window.Left + 1, window.Bottom - window.Top + 1))
}

static EVENT: AtomicU32 = AtomicU32::new(u32::MAX);

unsafe extern "system" fn on_event(event: u32) -> i32 {
    EVENT.store(event, Ordering::SeqCst);
    1
}

pub fn handle(file: &str) -> i32 {
    // SAFETY: a function of this type, that stays.
    if unsafe { SetConsoleCtrlHandler(Some(on_event), 1) } == 0 {
        return 1;
    }
    println!("ready");
    loop {
        let event = EVENT.load(Ordering::SeqCst);
        if event != u32::MAX {
            return if fs::write(file, event.to_string()).is_ok() { 33 } else { 1 };
        }
        thread::sleep(std::time::Duration::from_millis(20));
    }
}
