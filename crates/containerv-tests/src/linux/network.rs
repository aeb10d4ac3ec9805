//! A pair of interfaces, one of which is the host's.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};

use containerv::Container;
use containerv::spec::request::{Network, Veth};

use crate::Bed;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 231, 14, 1);
const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 231, 14, 2);
const INTERFACE: &str = "cvt-conform";

/// What a network of the host's makes reachable is a capability of this name.
pub(crate) const CAPABILITY: &str = "network-veth";

/// A network in which one container is.
pub(crate) fn network(bed: &Bed) -> Network {
    bed.watch_interface(INTERFACE);
    Network::Veth(Veth {
        host_interface: INTERFACE.into(),
        container_interface: "eth0".into(),
        host_address: HOST,
        container_address: CONTAINER,
        prefix: 24,
    })
}

/// Reads what the container's server says.
pub(crate) fn fetch(_bed: &Bed, _network: &Network, _server: &Container, port: u16) -> String {
    let mut text = String::new();
    TcpStream::connect((CONTAINER, port)).unwrap().read_to_string(&mut text).unwrap();
    text
}
