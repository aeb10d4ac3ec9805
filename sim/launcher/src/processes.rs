//! The processes of the installation.

use serde_json::json;
use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemProcessInformation};
use windows_sys::Win32::Foundation::STATUS_INFO_LENGTH_MISMATCH;

/// The beginning of `SYSTEM_PROCESS_INFORMATION`, as far as it is wanted.
#[repr(C)]
struct Entry {
    next: u32,
    threads: u32,
    reserved: [u64; 3],
    created: i64,
    user: i64,
    kernel: i64,
    name_length: u16,
    name_room: u16,
    name: *const u8,
    priority: i32,
    id: usize,
    parent: usize,
    handles: u32,
    session: u32,
    key: usize,
    peak_virtual: usize,
    virtual_size: usize,
    faults: u32,
    peak_working_set: usize,
    working_set: usize,
    quotas: [usize; 4],
    page_file: usize,
    peak_page_file: usize,
    private: usize,
}

/// Prints each process as a line of JSON, times in 100 ns, sizes in bytes.
pub fn list() -> i32 {
    let Some(buffer) = query() else { return 1 };
    let mut at = 0;
    loop {
        // Wine puts the entries where names end.
        // SAFETY: the system wrote entries, each of which says how far the next is.
        let entry = unsafe { buffer.as_ptr().cast::<u8>().add(at).cast::<Entry>().read_unaligned() };
        print(&entry);
        if entry.next == 0 {
            return 0;
        }
        at += entry.next as usize;
    }
}

fn query() -> Option<Vec<u64>> {
    let mut buffer = vec![0_u64; 8 << 10];
    loop {
        let (size, mut needed) = (size_of_val(&buffer[..]) as u32, 0);
        // SAFETY: the buffer is as large as said.
        let status = unsafe {
            NtQuerySystemInformation(SystemProcessInformation, buffer.as_mut_ptr().cast(), size, &mut needed)
        };
        match status {
            0 => return Some(buffer),
            STATUS_INFO_LENGTH_MISMATCH => buffer.resize(buffer.len() * 2, 0),
            _ => return None,
        }
    }
}

fn print(entry: &Entry) {
    let bytes = match entry.name.is_null() {
        true => &[][..],
        // SAFETY: the name lies in the buffer and has this many bytes.
        false => unsafe { std::slice::from_raw_parts(entry.name, usize::from(entry.name_length)) },
    };
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let name = String::from_utf16_lossy(&units);
    let name = name.rsplit('\\').next().unwrap_or_default();
    // This program is no part of the container.
    if name.starts_with("sim-launcher") {
        return;
    }
    let line = json!({
        "id": entry.id, "name": name, "created": entry.created, "user": entry.user, "kernel": entry.kernel,
        "commit": entry.private.max(entry.page_file), "working_set": entry.working_set
    });
    println!("{line}");
}
