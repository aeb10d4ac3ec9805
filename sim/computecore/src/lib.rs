//! Stand-in of `computecore.dll`: translates calls to the compute service.
//!
//! Here live the operations, with their rules, and the callbacks of handles. Everything that a
//! handle stands for lives in the service.
#![cfg(windows)]

mod operation;
mod operations;
mod processes;
mod service;
mod systems;

use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use operation::Operation;
use sim_library::connection::{Connection, Link, SERVICE_DISCONNECT};
use sim_library::handles::Handles;
use sim_library::pipes::Ends;
use sim_library::serial::Serial;
use sim_library::text;

type Handle = usize;
type Text = *const u16;
type TextOut = *mut *mut u16;

const OPERATION_CALLBACK: u32 = 0x0100_0000;

static LINK: Link = Link::new("computecore", deliver);
static OPERATIONS: Handles<Operation> = Handles::new();
static OBJECTS: Handles<Object> = Handles::new();

/// `HCS_EVENT`.
#[repr(C)]
struct Event {
    kind: u32,
    data: Text,
    operation: Handle,
}

type EventCallback = unsafe extern "system" fn(*const Event, *const c_void);

/// A compute system's or a process's handle.
struct Object {
    kind: Kind,
    connection: Arc<Connection>,
    callback: Mutex<Option<Registered>>,
    serial: Arc<Serial>,
    /// The caller's ends of a process's streams, until they are taken.
    ends: Mutex<Ends>,
    id: Mutex<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    System,
    Process,
}

/// A callback with its context, which is a number to us.
#[derive(Clone, Copy)]
struct Registered {
    callback: EventCallback,
    context: usize,
    options: u32,
}

/// Wants completions of operations as events.
const ENABLE_OPERATION_CALLBACKS: u32 = 1;

impl Object {
    fn new(kind: Kind, connection: Arc<Connection>) -> Arc<Object> {
        Arc::new(Object {
            kind,
            connection,
            callback: Mutex::new(None),
            serial: Arc::default(),
            ends: Mutex::default(),
            id: Mutex::new(0),
        })
    }

    fn registered(&self) -> Option<Registered> {
        *locked(&self.callback)
    }

    /// Calls back from another thread, if a callback is registered by then.
    fn event(self: &Arc<Self>, kind: u32, data: Option<String>, operation: Handle) {
        let object = Arc::clone(self);
        self.serial.push(move || {
            let Some(registered) = object.registered() else { return };
            let data = data.map(|data| text::wide(&data));
            let data = data.as_ref().map_or(std::ptr::null(), Vec::as_ptr);
            let event = Event { kind, data, operation };
            // SAFETY: whoever registers promises a function that takes this; the data lives until it returns.
            unsafe { (registered.callback)(&event, registered.context as *const c_void) };
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

fn deliver(event: Option<sim_library::connection::Event>) {
    match event {
        Some(event) => {
            if let Some(object) = OBJECTS.get(event.handle as usize) {
                object.event(event.kind, event.data, 0);
            }
        }
        None => {
            let dead = OBJECTS.all().into_iter().filter(|(_, object)| object.connection.is_dead());
            dead.for_each(|(_, object)| object.event(SERVICE_DISCONNECT, None, 0));
        }
    }
}

/// The object of a handle; a dead or foreign one is reported.
fn object(function: &str, handle: Handle, kind: Kind) -> Result<Arc<Object>, u32> {
    let object = OBJECTS.get(handle).filter(|object| object.kind == kind);
    object.ok_or_else(|| {
        LINK.misuse(function, handle);
        sim_library::codes::E_HANDLE
    })
}

/// Closes a handle: no callback runs when this returns, and none comes.
fn close(function: &str, handle: Handle, kind: Kind, argument: &str) {
    if object(function, handle, kind).is_err() {
        return;
    }
    if let Some(object) = OBJECTS.remove(handle) {
        *locked(&object.callback) = None;
        object.serial.close();
        // A last handle may end the system: then that is done when this returns.
        object.connection.call(function, sim_library::json!({argument: handle}));
    }
}

/// Registers a callback on a handle, or none for null.
fn register(
    function: &str,
    handle: Handle,
    kind: Kind,
    options: u32,
    context: *const c_void,
    callback: Option<EventCallback>,
) -> u32 {
    let object = match object(function, handle, kind) {
        Ok(object) => object,
        Err(code) => return code,
    };
    let arguments = sim_library::json!({"function": function, "options": options, "handle": handle, "on": callback.is_some()});
    *locked(&object.callback) =
        callback.map(|callback| Registered { callback, context: context as usize, options });
    object.connection.call("subscribe", arguments).hresult
}
