//! Console events for a process.

use std::ffi::c_void;
use std::mem;
use std::ptr;

use windows_sys::Win32::Foundation::{HANDLE, STATUS_CONTROL_C_EXIT};
use windows_sys::Win32::System::Diagnostics::Debug::{
    IMAGE_DIRECTORY_ENTRY_IAT, IMAGE_NT_HEADERS64, ReadProcessMemory, WriteProcessMemory,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RESERVE, PAGE_EXECUTE_READWRITE, PAGE_READWRITE, VirtualAllocEx, VirtualProtectEx,
};
use windows_sys::Win32::System::SystemServices::IMAGE_DOS_HEADER;
use windows_sys::Win32::System::Threading::CreateRemoteThread;

use crate::windows::wide;

type Routine = unsafe extern "system" fn(*mut c_void) -> u32;

/// Runs the target's own handlers of the console event, as Windows does: in a thread of its own.
pub fn send(process: HANDLE, name: &str) -> bool {
    let event: usize = match name {
        "CtrlC" => 0,
        "CtrlBreak" => 1,
        "CtrlClose" => 2,
        "CtrlLogOff" => 5,
        _ => 6,
    };
    let Some(library) = module("kernelbase.dll") else { return false };
    // SAFETY: a live module, and a name that ends with a zero.
    let routine = unsafe { GetProcAddress(library as *mut c_void, c"CtrlRoutine".as_ptr().cast()) };
    let Some(routine) = routine else { return false };
    if !correct_exit(process, library) {
        return false;
    }
    // SAFETY: a function of this type, at the same address in every process of an installation.
    let routine = unsafe { mem::transmute::<unsafe extern "system" fn() -> isize, Routine>(routine) };
    // SAFETY: a live process, and its function.
    let thread = unsafe {
        CreateRemoteThread(process, ptr::null(), 0, Some(routine), event as *const c_void, 0, ptr::null_mut())
    };
    !thread.is_null()
}

fn module(name: &str) -> Option<usize> {
    let name = wide(name);
    // SAFETY: the name ends with a zero.
    let module = unsafe { GetModuleHandleW(name.as_ptr()) };
    (!module.is_null()).then_some(module as usize)
}

/// Wine ends a program that handles no event with 0, Windows with STATUS_CONTROL_C_EXIT. The last
/// handler's call of `RtlExitUserProcess`, the only one in `kernelbase`, is led over code of ours that
/// puts the right number in.
fn correct_exit(process: HANDLE, library: usize) -> bool {
    let Some(slot) = exit_slot(library) else { return false };
    let mut exit = 0_usize;
    // SAFETY: room for an address; the slot is at the same place in every process.
    let read = unsafe {
        ReadProcessMemory(
            process,
            slot as *const c_void,
            (&raw mut exit).cast(),
            size_of::<usize>(),
            ptr::null_mut(),
        )
    };
    // mov ecx, STATUS_CONTROL_C_EXIT; mov rax, exit; jmp rax
    let mut code = vec![0xB9];
    code.extend(STATUS_CONTROL_C_EXIT.to_le_bytes());
    code.extend([0x48, 0xB8]);
    code.extend(exit.to_le_bytes());
    code.extend([0xFF, 0xE0]);
    let flags = MEM_COMMIT | MEM_RESERVE;
    // SAFETY: new memory of the process's.
    let place =
        unsafe { VirtualAllocEx(process, ptr::null(), code.len(), flags, PAGE_EXECUTE_READWRITE) } as usize;
    read != 0
        && place != 0
        && write(process, place, &code)
        && unprotected(process, slot)
        && write(process, slot, &place.to_le_bytes())
}

/// Where `kernelbase` keeps the address of the function that it calls.
fn exit_slot(library: usize) -> Option<usize> {
    let system = module("ntdll.dll")?;
    // SAFETY: a live module, and a name that ends with a zero.
    let exit =
        unsafe { GetProcAddress(system as *mut c_void, c"RtlExitUserProcess".as_ptr().cast()) }? as usize;
    // SAFETY: a loaded module begins with these headers, and has its table where they say.
    unsafe {
        let dos = &*(library as *const IMAGE_DOS_HEADER);
        let headers = &*((library + dos.e_lfanew as usize) as *const IMAGE_NT_HEADERS64);
        let table = headers.OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IAT as usize];
        let first = library + table.VirtualAddress as usize;
        let slots =
            std::slice::from_raw_parts(first as *const usize, table.Size as usize / size_of::<usize>());
        let at = slots.iter().position(|address| *address == exit)?;
        Some(first + at * size_of::<usize>())
    }
}

fn unprotected(process: HANDLE, at: usize) -> bool {
    let mut before = 0;
    // SAFETY: an address of the process's.
    unsafe {
        VirtualProtectEx(process, at as *const c_void, size_of::<usize>(), PAGE_READWRITE, &mut before) != 0
    }
}

fn write(process: HANDLE, at: usize, bytes: &[u8]) -> bool {
    // SAFETY: the bytes are ours; the process checks its own addresses.
    unsafe {
        WriteProcessMemory(process, at as *const c_void, bytes.as_ptr().cast(), bytes.len(), ptr::null_mut())
            != 0
    }
}
