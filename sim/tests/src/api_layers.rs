//! The layer functions of `vmcompute.dll` for tests.

use std::ptr;

use crate::api::wide;
use crate::call;

/// `DriverInfo`.
#[repr(C)]
struct Driver {
    flavour: i32,
    home: *const u16,
}

/// `WC_LAYER_DESCRIPTOR`.
#[repr(C)]
struct Descriptor {
    id: [u8; 16],
    flags: u32,
    path: *const u16,
}

fn with_driver<T>(act: impl FnOnce(*const Driver) -> T) -> T {
    let home = wide("");
    let driver = Driver { flavour: 1, home: home.as_ptr() };
    act(&driver)
}

fn with_parents(parents: &[String], act: impl FnOnce(*const Driver, *const Descriptor, u32) -> u32) -> u32 {
    let paths: Vec<Vec<u16>> = parents.iter().map(|path| wide(path)).collect();
    let descriptors: Vec<Descriptor> =
        paths.iter().map(|path| Descriptor { id: [0; 16], flags: 0, path: path.as_ptr() }).collect();
    with_driver(|driver| act(driver, descriptors.as_ptr(), descriptors.len() as u32))
}

pub fn create_sandbox(layer: &str, parents: &[String]) -> u32 {
    let layer = wide(layer);
    with_parents(parents, |driver, list, count| {
        call!("vmcompute", "CreateSandboxLayer", (*const Driver, *const u16, usize, *const Descriptor, u32) -> u32,
            driver, layer.as_ptr(), 0, list, count)
    })
}

pub fn prepare(layer: &str, parents: &[String]) -> u32 {
    let layer = wide(layer);
    with_parents(parents, |driver, list, count| {
        call!("vmcompute", "PrepareLayer", (*const Driver, *const u16, *const Descriptor, u32) -> u32,
            driver, layer.as_ptr(), list, count)
    })
}

/// A function that takes the driver and the layer.
pub fn on_layer(name: &str, layer: &str) -> u32 {
    let layer = wide(layer);
    with_driver(|driver| match name {
        "ActivateLayer" => {
            call!("vmcompute", "ActivateLayer", (*const Driver, *const u16) -> u32, driver, layer.as_ptr())
        }
        "DeactivateLayer" => {
            call!("vmcompute", "DeactivateLayer", (*const Driver, *const u16) -> u32, driver, layer.as_ptr())
        }
        "UnprepareLayer" => {
            call!("vmcompute", "UnprepareLayer", (*const Driver, *const u16) -> u32, driver, layer.as_ptr())
        }
        "DestroyLayer" => {
            call!("vmcompute", "DestroyLayer", (*const Driver, *const u16) -> u32, driver, layer.as_ptr())
        }
        other => panic!("no function {other}"),
    })
}

pub fn expand(layer: &str, size: u64) -> u32 {
    let layer = wide(layer);
    with_driver(
        |driver| call!("vmcompute", "ExpandSandboxSize", (*const Driver, *const u16, u64) -> u32, driver, layer.as_ptr(), size),
    )
}

pub fn mount_path(layer: &str) -> (u32, String) {
    let layer = wide(layer);
    with_driver(|driver| {
        let mut length = 0_usize;
        let mut ask = |buffer: *mut u16| {
            call!("vmcompute", "GetLayerMountPath", (*const Driver, *const u16, *mut usize, *mut u16) -> u32,
                driver, layer.as_ptr(), &mut length, buffer)
        };
        let code = ask(ptr::null_mut());
        if code != 0 {
            return (code, String::new());
        }
        let mut buffer = vec![0; 300];
        let code = ask(buffer.as_mut_ptr());
        let end = buffer.iter().position(|unit| *unit == 0).unwrap();
        (code, String::from_utf16_lossy(&buffer[..end]))
    })
}

pub fn name_to_guid(name: &str) -> String {
    let name = wide(name);
    let mut guid = [0_u8; 16];
    let code = call!("vmcompute", "NameToGuid", (*const u16, *mut [u8; 16]) -> u32, name.as_ptr(), &mut guid);
    assert_eq!(code, 0);
    crate::api_network::guid_text(guid)
}
