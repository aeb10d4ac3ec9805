//! `computenetwork.dll` for tests.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::api::{Handle, taken, wide};
use crate::call;

type Out = *mut *mut u16;
type Guid = [u8; 16];

/// The text of a GUID in memory, whose first three parts are stored the other way round.
pub fn guid_text(guid: Guid) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let back = |bytes: &[u8]| hex(&bytes.iter().rev().copied().collect::<Vec<_>>());
    format!(
        "{}-{}-{}-{}-{}",
        back(&guid[..4]),
        back(&guid[4..6]),
        back(&guid[6..8]),
        hex(&guid[8..10]),
        hex(&guid[10..])
    )
}

pub fn guid(text: &str) -> Guid {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut bytes: Guid = std::array::from_fn(|at| {
        u8::from_str_radix(std::str::from_utf8(&digits[at * 2..at * 2 + 2]).unwrap(), 16).unwrap()
    });
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// A code, and what came with it: the result, or else the error record.
pub type Answer = (u32, String);

fn answer(code: u32, result: *mut u16, record: *mut u16) -> Answer {
    // SAFETY: the library's texts.
    let (result, record) = unsafe { (taken(result), taken(record)) };
    assert_eq!(code & 0x8000_0000 != 0, record.is_some(), "{code:#x} {record:?}");
    (code, result.or(record).unwrap_or_default())
}

macro_rules! objects {
    ($($module:ident: $enumerate:literal $create:literal $open:literal $modify:literal $query:literal $delete:literal $close:literal;)*) => {$(
        pub mod $module {
            use super::*;

            pub fn enumerate(query: &str) -> Vec<String> {
                let query = wide(query);
                let (mut result, mut record) = (ptr::null_mut(), ptr::null_mut());
                let code = call!("computenetwork", $enumerate, (*const u16, Out, Out) -> u32, query.as_ptr(), &mut result, &mut record);
                let (code, text) = answer(code, result, record);
                assert_eq!(code, 0, "{text}");
                serde_json::from_str(&text).unwrap()
            }

            pub fn open(id: &str) -> Result<Handle, Answer> {
                let (mut handle, mut record) = (0, ptr::null_mut());
                let code = call!("computenetwork", $open, (*const Guid, *mut Handle, Out) -> u32, &guid(id), &mut handle, &mut record);
                let answer = answer(code, ptr::null_mut(), record);
                if answer.0 == 0 { Ok(handle) } else { Err(answer) }
            }

            pub fn modify(handle: Handle, settings: &Value) -> Answer {
                let settings = wide(&settings.to_string());
                let mut record = ptr::null_mut();
                let code = call!("computenetwork", $modify, (Handle, *const u16, Out) -> u32, handle, settings.as_ptr(), &mut record);
                answer(code, ptr::null_mut(), record)
            }

            pub fn query(handle: Handle) -> Value {
                let query = wide(r#"{"SchemaVersion":{"Major":2,"Minor":0}}"#);
                let (mut result, mut record) = (ptr::null_mut(), ptr::null_mut());
                let code = call!("computenetwork", $query, (Handle, *const u16, Out, Out) -> u32, handle, query.as_ptr(), &mut result, &mut record);
                let (code, text) = answer(code, result, record);
                assert_eq!(code, 0, "{text}");
                serde_json::from_str(&text).unwrap()
            }

            pub fn delete(id: &str) -> Answer {
                let mut record = ptr::null_mut();
                let code = call!("computenetwork", $delete, (*const Guid, Out) -> u32, &guid(id), &mut record);
                answer(code, ptr::null_mut(), record)
            }

            pub fn close(handle: Handle) -> u32 {
                call!("computenetwork", $close, (Handle) -> u32, handle)
            }

            /// Creates one and returns its handle and its id.
            pub fn create(of: Option<Handle>, settings: &Value) -> Result<(Handle, String), Answer> {
                let settings = wide(&settings.to_string());
                let (mut handle, mut record) = (0, ptr::null_mut());
                let code = match of {
                    Some(of) => call!("computenetwork", $create, (Handle, *const Guid, *const u16, *mut Handle, Out) -> u32,
                        of, &[0; 16], settings.as_ptr(), &mut handle, &mut record),
                    None => call!("computenetwork", $create, (*const Guid, *const u16, *mut Handle, Out) -> u32,
                        &[0; 16], settings.as_ptr(), &mut handle, &mut record),
                };
                let answer = answer(code, ptr::null_mut(), record);
                if answer.0 != 0 {
                    return Err(answer);
                }
                let id = query(handle)["ID"].as_str().unwrap().to_owned();
                Ok((handle, id))
            }
        }
    )*};
}

objects! {
    network: "HcnEnumerateNetworks" "HcnCreateNetwork" "HcnOpenNetwork" "HcnModifyNetwork" "HcnQueryNetworkProperties" "HcnDeleteNetwork" "HcnCloseNetwork";
    endpoint: "HcnEnumerateEndpoints" "HcnCreateEndpoint" "HcnOpenEndpoint" "HcnModifyEndpoint" "HcnQueryEndpointProperties" "HcnDeleteEndpoint" "HcnCloseEndpoint";
    namespace: "HcnEnumerateNamespaces" "HcnCreateNamespace" "HcnOpenNamespace" "HcnModifyNamespace" "HcnQueryNamespaceProperties" "HcnDeleteNamespace" "HcnCloseNamespace";
}

/// The counters of an endpoint.
pub fn statistics(endpoint: Handle) -> Answer {
    let (mut result, mut record) = (ptr::null_mut(), ptr::null_mut());
    let code = call!("computenetwork", "HcnQueryEndpointStats", (Handle, *const u16, Out, Out) -> u32,
        endpoint, ptr::null(), &mut result, &mut record);
    answer(code, result, record)
}

/// What a callback was told: kind and data.
#[derive(Default)]
pub struct Told {
    got: Mutex<Vec<(u32, String)>>,
    more: Condvar,
}

impl Told {
    /// For use as a callback's context, for ever.
    pub fn leaked() -> &'static Told {
        &*Box::leak(Box::default())
    }

    /// The kinds that were told of this id.
    pub fn of(&self, id: &str) -> Vec<u32> {
        self.got.lock().unwrap().iter().filter(|one| one.1.contains(id)).map(|one| one.0).collect()
    }

    /// Whether it is told of the id within a minute, in this order and nothing else.
    pub fn becomes(&self, id: &str, kinds: &[u32]) -> bool {
        let got = self.got.lock().unwrap();
        let missing =
            |got: &mut Vec<(u32, String)>| got.iter().filter(|one| one.1.contains(id)).count() < kinds.len();
        drop(self.more.wait_timeout_while(got, Duration::from_secs(60), missing).unwrap());
        self.of(id) == kinds
    }
}

type Watcher = unsafe extern "system" fn(u32, *const c_void, u32, *const u16);

unsafe extern "system" fn on_told(kind: u32, context: *const c_void, status: u32, data: *const u16) {
    assert_eq!(status, 0);
    // SAFETY: a leaked `Told`; the data ends with a zero.
    let (told, data) = unsafe {
        let length = if data.is_null() { 0 } else { (0..).take_while(|at| *data.add(*at) != 0).count() };
        let data = if length == 0 { &[][..] } else { std::slice::from_raw_parts(data, length) };
        (&*context.cast::<Told>(), String::from_utf16_lossy(data))
    };
    told.got.lock().unwrap().push((kind, data));
    told.more.notify_all();
}

/// Registers a callback; returns its handle.
pub fn watch(told: &'static Told) -> Handle {
    let mut handle = 0;
    let code = call!("computenetwork", "HcnRegisterServiceCallback", (Watcher, *const c_void, *mut Handle) -> u32,
        on_told, ptr::from_ref(told).cast(), &mut handle);
    assert_eq!(code, 0);
    handle
}

pub fn unwatch(handle: Handle) -> u32 {
    call!("computenetwork", "HcnUnregisterServiceCallback", (Handle) -> u32, handle)
}
