//! Texts that callers own. Each that is given out is remembered until it is freed, in whatever way:
//! all end in `RtlFreeHeap`. What is left when the process ends is told to the service.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

use crate::connection::Link;
use crate::detour::Detour;

/// How many texts are remembered at one time. More are given out, and not watched.
const PLACES: usize = 8192;
/// How far from its own place an address may be.
const REACH: usize = 16;
/// The beginning of a text that the service is told.
const SHOWN: usize = 80;

static GIVEN: [AtomicUsize; PLACES] = [const { AtomicUsize::new(0) }; PLACES];
static FREE: Detour = Detour::new();
static LINK: OnceLock<&'static Link> = OnceLock::new();

type Free = unsafe extern "system" fn(usize, u32, usize) -> usize;

unsafe extern "C" {
    /// Of the DLL's own C runtime: runs when the DLL is detached.
    fn atexit(function: extern "C" fn()) -> c_int;
}

/// Begins to watch, for this stand-in.
pub fn watch(link: &'static Link) {
    if LINK.set(link).is_err() {
        return;
    }
    let mut module = std::ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    // SAFETY: an address of this DLL, which stays loaded from now on: detours lead into it.
    let pinned = unsafe { GetModuleHandleExW(flags, GIVEN.as_ptr().cast(), &mut module) };
    if pinned != 0 {
        FREE.install("ntdll.dll", c"RtlFreeHeap", free as Free as usize);
        // SAFETY: a function of this type.
        unsafe { atexit(report) };
    }
}

fn places(address: usize) -> impl Iterator<Item = &'static AtomicUsize> {
    let own = (address >> 4).wrapping_mul(0x9E37_79B9) % PLACES;
    (0..REACH).map(move |step| &GIVEN[(own + step) % PLACES])
}

/// The text at this address is the caller's now.
pub fn given(address: usize) {
    for place in places(address) {
        if place.compare_exchange(0, address, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            return;
        }
    }
}

/// Takes no lock and no memory: it is in the way of every program's every release.
unsafe extern "system" fn free(heap: usize, flags: u32, address: usize) -> usize {
    if address != 0
        && let Some(place) = places(address).find(|place| place.load(Ordering::Relaxed) == address)
    {
        place.store(0, Ordering::SeqCst);
    }
    // SAFETY: where the function goes on, with its own arguments.
    unsafe {
        let next: Free = std::mem::transmute(FREE.next());
        next(heap, flags, address)
    }
}

/// No other thread is left here, and none that was may have to give anything up first.
extern "C" fn report() {
    let left = GIVEN.iter().map(|place| place.load(Ordering::SeqCst)).filter(|address| *address != 0);
    let beginning = |address: usize| {
        let text = address as *const u16;
        // SAFETY: a text of ours that nobody has freed, which ends with a zero.
        let units: Vec<u16> =
            (0..SHOWN).map(|at| unsafe { *text.add(at) }).take_while(|unit| *unit != 0).collect();
        String::from_utf16_lossy(&units)
    };
    let texts: Vec<String> = left.map(beginning).collect();
    if let Some(link) = LINK.get()
        && !texts.is_empty()
    {
        link.tell_at_exit("leaks", json!({"texts": texts}));
    }
}
