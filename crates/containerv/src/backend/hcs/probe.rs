//! Looks at this machine: what lowering and the checks must know of it.

use containerv_spec::Request;
use containerv_spec::hcs::machine::{KnownNetwork, Product, Rights, WindowsMachine};
use containerv_spec::hcs::network::NetworkType;
use containerv_spec::request::Network as Wanted;
use containerv_sys::windows::guid::Guid;
use containerv_sys::windows::network::Kind;
use containerv_sys::windows::processor::{self, Hypervisor};
use containerv_sys::windows::service;
use containerv_sys::windows::token::{self, Group};
use containerv_sys::windows::version::Version;
use serde::Deserialize;

use super::explain::Failure;
use super::facts::{Facts, HyperV, Service};
use super::perform::Windows;
use crate::{Error, Result};

/// What the answer about a network says of it; there is much more.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    name: String,
    /// Some versions leave it out for the most usual kind.
    #[serde(rename = "Type", default = "usual")]
    kind: NetworkType,
}

fn usual() -> NetworkType {
    NetworkType::Nat
}

/// Looks at what matters to a request. Networks are asked for only if one is wanted: nothing else
/// starts a service.
pub(super) fn for_request(windows: &Windows, request: &Request) -> Result<WindowsMachine> {
    let networks = match request.network {
        Wanted::Named(_) => networks(windows)
            .map_err(|failure| failure.explain("cannot list the networks of this machine"))?,
        _ => Vec::new(),
    };
    Ok(facts(windows)?.machine(networks))
}

/// Looks at the machine and at the caller. Nothing is started or changed.
pub(super) fn facts(windows: &Windows) -> Result<Facts> {
    let version =
        Version::of_this_windows().map_err(|error| Error::io(error, "cannot read the version of Windows"))?;
    Ok(Facts {
        build: version.build,
        revision: version.revision,
        product: if version.server { Product::Server } else { Product::Client },
        libraries: windows.vmcompute.is_loaded() && windows.hcs.is_loaded(),
        compute: service("vmcompute")?,
        network: service("hns")?,
        hyperv: HyperV {
            management: service("vmms")?,
            driver: service("hvservice")?,
            processor: match processor::hypervisor() {
                Hypervisor::Own => Some(true),
                Hypervisor::None | Hypervisor::Foreign => Some(false),
                Hypervisor::Unknown => None,
            },
            firmware: processor::firmware_virtualizes(),
        },
        rights: rights()?,
        processors: processor::count(),
    })
}

/// Asks for a service by its name.
pub(super) fn service(name: &str) -> Result<Service> {
    let found = match service::query(name) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(Service::Hidden),
        found => found.map_err(|error| Error::io(error, format!("cannot ask for the service `{name}`")))?,
    };
    Ok(match found.map(|service| (service.state, service.start)) {
        None => Service::Missing,
        Some((service::State::Running, _)) => Service::Running,
        Some((_, service::Start::Disabled)) => Service::Disabled,
        Some((_, service::Start::OnDemand)) => Service::OnDemand,
        Some(_) => Service::Stopped,
    })
}

fn rights() -> Result<Rights> {
    let failed = |error| Error::io(error, "cannot look at the rights of this process");
    if token::is_elevated().map_err(failed)? {
        return Ok(Rights::Elevated);
    }
    let member = token::is_member(Group::HyperVAdministrators).map_err(failed)?;
    Ok(if member { Rights::HypervAdministrator } else { Rights::None })
}

/// The machine's networks. One that goes away meanwhile, or is of a kind that nobody knows, is left out.
pub(super) fn networks(windows: &Windows) -> Result<Vec<KnownNetwork>, Failure> {
    const FUNCTION: &str = "HcnEnumerateNetworks";
    let list = windows.hcn.enumerate(Kind::Network, "")?;
    let ids: Vec<Guid> = serde_json::from_str::<Vec<String>>(&list)
        .map_err(|error| Failure::words(FUNCTION, format!("not a list of identifiers: {error}")))?
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let network = |id: Guid| {
        let document = windows.hcn.open(Kind::Network, id).ok()?.properties("").ok()?;
        let network: Network = serde_json::from_str(&document).ok()?;
        Some(KnownNetwork { name: network.name, kind: network.kind })
    };
    Ok(ids.into_iter().filter_map(network).collect())
}

#[cfg(test)]
mod tests {
    use containerv_sys::windows::library::Libraries;

    use super::*;

    #[test]
    fn this_machine_has_what_its_services_say() {
        let windows = Windows::load(&Libraries::system32());
        let facts = facts(&windows).unwrap();
        let machine = facts.machine(networks(&windows).unwrap());
        assert!(machine.build >= 17763 && machine.containers && !machine.assumed, "{facts:?}");
        assert_eq!(machine.rights, Rights::Elevated);
        assert_eq!(service("containerv-no-such-service").unwrap(), Service::Missing);
        // The installation for tests is a server with both features.
        if std::env::var_os("WINEPREFIX").is_some() {
            assert_eq!((machine.build, machine.product), (20348, Product::Server));
            assert!(machine.hyperv, "{facts:?}");
        }
    }
}
