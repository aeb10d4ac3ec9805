//! `computecore.dll` for tests: safe wrappers of its exports, each found by name.

use std::ffi::c_void;
use std::fs::File;
use std::os::windows::io::FromRawHandle;
use std::ptr;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};

pub type Handle = usize;
type Out = *mut *mut u16;

pub const GENERIC_ALL: u32 = 0x1000_0000;
pub const INFINITE: u32 = u32::MAX;

/// The address of an export, from System32 as real clients load it.
pub fn export(library: &str, name: &str) -> Option<usize> {
    let library = wide(&format!("{library}.dll"));
    let name: Vec<u8> = name.bytes().chain([0]).collect();
    // SAFETY: both names end with a zero.
    unsafe {
        let module = LoadLibraryExW(library.as_ptr(), ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32);
        GetProcAddress(module, name.as_ptr()).map(|function| function as usize)
    }
}

pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Calls an export of the library with these arguments.
#[macro_export]
macro_rules! call {
    ($library:literal, $name:literal, ($($kind:ty),*) -> $result:ty, $($argument:expr),*) => {{
        static ADDRESS: std::sync::LazyLock<usize> =
            std::sync::LazyLock::new(|| $crate::api::export($library, $name).expect($name));
        // SAFETY: the export has these parameters, as Windows documents it.
        unsafe {
            let function = std::mem::transmute::<usize, unsafe extern "system" fn($($kind),*) -> $result>(*ADDRESS);
            function($($argument),*)
        }
    }};
}

/// The text behind a pointer that a function returned, which is then freed, by turns in the one way
/// or the other that clients use.
///
/// # Safety
///
/// Null, or what a stand-in returned, not freed yet.
pub unsafe fn taken(pointer: *mut u16) -> Option<String> {
    static TURN: Mutex<bool> = Mutex::new(false);
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the library's text, which ends with a zero.
    let text = unsafe {
        let length = (0..).take_while(|at| *pointer.add(*at) != 0).count();
        String::from_utf16_lossy(std::slice::from_raw_parts(pointer, length))
    };
    let mut turn = TURN.lock().unwrap();
    *turn = !*turn;
    // SAFETY: nobody reads it any more.
    unsafe {
        if *turn {
            LocalFree(pointer.cast());
        } else {
            CoTaskMemFree(pointer.cast());
        }
    }
    Some(text)
}

/// A result: the code and the document.
pub type Result = (u32, Option<String>);

/// An operation without a callback.
pub struct Operation(pub Handle);

impl Default for Operation {
    fn default() -> Self {
        Operation::new()
    }
}

impl Operation {
    pub fn new() -> Operation {
        Operation(
            call!("computecore", "HcsCreateOperation", (*const c_void, usize) -> Handle, ptr::null(), 0),
        )
    }

    pub fn wait(&self, milliseconds: u32) -> Result {
        let mut text = ptr::null_mut();
        let code = call!("computecore", "HcsWaitForOperationResult", (Handle, u32, Out) -> u32, self.0, milliseconds, &mut text);
        // SAFETY: the library's text.
        (code, unsafe { taken(text) })
    }

    pub fn result(&self) -> Result {
        let mut text = ptr::null_mut();
        let code = call!("computecore", "HcsGetOperationResult", (Handle, Out) -> u32, self.0, &mut text);
        // SAFETY: the library's text.
        (code, unsafe { taken(text) })
    }

    pub fn kind(&self) -> i32 {
        call!("computecore", "HcsGetOperationType", (Handle) -> i32, self.0)
    }

    pub fn close(&self) {
        call!("computecore", "HcsCloseOperation", (Handle) -> (), self.0);
    }
}

/// `HCS_PROCESS_INFORMATION`.
#[repr(C)]
#[derive(Debug)]
pub struct Information {
    pub process: u32,
    pub reserved: u32,
    pub streams: [HANDLE; 3],
}

impl Information {
    pub fn empty() -> Information {
        Information { process: 0, reserved: 0, streams: [ptr::null_mut(); 3] }
    }

    /// The caller's end of a stream, if there is one.
    pub fn stream(&self, at: usize) -> Option<File> {
        let handle = self.streams[at];
        // SAFETY: handed to us, once.
        (!handle.is_null() && handle != INVALID_HANDLE_VALUE)
            .then(|| unsafe { File::from_raw_handle(handle.cast()) })
    }
}

/// Runs an asynchronous function and waits for its end.
pub fn finish(begin: impl FnOnce(Handle) -> u32) -> Result {
    let operation = Operation::new();
    let code = begin(operation.0);
    let result = if code & 0x8000_0000 != 0 { (code, None) } else { operation.wait(60_000) };
    operation.close();
    result
}

pub fn create(id: &str, document: &str) -> (Result, Handle) {
    let (id, document) = (wide(id), wide(document));
    let mut system = 0;
    let result = finish(|operation| {
        call!("computecore", "HcsCreateComputeSystem", (*const u16, *const u16, Handle, *const c_void, *mut Handle) -> u32,
            id.as_ptr(), document.as_ptr(), operation, ptr::null(), &mut system)
    });
    (result, system)
}

pub fn open(id: &str) -> (u32, Handle) {
    let id = wide(id);
    let mut system = 0;
    let code = call!("computecore", "HcsOpenComputeSystem", (*const u16, u32, *mut Handle) -> u32, id.as_ptr(), GENERIC_ALL, &mut system);
    (code, system)
}

pub fn close(system: Handle) {
    call!("computecore", "HcsCloseComputeSystem", (Handle) -> (), system);
}

/// A text, or null for `None`.
pub fn pointer(text: &Option<Vec<u16>>) -> *const u16 {
    text.as_ref().map_or(ptr::null(), Vec::as_ptr)
}

macro_rules! on_system {
    ($($name:ident = $export:literal;)*) => {$(
        pub fn $name(system: Handle, text: Option<&str>) -> Result {
            let text = text.map(wide);
            finish(|operation| call!("computecore", $export, (Handle, Handle, *const u16) -> u32, system, operation, pointer(&text)))
        }
    )*};
}

on_system! {
    start = "HcsStartComputeSystem";
    shut_down = "HcsShutDownComputeSystem";
    terminate = "HcsTerminateComputeSystem";
    pause = "HcsPauseComputeSystem";
    resume = "HcsResumeComputeSystem";
    save = "HcsSaveComputeSystem";
    properties = "HcsGetComputeSystemProperties";
    signal_process = "HcsSignalProcess";
    terminate_process = "HcsTerminateProcess";
    modify_process = "HcsModifyProcess";
    process_properties = "HcsGetProcessProperties";
}

pub fn modify(system: Handle, document: &str) -> Result {
    let document = wide(document);
    finish(
        |operation| call!("computecore", "HcsModifyComputeSystem", (Handle, Handle, *const u16, usize) -> u32, system, operation, document.as_ptr(), 0),
    )
}

pub fn enumerate(query: Option<&str>) -> Result {
    let query = query.map(wide);
    finish(
        |operation| call!("computecore", "HcsEnumerateComputeSystems", (*const u16, Handle) -> u32, pointer(&query), operation),
    )
}

pub fn service_properties(query: Option<&str>) -> Result {
    let query = query.map(wide);
    let mut text = ptr::null_mut();
    let code =
        call!("computecore", "HcsGetServiceProperties", (*const u16, Out) -> u32, pointer(&query), &mut text);
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

/// Asks for a text and does not free it.
pub fn leak_a_text() {
    let mut text = ptr::null_mut();
    let query = wide(r#"{"PropertyTypes":["Basic"]}"#);
    let code =
        call!("computecore", "HcsGetServiceProperties", (*const u16, Out) -> u32, query.as_ptr(), &mut text);
    assert!(code == 0 && !text.is_null());
}

/// Creates a process and waits until it runs.
pub fn create_process(system: Handle, parameters: &str) -> (Result, Handle, Information) {
    let parameters = wide(parameters);
    let (mut process, mut information) = (0, Information::empty());
    let operation = Operation::new();
    let code = call!("computecore", "HcsCreateProcess", (Handle, *const u16, Handle, *const c_void, *mut Handle) -> u32,
        system, parameters.as_ptr(), operation.0, ptr::null(), &mut process);
    let mut result = (code, None);
    if code & 0x8000_0000 == 0 {
        let mut text = ptr::null_mut();
        let code = call!("computecore", "HcsWaitForOperationResultAndProcessInfo", (Handle, u32, *mut Information, Out) -> u32,
            operation.0, 60_000, &mut information, &mut text);
        // SAFETY: the library's text.
        result = (code, unsafe { taken(text) });
    }
    operation.close();
    (result, process, information)
}

pub fn close_process(process: Handle) {
    call!("computecore", "HcsCloseProcess", (Handle) -> (), process);
}

pub fn wait_for_process(process: Handle, milliseconds: u32) -> Result {
    let mut text = ptr::null_mut();
    let code = call!("computecore", "HcsWaitForProcessExit", (Handle, u32, Out) -> u32, process, milliseconds, &mut text);
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

pub fn wait_for_system(system: Handle, milliseconds: u32) -> Result {
    let mut text = ptr::null_mut();
    let code = call!("computecore", "HcsWaitForComputeSystemExit", (Handle, u32, Out) -> u32, system, milliseconds, &mut text);
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

#[repr(C)]
pub struct Event {
    kind: u32,
    data: *const u16,
    operation: Handle,
}

/// Events that a callback got: kind and data.
#[derive(Default)]
pub struct Events {
    got: Mutex<Vec<(u32, String)>>,
    more: Condvar,
}

impl Events {
    /// For use as a callback's context, for ever.
    pub fn leaked() -> &'static Events {
        &*Box::leak(Box::default())
    }

    pub fn all(&self) -> Vec<(u32, String)> {
        self.got.lock().unwrap().clone()
    }

    /// The data of the first event of this kind, when it comes within a minute.
    pub fn wait(&self, kind: u32) -> Option<String> {
        let got = self.got.lock().unwrap();
        let missing = |got: &mut Vec<(u32, String)>| !got.iter().any(|event| event.0 == kind);
        let (got, _) = self.more.wait_timeout_while(got, Duration::from_secs(60), missing).unwrap();
        got.iter().find(|event| event.0 == kind).map(|event| event.1.clone())
    }
}

/// A callback whose context is an [`Events`].
///
/// # Safety
///
/// For the stand-ins to call.
pub unsafe extern "system" fn on_event(event: *const Event, context: *const c_void) {
    // SAFETY: the library's event, valid now; the context is a leaked `Events`.
    let (event, events) = unsafe { (&*event, &*context.cast::<Events>()) };
    let data = if event.data.is_null() {
        String::new()
    } else {
        // SAFETY: ends with a zero.
        unsafe {
            let length = (0..).take_while(|at| *event.data.add(*at) != 0).count();
            String::from_utf16_lossy(std::slice::from_raw_parts(event.data, length))
        }
    };
    events.got.lock().unwrap().push((event.kind, data));
    events.more.notify_all();
}

pub type Callback = unsafe extern "system" fn(*const Event, *const c_void);

pub fn listen(system: Handle, events: &'static Events, options: u32) -> u32 {
    call!("computecore", "HcsSetComputeSystemCallback", (Handle, u32, *const c_void, Callback) -> u32,
        system, options, ptr::from_ref(events).cast(), on_event)
}

pub fn listen_to_process(process: Handle, events: &'static Events) -> u32 {
    call!("computecore", "HcsSetProcessCallback", (Handle, u32, *const c_void, Callback) -> u32,
        process, 0, ptr::from_ref(events).cast(), on_event)
}

/// Completions that a callback got.
pub static COMPLETED: LazyLock<Arc<(Mutex<Vec<Handle>>, Condvar)>> = LazyLock::new(Arc::default);

pub type Completion = unsafe extern "system" fn(Handle, *const c_void);

/// A completion that closes its operation.
///
/// # Safety
///
/// For the stand-ins to call.
pub unsafe extern "system" fn on_completion(operation: Handle, _context: *const c_void) {
    call!("computecore", "HcsCloseOperation", (Handle) -> (), operation);
    COMPLETED.0.lock().unwrap().push(operation);
    COMPLETED.1.notify_all();
}

/// The streams and the number of a process that was created without them.
pub fn process_information(process: Handle) -> (u32, Information) {
    let mut information = Information::empty();
    let operation = Operation::new();
    let mut code = call!("computecore", "HcsGetProcessInfo", (Handle, Handle) -> u32, process, operation.0);
    if code == 0 {
        code = call!("computecore", "HcsWaitForOperationResultAndProcessInfo", (Handle, u32, *mut Information, Out) -> u32,
            operation.0, 60_000, &mut information, ptr::null_mut());
    }
    operation.close();
    (code, information)
}

pub fn open_process(system: Handle, id: u32) -> (u32, Handle) {
    let mut process = 0;
    let code = call!("computecore", "HcsOpenProcess", (Handle, u32, u32, *mut Handle) -> u32, system, id, GENERIC_ALL, &mut process);
    (code, process)
}

/// A function that takes a machine's id and a file.
pub fn grant(id: &str, file: &str) -> u32 {
    let (id, file) = (wide(id), wide(file));
    call!("computecore", "HcsGrantVmAccess", (*const u16, *const u16) -> u32, id.as_ptr(), file.as_ptr())
}

pub fn guest_state_file(file: &str) -> u32 {
    let file = wide(file);
    call!("computecore", "HcsCreateEmptyGuestStateFile", (*const u16) -> u32, file.as_ptr())
}
