//! Layers, and `HNSCall`.

use sim_library::text::{guid, put, read, read_guid, set};
use sim_library::{Value, codes, json, volumes};

use crate::{LINK, Text, TextOut};

/// `DriverInfo`.
#[repr(C)]
pub struct Driver {
    flavour: i32,
    home: Text,
}

/// `WC_LAYER_DESCRIPTOR`.
#[repr(C)]
pub struct Descriptor {
    id: [u8; 16],
    flags: u32,
    path: Text,
}

/// The path of a layer: the name below the driver's home directory, or alone.
///
/// # Safety
///
/// Null, or what their types say.
unsafe fn layer(driver: *const Driver, id: Text) -> Option<String> {
    // SAFETY: the caller's word.
    let id = unsafe { read(id) }?;
    // SAFETY: the caller's word.
    let home = unsafe { driver.as_ref().and_then(|driver| read(driver.home)) }.unwrap_or_default();
    Some(if home.is_empty() { id } else { format!("{}\\{id}", home.trim_end_matches('\\')) })
}

/// # Safety
///
/// Null and 0, or as many descriptors.
unsafe fn parents(list: *const Descriptor, count: u32) -> Value {
    if list.is_null() {
        return json!([]);
    }
    // SAFETY: the caller's word.
    let list = unsafe { std::slice::from_raw_parts(list, count as usize) };
    // SAFETY: the caller's word.
    list.iter()
        .map(|parent| unsafe { json!({"id": read_guid(&parent.id), "path": read(parent.path)}) })
        .collect()
}

/// Exports that take the driver, the layer, and what is named further: texts, or descriptors.
macro_rules! on_layer {
    ($($name:ident($($argument:ident),*);)*) => {$(
        /// # Safety
        ///
        /// As clients of these unpublished functions call them.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(driver: *const Driver, id: Text $(, $argument: Text)*) -> u32 {
            // SAFETY: the caller's word.
            let arguments = unsafe { json!({"layer": layer(driver, id) $(, stringify!($argument): read($argument))*}) };
            LINK.call(stringify!($name), arguments).hresult
        }
    )*};
}

on_layer! {
    ActivateLayer();
    DeactivateLayer();
    UnprepareLayer();
    DestroyLayer();
    CreateLayer(parent);
}

/// Exports whose last parameters are the parents.
macro_rules! over_parents {
    ($($name:ident($($argument:ident),*);)*) => {$(
        /// # Safety
        ///
        /// As clients of these unpublished functions call them.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(driver: *const Driver, id: Text $(, $argument: Text)*, list: *const Descriptor, count: u32) -> u32 {
            // SAFETY: the caller's word.
            let arguments = unsafe {
                json!({"layer": layer(driver, id) $(, stringify!($argument): read($argument))*, "parents": parents(list, count)})
            };
            LINK.call(stringify!($name), arguments).hresult
        }
    )*};
}

over_parents! {
    PrepareLayer();
    CreateSandboxLayer(parent);
    CopyLayer(target);
    ImportLayer(source);
    ExportLayer(target);
}

/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn ExpandSandboxSize(driver: *const Driver, id: Text, size: u64) -> u32 {
    // SAFETY: the caller's word.
    LINK.call("ExpandSandboxSize", json!({"layer": unsafe { layer(driver, id) }, "size": size})).hresult
}

/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn LayerExists(driver: *const Driver, id: Text, exists: *mut u32) -> u32 {
    // SAFETY: the caller's word.
    let outcome = LINK.call("LayerExists", json!({"layer": unsafe { layer(driver, id) }}));
    // SAFETY: the caller's word.
    unsafe { set(exists, u32::from(outcome.values == true)) };
    outcome.hresult
}

/// The first call, without a buffer, gives the length with the zero at the end.
///
/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn GetLayerMountPath(
    driver: *const Driver,
    id: Text,
    length: *mut usize,
    buffer: *mut u16,
) -> u32 {
    if length.is_null() {
        return codes::E_INVALIDARG;
    }
    volumes::install(&LINK);
    // SAFETY: the caller's word.
    let outcome = LINK.call("GetLayerMountPath", json!({"layer": unsafe { layer(driver, id) }}));
    if !outcome.success() {
        return outcome.hresult;
    }
    let path = sim_library::text::wide(outcome.values.as_str().unwrap_or_default());
    // SAFETY: not null, and the caller's word.
    let room = unsafe { std::mem::replace(&mut *length, path.len()) };
    if buffer.is_null() {
        return codes::S_OK;
    }
    if room < path.len() {
        return 0x8007_007A;
    }
    // SAFETY: the caller's buffer has the room that the caller said.
    unsafe { std::ptr::copy_nonoverlapping(path.as_ptr(), buffer, path.len()) };
    codes::S_OK
}

/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn NameToGuid(name: Text, out: *mut [u8; 16]) -> u32 {
    // SAFETY: the caller's word.
    let outcome = LINK.call("NameToGuid", json!({"name": unsafe { read(name) }}));
    // SAFETY: the caller's word.
    unsafe { set(out, guid(outcome.values.as_str().unwrap_or_default())) };
    outcome.hresult
}

macro_rules! on_image {
    ($($name:ident)*) => {$(
        /// # Safety
        ///
        /// As clients of these unpublished functions call them.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(path: Text) -> u32 {
            // SAFETY: the caller's word.
            LINK.call(stringify!($name), json!({"layer": unsafe { read(path) }})).hresult
        }
    )*};
}

on_image! { ProcessBaseImage ProcessUtilityImage }

/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn GetBaseImages(out: TextOut) -> u32 {
    let outcome = LINK.call("GetBaseImages", json!({}));
    // SAFETY: the caller's word.
    unsafe { put(out, outcome.document.as_deref()) };
    outcome.hresult
}

/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn GrantVmAccess(id: Text, file: Text) -> u32 {
    // SAFETY: the caller's word.
    LINK.call("GrantVmAccess", unsafe { json!({"id": read(id), "file": read(file)}) }).hresult
}

/// # Safety
///
/// As clients of these unpublished functions call them.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HNSCall(method: Text, path: Text, request: Text, response: TextOut) -> u32 {
    // SAFETY: the caller's word.
    let arguments = unsafe { json!({"method": read(method), "path": read(path), "request": read(request)}) };
    let outcome = LINK.call("HNSCall", arguments);
    // SAFETY: the caller's word.
    unsafe { put(response, outcome.document.as_deref()) };
    outcome.hresult
}
