//! Exports on operations.

use std::ffi::c_void;

use sim_library::handles::Handles;
use sim_library::pipes::Ends;
use sim_library::text::set;
use sim_library::{Outcome, codes, json};
use std::sync::Arc;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};

use crate::operation::{Callback, Completion, Operation, Type, deliver, operation, process_of};
use crate::{EventCallback, Handle, LINK, OPERATIONS, Object, Text, TextOut, locked};

/// `HCS_PROCESS_INFORMATION`.
#[repr(C)]
pub struct ProcessInformation {
    process_id: u32,
    reserved: u32,
    input: HANDLE,
    output: HANDLE,
    errors: HANDLE,
}

/// Tells the service of a call that it has no part in. Its answer is only asked for where the
/// function can fail.
fn note(function: &str, operation: Handle) -> Result<(), u32> {
    let outcome = LINK.call("local", json!({"function": function, "operation": operation}));
    if outcome.success()
        || outcome.hresult == codes::SERVICE_NOT_AVAILABLE
        || outcome.hresult == codes::SERVICE_DISCONNECT
    {
        return Ok(());
    }
    Err(outcome.hresult)
}

fn make(context: *const c_void, callback: Option<Callback>) -> Handle {
    if note("HcsCreateOperation", 0).is_err() {
        return 0;
    }
    let handle = Handles::<Operation>::reserve();
    OPERATIONS.insert(handle, Operation::new(handle, context as usize, callback));
    handle
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCreateOperation(context: *const c_void, callback: Option<Completion>) -> Handle {
    make(context, callback.map(Callback::Completion))
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCreateOperationWithNotifications(
    _options: u32,
    context: *const c_void,
    callback: Option<EventCallback>,
) -> Handle {
    make(context, callback.map(Callback::Event))
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCloseOperation(handle: Handle) {
    if operation("HcsCloseOperation", handle).is_ok()
        && let Some(operation) = OPERATIONS.remove(handle)
    {
        operation.close();
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetOperationContext(handle: Handle) -> *const c_void {
    operation("HcsGetOperationContext", handle).map_or(0, |operation| operation.state().context)
        as *const c_void
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsSetOperationContext(handle: Handle, context: *const c_void) -> u32 {
    match operation("HcsSetOperationContext", handle) {
        Ok(operation) => {
            operation.state().context = context as usize;
            codes::S_OK
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsSetOperationCallback(
    handle: Handle,
    context: *const c_void,
    callback: Option<Completion>,
) -> u32 {
    match operation("HcsSetOperationCallback", handle) {
        Ok(operation) if operation.is_pending() => codes::OPERATION_ALREADY_STARTED,
        Ok(operation) => {
            let mut state = operation.state();
            (state.context, state.callback) = (context as usize, callback.map(Callback::Completion));
            codes::S_OK
        }
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetComputeSystemFromOperation(handle: Handle) -> Handle {
    operation("HcsGetComputeSystemFromOperation", handle).map_or(0, |operation| operation.state().system)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetProcessFromOperation(handle: Handle) -> Handle {
    operation("HcsGetProcessFromOperation", handle).map_or(0, |operation| operation.state().process)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetOperationType(handle: Handle) -> i32 {
    operation("HcsGetOperationType", handle)
        .map_or(Type::None as i32, |operation| operation.state().kind as i32)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetOperationId(handle: Handle) -> u64 {
    operation("HcsGetOperationId", handle).map_or(u64::MAX, |operation| operation.handle as u64 / 16)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetOperationResult(handle: Handle, document: TextOut) -> u32 {
    deliver(operation("HcsGetOperationResult", handle).and_then(|operation| operation.result()), document)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsWaitForOperationResult(
    handle: Handle,
    milliseconds: u32,
    document: TextOut,
) -> u32 {
    let waited = note("HcsWaitForOperationResult", handle)
        .and_then(|()| operation("HcsWaitForOperationResult", handle))
        .and_then(|operation| operation.wait(milliseconds));
    deliver(waited, document)
}

/// Checks that the operation is about a process's beginning.
fn with_information(operation: &Operation) -> Result<(), u32> {
    match operation.state().kind {
        Type::CreateProcess | Type::GetProcessInfo => Ok(()),
        _ => Err(codes::E_INVALIDARG),
    }
}

/// Fills the caller's structure: number, and the streams that were not handed out yet.
///
/// # Safety
///
/// `out` is null or may be written.
unsafe fn fill(out: *mut ProcessInformation, object: Option<&Arc<Object>>, outcome: Option<&Outcome>) {
    let mut ends = Ends::default();
    let mut process_id = 0;
    if let Some(object) = object
        && outcome.is_some_and(Outcome::success)
        && !out.is_null()
    {
        ends.handles = std::mem::take(&mut locked(&object.ends).handles);
        process_id = *locked(&object.id);
    }
    let none =
        if outcome.is_some_and(Outcome::success) { INVALID_HANDLE_VALUE } else { std::ptr::null_mut() };
    let mut take = |at: usize| match ends.take(at) {
        INVALID_HANDLE_VALUE => none,
        handle => handle,
    };
    let information =
        ProcessInformation { process_id, reserved: 0, input: take(0), output: take(1), errors: take(2) };
    // SAFETY: the caller's word.
    unsafe { set(out, information) };
}

fn result_with_information(
    result: Result<(Arc<Operation>, Outcome), u32>,
    information: *mut ProcessInformation,
    document: TextOut,
) -> u32 {
    let object = result.as_ref().ok().and_then(|(operation, _)| process_of(operation));
    let outcome = result.as_ref().ok().map(|(_, outcome)| outcome);
    // SAFETY: the caller's word, as for the exported functions.
    unsafe { fill(information, object.as_ref(), outcome) };
    deliver(result.map(|(_, outcome)| outcome), document)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetOperationResultAndProcessInfo(
    handle: Handle,
    information: *mut ProcessInformation,
    document: TextOut,
) -> u32 {
    let result = operation("HcsGetOperationResultAndProcessInfo", handle).and_then(|operation| {
        with_information(&operation)?;
        let outcome = operation.result()?;
        Ok((operation, outcome))
    });
    result_with_information(result, information, document)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsWaitForOperationResultAndProcessInfo(
    handle: Handle,
    milliseconds: u32,
    information: *mut ProcessInformation,
    document: TextOut,
) -> u32 {
    let result = note("HcsWaitForOperationResultAndProcessInfo", handle)
        .and_then(|()| operation("HcsWaitForOperationResultAndProcessInfo", handle))
        .and_then(|operation| {
            with_information(&operation)?;
            let outcome = operation.wait(milliseconds)?;
            Ok((operation, outcome))
        });
    result_with_information(result, information, document)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsCancelOperation(handle: Handle) -> u32 {
    operation("HcsCancelOperation", handle).map_or_else(|code| code, |_| codes::E_NOTIMPL)
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsAddResourceToOperation(
    handle: Handle,
    _kind: u32,
    uri: Text,
    _resource: HANDLE,
) -> u32 {
    match operation("HcsAddResourceToOperation", handle) {
        Err(code) => code,
        Ok(_) if uri.is_null() => codes::E_INVALIDARG,
        Ok(operation) if operation.is_idle() => codes::S_OK,
        Ok(_) => codes::OPERATION_ALREADY_STARTED,
    }
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsGetOperationProperties(handle: Handle, _options: Text, document: TextOut) -> u32 {
    let found = operation("HcsGetOperationProperties", handle);
    let text = found.map(|operation| Outcome {
        document: Some(json!({"Type": operation.state().kind as i32}).to_string()),
        ..Outcome::default()
    });
    deliver(text, document)
}
