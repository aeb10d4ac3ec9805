//! The calls of plans, done by Windows.

mod files;
mod layers;
mod network;
mod system;

use std::cell::RefCell;
use std::time::Duration;

use containerv_spec::plan::hcs::{Call, HcsIsolation};
use containerv_spec::{ContainerId, Request};
use containerv_sys::windows::error::{Error as SystemError, Hresult};
use containerv_sys::windows::hcs::Hcs;
use containerv_sys::windows::holders::RestartManager;
use containerv_sys::windows::library::Libraries;
use containerv_sys::windows::lock::Lock;
use containerv_sys::windows::network::Hcn;
use containerv_sys::windows::process::Process as OwnProcess;
use containerv_sys::windows::virtdisk::Virtdisk;
use containerv_sys::windows::vmcompute::Vmcompute;

use super::execute::Perform;
use super::explain::Failure;
pub(super) use files::make_private;
pub(crate) use layers::privileged;
pub(crate) use system::Live;

type Result<T, E = Failure> = std::result::Result<T, E>;

/// The longest that a compute system may take to come into being, start or answer.
pub(super) const PATIENCE: Option<Duration> = Some(Duration::from_secs(240));
/// The longest that one may take to end by force.
pub(super) const ENDING: Option<Duration> = Some(Duration::from_secs(30));

/// The DLLs of Windows that containers need.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    pub(super) hcs: Hcs,
    pub(super) vmcompute: Vmcompute,
    pub(super) hcn: Hcn,
    pub(super) virtdisk: Virtdisk,
    restart_manager: RestartManager,
}

impl Windows {
    /// Loads them; what is missing shows when it is used.
    pub(crate) fn load(from: &Libraries) -> Self {
        Self {
            hcs: Hcs::load(from),
            vmcompute: Vmcompute::load(from),
            hcn: Hcn::load(from),
            virtdisk: Virtdisk::load(from),
            // Windows' own, wherever the others are.
            restart_manager: RestartManager::load(&Libraries::system32()),
        }
    }
}

/// The hold on a container that ends with its directory: an open file would keep that.
#[derive(Debug, Default)]
pub(crate) struct Hold(RefCell<Option<Lock>>);

impl Hold {
    pub(crate) fn new(lock: Lock) -> Self {
        Self(RefCell::new(Some(lock)))
    }

    pub(crate) fn set(&self, lock: Lock) {
        self.0.replace(Some(lock));
    }

    fn release(&self) {
        drop(self.0.take());
    }
}

/// Ends this process at once if the number is the fault's: a crash, for tests.
pub(crate) fn die_at(fault: Option<u32>, number: u32) {
    if fault == Some(number)
        && let Ok(Some(own)) = OwnProcess::open_to_end(std::process::id())
    {
        let _ = own.terminate(137);
    }
}

/// Does the calls of one container.
pub(crate) struct Performer<'a> {
    windows: &'a Windows,
    id: &'a ContainerId,
    /// Missing where something is only undone.
    request: Option<&'a Request>,
    hold: Option<&'a Hold>,
    fault: Option<u32>,
    removal_fault: Option<u32>,
    undone: u32,
    live: Live,
}

impl<'a> Performer<'a> {
    pub(crate) fn new(windows: &'a Windows, id: &'a ContainerId, request: Option<&'a Request>) -> Self {
        let live = Live::default();
        Self { windows, id, request, hold: None, fault: None, removal_fault: None, undone: 0, live }
    }

    /// Ends this hold before the directory is removed.
    pub(crate) fn with_hold(self, hold: &'a Hold) -> Self {
        Self { hold: Some(hold), ..self }
    }

    /// For tests: this process ends after that step.
    pub(crate) fn with_fault(self, fault: Option<u32>) -> Self {
        Self { fault, ..self }
    }

    /// For tests: this process ends after so many calls that undo.
    pub(crate) fn with_removal_fault(self, removal_fault: Option<u32>) -> Self {
        Self { removal_fault, ..self }
    }

    /// What was started, to go on with.
    pub(crate) fn into_live(self) -> Live {
        self.live
    }
}

impl Perform for Performer<'_> {
    fn done(&mut self, number: u32) {
        die_at(self.fault, number);
    }

    fn undone(&mut self) {
        self.undone += 1;
        die_at(self.removal_fault, self.undone);
    }

    fn perform(&mut self, call: &Call) -> Result<Vec<String>> {
        let nothing = |()| Vec::new();
        match call {
            Call::MakeDirectory { path } => files::make_directory(path).map(nothing),
            Call::RemoveDirectory { path } => {
                self.hold.inspect(|hold| hold.release());
                files::remove_directory(path).map(nothing)
            }
            Call::ReserveName { path } => files::reserve_name(path, self.id).map(nothing),
            Call::ReleaseName { path } => files::release_name(path, self.id).map(nothing),
            Call::StoreRequest { path } => {
                let request =
                    self.request.ok_or_else(|| Failure::words("WriteFile", "there is no request"))?;
                files::store_request(path, request).map(nothing)
            }
            Call::MakeSource { path } => files::make_source(path).map(nothing),
            Call::ResolvePath { path, .. } => files::resolve(path).map(one),
            Call::ReadCredentialSpec { source, .. } => files::credential_spec(source).map(one),
            Call::NameToGuid { name, .. } => self.name_to_guid(name).map(one),
            Call::CreateSandboxLayer { layer, parents } => self.create_layer(layer, parents).map(nothing),
            Call::DestroyLayer { layer } => self.destroy_layer(layer).map(nothing),
            Call::ExpandSandboxSize { layer, bytes } => self.expand_layer(layer, *bytes).map(nothing),
            Call::ExtendVolume { layer } => self.extend_volume(layer).map(nothing),
            Call::ActivateLayer { layer } => self.activate_layer(layer).map(nothing),
            Call::DeactivateLayer { layer } => self.deactivate_layer(layer).map(nothing),
            Call::PrepareLayer { layer, parents } => self.prepare_layer(layer, parents).map(nothing),
            Call::UnprepareLayer { layer } => self.unprepare_layer(layer).map(nothing),
            Call::GetLayerMountPath { layer, .. } => self.layer_volume(layer).map(one),
            Call::EnumerateNetworks { query, .. } => self.find_network(query).map(one),
            Call::CreateNetwork { id, settings } => self.create_network(id, settings).map(nothing),
            Call::CreateEndpoint { network, id, settings } => {
                self.create_endpoint(network, id, settings).map(nothing)
            }
            Call::DeleteEndpoint { id } => self.delete_endpoint(id).map(nothing),
            Call::CreateNamespace { id, settings } => self.create_namespace(id, settings).map(nothing),
            Call::DeleteNamespace { id } => self.delete_namespace(id).map(nothing),
            Call::ModifyNamespace { id, settings } => self.modify_namespace(id, settings).map(nothing),
            Call::ModifyServiceSettings { settings } => self.modify_service(settings).map(nothing),
            Call::GetServiceProperties { query, found } => self.credentials(query, found),
            Call::CreateSystem { id, document } => self.create_system(id, document).map(nothing),
            Call::WatchSystem { .. } => self.watch_system().map(nothing),
            Call::StartSystem { .. } | Call::StartSystemV1 { .. } => self.start_system().map(nothing),
            Call::TerminateSystem { id } => self.terminate_system(HcsIsolation::Process, id).map(nothing),
            Call::CloseSystem { .. } | Call::CloseSystemV1 { .. } => {
                self.live = Live::default();
                Ok(Vec::new())
            }
            Call::CreateProcess { parameters, .. } | Call::CreateProcessV1 { parameters, .. } => {
                self.create_process(parameters).map(nothing)
            }
            Call::WatchProcess { .. } => self.watch_process().map(nothing),
            Call::CreateSystemV1 { id, document } => self.create_system_v1(id, document).map(nothing),
            Call::TerminateSystemV1 { id } => self.terminate_system(HcsIsolation::Hyperv, id).map(nothing),
        }
    }
}

fn one(value: String) -> Vec<String> {
    vec![value]
}

/// A document as the service takes it.
pub(super) fn json(function: &'static str, document: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(document).map_err(|error| Failure::words(function, error.to_string()))
}

impl From<SystemError> for Failure {
    fn from(error: SystemError) -> Self {
        let function = error.function().unwrap_or("UTF-16");
        match error {
            SystemError::Failed { code, document, .. } => Self::code(function, code.0, document),
            SystemError::Absent { .. } => Self { absent: true, ..Self::words(function, error.to_string()) },
            SystemError::System { source, .. } => Self::io(function, source),
            other => Self::words(function, other.to_string()),
        }
    }
}

impl Failure {
    /// A failure of the system proper.
    fn io(function: &'static str, error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => {
                let code = Hresult::from_win32(number.cast_unsigned()).0;
                Self { remark: Some(error.to_string()), ..Self::code(function, code, None) }
            }
            None => Self::words(function, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
