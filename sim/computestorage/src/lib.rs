//! Stand-in of `computestorage.dll`: translates calls to the compute service.
#![cfg(windows)]

use sim_library::connection::{Event, Link};
use sim_library::text::{put, read};
use sim_library::{codes, device, json, volumes};
use windows_sys::Win32::Foundation::HANDLE;

type Text = *const u16;

static LINK: Link = Link::new("computestorage", |_: Option<Event>| ());

macro_rules! with_texts {
    ($($name:ident($($argument:ident),*);)*) => {$(
        /// # Safety
        ///
        /// As Windows documents it.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name($($argument: Text),*) -> u32 {
            // SAFETY: the caller's word.
            let arguments = json!({$(stringify!($argument): unsafe { read($argument) }),*});
            LINK.call(stringify!($name), arguments).hresult
        }
    )*};
}

with_texts! {
    HcsImportLayer(layer, source, data);
    HcsExportLayer(layer, target, data, options);
    HcsExportLegacyWritableLayer(mount, layer, target, data);
    HcsDestroyLayer(layer);
    HcsSetupBaseOSVolume(layer, volume, options);
    HcsInitializeWritableLayer(layer, data, options);
    HcsInitializeLegacyWritableLayer(mount, layer, data, options);
    HcsAttachLayerStorageFilter(layer, data);
    HcsDetachLayerStorageFilter(layer);
    HcsAttachOverlayFilter(layer, data);
    HcsDetachOverlayFilter(layer, data);
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsSetupBaseOSLayer(layer: Text, _disk: HANDLE, options: Text) -> u32 {
    // SAFETY: the caller's word.
    let (layer, options) = unsafe { (read(layer), read(options)) };
    LINK.call("HcsSetupBaseOSLayer", json!({"layer": layer, "options": options})).hresult
}

#[unsafe(no_mangle)]
pub extern "system" fn HcsFormatWritableLayerVhd(disk: HANDLE) -> u32 {
    match device::name(disk as usize) {
        Some(name) => LINK.call("HcsFormatWritableLayerVhd", json!({"layer": name})).hresult,
        None => codes::E_HANDLE,
    }
}

/// # Safety
///
/// As Windows documents it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HcsGetLayerVhdMountPath(disk: HANDLE, mount_path: *mut *mut u16) -> u32 {
    volumes::install(&LINK);
    let outcome = match device::name(disk as usize) {
        Some(name) => LINK.call("HcsGetLayerVhdMountPath", json!({"layer": name})),
        None => sim_library::Outcome { hresult: codes::E_HANDLE, ..Default::default() },
    };
    // SAFETY: the caller's word.
    unsafe { put(mount_path, outcome.values.as_str().filter(|_| outcome.success())) };
    outcome.hresult
}
