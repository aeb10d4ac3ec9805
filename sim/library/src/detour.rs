//! Functions of Wine's that are led over code of ours.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Memory::{PAGE_EXECUTE_READWRITE, VirtualProtect};

use crate::text::wide;

/// The eight bytes that Wine's functions begin with for this; they do nothing.
const NOTHING: [u8; 8] = [0x48, 0x8D, 0xA4, 0x24, 0, 0, 0, 0];
/// Of the 32 unused bytes before them, as many as are wanted.
const ROOM: usize = 16;
/// `jmp [rip]`: the address follows.
const FAR: [u8; 6] = [0xFF, 0x25, 0, 0, 0, 0];
/// A jump back to the beginning of the room.
const NEAR: [u8; 2] = [0xEB, 0xEE];

/// Code of ours in a function's way.
pub struct Detour {
    next: AtomicUsize,
}

impl Detour {
    pub const fn new() -> Detour {
        Detour { next: AtomicUsize::new(0) }
    }

    /// Where the function goes on, for our code to call.
    pub fn next(&self) -> usize {
        self.next.load(Ordering::SeqCst)
    }

    /// Has calls of the function go to `to`. Another stand-in's detour comes after ours.
    pub fn install(&self, library: &str, function: &CStr, to: usize) {
        let library = wide(library);
        // SAFETY: both names end with a zero.
        let found = unsafe { GetProcAddress(GetModuleHandleW(library.as_ptr()), function.as_ptr().cast()) };
        let Some(function) = found.map(|found| found as usize) else { return };
        let (start, mut before) = ((function - ROOM) as *mut u8, 0);
        // SAFETY: code of a loaded module, which is looked at before it is changed. The far jump is
        // whole before the near one leads to it; both the near one and an address that is replaced lie
        // in one line of the cache, so that who runs into them sees the old or the new.
        unsafe {
            let room = std::slice::from_raw_parts(start, ROOM);
            let begin = std::slice::from_raw_parts(function as *const u8, NOTHING.len());
            let address = start.add(FAR.len()).cast::<usize>();
            let detoured = begin[..2] == NEAR && room[..FAR.len()] == FAR;
            if !detoured && (begin != NOTHING || room.iter().any(|byte| *byte != 0xCC)) {
                return;
            }
            let next = if detoured { address.read_unaligned() } else { function + NOTHING.len() };
            self.next.store(next, Ordering::SeqCst);
            if VirtualProtect(start.cast(), ROOM + NOTHING.len(), PAGE_EXECUTE_READWRITE, &mut before) == 0 {
                return;
            }
            address.write_unaligned(to);
            if !detoured {
                ptr::copy_nonoverlapping(FAR.as_ptr(), start, FAR.len());
                (function as *mut u16).write_volatile(u16::from_le_bytes(NEAR));
            }
            VirtualProtect(start.cast(), ROOM + NOTHING.len(), before, &mut before);
        }
    }
}

impl Default for Detour {
    fn default() -> Self {
        Detour::new()
    }
}
