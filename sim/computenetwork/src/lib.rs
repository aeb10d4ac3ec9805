//! Stand-in of `computenetwork.dll`: translates calls to the compute service.
#![cfg(windows)]

use std::ffi::c_void;
use std::sync::Arc;

use sim_library::connection::{Event, Link};
use sim_library::handles::Handles;
use sim_library::serial::Serial;
use sim_library::text::{put, read, read_guid, set, wide};
use sim_library::{Outcome, codes, json};

type Handle = usize;
type Text = *const u16;
type TextOut = *mut *mut u16;
type Guid = *const [u8; 16];

/// What a watcher hears when the service is gone.
const SERVICE_DISCONNECT: u32 = 0x0100_0000;

static LINK: Link = Link::new("computenetwork", deliver);
static OBJECTS: Handles<Object> = Handles::new();
static WATCHERS: Handles<Watcher> = Handles::new();

/// What a handle stands for.
struct Object {
    kind: &'static str,
    id: String,
}

/// Ends a call: result and error record for the caller.
///
/// # Safety
///
/// Both are null or may be written.
unsafe fn finish(outcome: &Outcome, result: TextOut, record: TextOut) -> u32 {
    let success = outcome.success();
    let error = outcome.values["record"].as_str().filter(|_| !success);
    // SAFETY: the caller's word.
    unsafe {
        put(result, outcome.document.as_deref().filter(|_| success));
        put(record, error);
    }
    outcome.hresult
}

/// The id behind a handle; a dead one is reported.
fn id_of(function: &str, kind: &str, handle: Handle) -> Result<String, Outcome> {
    match OBJECTS.get(handle).filter(|object| object.kind == kind) {
        Some(object) => Ok(object.id.clone()),
        None => {
            LINK.misuse(function, handle);
            Err(Outcome { hresult: codes::E_HANDLE, ..Outcome::default() })
        }
    }
}

/// Stores a new handle of the object that the outcome names.
///
/// # Safety
///
/// `out` is null or may be written.
unsafe fn hand_out(kind: &'static str, outcome: &Outcome, out: *mut Handle) {
    let id = outcome.values.as_str().filter(|_| outcome.success());
    let handle = id.map_or(0, |id| {
        let handle = Handles::<Object>::reserve();
        OBJECTS.insert(handle, Arc::new(Object { kind, id: id.to_owned() }));
        handle
    });
    // SAFETY: the caller's word.
    unsafe { set(out, handle) };
}

fn close(function: &str, kind: &str, handle: Handle) -> u32 {
    match id_of(function, kind, handle) {
        Ok(_) => {
            OBJECTS.remove(handle);
            codes::S_OK
        }
        Err(outcome) => outcome.hresult,
    }
}

macro_rules! objects {
    ($($kind:literal: $enumerate:ident $open:ident $modify:ident $delete:ident $close:ident;)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $enumerate(query: Text, result: TextOut, record: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let outcome = LINK.call(stringify!($enumerate), json!({"query": unsafe { read(query) }}));
            // SAFETY: the caller's word.
            unsafe { finish(&outcome, result, record) }
        }

        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $open(id: Guid, out: *mut Handle, record: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let outcome = LINK.call(stringify!($open), json!({"id": unsafe { read_guid(id) }}));
            // SAFETY: the caller's word.
            unsafe {
                hand_out($kind, &outcome, out);
                finish(&outcome, std::ptr::null_mut(), record)
            }
        }

        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $modify(handle: Handle, settings: Text, record: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let settings = unsafe { read(settings) };
            let outcome = id_of(stringify!($modify), $kind, handle)
                .map_or_else(|outcome| outcome, |id| LINK.call(stringify!($modify), json!({"id": id, "settings": settings})));
            // SAFETY: the caller's word.
            unsafe { finish(&outcome, std::ptr::null_mut(), record) }
        }

        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $delete(id: Guid, record: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let outcome = LINK.call(stringify!($delete), json!({"id": unsafe { read_guid(id) }}));
            // SAFETY: the caller's word.
            unsafe { finish(&outcome, std::ptr::null_mut(), record) }
        }

        #[unsafe(no_mangle)]
        pub extern "system" fn $close(handle: Handle) -> u32 {
            close(stringify!($close), $kind, handle)
        }
    )*};
}

objects! {
    "Network": HcnEnumerateNetworks HcnOpenNetwork HcnModifyNetwork HcnDeleteNetwork HcnCloseNetwork;
    "Endpoint": HcnEnumerateEndpoints HcnOpenEndpoint HcnModifyEndpoint HcnDeleteEndpoint HcnCloseEndpoint;
    "Namespace": HcnEnumerateNamespaces HcnOpenNamespace HcnModifyNamespace HcnDeleteNamespace HcnCloseNamespace;
    "LoadBalancer": HcnEnumerateLoadBalancers HcnOpenLoadBalancer HcnModifyLoadBalancer HcnDeleteLoadBalancer HcnCloseLoadBalancer;
    "SdnRoute": HcnEnumerateSdnRoutes HcnOpenSdnRoute HcnModifySdnRoute HcnDeleteSdnRoute HcnCloseSdnRoute;
}

/// Questions about an object.
macro_rules! questions {
    ($($kind:literal: $($query:ident)*;)*) => {$($(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $query(handle: Handle, query: Text, properties: TextOut, record: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let query = unsafe { read(query) };
            let outcome = id_of(stringify!($query), $kind, handle)
                .map_or_else(|outcome| outcome, |id| LINK.call(stringify!($query), json!({"id": id, "query": query})));
            // SAFETY: the caller's word.
            unsafe { finish(&outcome, properties, record) }
        }
    )*)*};
}

questions! {
    "Network": HcnQueryNetworkProperties;
    "Endpoint": HcnQueryEndpointProperties HcnQueryEndpointStats;
    "Namespace": HcnQueryNamespaceProperties;
    "LoadBalancer": HcnQueryLoadBalancerProperties;
    "SdnRoute": HcnQuerySdnRouteProperties;
}

macro_rules! creations {
    ($($kind:literal: $create:ident;)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $create(id: Guid, settings: Text, out: *mut Handle, record: TextOut) -> u32 {
            // SAFETY: the caller's word.
            let arguments = json!({"id": unsafe { read_guid(id) }, "settings": unsafe { read(settings) }});
            let outcome = LINK.call(stringify!($create), arguments);
            // SAFETY: the caller's word.
            unsafe {
                hand_out($kind, &outcome, out);
                finish(&outcome, std::ptr::null_mut(), record)
            }
        }
    )*};
}

creations! {
    "Network": HcnCreateNetwork;
    "Namespace": HcnCreateNamespace;
    "LoadBalancer": HcnCreateLoadBalancer;
    "SdnRoute": HcnCreateSdnRoute;
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcnCreateEndpoint(
    network: Handle,
    id: Guid,
    settings: Text,
    out: *mut Handle,
    record: TextOut,
) -> u32 {
    // SAFETY: the caller's word.
    let (id, settings) = unsafe { (read_guid(id), read(settings)) };
    let outcome = id_of("HcnCreateEndpoint", "Network", network).map_or_else(
        |outcome| outcome,
        |network| LINK.call("HcnCreateEndpoint", json!({"network": network, "id": id, "settings": settings})),
    );
    // SAFETY: the caller's word.
    unsafe {
        hand_out("Endpoint", &outcome, out);
        finish(&outcome, std::ptr::null_mut(), record)
    }
}

type Callback = unsafe extern "system" fn(u32, *const c_void, u32, Text);

/// Somebody who is told what happens to networks.
struct Watcher {
    callback: Callback,
    /// A number to us.
    context: usize,
    serial: Arc<Serial>,
}

impl Watcher {
    /// Calls back from another thread.
    fn tell(&self, kind: u32, data: Option<String>) {
        let (callback, context) = (self.callback, self.context);
        self.serial.push(move || {
            let data = data.map(|data| wide(&data));
            let data = data.as_ref().map_or(std::ptr::null(), Vec::as_ptr);
            // SAFETY: whoever registers promises a function that takes this; the data lives until it returns.
            unsafe { callback(kind, context as *const c_void, codes::S_OK, data) };
        });
    }
}

fn deliver(event: Option<Event>) {
    match event {
        Some(event) => {
            if let Some(watcher) = WATCHERS.get(event.handle as usize) {
                watcher.tell(event.kind, event.data);
            }
        }
        None => WATCHERS.all().iter().for_each(|(_, watcher)| watcher.tell(SERVICE_DISCONNECT, None)),
    }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcnRegisterServiceCallback(
    callback: Option<Callback>,
    context: *const c_void,
    out: *mut Handle,
) -> u32 {
    let (Some(callback), false) = (callback, out.is_null()) else { return codes::E_INVALIDARG };
    let handle = Handles::<Watcher>::reserve();
    let watcher = Watcher { callback, context: context as usize, serial: Arc::default() };
    WATCHERS.insert(handle, Arc::new(watcher));
    let outcome = LINK.call("HcnRegisterServiceCallback", json!({"handle": handle}));
    if !outcome.success() {
        WATCHERS.remove(handle);
    }
    // SAFETY: not null, and the caller's word.
    unsafe { set(out, if outcome.success() { handle } else { 0 }) };
    outcome.hresult
}

/// No callback runs when this returns, and none comes.
#[unsafe(no_mangle)]
pub extern "system" fn HcnUnregisterServiceCallback(handle: Handle) -> u32 {
    let Some(watcher) = WATCHERS.remove(handle) else {
        LINK.misuse("HcnUnregisterServiceCallback", handle);
        return codes::E_HANDLE;
    };
    watcher.serial.close();
    LINK.call("HcnUnregisterServiceCallback", json!({"handle": handle})).hresult
}
