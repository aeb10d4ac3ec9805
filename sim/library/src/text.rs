//! Strings and other memory of callers.

use std::ptr;

use windows_sys::Win32::System::Memory::{LMEM_FIXED, LocalAlloc};

use crate::ownership;

/// Longer strings are no documents.
const MOST: usize = 8 << 20;

/// The text at `pointer`, `None` for null or for what is no text.
///
/// # Safety
///
/// Null, or UTF-16 that ends with a zero.
pub unsafe fn read(pointer: *const u16) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: the caller's zero is not passed.
    while length < MOST && unsafe { *pointer.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: these were just read.
    Some(String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(pointer, length) }))
}

/// UTF-16 with a zero at its end.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A copy of the text that the caller frees, with `LocalFree` or `CoTaskMemFree`: both end in the
/// process's heap, as this memory begins.
pub fn give(text: &str) -> *mut u16 {
    let wide = wide(text);
    // SAFETY: the size is that of what is copied.
    let memory = unsafe { LocalAlloc(LMEM_FIXED, wide.len() * 2) }.cast::<u16>();
    if !memory.is_null() {
        // SAFETY: the memory is new and has room.
        unsafe { ptr::copy_nonoverlapping(wide.as_ptr(), memory, wide.len()) };
        ownership::given(memory.addr());
    }
    memory
}

/// Stores a text through a pointer of the caller's; null means that none is wanted, or given.
///
/// # Safety
///
/// `out` is null or may be written.
pub unsafe fn put(out: *mut *mut u16, text: Option<&str>) {
    if !out.is_null() {
        // SAFETY: passed on.
        unsafe { set(out, text.map_or(ptr::null_mut(), give)) };
    }
}

/// Stores a value through a pointer of the caller's that may be null.
///
/// # Safety
///
/// `out` is null or may be written.
pub unsafe fn set<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: the caller's word.
        unsafe { out.write(value) };
    }
}

/// The text of a GUID in memory.
///
/// # Safety
///
/// Null, or a GUID.
pub unsafe fn read_guid(guid: *const [u8; 16]) -> Option<String> {
    if guid.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller's word.
    let mut bytes = unsafe { *guid };
    turn(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// A GUID in memory from its text.
pub fn guid(text: &str) -> [u8; 16] {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    let byte = |at: usize| {
        digits.get(at * 2).copied().unwrap_or(0) << 4 | digits.get(at * 2 + 1).copied().unwrap_or(0)
    };
    let mut bytes = std::array::from_fn(byte);
    turn(&mut bytes);
    bytes
}

/// The first three parts are numbers, stored with the least byte first.
fn turn(bytes: &mut [u8; 16]) {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
}
