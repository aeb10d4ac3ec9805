//! Handles and their notifications.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard};

use sim_library::connection::{Connection, Event, SERVICE_DISCONNECT};
use sim_library::handles::Handles;
use sim_library::pipes::Ends;
use sim_library::serial::Serial;
use sim_library::text::{self, put, set};
use sim_library::{Outcome, Value, codes, json};

use crate::{CALLBACKS, Handle, LINK, OBJECTS, TextOut};

pub type Callback = unsafe extern "system" fn(u32, *const c_void, u32, *const u16);

pub struct Object {
    pub connection: Arc<Connection>,
    pub ends: Mutex<Ends>,
    pub id: Mutex<u32>,
    serial: Arc<Serial>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    callback: Option<(Callback, usize)>,
    /// What came before anybody listened: a creation is done before its handle can be listened to.
    early: Vec<(u32, u32, Option<String>)>,
}

/// A callback's handle stands for the handle that it is registered on.
pub struct Registered {
    on: Handle,
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl Object {
    pub fn new(connection: Arc<Connection>) -> Arc<Object> {
        Arc::new(Object {
            connection,
            ends: Mutex::default(),
            id: Mutex::new(0),
            serial: Arc::default(),
            state: Mutex::default(),
        })
    }

    pub fn notify(self: &Arc<Self>, kind: u32, status: u32, data: Option<String>) {
        let mut state = locked(&self.state);
        if state.callback.is_none() {
            state.early.push((kind, status, data));
            return;
        }
        drop(state);
        let object = Arc::clone(self);
        self.serial.push(move || {
            let Some((callback, context)) = locked(&object.state).callback else { return };
            let data = data.map(|data| text::wide(&data));
            let data = data.as_ref().map_or(std::ptr::null(), Vec::as_ptr);
            // SAFETY: whoever registers promises a function that takes this; the data lives until it returns.
            unsafe { callback(kind, context as *const c_void, status, data) };
        });
    }

    pub fn close(&self) {
        locked(&self.state).callback = None;
        self.serial.close();
    }
}

/// An event of the service's: exits have their status in the document.
pub fn deliver(event: Option<Event>) {
    let Some(event) = event else {
        let dead = OBJECTS.all().into_iter().filter(|(_, object)| object.connection.is_dead());
        dead.for_each(|(_, object)| object.notify(SERVICE_DISCONNECT, codes::SERVICE_DISCONNECT, None));
        return;
    };
    let Some(object) = OBJECTS.get(event.handle as usize) else { return };
    let document: Value =
        event.data.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let status = document["Status"].as_i64().unwrap_or_default() as u32;
    let kind = match event.kind {
        2 => 0xD,
        3 => 6,
        6 => 0xE,
        other => other,
    };
    object.notify(kind, codes::first_generation(status), event.data);
}

pub fn object(function: &str, handle: Handle) -> Result<Arc<Object>, u32> {
    OBJECTS.get(handle).ok_or_else(|| {
        LINK.misuse(function, handle);
        codes::E_HANDLE
    })
}

pub fn register(
    function: &str,
    handle: Handle,
    callback: Option<Callback>,
    context: *const c_void,
    out: *mut Handle,
) -> u32 {
    let (Ok(object), Some(callback)) = (object(function, handle), callback) else {
        return codes::E_INVALIDARG;
    };
    let early = {
        let mut state = locked(&object.state);
        state.callback = Some((callback, context as usize));
        std::mem::take(&mut state.early)
    };
    let code = object
        .connection
        .call("subscribe", json!({"function": function, "handle": handle, "on": true}))
        .hresult;
    early.into_iter().for_each(|(kind, status, data)| object.notify(kind, status, data));
    let registered = Handles::<Registered>::reserve();
    CALLBACKS.insert(registered, Arc::new(Registered { on: handle }));
    // What could not be created has a handle, and its notification; there is only nothing behind it.
    let code = if code == codes::E_HANDLE { codes::S_OK } else { code };
    // SAFETY: the caller's word, as for the exported functions.
    unsafe { set(out, registered) };
    code
}

/// No callback runs when this returns, and none comes.
pub fn unregister(function: &str, callback: Handle) -> u32 {
    let Some(registered) = CALLBACKS.remove(callback) else {
        LINK.misuse(function, callback);
        return codes::E_HANDLE;
    };
    if let Some(object) = OBJECTS.get(registered.on) {
        object.close();
    }
    codes::S_OK
}

pub fn close(function: &str, handle: Handle, argument: &str) -> u32 {
    match object(function, handle) {
        Err(code) => code,
        Ok(object) => {
            OBJECTS.remove(handle);
            object.close();
            object.connection.call(function, json!({argument: handle}));
            codes::S_OK
        }
    }
}

/// Ends a call that is done: the result document is that of the error.
///
/// # Safety
///
/// Both are null or may be written.
pub unsafe fn finish(outcome: &Outcome, properties: TextOut, result: TextOut) -> u32 {
    let success = outcome.success();
    // SAFETY: the caller's word.
    unsafe {
        put(properties, outcome.document.as_deref().filter(|_| success));
        put(result, outcome.document.as_deref().filter(|_| !success));
    }
    codes::first_generation(outcome.hresult)
}
