//! Compute systems and their processes, of both generations.

use containerv_spec::ContainerId;
use containerv_spec::hcs::Found;
use containerv_spec::hcs::process::ProcessParameters;
use containerv_spec::hcs::service::{CredentialInstances, ModifyService, ServiceProperties, ServiceQuery};
use containerv_spec::hcs::system::ComputeSystem;
use containerv_spec::hcs::v1::ContainerConfig;
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_sys::windows::hcs::ProcessInfo;

use super::{PATIENCE, Performer, Result, json};
use crate::backend::hcs::compute::{Process, System};
use crate::backend::hcs::explain::Failure;

/// What was started.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The container's own command.
    pub(crate) process: Option<Process>,
    /// Its number and streams.
    pub(crate) info: Option<ProcessInfo>,
    /// Closed after its process.
    pub(crate) system: Option<System>,
}

impl Live {
    fn system(&self, function: &'static str) -> Result<&System> {
        self.system.as_ref().ok_or_else(|| Failure::words(function, "no step has created the system"))
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
        let instance = instances.find(|instance| instance.id == self.id.as_str());
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
        // The handle of a system that did not come to be is none. One that comes late is found by its id.
        creation.finish(PATIENCE)?;
        self.live.system = Some(System::current(self.windows, system));
        Ok(())
    }

    pub(super) fn watch_system(&mut self) -> Result<()> {
        self.live.system("HcsSetComputeSystemCallback")?.events().map(drop)
    }

    pub(super) fn start_system(&self) -> Result<()> {
        self.live.system("HcsStartComputeSystem")?.start()
    }

    /// By the handle that there is, or another one: after a crash, or from another program.
    pub(super) fn terminate_system(&mut self, isolation: HcsIsolation, id: &ContainerId) -> Result<()> {
        if self.live.system.is_none() {
            self.live.system = Some(self.windows.open_system(isolation, id)?);
        }
        self.live.system("HcsTerminateComputeSystem")?.terminate()
    }

    pub(super) fn create_process(&mut self, parameters: &ProcessParameters) -> Result<()> {
        let (process, info) = self.live.system("HcsCreateProcess")?.create_process(parameters)?;
        self.live.process = Some(process);
        self.live.info = Some(info);
        Ok(())
    }

    pub(super) fn watch_process(&mut self) -> Result<()> {
        let process = self.live.process.as_ref();
        let process = process
            .ok_or_else(|| Failure::words("HcsSetProcessCallback", "no step has created the process"))?;
        process.events().map(drop)
    }

    pub(super) fn create_system_v1(&mut self, id: &ContainerId, document: &ContainerConfig) -> Result<()> {
        let document = json("HcsCreateComputeSystem", document)?;
        let (system, creation) = self.windows.vmcompute.create_system(id.as_str(), &document)?;
        creation.finish(PATIENCE)?;
        self.live.system = Some(System::First(system));
        Ok(())
    }
}
