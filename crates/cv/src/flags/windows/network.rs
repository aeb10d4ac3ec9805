//! Networks, ports and names.

use std::net::IpAddr;

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{NamedNetwork, Network, Protocol, PublishedPort};

use crate::draft::{Draft, Joined};
use crate::value::{self, not_offered, quote, wrong};

/// Most ports of one `--publish`.
const MOST_PORTS: u16 = 1000;

pub(super) fn network(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    draft.joined.retain(|(joined, _)| *joined != Joined::Network);
    if let Some(reference) = text.strip_prefix("container:") {
        draft.joined.push((Joined::Network, reference.to_owned()));
        return Ok(());
    }
    match text {
        "" => return Err(wrong("no network is named")),
        "none" => draft.request.network = Network::None,
        "host" => draft.request.network = Network::Host,
        name => change_network(draft, |named| {
            // As Docker: the usual network.
            named.name = if name == "default" { "nat" } else { name }.to_owned();
        }),
    }
    Ok(())
}

fn change_network(draft: &mut Draft, change: impl FnOnce(&mut NamedNetwork)) {
    let mut named = match std::mem::take(&mut draft.request.network) {
        Network::Named(named) => named,
        _ => NamedNetwork::new("nat"),
    };
    change(&mut named);
    draft.request.network = Network::Named(named);
}

pub(super) fn ip(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let address = address(value::utf8(text)?)?;
    change_network(draft, |named| named.address = Some(address));
    Ok(())
}

pub(super) fn mac_address(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let address = value::utf8(text)?.to_owned();
    change_network(draft, |named| named.mac_address = Some(address));
    Ok(())
}

fn address(text: &str) -> Result<IpAddr, Error> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| wrong(format!("{} is not an IP address", quote(&text.into()))))
}

pub(super) fn dns(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.dns.servers.push(address(value::utf8(text)?)?);
    Ok(())
}

pub(super) fn dns_search(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.dns.search.push(value::utf8(text)?.to_owned());
    Ok(())
}

/// `[ADDRESS:][HOST]:CONTAINER[/tcp|udp]`, each side a port or a range.
pub(super) fn publish(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `[ADDRESS:][HOST:]CONTAINER[/tcp|udp]`, as `8080:80`");
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => return Err(not_offered("`sctp` is not offered on Windows").with_hint("use `tcp` or `udp`")),
        _ => return Err(expected()),
    };
    let (rest, inside) = ports.rsplit_once(':').map_or((None, ports), |(rest, inside)| (Some(rest), inside));
    let (host_address, outside) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((host, outside)) => (Some(address(host)?), Some(outside)),
            None if rest.contains('.') => (Some(address(rest)?), None),
            None => (None, Some(rest)),
        },
    };
    let inside = range(inside)?;
    let outside = outside.filter(|text| !text.is_empty()).map(range).transpose()?;
    if outside.as_ref().is_some_and(|outside| outside.len() != inside.len()) {
        return Err(wrong("the ranges differ in length"));
    }
    for (at, container_port) in inside.into_iter().enumerate() {
        let host_port = outside.as_ref().map(|outside| outside[at]);
        draft.request.ports.push(PublishedPort { host_address, host_port, container_port, protocol });
    }
    Ok(())
}

fn range(text: &str) -> Result<Vec<u16>, Error> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (value::number(first, 1, u16::MAX)?, value::number(last, 1, u16::MAX)?);
    if last < first || last - first >= MOST_PORTS {
        return Err(wrong(format!("a range ends after it begins, and has at most {MOST_PORTS} ports")));
    }
    Ok((first..=last).collect())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn ports_have_addresses_ranges_and_protocols() {
        let ports = |text| read("publish", &[text]).map(|draft| draft.request.ports);
        let port = |host_port, container_port| PublishedPort {
            host_address: None,
            host_port,
            container_port,
            protocol: Protocol::Tcp,
        };
        assert_eq!(ports("8080:80").unwrap(), [port(Some(8080), 80)]);
        assert_eq!(ports("80").unwrap(), [port(None, 80)]);
        assert_eq!(ports(":80").unwrap(), [port(None, 80)]);
        assert_eq!(ports("8000-8001:80-81").unwrap(), [port(Some(8000), 80), port(Some(8001), 81)]);
        let udp = ports("127.0.0.1:53:53/udp").unwrap()[0];
        assert_eq!((udp.protocol, udp.host_address), (Protocol::Udp, Some([127, 0, 0, 1].into())));
        assert_eq!(ports("[::1]:8080:80").unwrap()[0].host_address, Some("::1".parse().unwrap()));
        assert_eq!(ports("127.0.0.1::80").unwrap()[0].host_port, None);
        for text in
            ["", "0", "80:0", "80:65536", "a:80", "80-79:1-2", "1-3:1-2", "80/sctp", "x:80:80", "1-1001"]
        {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_network_is_the_usual_one_unless_named() {
        let draft = read("network", &["lan"]).unwrap();
        assert_eq!(draft.request.network, Network::Named(NamedNetwork::new("lan")));
        assert_eq!(read("network", &["none"]).unwrap().request.network, Network::None);
        let mut draft = read("ip", &["10.0.0.5"]).unwrap();
        network(&mut draft, &"lan".into()).unwrap();
        let Network::Named(named) = &draft.request.network else { panic!() };
        assert_eq!((named.name.as_str(), named.address), ("lan", Some([10, 0, 0, 5].into())));
    }
}
