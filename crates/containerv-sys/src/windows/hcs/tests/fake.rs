//! A computecore.dll of a few functions in this program. Handles are numbers that are checked at
//! each use; what happens is told by the texts that the tests pass.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::System::Memory::{LMEM_FIXED, LocalAlloc};

use super::super::abi::{Answer, Code, Completion, Event, EventCallback, ProcessInformation, Raw, Text};
use crate::windows::error::Hresult;
use crate::windows::library::Address;
use crate::windows::wide::{self, Wide};

pub(super) const INVALID_JSON: Hresult = Hresult(0x8037_010D);
pub(super) const ALREADY_STARTED: Hresult = Hresult(0x8037_0116);

/// What an operation will come to.
#[derive(Clone, Debug)]
struct Outcome {
    code: Hresult,
    document: Option<String>,
}

#[derive(Debug)]
enum State {
    Unused,
    Pending,
    Done(Outcome),
}

#[derive(Default)]
struct Callback(Option<(usize, EventCallback)>);

enum Object {
    Operation { state: State, context: usize, callback: Option<Completion>, process: bool },
    System { id: String, callback: Callback },
    Process { parameters: String, callback: Callback },
}

struct Service {
    last: usize,
    objects: BTreeMap<usize, Object>,
    /// What was called, on which system or process.
    log: Vec<String>,
}

static SERVICE: Mutex<Service> = Mutex::new(Service { last: 0, objects: BTreeMap::new(), log: Vec::new() });
static CHANGED: Condvar = Condvar::new();

fn service() -> MutexGuard<'static, Service> {
    SERVICE.lock().unwrap()
}

impl Service {
    fn add(&mut self, object: Object) -> Raw {
        self.last += 1;
        self.objects.insert(self.last, object);
        std::ptr::without_provenance_mut(self.last)
    }

    /// Panics, and so ends the program, when a handle is used after it was closed.
    fn object(&mut self, raw: Raw) -> &mut Object {
        self.objects.get_mut(&raw.addr()).expect("an open handle")
    }

    fn name(&mut self, raw: Raw) -> String {
        match self.object(raw) {
            Object::System { id: name, .. } | Object::Process { parameters: name, .. } => name.clone(),
            Object::Operation { .. } => panic!("an operation has no name"),
        }
    }

    fn note(&mut self, what: &str, raw: Raw) {
        let name = self.name(raw);
        self.log.push(format!("{what} {name}"));
    }
}

/// How often something was called on the system or process of this name.
pub(super) fn count(what: &str, name: &str) -> usize {
    let entry = format!("{what} {name}");
    service().log.iter().filter(|line| **line == entry).count()
}

/// Begins an operation, which ends by itself in another thread unless the outcome is none.
fn begin(operation: Raw, outcome: Option<Outcome>) -> Code {
    let mut service = service();
    let Object::Operation { state, .. } = service.object(operation) else { panic!("an operation") };
    if !matches!(state, State::Unused) {
        return ALREADY_STARTED.0.cast_signed();
    }
    *state = State::Pending;
    if let Some(outcome) = outcome {
        let raw = operation.addr();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(3));
            complete(raw, outcome);
        });
    }
    0
}

fn complete(raw: usize, outcome: Outcome) {
    let mut service = service();
    // Closed in flight: nobody wants to know.
    let Some(Object::Operation { state, context, callback, .. }) = service.objects.get_mut(&raw) else {
        return;
    };
    *state = State::Done(outcome);
    let (context, callback) = (*context, *callback);
    CHANGED.notify_all();
    drop(service);
    if let Some(callback) = callback {
        // SAFETY: as the real DLL does.
        unsafe { callback(std::ptr::without_provenance_mut(raw), std::ptr::without_provenance(context)) };
    }
}

/// Succeeds with a document that names the call and its text.
fn success(what: &str, text: Option<&str>) -> Option<Outcome> {
    let document = format!("{what}:{}", text.unwrap_or("NULL"));
    Some(Outcome { code: Hresult::OK, document: Some(document) })
}

fn failure(code: Hresult) -> Option<Outcome> {
    let document = Some(format!("{{\"Error\":{}}}", code.0.cast_signed()));
    Some(Outcome { code, document })
}

fn text(text: Text) -> Option<String> {
    // SAFETY: null or a text of the wrappers.
    unsafe { wide::copy(text) }
}

fn answer(slot: Answer, document: Option<String>) {
    let Some(document) = document else { return };
    let wide = Wide::new(document).unwrap();
    let units = (0..).take_while(|&at| at == 0 || unit(&wide, at - 1) != 0).count();
    // SAFETY: the memory has room for the units; the slot takes a pointer.
    unsafe {
        let memory: *mut u16 = LocalAlloc(LMEM_FIXED, units * 2).cast();
        std::ptr::copy_nonoverlapping(wide.as_ptr(), memory, units);
        if !(*slot).is_null() {
            LocalFree((*slot).cast());
        }
        *slot = memory;
    }
}

fn unit(wide: &Wide, at: usize) -> u16 {
    // SAFETY: `at` is at most the place of the NUL.
    unsafe { *wide.as_ptr().add(at) }
}

unsafe extern "system" fn create_operation(context: *const c_void, callback: Option<Completion>) -> Raw {
    service().add(Object::Operation {
        state: State::Unused,
        context: context.addr(),
        callback,
        process: false,
    })
}

unsafe extern "system" fn close(raw: Raw) {
    let mut service = service();
    match service.objects.remove(&raw.addr()).expect("a handle that is closed once") {
        Object::System { id: name, .. } | Object::Process { parameters: name, .. } => {
            service.log.push(format!("close {name}"));
        }
        Object::Operation { .. } => {}
    }
}

unsafe extern "system" fn create_system(
    id: Text,
    document: Text,
    operation: Raw,
    security: *const c_void,
    system: *mut Raw,
) -> Code {
    assert!(security.is_null());
    let (id, document) = (text(id).unwrap(), text(document).unwrap());
    if document == "refused" {
        // A version that fails at once and has a document all the same.
        let mut service = service();
        let Object::Operation { state, .. } = service.object(operation) else { panic!("an operation") };
        *state = State::Done(failure(INVALID_JSON).unwrap());
        return INVALID_JSON.0.cast_signed();
    }
    let outcome = match document.as_str() {
        "bad" => failure(INVALID_JSON),
        "stuck" => None,
        _ => success("create", Some(&document)),
    };
    let raw = service().add(Object::System { id, callback: Callback::default() });
    // SAFETY: the caller's room for a handle.
    unsafe { *system = raw };
    begin(operation, outcome)
}

unsafe extern "system" fn open_system(id: Text, access: u32, system: *mut Raw) -> Code {
    assert_eq!(access, 0x1000_0000);
    let id = text(id).unwrap();
    if id == "unknown" {
        return 0x8037_010E_u32.cast_signed();
    }
    // SAFETY: the caller's room for a handle.
    unsafe { *system = service().add(Object::System { id, callback: Callback::default() }) };
    0
}

unsafe extern "system" fn enumerate(query: Text, operation: Raw) -> Code {
    begin(operation, success("enumerate", text(query).as_deref()))
}

unsafe extern "system" fn start(system: Raw, operation: Raw, options: Text) -> Code {
    service().note("start", system);
    begin(operation, success("start", text(options).as_deref()))
}

unsafe extern "system" fn terminate(object: Raw, operation: Raw, options: Text) -> Code {
    service().note("terminate", object);
    let mut service = service();
    if let Object::System { callback, .. } | Object::Process { callback, .. } = service.object(object)
        && let Some((context, callback)) = callback.0.take()
    {
        thread::spawn(move || event(context, callback, 1, "{\"Status\":0}"));
    }
    drop(service);
    begin(operation, success("terminate", text(options).as_deref()))
}

fn event(context: usize, callback: EventCallback, kind: i32, data: &str) {
    let data = Wide::new(data).unwrap();
    let event = Event { kind, data: data.as_ptr(), operation: std::ptr::null_mut() };
    // SAFETY: as the real DLL does: the event and its data are valid during the call.
    unsafe { callback(&raw const event, std::ptr::without_provenance(context)) };
}

unsafe extern "system" fn set_callback(
    object: Raw,
    options: i32,
    context: *const c_void,
    callback: Option<EventCallback>,
) -> Code {
    assert_eq!(options, 0);
    service().note("register", object);
    match service().object(object) {
        Object::System { callback: own, .. } | Object::Process { callback: own, .. } => {
            own.0 = callback.map(|callback| (context.addr(), callback));
        }
        Object::Operation { .. } => panic!("not a system or process"),
    }
    0
}

unsafe extern "system" fn create_process(
    system: Raw,
    parameters: Text,
    operation: Raw,
    security: *const c_void,
    process: *mut Raw,
) -> Code {
    assert!(security.is_null());
    service().note("create-process", system);
    let parameters = text(parameters).unwrap();
    if let Object::Operation { process, .. } = service().object(operation) {
        *process = true;
    }
    let outcome = match parameters.as_str() {
        // Windows Server 2022: already done, and the wait fails.
        "already-done" | "already-gone" => Some(Outcome { code: Hresult::INVALID_ARGUMENT, document: None }),
        "bad" => failure(INVALID_JSON),
        "stuck" => None,
        _ => success("create-process", None),
    };
    // SAFETY: the caller's room for a handle.
    unsafe { *process = service().add(Object::Process { parameters, callback: Callback::default() }) };
    begin(operation, outcome)
}

unsafe extern "system" fn process_info(process: Raw, operation: Raw) -> Code {
    service().note("info", process);
    if let Object::Operation { process, .. } = service().object(operation) {
        *process = true;
    }
    let name = service().name(process);
    begin(operation, if name == "already-done" { success("info", None) } else { failure(Hresult::FAIL) })
}

unsafe extern "system" fn result(operation: Raw, slot: Answer) -> Code {
    let mut service = service();
    let Object::Operation { state, .. } = service.object(operation) else { panic!("an operation") };
    match state {
        State::Unused => Hresult::OPERATION_NOT_STARTED.0.cast_signed(),
        State::Pending => Hresult::OPERATION_PENDING.0.cast_signed(),
        State::Done(outcome) => {
            answer(slot, outcome.document.clone());
            outcome.code.0.cast_signed()
        }
    }
}

unsafe extern "system" fn wait(operation: Raw, limit: u32, slot: Answer) -> Code {
    let mut service = service();
    let Object::Operation { .. } = service.object(operation) else { panic!("an operation") };
    let pending = |service: &mut Service| {
        matches!(service.object(operation), Object::Operation { state: State::Pending, .. })
    };
    if limit == u32::MAX {
        service = CHANGED.wait_while(service, |service| pending(service)).unwrap();
    } else {
        let limit = Duration::from_millis(limit.into());
        service = CHANGED.wait_timeout_while(service, limit, |service| pending(service)).unwrap().0;
    }
    if pending(&mut service) {
        return Hresult::OPERATION_TIMEOUT.0.cast_signed();
    }
    drop(service);
    // SAFETY: the operation is open, and the slot is the caller's.
    unsafe { result(operation, slot) }
}

/// The same, in a version that has its own word for a time that is over.
unsafe extern "system" fn wait_with_other_code(operation: Raw, limit: u32, slot: Answer) -> Code {
    // SAFETY: passes on what came.
    match unsafe { wait(operation, limit, slot) }.cast_unsigned() {
        0x8037_0118 => 0x8007_05B4_u32.cast_signed(),
        code => code.cast_signed(),
    }
}

unsafe extern "system" fn wait_with_info(
    operation: Raw,
    limit: u32,
    info: *mut ProcessInformation,
    slot: Answer,
) -> Code {
    let Object::Operation { process: true, .. } = service().object(operation) else {
        return Hresult::INVALID_ARGUMENT.0.cast_signed();
    };
    // SAFETY: passes on what came.
    let code = unsafe { wait(operation, limit, slot) };
    if code == 0 {
        let event = crate::windows::wait::Event::new().unwrap();
        let handle = std::os::windows::io::IntoRawHandle::into_raw_handle(event.into_handle());
        // SAFETY: the caller's room.
        unsafe {
            (*info).id = 1234;
            (*info).stdin = std::ptr::null_mut();
            (*info).stdout = handle;
            (*info).stderr = INVALID_HANDLE_VALUE;
        }
    }
    code
}

unsafe extern "system" fn service_properties(query: Text, slot: Answer) -> Code {
    match text(query).as_deref() {
        Some("bad") => {
            answer(slot, Some("{\"Error\":1}".into()));
            INVALID_JSON.0.cast_signed()
        }
        other => {
            answer(slot, Some(format!("service:{}", other.unwrap_or("NULL"))));
            1
        }
    }
}

/// The functions of this DLL. `HcsWaitForProcessExit` and others are missing, as in old versions.
pub(super) fn find(name: &CStr) -> Option<Address> {
    let address: *const c_void = match name.to_bytes() {
        b"HcsCreateOperation" => create_operation as *const c_void,
        b"HcsCloseOperation" | b"HcsCloseComputeSystem" | b"HcsCloseProcess" => close as *const c_void,
        b"HcsCreateComputeSystem" => create_system as *const c_void,
        b"HcsOpenComputeSystem" => open_system as *const c_void,
        b"HcsEnumerateComputeSystems" => enumerate as *const c_void,
        b"HcsStartComputeSystem" => start as *const c_void,
        b"HcsTerminateComputeSystem" | b"HcsTerminateProcess" => terminate as *const c_void,
        b"HcsSetComputeSystemCallback" | b"HcsSetProcessCallback" => set_callback as *const c_void,
        b"HcsCreateProcess" => create_process as *const c_void,
        b"HcsGetProcessInfo" => process_info as *const c_void,
        b"HcsGetOperationResult" => result as *const c_void,
        b"HcsWaitForOperationResult" => wait as *const c_void,
        b"HcsWaitForOperationResultAndProcessInfo" => wait_with_info as *const c_void,
        b"HcsGetServiceProperties" => service_properties as *const c_void,
        _ => return None,
    };
    // SAFETY: an address of a function; the table gives it its signature.
    Some(unsafe { std::mem::transmute::<*const c_void, Address>(address) })
}

/// The functions of another version.
pub(super) fn find_other(name: &CStr) -> Option<Address> {
    match name.to_bytes() {
        // SAFETY: as in `find`.
        b"HcsWaitForOperationResult" => Some(unsafe {
            std::mem::transmute::<*const c_void, Address>(wait_with_other_code as *const c_void)
        }),
        _ => find(name),
    }
}

/// Ends the operation of a number, of which the test knows that it is stuck.
pub(super) fn release(raw: Raw) {
    complete(raw.addr(), success("released", None).unwrap());
}
