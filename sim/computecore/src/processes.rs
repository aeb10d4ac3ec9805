//! Exports on processes.

use std::ffi::c_void;
use std::sync::Arc;

use sim_library::handles::Handles;
use sim_library::pipes;
use sim_library::text::{read, set};
use sim_library::{Outcome, Value, codes, json};

use crate::operation::{About, Type, begin, deliver};
use crate::systems::wait;
use crate::{EventCallback, Handle, Kind, OBJECTS, Object, Text, TextOut, close, locked, object, register};

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsCreateProcess(
    system: Handle,
    parameters: Text,
    operation: Handle,
    security: *const c_void,
    out: *mut Handle,
) -> u32 {
    if parameters.is_null() || out.is_null() || !security.is_null() {
        return codes::E_INVALIDARG;
    }
    // SAFETY: not null, and the caller's word.
    unsafe { set(out, 0) };
    let of = match object("HcsCreateProcess", system, Kind::System) {
        Ok(of) => of,
        Err(code) => return code,
    };
    let handle = Handles::<Object>::reserve();
    let process = Object::new(Kind::Process, Arc::clone(&of.connection));
    OBJECTS.insert(handle, Arc::clone(&process));
    // SAFETY: as above.
    unsafe { set(out, handle) };
    // SAFETY: the caller's word.
    let arguments = json!({"system": system, "handle": handle, "document": unsafe { read(parameters) }});
    let connection = Arc::clone(&of.connection);
    let about = About { kind: Type::CreateProcess, system, process: handle, object: Some(of) };
    let code = begin("HcsCreateProcess", operation, about, &connection, arguments, move |outcome| {
        begun(&process, outcome)
    });
    if code & 0x8000_0000 != 0 {
        OBJECTS.remove(handle);
        // SAFETY: as above.
        unsafe { set(out, 0) };
    }
    code
}

/// Connects the streams before anybody learns that the process runs.
fn begun(process: &Object, outcome: &mut Outcome) {
    if !outcome.success() {
        return;
    }
    *locked(&process.id) = outcome.values["process"].as_u64().unwrap_or_default() as u32;
    let ticket = |at: usize| outcome.values["tickets"][at].as_u64().unwrap_or_default();
    match pipes::connect(&process.connection, [ticket(0), ticket(1), ticket(2)]) {
        Ok(ends) => *locked(&process.ends) = ends,
        Err(_) => outcome.hresult = codes::E_FAIL,
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsOpenProcess(system: Handle, id: u32, access: u32, out: *mut Handle) -> u32 {
    let of = match object("HcsOpenProcess", system, Kind::System) {
        Ok(of) => of,
        Err(code) => return code,
    };
    if out.is_null() {
        return codes::E_INVALIDARG;
    }
    let handle = Handles::<Object>::reserve();
    let outcome = of
        .connection
        .call("HcsOpenProcess", json!({"system": system, "handle": handle, "id": id, "access": access}));
    let opened = outcome.success();
    if opened {
        let process = Object::new(Kind::Process, Arc::clone(&of.connection));
        *locked(&process.id) = id;
        OBJECTS.insert(handle, process);
    }
    // SAFETY: not null, and the caller's word.
    unsafe { set(out, if opened { handle } else { 0 }) };
    outcome.hresult
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCloseProcess(process: Handle) {
    close("HcsCloseProcess", process, Kind::Process, "process");
}

fn asynchronous(
    function: &str,
    kind: Type,
    process: Handle,
    operation: Handle,
    mut arguments: Value,
    done: impl FnOnce(&Object, &Outcome) + Send + 'static,
) -> u32 {
    let object = match object(function, process, Kind::Process) {
        Ok(object) => object,
        Err(code) => return code,
    };
    arguments["process"] = json!(process);
    let connection = Arc::clone(&object.connection);
    let about = About { kind, system: 0, process, object: Some(Arc::clone(&object)) };
    begin(function, operation, about, &connection, arguments, move |outcome| done(&object, outcome))
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetProcessInfo(process: Handle, operation: Handle) -> u32 {
    asynchronous("HcsGetProcessInfo", Type::GetProcessInfo, process, operation, json!({}), |_, _| ())
}

/// Exports with the parameters process, operation, text.
macro_rules! with_text {
    ($($name:ident: $kind:ident, $argument:literal;)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(process: Handle, operation: Handle, text: Text) -> u32 {
            // SAFETY: the caller's word.
            let arguments = json!({$argument: unsafe { read(text) }});
            asynchronous(stringify!($name), Type::$kind, process, operation, arguments, |_, _| ())
        }
    )*};
}

with_text! {
    HcsGetProcessProperties: GetProcessProperties, "query";
    HcsSignalProcess: SignalProcess, "options";
    HcsTerminateProcess: Terminate, "options";
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsModifyProcess(process: Handle, operation: Handle, settings: Text) -> u32 {
    // SAFETY: the caller's word.
    let settings = unsafe { read(settings) };
    let closes = settings.as_deref().is_some_and(closes_input);
    asynchronous(
        "HcsModifyProcess",
        Type::ModifyProcess,
        process,
        operation,
        json!({"settings": settings}),
        move |process, outcome| {
            // The bytes on the way go first.
            if closes
                && outcome.success()
                && let Some(input) = &locked(&process.ends).input
            {
                input.close();
            }
        },
    )
}

fn closes_input(settings: &str) -> bool {
    let request: Value = serde_json::from_str(settings).unwrap_or_default();
    request["Operation"] == "CloseHandle"
        && matches!(request["CloseHandle"]["Handle"].as_str(), Some("StdIn" | "All"))
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsWaitForProcessExit(process: Handle, milliseconds: u32, result: TextOut) -> u32 {
    let waited = object("HcsWaitForProcessExit", process, Kind::Process)
        .and_then(|object| wait(&object, "HcsWaitForProcessExit", json!({"process": process}), milliseconds));
    deliver(waited, result)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsSetProcessCallback(
    process: Handle,
    options: u32,
    context: *const c_void,
    callback: Option<EventCallback>,
) -> u32 {
    register("HcsSetProcessCallback", process, Kind::Process, options, context, callback)
}
