//! Compute systems of the first generation.

use std::ffi::c_void;
use std::sync::Arc;

use sim_library::handles::Handles;
use sim_library::text::{put, read, set};
use sim_library::{Value, codes, json};

use crate::notify::{Callback, Object, close, finish, object, register, unregister};
use crate::{Handle, LINK, OBJECTS, Text, TextOut};

/// Notifications of completed work.
const CREATE_COMPLETED: u32 = 2;
const START_COMPLETED: u32 = 3;
const PAUSE_COMPLETED: u32 = 4;
const RESUME_COMPLETED: u32 = 5;
const SAVE_COMPLETED: u32 = 8;
const SHUTDOWN_COMPLETED: u32 = 0xA;

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsCreateComputeSystem(
    id: Text,
    configuration: Text,
    _identity: usize,
    out: *mut Handle,
    result: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    let (id, document) = unsafe { (read(id), read(configuration)) };
    if id.is_none() || document.is_none() || out.is_null() {
        return codes::E_INVALIDARG;
    }
    // SAFETY: the caller's word.
    unsafe { put(result, None) };
    let connection = match LINK.get() {
        Ok(connection) => connection,
        Err(code) => return codes::first_generation(code),
    };
    let handle = Handles::<Object>::reserve();
    let made = Object::new(Arc::clone(&connection));
    OBJECTS.insert(handle, Arc::clone(&made));
    // SAFETY: not null, and the caller's word.
    unsafe { set(out, handle) };
    let arguments = json!({"handle": handle, "id": id, "document": document});
    begin(&made, "v1.HcsCreateComputeSystem", CREATE_COMPLETED, arguments)
}

/// Begins work that a notification ends.
fn begin(object: &Arc<Object>, function: &str, completed: u32, arguments: Value) -> u32 {
    let notified = Arc::clone(object);
    let begun = object.connection.begin(function, arguments, move |outcome| {
        let status = codes::first_generation(outcome.hresult);
        notified.notify(completed, status, outcome.document);
    });
    match begun {
        Ok(_) => codes::V1_OPERATION_PENDING,
        Err(code) => codes::first_generation(code),
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsOpenComputeSystem(id: Text, out: *mut Handle, result: TextOut) -> u32 {
    let connection = match LINK.get() {
        Ok(connection) => connection,
        Err(code) => return codes::first_generation(code),
    };
    let handle = Handles::<Object>::reserve();
    // SAFETY: the caller's word.
    let id = unsafe { read(id) };
    let outcome =
        connection.call("HcsOpenComputeSystem", json!({"handle": handle, "id": id, "access": 0x1000_0000}));
    let opened = outcome.success();
    if opened {
        OBJECTS.insert(handle, Object::new(connection));
    }
    // SAFETY: the caller's word.
    unsafe {
        set(out, if opened { handle } else { 0 });
        finish(&outcome, std::ptr::null_mut(), result)
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCloseComputeSystem(system: Handle) -> u32 {
    close("HcsCloseComputeSystem", system, "system")
}

macro_rules! with_options {
    ($($name:ident: $call:literal, $completed:expr;)*) => {$(
        /// # Safety
        ///
        /// As the first generation's clients call it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(system: Handle, options: Text, result: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let options = unsafe {
                put(result, None);
                read(options)
            };
            match object(stringify!($name), system) {
                Ok(object) => begin(&object, $call, $completed, json!({"system": system, "options": options})),
                Err(code) => code,
            }
        }
    )*};
}

with_options! {
    HcsStartComputeSystem: "HcsStartComputeSystem", START_COMPLETED;
    HcsPauseComputeSystem: "HcsPauseComputeSystem", PAUSE_COMPLETED;
    HcsResumeComputeSystem: "HcsResumeComputeSystem", RESUME_COMPLETED;
    HcsSaveComputeSystem: "HcsSaveComputeSystem", SAVE_COMPLETED;
    HcsShutdownComputeSystem: "HcsShutDownComputeSystem", SHUTDOWN_COMPLETED;
    HcsTerminateComputeSystem: "HcsTerminateComputeSystem", SHUTDOWN_COMPLETED;
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetComputeSystemProperties(
    system: Handle,
    query: Text,
    properties: TextOut,
    result: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    let arguments = json!({"system": system, "query": unsafe { read(query) }, "generation": 1});
    match object("HcsGetComputeSystemProperties", system) {
        // SAFETY: the caller's word.
        Ok(object) => unsafe {
            finish(&object.connection.call("HcsGetComputeSystemProperties", arguments), properties, result)
        },
        Err(code) => code,
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsModifyComputeSystem(
    system: Handle,
    configuration: Text,
    result: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    let arguments = json!({"system": system, "first": unsafe { read(configuration) }});
    match object("HcsModifyComputeSystem", system) {
        // SAFETY: the caller's word.
        Ok(object) => unsafe {
            finish(&object.connection.call("HcsModifyComputeSystem", arguments), std::ptr::null_mut(), result)
        },
        Err(code) => code,
    }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsEnumerateComputeSystems(
    query: Text,
    systems: TextOut,
    result: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    let arguments = json!({"query": unsafe { read(query) }, "generation": 1});
    // SAFETY: the caller's word.
    unsafe { finish(&LINK.call("HcsEnumerateComputeSystems", arguments), systems, result) }
}

/// # Safety
///
/// As the first generation's clients call it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetServiceProperties(
    query: Text,
    properties: TextOut,
    result: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    let arguments = json!({"query": unsafe { read(query) }});
    // SAFETY: the caller's word.
    unsafe { finish(&LINK.call("HcsGetServiceProperties", arguments), properties, result) }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsRegisterComputeSystemCallback(
    system: Handle,
    callback: Option<Callback>,
    context: *const c_void,
    out: *mut Handle,
) -> u32 {
    register("HcsRegisterComputeSystemCallback", system, callback, context, out)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsUnregisterComputeSystemCallback(callback: Handle) -> u32 {
    unregister("HcsUnregisterComputeSystemCallback", callback)
}
