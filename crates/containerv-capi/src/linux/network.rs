//! The texts of `containerv_options_set_network` as a pair of interfaces.

use std::net::Ipv4Addr;

use containerv_spec::request::Veth;
use containerv_spec::{ContainerId, OsText};

use crate::border::{Result, invalid};
use crate::options::linux::NetworkTexts;

/// Longest interface name, `IFNAMSIZ` less its NUL.
const MAX_NAME: usize = 15;

/// Returns the pair for a container.
pub(crate) fn pair(id: &ContainerId, texts: &NetworkTexts) -> Result<Veth> {
    let netmask = address("netmask", texts.netmask.as_ref())?;
    let mut host_interface = format!("veth{}", id.short());
    host_interface.truncate(MAX_NAME);
    let last = id.short().len().saturating_sub(4);
    Ok(Veth {
        host_interface,
        container_interface: format!("veth{}c", &id.short()[last..]),
        host_address: address("host address", texts.host.as_ref())?,
        container_address: address("container address", texts.container.as_ref())?,
        prefix: prefix(netmask)?,
    })
}

fn address(what: &str, text: Option<&OsText>) -> Result<Ipv4Addr> {
    let text = text.ok_or_else(|| invalid(format!("network: the {what} is NULL")))?;
    let parsed = text.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        invalid(format!("network: the {what} `{text}` is not IPv4 in dotted decimal"))
            .with_hint("write four numbers of 0 to 255, as in `10.0.0.2`")
    })
}

/// Returns how many bits of a network mask are set.
fn prefix(netmask: Ipv4Addr) -> Result<u8> {
    let bits = netmask.to_bits();
    let length = bits.leading_ones();
    if bits.checked_shl(length).unwrap_or(0) != 0 {
        return Err(invalid(format!("network: the netmask `{netmask}` has a gap"))
            .with_hint("write a mask such as `255.255.255.0`"));
    }
    Ok(length as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(container: &str, netmask: &str, host: &str) -> NetworkTexts {
        let some = |text: &str| Some(OsText::from(text));
        NetworkTexts { container: some(container), netmask: some(netmask), host: some(host) }
    }

    #[test]
    fn names_come_from_the_id_and_fit() {
        let id: ContainerId = "0123456789abcdef".repeat(4).parse().unwrap();
        let veth = pair(&id, &texts("10.1.2.3", "255.255.255.0", "10.1.2.1")).unwrap();
        assert_eq!(veth.host_interface, "veth0123456789a");
        assert_eq!(veth.container_interface, "veth89abc");
        assert_eq!((veth.container_address.to_string().as_str(), veth.prefix), ("10.1.2.3", 24));
        assert_eq!(veth.host_address.to_string(), "10.1.2.1");
    }

    #[test]
    fn masks_become_lengths() {
        for (mask, length) in
            [("0.0.0.0", 0), ("255.0.0.0", 8), ("255.255.255.252", 30), ("255.255.255.255", 32)]
        {
            assert_eq!(prefix(mask.parse().unwrap()).unwrap(), length);
        }
        assert!(prefix("255.0.255.0".parse().unwrap()).is_err());
        assert!(prefix("0.0.0.255".parse().unwrap()).is_err());
    }

    #[test]
    fn what_is_no_address_is_named() {
        let id: ContainerId = "0123456789abcdef".repeat(4).parse().unwrap();
        for (texts, part) in [
            (texts("10.1.2", "255.0.0.0", "10.1.2.1"), "container address `10.1.2`"),
            (texts("10.1.2.3", "24", "10.1.2.1"), "netmask `24`"),
            (NetworkTexts { host: None, ..texts("10.1.2.3", "255.0.0.0", "") }, "host address is NULL"),
        ] {
            let message = pair(&id, &texts).unwrap_err().error().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
