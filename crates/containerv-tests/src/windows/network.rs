//! The network `nat`, which is made if it is missing.

use containerv::Container;
use containerv::spec::request::{NamedNetwork, Network};

use crate::Bed;
use crate::inside::{command, said};

/// What a network of the host's makes reachable is a capability of this name.
pub(crate) const CAPABILITY: &str = "network-nat";

/// A network in which containers are.
pub(crate) fn network(_bed: &Bed) -> Network {
    Network::Named(NamedNetwork::new("nat"))
}

/// Reads, from another container, what the container's server says.
pub(crate) fn fetch(bed: &Bed, network: &Network, server: &Container, port: u16) -> String {
    let address = said(command(server, "address 192.0.2.1:9"));
    let client = bed.keeper(|request| request.network = network.clone());
    let heard = said(command(&client, &format!("fetch {address}:{port}")));
    client.delete(true).unwrap();
    heard
}
