//! What containers of this root have left in the services after their directory was lost: nobody's journal
//! tells of it.

use std::collections::BTreeSet;

use containerv_spec::ContainerId;
use containerv_spec::hcs::network::{
    EndpointReference, ModifyNamespace, NamespaceRequest, NamespaceResourceType,
};
use containerv_spec::plan::hcs::{Call, HcsIsolation};

use crate::lower::hcs::{Owned, Tag};

/// What the services have, of everybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Compute systems of this root's, by identifier, with what their owner says of the generation.
    pub(super) systems: Vec<(ContainerId, HcsIsolation)>,
    /// GUIDs of all endpoints.
    pub(super) endpoints: Vec<String>,
    /// GUIDs of all network namespaces.
    pub(super) namespaces: Vec<String>,
}

/// Something that is to be removed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leak {
    /// What people see of it.
    pub(super) object: String,
    pub(super) action: &'static str,
    /// What removes it; each may find nothing to do.
    pub(super) calls: Vec<Call>,
}

/// Finds what belongs to this root and to no container that exists. What exists has to be asked for after
/// the services: a directory is made before everything else and removed after it.
pub(super) fn leaks(tag: &Tag, found: &Found, exist: &[ContainerId]) -> Vec<Leak> {
    let known: BTreeSet<String> =
        exist.iter().flat_map(|id| [tag.guid(id, Owned::Endpoint), tag.guid(id, Owned::Namespace)]).collect();
    let is_leaked = |guid: &&String| tag.has_guid(guid) && !known.contains(&guid.to_ascii_lowercase());
    let mut leaks = Vec::new();
    for (id, isolation) in found.systems.iter().filter(|(id, _)| !exist.contains(id)) {
        let id = id.clone();
        let object = id.short().to_owned();
        let call = match isolation {
            HcsIsolation::Process => Call::TerminateSystem { id },
            HcsIsolation::Hyperv => Call::TerminateSystemV1 { id },
        };
        leaks.push(Leak {
            object,
            action: "end the compute system; its container is gone",
            calls: vec![call],
        });
    }
    let endpoints: Vec<&String> = found.endpoints.iter().filter(is_leaked).collect();
    // A namespace with something in it is not removed.
    for id in found.namespaces.iter().filter(is_leaked) {
        let mut calls: Vec<Call> = endpoints.iter().map(|endpoint| take_out(id, endpoint)).collect();
        calls.push(Call::DeleteNamespace { id: id.clone() });
        leaks.push(Leak {
            object: id.clone(),
            action: "remove the network namespace; its container is gone",
            calls,
        });
    }
    for id in endpoints {
        let calls = vec![Call::DeleteEndpoint { id: id.clone() }];
        leaks.push(Leak { object: id.clone(), action: "remove the endpoint; its container is gone", calls });
    }
    leaks
}

fn take_out(namespace: &str, endpoint: &str) -> Call {
    Call::ModifyNamespace {
        id: namespace.to_owned(),
        settings: ModifyNamespace {
            resource_type: NamespaceResourceType::Endpoint,
            request_type: NamespaceRequest::Remove,
            settings: EndpointReference { endpoint_id: endpoint.to_owned() },
        },
    }
}

#[cfg(windows)]
mod services {
    //! Asks the services, and removes what is leaked.

    use containerv_spec::hcs::properties::{Properties, SystemQuery};
    use containerv_sys::windows::network::Kind;

    use super::*;
    use crate::backend::hcs::execute;
    use crate::backend::hcs::explain::Failure;
    use crate::backend::hcs::perform::{PATIENCE, Performer, json};
    use crate::backend::hcs::probe;
    use crate::backend::hcs::system::System;
    use crate::host::RepairAction;
    use crate::{Error, Result};

    const ISOLATIONS: [HcsIsolation; 2] = [HcsIsolation::Process, HcsIsolation::Hyperv];

    impl System {
        /// Removes what containers of this root have left whose directory is gone; what could not be removed
        /// is returned.
        pub(in crate::backend::hcs) fn remove_leaks(
            &self,
            dry_run: bool,
            actions: &mut Vec<RepairAction>,
        ) -> Result<Vec<Error>> {
            let windows = self.windows();
            let mut failed = Vec::new();
            let mut keep = |list: Result<Vec<String>, Failure>, what: &str| {
                list.unwrap_or_else(|failure| {
                    failed.push(failure.explain(&format!("cannot list {what}")));
                    Vec::new()
                })
            };
            // A service that is not there has nothing of ours.
            let mut found = Found::default();
            if probe::service("hns")?.is_installed() {
                found.endpoints = keep(self.guids(Kind::Endpoint), "network endpoints");
                found.namespaces = keep(self.guids(Kind::Namespace), "network namespaces");
            }
            if probe::service("vmcompute")?.is_installed() {
                match self.owned_systems() {
                    Ok(systems) => found.systems = systems,
                    Err(failure) => failed.push(failure.explain("cannot list compute systems")),
                }
            }
            let exist = self.store().ids()?;
            for leak in leaks(self.store().tag(), &found, &exist) {
                actions.push(RepairAction { object: leak.object, action: leak.action.to_owned() });
                if !dry_run {
                    // These calls are about nothing of a container's directory.
                    let nobody = ContainerId::from_random([0; 32]);
                    failed.extend(execute::undo(&leak.calls, &mut Performer::new(windows, &nobody, None)));
                }
            }
            Ok(failed)
        }

        fn guids(&self, kind: Kind) -> Result<Vec<String>, Failure> {
            let list = self.windows().hcn.enumerate(kind, "")?;
            serde_json::from_str(&list).map_err(|error| {
                Failure::words("HcnEnumerate", format!("not a list of identifiers: {error}"))
            })
        }

        /// Either generation lists the systems of both, or its own.
        fn owned_systems(&self) -> Result<Vec<(ContainerId, HcsIsolation)>, Failure> {
            const FUNCTION: &str = "HcsEnumerateComputeSystems";
            let windows = self.windows();
            let tag = self.store().tag();
            let owners: Vec<String> = ISOLATIONS.iter().map(|isolation| tag.owner(*isolation)).collect();
            let query = json(FUNCTION, &SystemQuery { owners, ..SystemQuery::default() })?;
            let current = windows.hcs.enumerate_systems(windows.hcs.operation()?, Some(&query))?;
            let lists =
                [current.finish(PATIENCE)?.unwrap_or_default(), windows.vmcompute.enumerate_systems(&query)?];
            let mut systems = Vec::new();
            for list in lists.iter().filter(|list| !list.is_empty()) {
                let list: Vec<Properties> = serde_json::from_str(list)
                    .map_err(|error| Failure::words(FUNCTION, format!("not a list of systems: {error}")))?;
                for system in list {
                    let owner = system.owner.unwrap_or_default();
                    let isolation = ISOLATIONS.into_iter().find(|it| tag.owner(*it) == owner);
                    let (Ok(id), Some(isolation)) = (system.id.parse(), isolation) else { continue };
                    if !systems.iter().any(|(known, _)| *known == id) {
                        systems.push((id, isolation));
                    }
                }
            }
            Ok(systems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ContainerId {
        ContainerId::from_random([byte; 32])
    }

    #[test]
    fn only_what_is_of_this_root_and_of_nobody_is_leaked() {
        let (tag, other) = (Tag::of_root(r"C:\a"), Tag::of_root(r"C:\b"));
        let guids = |of| {
            vec![
                tag.guid(&id(1), of),
                tag.guid(&id(2), of).to_uppercase(),
                other.guid(&id(2), of),
                "6e617400-0000-8000-8000-636f6e746e72".to_owned(),
            ]
        };
        let found = Found {
            systems: vec![(id(1), HcsIsolation::Process), (id(2), HcsIsolation::Hyperv)],
            endpoints: guids(Owned::Endpoint),
            namespaces: guids(Owned::Namespace),
        };
        let leaks = leaks(&tag, &found, &[id(1)]);
        let objects: Vec<&str> = leaks.iter().map(|leak| leak.object.as_str()).collect();
        let (namespace, endpoint) = (&found.namespaces[1], &found.endpoints[1]);
        assert_eq!(objects, [id(2).short(), namespace, endpoint]);
        assert_eq!(leaks[0].calls, [Call::TerminateSystemV1 { id: id(2) }]);
        assert_eq!(
            leaks[1].calls,
            [take_out(namespace, endpoint), Call::DeleteNamespace { id: namespace.clone() }]
        );
        assert_eq!(leaks[2].calls, [Call::DeleteEndpoint { id: endpoint.clone() }]);
    }

    #[test]
    fn what_exists_is_never_leaked() {
        let tag = Tag::of_root(r"C:\a");
        let found = Found {
            systems: vec![(id(1), HcsIsolation::Process)],
            endpoints: vec![tag.guid(&id(1), Owned::Endpoint)],
            namespaces: vec![tag.guid(&id(1), Owned::Namespace)],
        };
        assert_eq!(leaks(&tag, &found, &[id(1), id(2)]), []);
    }
}
