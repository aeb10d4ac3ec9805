//! What the steps of a plan have found, and putting it where later steps want it.

use std::collections::BTreeMap;

use containerv_spec::hcs::service::{CredentialOperation, ModifyService};
use containerv_spec::hcs::system::ComputeSystem;
use containerv_spec::hcs::v1::ContainerConfig;
use containerv_spec::hcs::{Found, Text};
use containerv_spec::plan::hcs::Call;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Values by what they are for. What creation finds is stored with the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Values(BTreeMap<Found, String>);

impl Values {
    /// Keeps what a call has found.
    pub(crate) fn keep(&mut self, call: &Call, values: Vec<String>) -> Result<()> {
        let wanted = found_by(call);
        if wanted.len() != values.len() {
            let message = format!("{}: {} values instead of {}", call.name(), values.len(), wanted.len());
            return Err(Error::new(ErrorKind::Other, message));
        }
        self.0.extend(wanted.iter().copied().zip(values));
        Ok(())
    }

    /// Returns a call in which every text is known.
    pub(crate) fn fill(&self, call: &Call) -> Result<Call> {
        let mut call = call.clone();
        texts(&mut call).into_iter().try_for_each(|text| self.know(text))?;
        Ok(call)
    }

    fn know(&self, text: &mut Text) -> Result<()> {
        let Text::Found(found) = text else { return Ok(()) };
        let value = self.0.get(found).cloned();
        let value =
            value.ok_or_else(|| Error::new(ErrorKind::Other, format!("no step has found {found}")))?;
        *text = Text::Known(value);
        Ok(())
    }
}

/// What a call finds, in the order of its answer.
fn found_by(call: &Call) -> &[Found] {
    match call {
        Call::ResolvePath { found, .. }
        | Call::ReadCredentialSpec { found, .. }
        | Call::NameToGuid { found, .. }
        | Call::GetLayerMountPath { found, .. }
        | Call::EnumerateNetworks { found, .. } => std::slice::from_ref(found),
        Call::GetServiceProperties { found, .. } => found,
        _ => &[],
    }
}

/// Every text of a call that an earlier step may have to find.
fn texts(call: &mut Call) -> Vec<&mut Text> {
    match call {
        Call::CreateSandboxLayer { parents, .. } | Call::PrepareLayer { parents, .. } => {
            parents.iter_mut().map(|layer| &mut layer.id).collect()
        }
        Call::CreateEndpoint { network, settings, .. } => vec![network, &mut settings.host_compute_network],
        Call::ModifyServiceSettings {
            settings: ModifyService::ContainerCredentialGuard(CredentialOperation::AddInstance(add)),
        } => vec![&mut add.credential_spec],
        Call::CreateSystem { document, .. } => texts_of_system(document),
        Call::CreateSystemV1 { document, .. } => texts_of_hosted(document),
        _ => Vec::new(),
    }
}

fn texts_of_system(document: &mut ComputeSystem) -> Vec<&mut Text> {
    let container = &mut document.container;
    let mut texts: Vec<&mut Text> = Vec::new();
    if let Some(storage) = &mut container.storage {
        texts.extend(storage.layers.iter_mut().map(|layer| &mut layer.id));
        texts.push(&mut storage.path);
    }
    texts.extend(container.mapped_directories.iter_mut().map(|mapped| &mut mapped.host_path));
    if let Some(guard) = &mut container.container_credential_guard {
        texts.extend([&mut guard.cookie, &mut guard.rpc_endpoint, &mut guard.credential_spec]);
    }
    texts
}

fn texts_of_hosted(document: &mut ContainerConfig) -> Vec<&mut Text> {
    let mut texts: Vec<&mut Text> = document.layers.iter_mut().map(|layer| &mut layer.id).collect();
    texts.extend(document.mapped_directories.iter_mut().map(|mapped| &mut mapped.host_path));
    texts.extend(&mut document.credentials);
    texts
}

#[cfg(test)]
mod tests {
    use containerv_spec::hcs::machine::WindowsMachine;
    use containerv_spec::plan::Plan;

    use super::*;

    /// Plans whose steps together use all that can be found.
    fn calls(isolation: &str) -> Vec<Call> {
        let request = serde_json::json!({
            "id": "ab".repeat(32), "isolation": isolation,
            "root": {"layers": {"folders": [r"C:\layers\app", r"C:\layers\base"]}},
            "mounts": [{"source": {"bind": {"path": r"C:\data", "recursive": true}}, "target": r"C:\data"}],
            "network": {"named": {"name": "nat"}},
            "security": {"credential_spec": {"registry": "web"}},
            "process": {"args": ["cmd"], "search_path": true, "env": ["A=${network}"], "set_home": false,
                "cwd": "/", "user": "", "groups": [], "open_stdin": false, "rlimits": []},
        });
        let request = serde_json::from_value(request).unwrap();
        let plan = crate::lower::hcs::plan_windows(&request, &WindowsMachine::assumed()).unwrap();
        let Plan::Hcs(plan) = plan else { panic!("a plan for Windows") };
        plan.steps.into_iter().map(|step| step.call).collect()
    }

    #[test]
    fn everything_that_is_found_is_put_where_it_is_wanted() {
        for isolation in ["process", "vm"] {
            let mut values = Values::default();
            for call in calls(isolation) {
                let filled = values.fill(&call).unwrap();
                let names: Vec<String> = found_by(&call).iter().map(|found| format!("<{found}>")).collect();
                values.keep(&call, names).unwrap();
                // Nothing is left to be found in what is called, and what the user wrote is as it was.
                let json = serde_json::to_string(&filled).unwrap().replace("A\":\"${network}\"", "");
                let rest =
                    json.replace("<${", "").replace("\"found\":\"${", "").replace("\"${credential-", "");
                assert!(!rest.contains("\"${"), "{isolation}: {json}");
            }
        }
    }

    #[test]
    fn what_no_step_has_found_is_a_failure() {
        let calls = calls("process");
        let creation = calls.iter().find(|call| matches!(call, Call::CreateSystem { .. })).unwrap();
        let error = Values::default().fill(creation).unwrap_err();
        assert!(error.to_string().contains("no step has found ${layer-0}"), "{error}");
        let name = calls.iter().find(|call| matches!(call, Call::NameToGuid { .. })).unwrap();
        assert!(Values::default().keep(name, Vec::new()).is_err());
    }
}
