//! Exports on compute systems.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use sim_library::handles::Handles;
use sim_library::text::{put, read, set};
use sim_library::{Outcome, Value, codes, json};

use crate::operation::{About, Type, begin, deliver};
use crate::{EventCallback, Handle, Kind, LINK, OBJECTS, Object, Text, TextOut, close, object, register};

/// An asynchronous call on a system.
///
/// # Safety
///
/// The texts are null or end with a zero.
unsafe fn asynchronous(
    function: &str,
    kind: Type,
    system: Handle,
    operation: Handle,
    texts: &[(&str, Text)],
) -> u32 {
    let object = match object(function, system, Kind::System) {
        Ok(object) => object,
        Err(code) => return code,
    };
    let mut arguments = json!({"system": system});
    for (name, text) in texts {
        // SAFETY: the caller's word.
        arguments[*name] = unsafe { read(*text) }.map_or(Value::Null, Value::String);
    }
    let connection = Arc::clone(&object.connection);
    begin(
        function,
        operation,
        About { kind, system, process: 0, object: Some(object) },
        &connection,
        arguments,
        |_| (),
    )
}

/// # Safety
///
/// The texts are null or end with a zero; `out` is null or may be written.
unsafe fn create(
    function: &str,
    namespace: Text,
    id: Text,
    document: Text,
    operation: Handle,
    out: *mut Handle,
) -> u32 {
    if id.is_null() || document.is_null() || out.is_null() {
        return codes::E_INVALIDARG;
    }
    // SAFETY: not null, and the caller's word.
    unsafe { set(out, 0) };
    let connection = match LINK.get() {
        Ok(connection) => connection,
        Err(code) => return code,
    };
    let handle = Handles::<Object>::reserve();
    let object = Object::new(Kind::System, Arc::clone(&connection));
    OBJECTS.insert(handle, Arc::clone(&object));
    // SAFETY: the caller's word.
    let (namespace, id, document) = unsafe { (read(namespace), read(id), read(document)) };
    let arguments = json!({"handle": handle, "namespace": namespace, "id": id, "document": document});
    // The handle is there before the work is done, and whoever is called back may use it.
    // SAFETY: as above.
    unsafe { set(out, handle) };
    let about = About { kind: Type::Create, system: handle, process: 0, object: Some(object) };
    let code = begin(function, operation, about, &connection, arguments, |_| ());
    if code & 0x8000_0000 != 0 {
        OBJECTS.remove(handle);
        // SAFETY: as above.
        unsafe { set(out, 0) };
    }
    code
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsCreateComputeSystem(
    id: Text,
    document: Text,
    operation: Handle,
    security: *const c_void,
    out: *mut Handle,
) -> u32 {
    if !security.is_null() {
        return codes::E_INVALIDARG;
    }
    // SAFETY: passed on.
    unsafe { create("HcsCreateComputeSystem", std::ptr::null(), id, document, operation, out) }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsCreateComputeSystemInNamespace(
    namespace: Text,
    id: Text,
    document: Text,
    operation: Handle,
    _options: *const c_void,
    out: *mut Handle,
) -> u32 {
    // SAFETY: passed on.
    unsafe { create("HcsCreateComputeSystemInNamespace", namespace, id, document, operation, out) }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsOpenComputeSystem(id: Text, access: u32, out: *mut Handle) -> u32 {
    if id.is_null() || out.is_null() {
        return codes::E_INVALIDARG;
    }
    // SAFETY: not null, and the caller's word.
    unsafe { set(out, 0) };
    let connection = match LINK.get() {
        Ok(connection) => connection,
        Err(code) => return code,
    };
    let handle = Handles::<Object>::reserve();
    // SAFETY: the caller's word.
    let id = unsafe { read(id) };
    let outcome =
        connection.call("HcsOpenComputeSystem", json!({"handle": handle, "id": id, "access": access}));
    if outcome.success() {
        OBJECTS.insert(handle, Object::new(Kind::System, connection));
        // SAFETY: as above.
        unsafe { set(out, handle) };
    }
    outcome.hresult
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsOpenComputeSystemInNamespace(
    _namespace: Text,
    id: Text,
    access: u32,
    out: *mut Handle,
) -> u32 {
    // SAFETY: passed on.
    unsafe { HcsOpenComputeSystem(id, access, out) }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCloseComputeSystem(system: Handle) {
    close("HcsCloseComputeSystem", system, Kind::System, "system");
}

/// Exports with the parameters system, operation, options.
macro_rules! with_options {
    ($($name:ident: $kind:ident, $argument:literal;)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(system: Handle, operation: Handle, options: Text) -> u32 {
            // SAFETY: passed on.
            unsafe { asynchronous(stringify!($name), Type::$kind, system, operation, &[($argument, options)]) }
        }
    )*};
}

with_options! {
    HcsStartComputeSystem: Start, "options";
    HcsShutDownComputeSystem: Shutdown, "options";
    HcsTerminateComputeSystem: Terminate, "options";
    HcsCrashComputeSystem: Crash, "options";
    HcsPauseComputeSystem: Pause, "options";
    HcsResumeComputeSystem: Resume, "options";
    HcsSaveComputeSystem: Save, "options";
    HcsGetComputeSystemProperties: GetProperties, "query";
    HcsInitializeLiveMigrationOnSource: LiveMigration, "options";
    HcsStartLiveMigrationOnSource: LiveMigration, "options";
    HcsStartLiveMigrationTransfer: LiveMigration, "options";
    HcsFinalizeLiveMigration: LiveMigration, "options";
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsModifyComputeSystem(
    system: Handle,
    operation: Handle,
    document: Text,
    _identity: usize,
) -> u32 {
    // SAFETY: passed on.
    unsafe {
        asynchronous("HcsModifyComputeSystem", Type::Modify, system, operation, &[("document", document)])
    }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsEnumerateComputeSystems(query: Text, operation: Handle) -> u32 {
    let connection = match LINK.get() {
        Ok(connection) => connection,
        Err(code) => return code,
    };
    // SAFETY: the caller's word.
    let arguments = json!({"query": unsafe { read(query) }});
    let about = About { kind: Type::Enumerate, system: 0, process: 0, object: None };
    begin("HcsEnumerateComputeSystems", operation, about, &connection, arguments, |_| ())
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsEnumerateComputeSystemsInNamespace(
    _namespace: Text,
    query: Text,
    operation: Handle,
) -> u32 {
    // SAFETY: passed on.
    unsafe { HcsEnumerateComputeSystems(query, operation) }
}

/// A wait that may be given up.
pub fn wait(object: &Object, function: &str, arguments: Value, milliseconds: u32) -> Result<Outcome, u32> {
    let (sender, receiver) = std::sync::mpsc::channel();
    object.connection.begin(function, arguments, move |outcome| drop(sender.send(outcome)))?;
    if milliseconds == u32::MAX {
        return receiver.recv().map_err(|_| codes::SERVICE_DISCONNECT);
    }
    receiver.recv_timeout(Duration::from_millis(milliseconds.into())).map_err(|_| codes::OPERATION_TIMEOUT)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsWaitForComputeSystemExit(
    system: Handle,
    milliseconds: u32,
    result: TextOut,
) -> u32 {
    let waited = object("HcsWaitForComputeSystemExit", system, Kind::System).and_then(|object| {
        wait(&object, "HcsWaitForComputeSystemExit", json!({"system": system}), milliseconds)
    });
    deliver(waited, result)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsSetComputeSystemCallback(
    system: Handle,
    options: u32,
    context: *const c_void,
    callback: Option<EventCallback>,
) -> u32 {
    register("HcsSetComputeSystemCallback", system, Kind::System, options, context, callback)
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetProcessorCompatibilityFromSavedState(
    _file: Text,
    features: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    unsafe { put(features, None) };
    codes::FILE_NOT_FOUND
}
