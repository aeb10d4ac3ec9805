//! What lowering must know of this machine.

use containerv_spec::Request;
use containerv_spec::hcs::machine::{KnownNetwork, Product, Rights, WindowsMachine};
use containerv_spec::hcs::network::NetworkType;
use containerv_spec::request::Network as Wanted;
use containerv_sys::windows::guid::Guid;
use containerv_sys::windows::network::Kind;
use containerv_sys::windows::service;
use containerv_sys::windows::token::{self, Group};
use containerv_sys::windows::version::Version;
use serde::Deserialize;

use super::explain::Failure;
use super::perform::Windows;
use crate::{Error, Result};

/// The service of Hyper-V's management, which the feature installs.
const HYPERV: &str = "vmms";

/// What the answer about a network says of it; there is much more.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    name: String,
    #[serde(rename = "Type")]
    kind: NetworkType,
}

/// Looks at what matters to a request.
pub(super) fn for_request(windows: &Windows, request: &Request) -> Result<WindowsMachine> {
    let version =
        Version::of_this_windows().map_err(|error| Error::io(error, "cannot read the version of Windows"))?;
    let hyperv =
        service::query(HYPERV).map_err(|error| Error::io(error, "cannot ask for the service `vmms`"))?;
    let networks = match request.network {
        Wanted::Named(_) => networks(windows)
            .map_err(|failure| failure.explain("cannot list the networks of this machine"))?,
        _ => Vec::new(),
    };
    Ok(WindowsMachine {
        build: version.build,
        product: if version.server { Product::Server } else { Product::Client },
        containers: windows.vmcompute.is_loaded() && windows.hcs.is_loaded(),
        hyperv: hyperv.is_some(),
        rights: rights()?,
        processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        networks,
        assumed: false,
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
fn networks(windows: &Windows) -> Result<Vec<KnownNetwork>, Failure> {
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
