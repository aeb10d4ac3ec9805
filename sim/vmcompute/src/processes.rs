//! Processes of the first generation: every call is done when it returns.

use std::ffi::c_void;
use std::sync::Arc;

use sim_library::handles::Handles;
use sim_library::text::{read, set};
use sim_library::{Outcome, Value, codes, json, pipes};
use windows_sys::Win32::Foundation::HANDLE;

use crate::notify::{Callback, Object, close, finish, locked, object, register, unregister};
use crate::{Handle, OBJECTS, Text, TextOut};

/// `HCS_PROCESS_INFORMATION`.
#[repr(C)]
pub struct ProcessInformation {
    process_id: u32,
    reserved: u32,
    streams: [HANDLE; 3],
}

/// Fills the caller's structure with what was not handed out yet.
///
/// # Safety
///
/// `out` is null or may be written.
unsafe fn fill(out: *mut ProcessInformation, process: &Object) {
    if out.is_null() {
        return;
    }
    let mut ends = locked(&process.ends);
    let mut take = |at: usize| if ends.handles[at].is_some() { ends.take(at) } else { std::ptr::null_mut() };
    let information = ProcessInformation {
        process_id: *locked(&process.id),
        reserved: 0,
        streams: [take(0), take(1), take(2)],
    };
    // SAFETY: the caller's word.
    unsafe { set(out, information) };
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsCreateProcess(
    system: Handle,
    parameters: Text,
    information: *mut ProcessInformation,
    out: *mut Handle,
    result: TextOut,
) -> u32 {
    let of = match object("HcsCreateProcess", system) {
        Ok(of) => of,
        Err(code) => return code,
    };
    let handle = Handles::<Object>::reserve();
    // SAFETY: the caller's word.
    let document = unsafe { read(parameters) };
    let arguments = json!({"system": system, "handle": handle, "document": document, "generation": 1});
    let mut outcome = of.connection.call("HcsCreateProcess", arguments);
    if outcome.success() {
        let process = Object::new(Arc::clone(&of.connection));
        *locked(&process.id) = outcome.values["process"].as_u64().unwrap_or_default() as u32;
        let ticket = |at: usize| outcome.values["tickets"][at].as_u64().unwrap_or_default();
        match pipes::connect(&of.connection, [ticket(0), ticket(1), ticket(2)]) {
            Ok(ends) => *locked(&process.ends) = ends,
            Err(_) => outcome = Outcome { hresult: codes::E_FAIL, ..Outcome::default() },
        }
        // SAFETY: the caller's word.
        unsafe { fill(information, &process) };
        OBJECTS.insert(handle, process);
    }
    // SAFETY: the caller's word.
    unsafe {
        set(out, if outcome.success() { handle } else { 0 });
        finish(&outcome, std::ptr::null_mut(), result)
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsOpenProcess(
    system: Handle,
    id: u32,
    out: *mut Handle,
    result: TextOut,
) -> u32 {
    let of = match object("HcsOpenProcess", system) {
        Ok(of) => of,
        Err(code) => return code,
    };
    let handle = Handles::<Object>::reserve();
    let outcome = of.connection.call("HcsOpenProcess", json!({"system": system, "handle": handle, "id": id}));
    if outcome.success() {
        let process = Object::new(Arc::clone(&of.connection));
        *locked(&process.id) = id;
        OBJECTS.insert(handle, process);
    }
    // SAFETY: the caller's word.
    unsafe {
        set(out, if outcome.success() { handle } else { 0 });
        finish(&outcome, std::ptr::null_mut(), result)
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCloseProcess(process: Handle) -> u32 {
    close("HcsCloseProcess", process, "process")
}

fn on_process(function: &str, process: Handle, mut arguments: Value) -> Result<(Arc<Object>, Outcome), u32> {
    let object = object(function, process)?;
    arguments["process"] = json!(process);
    let outcome = object.connection.call(function, arguments);
    Ok((object, outcome))
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsTerminateProcess(process: Handle, result: TextOut) -> u32 {
    match on_process("HcsTerminateProcess", process, json!({})) {
        // SAFETY: the caller's word.
        Ok((_, outcome)) => unsafe { finish(&outcome, std::ptr::null_mut(), result) },
        Err(code) => code,
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsSignalProcess(process: Handle, options: Text, result: TextOut) -> u32 {
    // SAFETY: the caller's word.
    let options = unsafe { read(options) };
    match on_process("HcsSignalProcess", process, json!({"options": options})) {
        // SAFETY: the caller's word.
        Ok((_, outcome)) => unsafe { finish(&outcome, std::ptr::null_mut(), result) },
        Err(code) => code,
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetProcessInfo(
    process: Handle,
    information: *mut ProcessInformation,
    result: TextOut,
) -> u32 {
    match on_process("HcsGetProcessInfo", process, json!({})) {
        // SAFETY: the caller's word.
        Ok((object, outcome)) => unsafe {
            if outcome.success() {
                fill(information, &object);
            }
            finish(&outcome, std::ptr::null_mut(), result)
        },
        Err(code) => code,
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetProcessProperties(
    process: Handle,
    properties: TextOut,
    result: TextOut,
) -> u32 {
    match on_process("HcsGetProcessProperties", process, json!({})) {
        // SAFETY: the caller's word.
        Ok((_, outcome)) => unsafe { finish(&outcome, properties, result) },
        Err(code) => code,
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsModifyProcess(process: Handle, settings: Text, result: TextOut) -> u32 {
    // SAFETY: the caller's word.
    let settings = unsafe { read(settings) };
    let request: Value =
        settings.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    match on_process("HcsModifyProcess", process, json!({"settings": settings})) {
        Ok((object, outcome)) => {
            let closes = matches!(request["CloseHandle"]["Handle"].as_str(), Some("StdIn" | "All"));
            if closes
                && outcome.success()
                && let Some(input) = &locked(&object.ends).input
            {
                input.close();
            }
            // SAFETY: the caller's word.
            unsafe { finish(&outcome, std::ptr::null_mut(), result) }
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsRegisterProcessCallback(
    process: Handle,
    callback: Option<Callback>,
    context: *const c_void,
    out: *mut Handle,
) -> u32 {
    register("HcsRegisterProcessCallback", process, callback, context, out)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsUnregisterProcessCallback(callback: Handle) -> u32 {
    unregister("HcsUnregisterProcessCallback", callback)
}
