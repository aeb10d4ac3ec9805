//! The wrappers, with functions of the test's own in place of the DLL's.

#![allow(unsafe_code, reason = "stands in for a DLL")]

use std::ffi::CStr;
use std::sync::Mutex;

use windows_sys::Win32::System::Com::CoTaskMemAlloc;

use super::*;
use crate::windows::library::Address;
use crate::windows::signatures::compare;

#[test]
fn functions_are_as_in_the_metadata() {
    let unknown = compare!(Computenetwork, windows_sys::Win32::System::HostComputeNetwork;
        HcnEnumerateNetworks(_, _, _);
        HcnCreateNetwork(_, _, _, _);
        HcnOpenNetwork(_, _, _);
        HcnModifyNetwork(_, _, _);
        HcnQueryNetworkProperties(_, _, _, _);
        HcnDeleteNetwork(_, _);
        HcnCloseNetwork(_);
        HcnEnumerateEndpoints(_, _, _);
        HcnCreateEndpoint(_, _, _, _, _);
        HcnOpenEndpoint(_, _, _);
        HcnModifyEndpoint(_, _, _);
        HcnQueryEndpointProperties(_, _, _, _);
        HcnQueryEndpointStats(_, _, _, _);
        HcnDeleteEndpoint(_, _);
        HcnCloseEndpoint(_);
        HcnEnumerateNamespaces(_, _, _);
        HcnCreateNamespace(_, _, _, _);
        HcnOpenNamespace(_, _, _);
        HcnModifyNamespace(_, _, _);
        HcnQueryNamespaceProperties(_, _, _, _);
        HcnDeleteNamespace(_, _);
        HcnCloseNamespace(_);
        HcnEnumerateLoadBalancers(_, _, _);
        HcnCreateLoadBalancer(_, _, _, _);
        HcnOpenLoadBalancer(_, _, _);
        HcnModifyLoadBalancer(_, _, _);
        HcnQueryLoadBalancerProperties(_, _, _, _);
        HcnDeleteLoadBalancer(_, _);
        HcnCloseLoadBalancer(_);
        HcnRegisterServiceCallback(_, _, _);
        HcnUnregisterServiceCallback(_);
    );
    // Newer than the metadata.
    assert!(unknown.iter().all(|name| name.contains("SdnRoute")), "{unknown:?}");
    assert_eq!(unknown.len(), 7);
}

const NETWORK: usize = 1;
const ENDPOINT: usize = 2;
const WATCH: usize = 3;

/// The registered callback with its context.
static REGISTERED: Mutex<Option<(Callback, usize)>> = Mutex::new(None);
static CLOSED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn handle(number: usize) -> Raw {
    std::ptr::without_provenance_mut(number)
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

fn text(text: Text) -> String {
    // SAFETY: a text of the wrappers.
    unsafe { wide::copy(text) }.unwrap_or_default()
}

unsafe extern "system" fn enumerate(query: Text, list: Answer, record: Answer) -> Code {
    match text(query).as_str() {
        // An error record that comes with S_OK.
        "odd" => answer(record, "{\"Success\":false}"),
        query => answer(list, &format!("[{query}]")),
    }
    0
}

unsafe extern "system" fn create_network(id: Id, settings: Text, out: *mut Raw, record: Answer) -> Code {
    // SAFETY: the wrappers' identifier.
    assert_eq!(Guid::from_raw(unsafe { &*id }), Guid::NIL);
    if text(settings) == "bad" {
        answer(record, "{\"ErrorCode\":2151350299}");
        return 0x803b_001b_u32.cast_signed();
    }
    // SAFETY: the caller's room for a handle.
    unsafe { *out = handle(NETWORK) };
    0
}

unsafe extern "system" fn create_endpoint(
    network: Raw,
    id: Id,
    _settings: Text,
    out: *mut Raw,
    _record: Answer,
) -> Code {
    assert_eq!(network.addr(), NETWORK);
    // SAFETY: the wrappers' identifier and room for a handle.
    unsafe {
        assert_eq!(Guid::from_raw(&*id), Guid::from_u128(7));
        *out = handle(ENDPOINT);
    }
    0
}

unsafe extern "system" fn query(object: Raw, query: Text, properties: Answer, _record: Answer) -> Code {
    answer(properties, &format!("{}:{}", object.addr(), text(query)));
    0
}

unsafe extern "system" fn close(object: Raw) -> Code {
    CLOSED.lock().unwrap().push(object.addr());
    0
}

unsafe extern "system" fn register(
    callback: Option<Callback>,
    context: *const c_void,
    out: *mut Raw,
) -> Code {
    *REGISTERED.lock().unwrap() = callback.map(|callback| (callback, context.addr()));
    // SAFETY: the caller's room for a handle.
    unsafe { *out = handle(WATCH) };
    0
}

unsafe extern "system" fn unregister(watch: Raw) -> Code {
    assert_eq!(watch.addr(), WATCH);
    0
}

fn find(name: &CStr) -> Option<Address> {
    let address: *const c_void = match name.to_bytes() {
        b"HcnEnumerateNetworks" => enumerate as *const c_void,
        b"HcnCreateNetwork" => create_network as *const c_void,
        b"HcnCreateEndpoint" => create_endpoint as *const c_void,
        b"HcnQueryNetworkProperties" | b"HcnQueryEndpointProperties" => query as *const c_void,
        b"HcnCloseNetwork" | b"HcnCloseEndpoint" => close as *const c_void,
        b"HcnRegisterServiceCallback" => register as *const c_void,
        b"HcnUnregisterServiceCallback" => unregister as *const c_void,
        _ => return None,
    };
    // SAFETY: an address of a function; the table gives it its signature.
    Some(unsafe { std::mem::transmute::<*const c_void, Address>(address) })
}

fn hcn() -> Hcn {
    Hcn { table: Arc::new(Computenetwork::of_test(find)) }
}

#[test]
fn objects_are_created_asked_and_closed() {
    let hcn = hcn();
    let network = hcn.create(Kind::Network, Guid::NIL, "{}").unwrap();
    let endpoint = network.create_endpoint(Guid::from_u128(7), "{}").unwrap();
    assert_eq!((network.kind(), endpoint.kind()), (Kind::Network, Kind::Endpoint));
    assert_eq!(endpoint.properties("q").unwrap(), "2:q");
    assert!(endpoint.create_endpoint(Guid::NIL, "{}").unwrap_err().is(Hresult::INVALID_ARGUMENT));
    assert!(hcn.create(Kind::Endpoint, Guid::NIL, "{}").unwrap_err().is(Hresult::INVALID_ARGUMENT));
    drop(endpoint);
    assert!(CLOSED.lock().unwrap().contains(&ENDPOINT));
}

#[test]
fn a_failure_has_its_error_record_also_beside_success() {
    let hcn = hcn();
    let error = hcn.create(Kind::Network, Guid::NIL, "bad").unwrap_err();
    assert_eq!(error.code(), Some(Hresult(0x803b_001b)));
    assert_eq!(error.document(), Some("{\"ErrorCode\":2151350299}"));
    let error = hcn.enumerate(Kind::Network, "odd").unwrap_err();
    assert_eq!((error.code(), error.document()), (Some(Hresult::OK), Some("{\"Success\":false}")));
    assert_eq!(hcn.enumerate(Kind::Network, "1").unwrap(), "[1]");
}

#[test]
fn a_kind_that_an_old_version_lacks_is_an_answer() {
    let error = hcn().enumerate(Kind::Route, "").unwrap_err();
    assert!(matches!(error, Error::Absent { function: "HcnEnumerateSdnRoutes", .. }));
}

#[test]
fn notices_come_as_long_as_somebody_watches() {
    let watch = hcn().watch().unwrap();
    let (callback, context) = REGISTERED.lock().unwrap().unwrap();
    let notices = watch.notices().clone();
    let data = Wide::new("{}").unwrap();
    let tell = || {
        // SAFETY: as the real DLL does, on another thread.
        unsafe { callback(0x10, std::ptr::without_provenance(context), -1, data.as_ptr()) }
    };
    std::thread::scope(|scope| drop(scope.spawn(tell)));
    let expected = Notice { kind: 0x10, status: Hresult(0xFFFF_FFFF), data: Some("{}".into()) };
    assert_eq!(notices.next(None), Some(expected));
    drop(watch);
    tell();
    assert_eq!(notices.next(Some(std::time::Duration::ZERO)), None);
}
