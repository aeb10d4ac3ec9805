//! The wrappers, with functions of the test's own in place of the DLL's.

#![allow(unsafe_code, reason = "stands in for a DLL")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use windows_sys::Win32::System::Com::CoTaskMemAlloc;
use windows_sys::core::GUID;

use super::abi::{Answer, Code, Descriptors, Info, Notification, Raw, Text};
use super::*;
use crate::windows::hcs::Waited;
use crate::windows::library::Address;
use crate::windows::notices::Notice;
use crate::windows::wide;

const SHORT: Option<Duration> = Some(Duration::from_millis(5));

/// A system's id, and whom it tells.
type Known = (String, Option<(Notification, usize)>);

static SYSTEMS: Mutex<BTreeMap<usize, Known>> = Mutex::new(BTreeMap::new());
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn text(text: Text) -> String {
    // SAFETY: null or a text of the wrappers.
    unsafe { wide::copy(text) }.unwrap_or_default()
}

fn answer(slot: Answer, text: &str) {
    let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
    // SAFETY: the memory has room for the units, and the slot takes a pointer.
    unsafe {
        let memory: *mut u16 = CoTaskMemAlloc(units.len() * 2).cast();
        std::ptr::copy_nonoverlapping(units.as_ptr(), memory, units.len());
        *slot = memory;
    }
}

const PENDING: Code = Hresult::CALL_PENDING.0.cast_signed();

unsafe extern "system" fn create(
    id: Text,
    document: Text,
    identity: *mut c_void,
    out: *mut Raw,
    result: Answer,
) -> Code {
    assert!(identity.is_null());
    if text(document) == "bad" {
        answer(result, "{\"Error\":-1070137075}");
        return 0xC037_010D_u32.cast_signed();
    }
    let mut systems = SYSTEMS.lock().unwrap();
    let number = systems.len() + 1;
    systems.insert(number, (text(id), None));
    // SAFETY: the caller's room for a handle.
    unsafe { *out = std::ptr::without_provenance_mut(number) };
    if text(document) == "at-once" { 0 } else { PENDING }
}

unsafe extern "system" fn register(
    system: Raw,
    callback: Option<Notification>,
    context: *const c_void,
    out: *mut Raw,
) -> Code {
    let told = callback.map(|callback| (callback, context.addr()));
    SYSTEMS.lock().unwrap().get_mut(&system.addr()).unwrap().1 = told;
    // SAFETY: the caller's room for a handle.
    unsafe { *out = system };
    0
}

unsafe extern "system" fn unregister(registered: Raw) -> Code {
    SYSTEMS.lock().unwrap().get_mut(&registered.addr()).unwrap().1 = None;
    0
}

unsafe extern "system" fn close(system: Raw) -> Code {
    let systems = SYSTEMS.lock().unwrap();
    let (id, told) = &systems[&system.addr()];
    assert!(told.is_none(), "unregistered before it is closed");
    LOG.lock().unwrap().push(format!("close {id}"));
    0
}

unsafe extern "system" fn start(_system: Raw, _options: Text, _result: Answer) -> Code {
    PENDING
}

unsafe extern "system" fn properties(_system: Raw, query: Text, out: Answer, _result: Answer) -> Code {
    answer(out, &text(query));
    0
}

unsafe extern "system" fn hns(method: Text, path: Text, request: Text, out: Answer) -> Code {
    answer(out, &format!("{} {} {}", text(method), text(path), text(request)));
    0
}

unsafe extern "system" fn name_to_guid(name: Text, guid: *mut GUID) -> Code {
    assert_eq!(text(name), "4");
    // SAFETY: the caller's room for the answer.
    unsafe { *guid = GUID::from_u128(0xbd9c3ef9_f239_59b5_a27e_15c523b1d149) };
    0
}

fn driver(info: Info) {
    // SAFETY: the wrappers' structure and its text.
    unsafe {
        assert_eq!((*info).flavour, 1);
        assert_eq!(*(*info).home, 0);
    }
}

unsafe extern "system" fn prepare(info: Info, layer: Text, parents: Descriptors, count: u32) -> Code {
    driver(info);
    let parents: Vec<String> = (0..count as usize)
        .map(|at| {
            // SAFETY: the wrappers pass as many descriptors as they say.
            let parent = unsafe { &*parents.add(at) };
            format!("{}={}", Guid::from_raw(&parent.id), text(parent.path))
        })
        .collect();
    LOG.lock().unwrap().push(format!("prepare {} {}", text(layer), parents.join(" ")));
    0
}

unsafe extern "system" fn mount_path(info: Info, layer: Text, units: *mut usize, buffer: *mut u16) -> Code {
    driver(info);
    let path: Vec<u16> = r"\\?\Volume{1}".encode_utf16().chain([0]).collect();
    // SAFETY: the caller's rooms; the buffer has as many units as it says.
    unsafe {
        if text(layer) == "endless" {
            *units = usize::MAX;
        } else if buffer.is_null() {
            *units = path.len();
        } else {
            assert!(*units >= path.len());
            std::ptr::copy_nonoverlapping(path.as_ptr(), buffer, path.len());
        }
    }
    0
}

fn find(name: &CStr) -> Option<Address> {
    let address: *const c_void = match name.to_bytes() {
        b"HcsCreateComputeSystem" => create as *const c_void,
        b"HcsRegisterComputeSystemCallback" => register as *const c_void,
        b"HcsUnregisterComputeSystemCallback" => unregister as *const c_void,
        b"HcsCloseComputeSystem" => close as *const c_void,
        b"HcsStartComputeSystem" | b"HcsTerminateComputeSystem" => start as *const c_void,
        b"HcsGetComputeSystemProperties" => properties as *const c_void,
        b"HNSCall" => hns as *const c_void,
        b"NameToGuid" => name_to_guid as *const c_void,
        b"PrepareLayer" => prepare as *const c_void,
        b"GetLayerMountPath" => mount_path as *const c_void,
        _ => return None,
    };
    // SAFETY: an address of a function; the table gives it its signature.
    Some(unsafe { std::mem::transmute::<*const c_void, Address>(address) })
}

fn vmcompute() -> Vmcompute {
    Vmcompute { table: Arc::new(VmcomputeTable::of_test(find)) }
}

/// Tells whoever registered for the system of this id, as the service does from its own thread.
fn tell(id: &str, kind: u32, status: u32, data: &str) {
    let systems = SYSTEMS.lock().unwrap();
    let (_, (_, told)) = systems.iter().find(|(_, (own, _))| own == id).unwrap();
    let (callback, context) = told.unwrap();
    drop(systems);
    let data = Wide::new(data).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: as the real DLL does.
            unsafe {
                callback(kind, std::ptr::without_provenance(context), status.cast_signed(), data.as_ptr());
            }
        });
    });
}

#[test]
fn a_call_goes_on_until_its_notification_comes() {
    let (system, mut created) = vmcompute().create_system("v1-slow", "{}").unwrap();
    assert_eq!(created.wait(SHORT).unwrap(), Waited::Running);
    tell("v1-slow", CREATE_COMPLETED, 0, "");
    for _ in 0..2 {
        assert_eq!(created.wait(None).unwrap(), Waited::Done(()));
    }
    assert_eq!(system.properties("{}").unwrap().as_deref(), Some("{}"));
    drop(created);
    drop(system);
    assert!(LOG.lock().unwrap().contains(&"close v1-slow".to_owned()));
}

#[test]
fn a_call_that_is_done_at_once_needs_no_notification() {
    let (_system, created) = vmcompute().create_system("v1-quick", "at-once").unwrap();
    created.finish(None).unwrap();
}

#[test]
fn failures_have_their_documents_whether_early_or_late() {
    let error = vmcompute().create_system("v1-bad", "bad").unwrap_err();
    assert!(error.is(Hresult(0x8037_010D)));
    assert_eq!(error.document(), Some("{\"Error\":-1070137075}"));
    let (_system, created) = vmcompute().create_system("v1-late", "{}").unwrap();
    tell("v1-late", CREATE_COMPLETED, 0xC037_0112, "{\"late\":1}");
    let error = created.finish(None).unwrap_err();
    assert_eq!((error.code(), error.document()), (Some(Hresult(0xC037_0112)), Some("{\"late\":1}")));
}

#[test]
fn the_end_of_the_system_ends_every_call_and_stays_for_others() {
    let (system, created) = vmcompute().create_system("v1-dies", "at-once").unwrap();
    created.finish(None).unwrap();
    let start = system.start("").unwrap();
    tell("v1-dies", SYSTEM_EXITED, 0xC037_0106, "{\"Status\":1}");
    let error = start.finish(None).unwrap_err();
    assert!(error.is(Hresult::UNEXPECTED_EXIT));
    // To stop it is then done, whatever the status.
    system.terminate("").unwrap().finish(None).unwrap();
    let exit = system.notices().next(None).unwrap();
    let expected =
        Notice { kind: SYSTEM_EXITED, status: Hresult(0xC037_0106), data: Some("{\"Status\":1}".into()) };
    assert_eq!(exit, expected);
}

#[test]
fn the_end_of_the_service_ends_every_call() {
    let (system, created) = vmcompute().create_system("v1-alone", "at-once").unwrap();
    created.finish(None).unwrap();
    let start = system.start("").unwrap();
    tell("v1-alone", SERVICE_DISCONNECTED, 0, "");
    assert!(start.finish(None).unwrap_err().is(Hresult::SERVICE_DISCONNECT));
}

#[test]
fn parents_are_passed_in_their_order_with_their_identifiers() {
    let vmcompute = vmcompute();
    let id = vmcompute.name_to_guid("4").unwrap();
    assert_eq!(id.to_string(), "bd9c3ef9-f239-59b5-a27e-15c523b1d149");
    let parent = |id, path: &str| ParentLayer { id, path: path.into() };
    let parents = [parent(id, r"C:\app"), parent(Guid::NIL, r"C:\base")];
    vmcompute.prepare_layer(Path::new(r"C:\scratch"), &parents).unwrap();
    let line = r"prepare C:\scratch bd9c3ef9-f239-59b5-a27e-15c523b1d149=C:\app 00000000-0000-0000-0000-000000000000=C:\base";
    assert!(LOG.lock().unwrap().contains(&line.to_owned()));
    vmcompute.prepare_layer(Path::new(r"C:\alone"), &[]).unwrap();
}

#[test]
fn the_mount_path_is_asked_for_with_its_length() {
    let vmcompute = vmcompute();
    assert_eq!(vmcompute.layer_mount_path(Path::new("layer")).unwrap(), r"\\?\Volume{1}");
    assert!(matches!(vmcompute.layer_mount_path(Path::new("endless")), Err(Error::Answer { .. })));
}

#[test]
fn requests_to_the_network_service_are_passed_on() {
    let answer = vmcompute().hns_call("GET", "/globals/version", "").unwrap();
    assert_eq!(answer, "GET /globals/version ");
}
