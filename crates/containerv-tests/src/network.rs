//! A network in which a container is reached, whatever the system's way is.

use containerv::Container;
use containerv::spec::request::Network;

use crate::Bed;
use crate::differences::has;
use crate::system;

/// A network of the host for a test's container; none where a container has no network.
pub fn of_host(bed: &Bed) -> Option<Network> {
    has(bed.host(), system::network::CAPABILITY).then(|| system::network::network(bed))
}

/// Reads what a container's server says to those who connect.
///
/// # Panics
///
/// If it is not reached.
pub fn fetch(bed: &Bed, network: &Network, server: &Container, port: u16) -> String {
    system::network::fetch(bed, network, server, port)
}
