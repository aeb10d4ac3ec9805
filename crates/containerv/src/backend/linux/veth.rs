//! A pair of interfaces between the host and a container, by rtnetlink(7).
//!
//! Five messages do it, so they are encoded here; the library for the whole protocol would be
//! larger than everything else that a container's start needs.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use containerv_spec::ContainerId;
use containerv_spec::request::Veth;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::LinkNameSpaceType;

use crate::{Error, ErrorKind, Result};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;

/// Makes the pair, gives both ends their addresses and brings them up.
pub(crate) fn make(veth: &Veth, id: &ContainerId, pid: u32) -> Result<()> {
    let host = Netlink::open()?;
    let (outer, inner) = (&veth.host_interface, &veth.container_interface);
    host.call(
        &new_pair(outer, inner, hardware_address(id.as_str()), pid),
        &format!("make the veth pair `{outer}` and `{inner}`"),
    )?;
    host.configure(outer, veth.host_address, veth.prefix)?;
    let netlink = in_network_of(pid)?;
    netlink.configure(inner, veth.container_address, veth.prefix)
}

/// The hardware address of a container's interface on the host: locally administered, unicast, and
/// the first digits of the container's identifier. By it an interface is known as the container's.
fn hardware_address(id: &str) -> [u8; 6] {
    let byte = |at: usize| id.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let mut address = [0x02; 6];
    for (index, place) in address.iter_mut().enumerate().skip(1) {
        *place = byte(2 * (index - 1)).unwrap_or(0);
    }
    address
}

/// Says whether an interface of this name exists and was made for the container.
pub(crate) fn is_ours(interface: &str, id: &str) -> bool {
    let expected = hardware_address(id).map(|byte| format!("{byte:02x}")).join(":");
    let found = std::fs::read_to_string(format!("/sys/class/net/{interface}/address"));
    found.is_ok_and(|address| address.trim_end() == expected)
}

/// Removes a container's interface on the host, with its peer. One that is gone is fine; another
/// interface of the same name is left alone.
pub(crate) fn remove(interface: &str, id: &str) -> Result<()> {
    if !is_ours(interface, id) {
        return Ok(());
    }
    let mut message = Message::new(RTM_DELLINK, 0);
    message.link_header(0, 0);
    message.text(IFLA_IFNAME, interface);
    match Netlink::open()?.call(&message, &format!("remove the interface `{interface}`")) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn new_pair(outer: &str, inner: &str, address: [u8; 6], pid: u32) -> Message {
    let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.link_header(0, 0);
    message.text(IFLA_IFNAME, outer);
    message.attribute(IFLA_ADDRESS, &address);
    message.nested(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "veth");
        info.nested(IFLA_INFO_DATA, |data| {
            data.nested(VETH_INFO_PEER, |peer| {
                peer.link_header(0, 0);
                peer.text(IFLA_IFNAME, inner);
                peer.attribute(IFLA_NET_NS_PID, &pid.to_ne_bytes());
            });
        });
    });
    message
}

/// Opens a socket in the network namespace of a process. A socket stays in the namespace in which
/// it was made, so a thread of its own enters it and ends.
fn in_network_of(pid: u32) -> Result<Netlink> {
    let path = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&path).map_err(|error| Error::io(error, format!("cannot open `{path}`")))?;
    let enter = move || {
        rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|errno| {
                Error::os(errno.raw_os_error(), format!("cannot enter the network of process {pid}"))
            })?;
        Netlink::open()
    };
    let thread = std::thread::Builder::new().name("containerv-network".to_owned()).spawn(enter);
    let thread = thread.map_err(|error| Error::io(error, "cannot start a thread"))?;
    thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Other, "the network thread panicked")))
}

/// An rtnetlink socket.
struct Netlink(OwnedFd);

impl Netlink {
    fn open() -> Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)
            .map(Self)
            .map_err(|errno| Error::os(errno.raw_os_error(), "cannot open an rtnetlink socket"))
    }

    /// Sends a request and waits for its acknowledgement. `what` says what it does.
    fn call(&self, message: &Message, what: &str) -> Result<()> {
        let failed = |errno: Errno| Error::os(errno.raw_os_error(), format!("cannot {what}"));
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.0, &message.finished(), SendFlags::empty(), &kernel).map_err(failed)?;
        let mut answer = [0u8; 4096];
        let (count, _) = rustix::net::recv(&self.0, &mut answer[..], RecvFlags::empty()).map_err(failed)?;
        match acknowledged(&answer[..count.min(answer.len())]) {
            Some(0) => Ok(()),
            Some(errno) => Err(failed(Errno::from_raw_os_error(errno))),
            None => Err(Error::new(
                ErrorKind::Other,
                format!("cannot {what}: the kernel's answer makes no sense"),
            )),
        }
    }

    fn configure(&self, interface: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        let index = self.index(interface)?;
        let mut message = Message::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        // `struct ifaddrmsg`: family, prefix length, flags, scope, index.
        message.bytes(&[AF_INET, prefix, 0, 0]);
        message.bytes(&index.to_ne_bytes());
        message.attribute(IFA_LOCAL, &address.octets());
        message.attribute(IFA_ADDRESS, &address.octets());
        self.call(&message, &format!("give `{interface}` the address {address}/{prefix}"))?;
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.link_header(index, IFF_UP);
        self.call(&message, &format!("bring `{interface}` up"))
    }

    fn index(&self, interface: &str) -> Result<u32> {
        rustix::net::netdevice::name_to_index(&self.0, interface).map_err(|errno| {
            Error::os(errno.raw_os_error(), format!("cannot find the interface `{interface}`"))
        })
    }
}

/// Returns the error number of an `NLMSG_ERROR`; 0 acknowledges.
fn acknowledged(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let number = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(-number)
}

/// A netlink message; netlink(7), rtnetlink(7).
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    fn finished(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// `struct ifinfomsg`: family, pad, type, index, flags, and which flags change.
    fn link_header(&mut self, index: u32, flags: u32) {
        self.bytes(&[0; 4]);
        self.bytes(&index.to_ne_bytes());
        self.bytes(&flags.to_ne_bytes());
        self.bytes(&flags.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes(&(value.len() as u16 + 4).to_ne_bytes());
        self.bytes(&kind.to_ne_bytes());
        self.bytes(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.bytes(&[0; 2]);
        self.bytes(&kind.to_ne_bytes());
        fill(self);
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_one_message_with_its_peer_nested() {
        let bytes = new_pair("veth0", "eth0", hardware_address("0123456789ab"), 42).finished();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len());
        let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(
            contains(b"veth0\0")
                && contains(b"veth\0")
                && contains(b"eth0\0")
                && contains(&42u32.to_ne_bytes())
                && contains(&[0x02, 0x01, 0x23, 0x45, 0x67, 0x89])
        );
    }

    #[test]
    fn only_an_error_message_acknowledges() {
        let mut answer = [0u8; 36];
        answer[4] = 2;
        assert_eq!(acknowledged(&answer), Some(0));
        answer[16..20].copy_from_slice(&(-17i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer), Some(17));
        answer[4] = 3;
        assert_eq!(acknowledged(&answer), None);
        assert_eq!(acknowledged(&answer[..10]), None);
    }
}
