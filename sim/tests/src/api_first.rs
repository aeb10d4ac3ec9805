//! The first generation of compute systems, `vmcompute.dll`, for tests.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::api::{Handle, Information, Result, taken, wide};
use crate::call;

type Out = *mut *mut u16;
type Callback = unsafe extern "system" fn(u32, *const c_void, u32, *const u16);

/// Notifications that a callback got: code, status, data.
#[derive(Default)]
pub struct Notifications {
    got: Mutex<Vec<(u32, u32, String)>>,
    more: Condvar,
}

impl Notifications {
    /// For use as a callback's context, for ever.
    pub fn leaked() -> &'static Notifications {
        &*Box::leak(Box::default())
    }

    /// Forgets what came.
    pub fn clear(&self) {
        self.got.lock().unwrap().clear();
    }

    /// Status and data of the first notification of this code, when it comes within a minute.
    pub fn wait(&self, code: u32) -> Option<(u32, String)> {
        let got = self.got.lock().unwrap();
        let missing = |got: &mut Vec<(u32, u32, String)>| !got.iter().any(|one| one.0 == code);
        let (got, _) = self.more.wait_timeout_while(got, Duration::from_secs(60), missing).unwrap();
        got.iter().find(|one| one.0 == code).map(|one| (one.1, one.2.clone()))
    }
}

/// A callback whose context is a [`Notifications`].
///
/// # Safety
///
/// For the stand-ins to call.
pub unsafe extern "system" fn on_notification(
    code: u32,
    context: *const c_void,
    status: u32,
    data: *const u16,
) {
    // SAFETY: a leaked `Notifications`; the data, if any, ends with a zero.
    let (list, data) = unsafe {
        let length = if data.is_null() { 0 } else { (0..).take_while(|at| *data.add(*at) != 0).count() };
        let data = if length == 0 { &[][..] } else { std::slice::from_raw_parts(data, length) };
        (&*context.cast::<Notifications>(), String::from_utf16_lossy(data))
    };
    list.got.lock().unwrap().push((code, status, data));
    list.more.notify_all();
}

pub fn create(id: &str, document: &str) -> (u32, Handle) {
    let (id, document) = (wide(id), wide(document));
    let mut system = 0;
    let mut text = ptr::null_mut();
    let code = call!("vmcompute", "HcsCreateComputeSystem", (*const u16, *const u16, usize, *mut Handle, Out) -> u32,
        id.as_ptr(), document.as_ptr(), 0, &mut system, &mut text);
    // SAFETY: the library's text.
    unsafe { taken(text) };
    (code, system)
}

/// Registers a callback; returns its handle.
pub fn listen(system: Handle, list: &'static Notifications) -> Handle {
    let mut registered = 0;
    let code = call!("vmcompute", "HcsRegisterComputeSystemCallback", (Handle, Callback, *const c_void, *mut Handle) -> u32,
        system, on_notification, ptr::from_ref(list).cast(), &mut registered);
    assert_eq!(code, 0);
    registered
}

pub fn unlisten(registered: Handle) -> u32 {
    call!("vmcompute", "HcsUnregisterComputeSystemCallback", (Handle) -> u32, registered)
}

/// Functions that begin work which a notification ends.
macro_rules! on_system {
    ($($name:ident = $export:literal;)*) => {$(
        pub fn $name(system: Handle) -> u32 {
            call!("vmcompute", $export, (Handle, *const u16, Out) -> u32, system, ptr::null(), ptr::null_mut())
        }
    )*};
}

on_system! {
    start = "HcsStartComputeSystem";
    shut_down = "HcsShutdownComputeSystem";
    terminate = "HcsTerminateComputeSystem";
    pause = "HcsPauseComputeSystem";
    resume = "HcsResumeComputeSystem";
}

pub fn save(system: Handle, options: &str) -> u32 {
    let options = wide(options);
    call!("vmcompute", "HcsSaveComputeSystem", (Handle, *const u16, Out) -> u32, system, options.as_ptr(), ptr::null_mut())
}

pub fn open(id: &str) -> (u32, Handle) {
    let id = wide(id);
    let mut system = 0;
    let code = call!("vmcompute", "HcsOpenComputeSystem", (*const u16, *mut Handle, Out) -> u32,
        id.as_ptr(), &mut system, ptr::null_mut());
    (code, system)
}

pub fn modify(system: Handle, request: &str) -> Result {
    let request = wide(request);
    let mut text = ptr::null_mut();
    let code = call!("vmcompute", "HcsModifyComputeSystem", (Handle, *const u16, Out) -> u32,
        system, request.as_ptr(), &mut text);
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

pub fn close(system: Handle) -> u32 {
    call!("vmcompute", "HcsCloseComputeSystem", (Handle) -> u32, system)
}

pub fn properties(system: Handle, query: &str) -> Result {
    let query = wide(query);
    let mut text = ptr::null_mut();
    let code = call!("vmcompute", "HcsGetComputeSystemProperties", (Handle, *const u16, Out, Out) -> u32,
        system, query.as_ptr(), &mut text, ptr::null_mut());
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

pub fn create_process(system: Handle, parameters: &str) -> (u32, Handle, Information) {
    let parameters = wide(parameters);
    let (mut process, mut information) = (0, Information::empty());
    let code = call!("vmcompute", "HcsCreateProcess", (Handle, *const u16, *mut Information, *mut Handle, Out) -> u32,
        system, parameters.as_ptr(), &mut information, &mut process, ptr::null_mut());
    (code, process, information)
}

/// How the process is.
pub fn process_properties(process: Handle) -> Result {
    let mut text = ptr::null_mut();
    let code = call!("vmcompute", "HcsGetProcessProperties", (Handle, Out, Out) -> u32, process, &mut text, ptr::null_mut());
    // SAFETY: the library's text.
    (code, unsafe { taken(text) })
}

pub fn listen_to_process(process: Handle, list: &'static Notifications) {
    let mut registered = 0;
    let code = call!("vmcompute", "HcsRegisterProcessCallback", (Handle, Callback, *const c_void, *mut Handle) -> u32,
        process, on_notification, ptr::from_ref(list).cast(), &mut registered);
    assert_eq!(code, 0);
}

pub fn close_process(process: Handle) -> u32 {
    call!("vmcompute", "HcsCloseProcess", (Handle) -> u32, process)
}

/// `HNSCall`'s answer.
pub fn hns(method: &str, path: &str, request: &str) -> serde_json::Value {
    let (method, path, request) = (wide(method), wide(path), wide(request));
    let mut text = ptr::null_mut();
    let code = call!("vmcompute", "HNSCall", (*const u16, *const u16, *const u16, Out) -> u32,
        method.as_ptr(), path.as_ptr(), request.as_ptr(), &mut text);
    assert_eq!(code, 0);
    // SAFETY: the library's text.
    serde_json::from_str(&unsafe { taken(text) }.unwrap()).unwrap()
}
