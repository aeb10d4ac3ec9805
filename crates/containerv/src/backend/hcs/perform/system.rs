//! Compute systems and their processes, of both generations.

use containerv_spec::ContainerId;
use containerv_spec::hcs::Found;
use containerv_spec::hcs::process::ProcessParameters;
use containerv_spec::hcs::service::{CredentialInstances, ModifyService, ServiceProperties, ServiceQuery};
use containerv_spec::hcs::system::ComputeSystem;
use containerv_spec::hcs::v1::ContainerConfig;
use containerv_sys::windows::hcs::{self, ProcessInfo, Waited};
use containerv_sys::windows::notices::Notices;
use containerv_sys::windows::vmcompute;

use super::{ENDING, PATIENCE, Performer, Result, json};
use crate::backend::hcs::explain::Failure;

/// `HCS_E_OPERATION_TIMEOUT`.
const TIMEOUT: u32 = 0x8037_0118;

/// What was started.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The container's own command, with its streams.
    pub(crate) process: Option<Process>,
    pub(crate) info: Option<ProcessInfo>,
    /// Where its end is told.
    pub(crate) process_events: Option<Notices>,
    /// Where the system's end is told.
    pub(crate) system_events: Option<Notices>,
    /// Closed after its process.
    pub(crate) system: Option<System>,
}

/// A system of either generation.
#[derive(Debug)]
pub(crate) enum System {
    /// Of computecore.dll.
    Current(hcs::System),
    /// Of vmcompute.dll.
    First(vmcompute::System),
}

/// A process of either generation.
#[derive(Debug)]
pub(crate) enum Process {
    /// Of computecore.dll.
    Current(hcs::Process),
    /// Of vmcompute.dll.
    First(#[allow(dead_code, reason = "kept open for its notices")] vmcompute::Process),
}

impl Live {
    fn current(&self, function: &'static str) -> Result<&hcs::System> {
        match &self.system {
            Some(System::Current(system)) => Ok(system),
            _ => Err(Failure::words(function, "no step has created the system")),
        }
    }

    fn first(&self, function: &'static str) -> Result<&vmcompute::System> {
        match &self.system {
            Some(System::First(system)) => Ok(system),
            _ => Err(Failure::words(function, "no step has created the system")),
        }
    }
}

impl Performer<'_> {
    pub(super) fn modify_service(&self, settings: &ModifyService) -> Result<()> {
        self.windows.hcs.modify_service(&json("HcsModifyServiceSettings", settings)?)?;
        Ok(())
    }

    /// What the credential service has handed out for this container.
    pub(super) fn credentials(&self, query: &ServiceQuery, found: &[Found]) -> Result<Vec<String>> {
        const FUNCTION: &str = "HcsGetServiceProperties";
        let answer = self.windows.hcs.service_properties(Some(&json(FUNCTION, query)?))?;
        let properties: ServiceProperties<CredentialInstances> =
            serde_json::from_str(&answer.unwrap_or_default())
                .map_err(|error| Failure::words(FUNCTION, format!("not an answer: {error}")))?;
        let mut instances = properties.properties.into_iter().flat_map(|properties| properties.instances);
        let instance = instances.find(|instance| instance.id == self.request.id.as_str());
        let guard = instance
            .ok_or_else(|| Failure::words(FUNCTION, "nothing was handed out for this container"))?
            .credential_guard;
        found
            .iter()
            .map(|found| match found {
                Found::CredentialCookie => Ok(guard.cookie.to_string()),
                Found::CredentialEndpoint => Ok(guard.rpc_endpoint.to_string()),
                other => Err(Failure::words(FUNCTION, format!("does not answer {other}"))),
            })
            .collect()
    }

    pub(super) fn create_system(&mut self, id: &ContainerId, document: &ComputeSystem) -> Result<()> {
        let hcs = &self.windows.hcs;
        let document = json("HcsCreateComputeSystem", document)?;
        let (system, creation) = hcs.create_system(hcs.operation()?, id.as_str(), &document)?;
        // Kept at once: should it take too long, it is ended by this handle.
        self.live.system = Some(System::Current(system));
        creation.finish(PATIENCE)?;
        Ok(())
    }

    pub(super) fn watch_system(&mut self) -> Result<()> {
        let events = self.live.current("HcsSetComputeSystemCallback")?.events()?;
        self.live.system_events = Some(events);
        Ok(())
    }

    pub(super) fn start_system(&self) -> Result<()> {
        let start = self.live.current("HcsStartComputeSystem")?.start(self.windows.hcs.operation()?, None)?;
        start.finish(PATIENCE)?;
        Ok(())
    }

    /// By the handle that there is, or another one: after a crash, or from another program.
    pub(super) fn terminate_system(&mut self, id: &ContainerId) -> Result<()> {
        let hcs = &self.windows.hcs;
        if self.live.system.is_none() {
            self.live.system = Some(System::Current(hcs.open_system(id.as_str())?));
        }
        let system = self.live.current("HcsTerminateComputeSystem")?;
        let events = system.events()?;
        // Its result says less than the event, and may never come.
        drop(system.terminate(hcs.operation()?, None)?);
        match events.next_of(hcs::SYSTEM_EXITED, ENDING) {
            Some(_) => Ok(()),
            None => Err(Failure::code("HcsTerminateComputeSystem", TIMEOUT, None)),
        }
    }

    pub(super) fn create_process(&mut self, parameters: &ProcessParameters) -> Result<()> {
        const FUNCTION: &str = "HcsCreateProcess";
        let system = self.live.current(FUNCTION)?;
        let parameters = json(FUNCTION, parameters)?;
        let mut spawn = system.create_process(self.windows.hcs.operation()?, &parameters)?;
        match spawn.wait(PATIENCE)? {
            Waited::Done(info) => {
                self.live.info = Some(info);
                self.live.process = Some(Process::Current(spawn.into_process()));
                Ok(())
            }
            Waited::Running => Err(Failure::code(FUNCTION, TIMEOUT, None)),
        }
    }

    pub(super) fn watch_process(&mut self) -> Result<()> {
        let Some(Process::Current(process)) = &self.live.process else {
            return Err(Failure::words("HcsSetProcessCallback", "no step has created the process"));
        };
        self.live.process_events = Some(process.events()?);
        Ok(())
    }

    pub(super) fn create_system_v1(&mut self, id: &ContainerId, document: &ContainerConfig) -> Result<()> {
        let document = json("HcsCreateComputeSystem", document)?;
        let (system, creation) = self.windows.vmcompute.create_system(id.as_str(), &document)?;
        self.live.system_events = Some(system.notices());
        self.live.system = Some(System::First(system));
        Ok(creation.finish(PATIENCE)?)
    }

    pub(super) fn start_system_v1(&self) -> Result<()> {
        Ok(self.live.first("HcsStartComputeSystem")?.start("")?.finish(PATIENCE)?)
    }

    pub(super) fn terminate_system_v1(&mut self, id: &ContainerId) -> Result<()> {
        if self.live.system.is_none() {
            self.live.system = Some(System::First(self.windows.vmcompute.open_system(id.as_str())?));
        }
        Ok(self.live.first("HcsTerminateComputeSystem")?.terminate("")?.finish(ENDING)?)
    }

    pub(super) fn create_process_v1(&mut self, parameters: &ProcessParameters) -> Result<()> {
        const FUNCTION: &str = "HcsCreateProcess";
        let system = self.live.first(FUNCTION)?;
        let (process, info) = system.create_process(&json(FUNCTION, parameters)?)?;
        self.live.process_events = Some(process.notices().clone());
        self.live.info = Some(info);
        self.live.process = Some(Process::First(process));
        Ok(())
    }
}
