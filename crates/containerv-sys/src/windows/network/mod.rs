//! Container networks by computenetwork.dll: the Host Compute Network service.
//!
//! Everything here is synchronous. Settings, queries and properties are JSON texts.

// UNSAFETY: calls of computenetwork.dll.
#![allow(unsafe_code, reason = "calls of computenetwork.dll")]

#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use windows_sys::core::GUID;

use super::error::{Error, Hresult, Result};
use super::guid::Guid;
use super::library::{Libraries, functions};
use super::notices::{self, Notice, Notices, Queue, Registration};
use super::wide::{self, Allocator, Returned, Wide};

type Code = i32;
type Text = *const u16;
type Answer = *mut *mut u16;
type Raw = *mut c_void;
type Id = *const GUID;
type Callback = unsafe extern "system" fn(u32, *const c_void, Code, Text);

functions! {
    /// computenetwork.dll.
    Computenetwork = "computenetwork.dll" {
        fn HcnEnumerateNetworks(Text, Answer, Answer) -> Code;
        fn HcnCreateNetwork(Id, Text, *mut Raw, Answer) -> Code;
        fn HcnOpenNetwork(Id, *mut Raw, Answer) -> Code;
        fn HcnModifyNetwork(Raw, Text, Answer) -> Code;
        fn HcnQueryNetworkProperties(Raw, Text, Answer, Answer) -> Code;
        fn HcnDeleteNetwork(Id, Answer) -> Code;
        fn HcnCloseNetwork(Raw) -> Code;
        fn HcnEnumerateEndpoints(Text, Answer, Answer) -> Code;
        fn HcnCreateEndpoint(Raw, Id, Text, *mut Raw, Answer) -> Code;
        fn HcnOpenEndpoint(Id, *mut Raw, Answer) -> Code;
        fn HcnModifyEndpoint(Raw, Text, Answer) -> Code;
        fn HcnQueryEndpointProperties(Raw, Text, Answer, Answer) -> Code;
        fn HcnQueryEndpointStats(Raw, Text, Answer, Answer) -> Code;
        fn HcnDeleteEndpoint(Id, Answer) -> Code;
        fn HcnCloseEndpoint(Raw) -> Code;
        fn HcnEnumerateNamespaces(Text, Answer, Answer) -> Code;
        fn HcnCreateNamespace(Id, Text, *mut Raw, Answer) -> Code;
        fn HcnOpenNamespace(Id, *mut Raw, Answer) -> Code;
        fn HcnModifyNamespace(Raw, Text, Answer) -> Code;
        fn HcnQueryNamespaceProperties(Raw, Text, Answer, Answer) -> Code;
        fn HcnDeleteNamespace(Id, Answer) -> Code;
        fn HcnCloseNamespace(Raw) -> Code;
        fn HcnEnumerateLoadBalancers(Text, Answer, Answer) -> Code;
        fn HcnCreateLoadBalancer(Id, Text, *mut Raw, Answer) -> Code;
        fn HcnOpenLoadBalancer(Id, *mut Raw, Answer) -> Code;
        fn HcnModifyLoadBalancer(Raw, Text, Answer) -> Code;
        fn HcnQueryLoadBalancerProperties(Raw, Text, Answer, Answer) -> Code;
        fn HcnDeleteLoadBalancer(Id, Answer) -> Code;
        fn HcnCloseLoadBalancer(Raw) -> Code;
        fn HcnEnumerateSdnRoutes(Text, Answer, Answer) -> Code;
        fn HcnCreateSdnRoute(Id, Text, *mut Raw, Answer) -> Code;
        fn HcnOpenSdnRoute(Id, *mut Raw, Answer) -> Code;
        fn HcnModifySdnRoute(Raw, Text, Answer) -> Code;
        fn HcnQuerySdnRouteProperties(Raw, Text, Answer, Answer) -> Code;
        fn HcnDeleteSdnRoute(Id, Answer) -> Code;
        fn HcnCloseSdnRoute(Raw) -> Code;
        fn HcnRegisterServiceCallback(Option<Callback>, *const c_void, *mut Raw) -> Code;
        fn HcnUnregisterServiceCallback(Raw) -> Code;
    }
}

/// What kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A network, that is a virtual switch with addresses to give.
    Network,
    /// A network adapter's place in a network.
    Endpoint,
    /// A compute namespace, that is a compartment of the TCP/IP stack.
    Namespace,
    /// A load balancer.
    LoadBalancer,
    /// A route of software defined networks; older versions have none.
    Route,
}

/// For each kind the function of its name.
macro_rules! by_kind {
    ($kind:expr, $table:expr; $network:ident $endpoint:ident $namespace:ident $balancer:ident $route:ident) => {
        match $kind {
            Kind::Network => ($table.$network(), stringify!($network)),
            Kind::Endpoint => ($table.$endpoint(), stringify!($endpoint)),
            Kind::Namespace => ($table.$namespace(), stringify!($namespace)),
            Kind::LoadBalancer => ($table.$balancer(), stringify!($balancer)),
            Kind::Route => ($table.$route(), stringify!($route)),
        }
    };
}

/// computenetwork.dll.
#[derive(Clone, Debug)]
pub struct Hcn {
    table: Arc<Computenetwork>,
}

impl Hcn {
    /// Loads the DLL and looks up its functions.
    pub fn load(from: &Libraries) -> Self {
        Self { table: Arc::new(Computenetwork::load(from)) }
    }

    /// Says whether this Windows has the DLL.
    pub fn is_loaded(&self) -> bool {
        self.table.is_loaded()
    }

    /// Says whether this Windows has a function of the DLL.
    pub fn has(&self, function: &str) -> bool {
        self.table.has(function)
    }

    /// Returns the functions that this Windows lacks.
    pub fn missing(&self) -> Vec<&'static str> {
        Computenetwork::EXPORTS.iter().copied().filter(|function| !self.has(function)).collect()
    }

    /// Returns the identifiers of the objects that fit a query, as a JSON array of texts
    /// (`HcnEnumerateNetworks` and so on); an empty query is for all.
    ///
    /// # Errors
    ///
    /// The service's, with its error record, as for all functions here. An error record is a
    /// failure also if the code says success.
    pub fn enumerate(&self, kind: Kind, query: &str) -> Result<String> {
        let (function, name) = by_kind!(kind, self.table; HcnEnumerateNetworks HcnEnumerateEndpoints
            HcnEnumerateNamespaces HcnEnumerateLoadBalancers HcnEnumerateSdnRoutes);
        let (function, query) = (function?, Wide::new(query)?);
        let mut list = Returned::new(Allocator::Task);
        // SAFETY: the text outlives the call, and the slots take pointers.
        recorded(name, |record| unsafe { function(query.as_ptr(), list.slot(), record) })?;
        list.required(name)
    }

    /// Creates a network, namespace, load balancer or route (`HcnCreateNetwork` and so on). With
    /// [`Guid::NIL`] the service chooses the identifier, unless the settings have one.
    ///
    /// # Errors
    ///
    /// `E_INVALIDARG` for an endpoint, which [`Object::create_endpoint`] creates; the service's.
    pub fn create(&self, kind: Kind, id: Guid, settings: &str) -> Result<Object> {
        let (function, name) = match kind {
            Kind::Network => (self.table.HcnCreateNetwork(), "HcnCreateNetwork"),
            Kind::Namespace => (self.table.HcnCreateNamespace(), "HcnCreateNamespace"),
            Kind::LoadBalancer => (self.table.HcnCreateLoadBalancer(), "HcnCreateLoadBalancer"),
            Kind::Route => (self.table.HcnCreateSdnRoute(), "HcnCreateSdnRoute"),
            Kind::Endpoint => {
                return Err(Error::failed("HcnCreateEndpoint", Hresult::INVALID_ARGUMENT, None));
            }
        };
        let (function, settings, id) = (function?, Wide::new(settings)?, id.to_raw());
        let mut raw = ptr::null_mut();
        let create = |record| {
            // SAFETY: identifier and text outlive the call; the slots take pointers.
            unsafe { function(&raw const id, settings.as_ptr(), &raw mut raw, record) }
        };
        recorded(name, create)?;
        self.object(kind, name, raw)
    }

    /// Opens an object (`HcnOpenNetwork` and so on).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn open(&self, kind: Kind, id: Guid) -> Result<Object> {
        let (function, name) = by_kind!(kind, self.table; HcnOpenNetwork HcnOpenEndpoint
            HcnOpenNamespace HcnOpenLoadBalancer HcnOpenSdnRoute);
        let (function, id) = (function?, id.to_raw());
        let mut raw = ptr::null_mut();
        // SAFETY: the identifier outlives the call; the slots take pointers.
        recorded(name, |record| unsafe { function(&raw const id, &raw mut raw, record) })?;
        self.object(kind, name, raw)
    }

    /// Deletes an object (`HcnDeleteNetwork` and so on).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn delete(&self, kind: Kind, id: Guid) -> Result<()> {
        let (function, name) = by_kind!(kind, self.table; HcnDeleteNetwork HcnDeleteEndpoint
            HcnDeleteNamespace HcnDeleteLoadBalancer HcnDeleteSdnRoute);
        let (function, id) = (function?, id.to_raw());
        // SAFETY: the identifier outlives the call; the slot takes a pointer.
        recorded(name, |record| unsafe { function(&raw const id, record) })
    }

    /// Registers for what the service tells about all objects (`HcnRegisterServiceCallback`).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn watch(&self) -> Result<Watch> {
        const FUNCTION: &str = "HcnRegisterServiceCallback";
        let register = self.table.HcnRegisterServiceCallback()?;
        let queue = Queue::new().map_err(Error::system("CreateEventW"))?;
        let registration = Registration::new(Arc::clone(&queue));
        let mut raw = ptr::null_mut();
        // SAFETY: the context is a number that the callback looks up; `raw` takes the handle.
        let code = unsafe { register(Some(notified), registration.context(), &raw mut raw) };
        let code = Hresult::from(code);
        if !code.is_success() {
            return Err(Error::failed(FUNCTION, code, None));
        }
        Ok(Watch { hcn: self.clone(), raw, notices: Notices(queue), _registration: registration })
    }

    fn object(&self, kind: Kind, function: &'static str, raw: Raw) -> Result<Object> {
        if raw.is_null() {
            return Err(Error::Answer { function, problem: "no handle was returned" });
        }
        Ok(Object { hcn: self.clone(), kind, raw })
    }
}

/// An open network, endpoint, namespace, load balancer or route. It exists whether open or not.
#[derive(Debug)]
pub struct Object {
    hcn: Hcn,
    kind: Kind,
    raw: Raw,
}

// SAFETY: the handle may be used on any thread, and this type is its only owner.
unsafe impl Send for Object {}

impl Object {
    /// Returns its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Creates an endpoint in this network (`HcnCreateEndpoint`).
    ///
    /// # Errors
    ///
    /// `E_INVALIDARG` if this is no network; the service's.
    pub fn create_endpoint(&self, id: Guid, settings: &str) -> Result<Object> {
        const FUNCTION: &str = "HcnCreateEndpoint";
        let function = self.hcn.table.HcnCreateEndpoint()?;
        if self.kind != Kind::Network {
            return Err(Error::failed(FUNCTION, Hresult::INVALID_ARGUMENT, None));
        }
        let (settings, id) = (Wide::new(settings)?, id.to_raw());
        let mut raw = ptr::null_mut();
        let create = |record| {
            // SAFETY: the network is open; identifier and text outlive the call; the slots take
            // pointers.
            unsafe { function(self.raw, &raw const id, settings.as_ptr(), &raw mut raw, record) }
        };
        recorded(FUNCTION, create)?;
        self.hcn.object(Kind::Endpoint, FUNCTION, raw)
    }

    /// Changes it (`HcnModifyNetwork` and so on).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn modify(&self, request: &str) -> Result<()> {
        let (function, name) = by_kind!(self.kind, self.hcn.table; HcnModifyNetwork HcnModifyEndpoint
            HcnModifyNamespace HcnModifyLoadBalancer HcnModifySdnRoute);
        let (function, request) = (function?, Wide::new(request)?);
        // SAFETY: the object is open; the text outlives the call; the slot takes a pointer.
        recorded(name, |record| unsafe { function(self.raw, request.as_ptr(), record) })
    }

    /// Returns its properties (`HcnQueryNetworkProperties` and so on).
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn properties(&self, query: &str) -> Result<String> {
        let (function, name) = by_kind!(self.kind, self.hcn.table; HcnQueryNetworkProperties
            HcnQueryEndpointProperties HcnQueryNamespaceProperties HcnQueryLoadBalancerProperties
            HcnQuerySdnRouteProperties);
        self.answer(name, function?, query)
    }

    /// Returns an endpoint's counters (`HcnQueryEndpointStats`, which older versions lack).
    ///
    /// # Errors
    ///
    /// If this Windows lacks the function; `E_INVALIDARG` if this is no endpoint; the service's.
    pub fn endpoint_statistics(&self, query: &str) -> Result<String> {
        const FUNCTION: &str = "HcnQueryEndpointStats";
        let function = self.hcn.table.HcnQueryEndpointStats()?;
        if self.kind != Kind::Endpoint {
            return Err(Error::failed(FUNCTION, Hresult::INVALID_ARGUMENT, None));
        }
        self.answer(FUNCTION, function, query)
    }

    fn answer(
        &self,
        name: &'static str,
        function: unsafe extern "system" fn(Raw, Text, Answer, Answer) -> Code,
        query: &str,
    ) -> Result<String> {
        let query = Wide::new(query)?;
        let mut properties = Returned::new(Allocator::Task);
        let ask = |record| {
            // SAFETY: the object is open; the text outlives the call; the slots take pointers.
            unsafe { function(self.raw, query.as_ptr(), properties.slot(), record) }
        };
        recorded(name, ask)?;
        properties.required(name)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let (close, _) = by_kind!(self.kind, self.hcn.table; HcnCloseNetwork HcnCloseEndpoint
            HcnCloseNamespace HcnCloseLoadBalancer HcnCloseSdnRoute);
        if let Ok(close) = close {
            // SAFETY: the object is open, and is closed once. It cannot fail in a way that matters.
            unsafe { close(self.raw) };
        }
    }
}

/// What the service tells, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    hcn: Hcn,
    raw: Raw,
    notices: Notices,
    /// Dropped after the registration with the service.
    _registration: Registration,
}

// SAFETY: the handle may be used on any thread, and this type is its only owner.
unsafe impl Send for Watch {}

impl Watch {
    /// Returns the notices. Their kinds are the numbers of `HCN_NOTIFICATIONS`.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Ok(unregister) = self.hcn.table.HcnUnregisterServiceCallback() {
            // SAFETY: the registration exists, and is given back once.
            unsafe { unregister(self.raw) };
        }
    }
}

/// Called by the DLL on one of its threads.
unsafe extern "system" fn notified(kind: u32, context: *const c_void, status: Code, data: Text) {
    // SAFETY: the data is null or a text with a NUL, valid during the call.
    let data = unsafe { wide::copy(data) };
    notices::deliver(context, Notice { kind, status: status.into(), data });
}

/// Calls a function that returns an error record.
fn recorded(function: &'static str, call: impl FnOnce(Answer) -> Code) -> Result<()> {
    let mut record = Returned::new(Allocator::Task);
    let code = Hresult::from(call(record.slot()));
    match record.take(function)? {
        None if code.is_success() => Ok(()),
        record => Err(Error::failed(function, code, record)),
    }
}
