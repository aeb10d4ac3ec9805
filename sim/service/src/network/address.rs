//! Addresses of version 4; networks of version 6 are kept and not used.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use sim_protocol::codes;

use crate::answer::{Answer, Refusal};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    base: u32,
    pub length: u8,
    pub gateway: Option<Ipv4Addr>,
    /// The text of a prefix that is not of version 4.
    other: Option<String>,
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

impl Subnet {
    pub fn parse(subnet: &Value) -> Answer<Subnet> {
        let text = subnet["IpAddressPrefix"].as_str().unwrap_or_default();
        let bad = || Refusal::new(codes::HCN_INVALID_PREFIX, format!("the prefix '{text}'"));
        let (address, length) = text.split_once('/').ok_or_else(bad)?;
        let length: u8 = length.parse().map_err(|_| bad())?;
        let gateway = subnet["Routes"][0]["NextHop"].as_str().and_then(|hop| hop.parse().ok());
        match address.parse().map_err(|_| bad())? {
            IpAddr::V4(address) if length <= 30 => {
                let subnet = Subnet { base: u32::from(address), length, gateway, other: None };
                if subnet.base & !subnet.mask() != 0 {
                    return Err(bad());
                }
                Ok(subnet)
            }
            IpAddr::V6(_) if length <= 128 => {
                Ok(Subnet { base: 0, length: 32, gateway: None, other: Some(text.to_owned()) })
            }
            _ => Err(bad()),
        }
    }

    /// What a network without one gets.
    pub fn default_of(turn: usize) -> Subnet {
        let base = u32::from(Ipv4Addr::new(172, 20 + (turn % 10) as u8, 0, 0));
        Subnet { base, length: 16, gateway: Some(Ipv4Addr::from(base + 1)), other: None }
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(u32::from(32 - self.length)).unwrap_or(0)
    }

    pub fn is_version_4(&self) -> bool {
        self.other.is_none()
    }

    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.is_version_4() && u32::from(address) & self.mask() == self.base
    }

    pub fn overlaps(&self, other: &Subnet) -> bool {
        let mask = self.mask() & other.mask();
        self.is_version_4() && other.is_version_4() && self.base & mask == other.base & mask
    }

    pub fn text(&self) -> String {
        self.other.clone().unwrap_or_else(|| format!("{}/{}", Ipv4Addr::from(self.base), self.length))
    }

    pub fn document(&self) -> Value {
        let gateway = self.gateway.map_or(Value::Null, |gateway| json!(gateway.to_string()));
        json!({"IpAddressPrefix": self.text(), "Routes": [{"NextHop": gateway, "DestinationPrefix": "0.0.0.0/0"}]})
    }

    /// Whether an endpoint may have the address.
    pub fn usable(&self, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        let reserved =
            number == self.base || number == self.base | !self.mask() || Some(address) == self.gateway;
        self.contains(address) && !reserved
    }

    /// The first address that is free.
    pub fn free(&self, taken: impl Fn(Ipv4Addr) -> bool) -> Answer<Ipv4Addr> {
        let last = self.base | !self.mask();
        let found = (self.base + 2..last)
            .map(Ipv4Addr::from)
            .find(|address| self.usable(*address) && !taken(*address));
        found.map_or_else(
            || refuse(codes::HCN_ADDRESS_INVALID_OR_RESERVED, format!("{} is full", self.text())),
            Ok,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Answer<Subnet> {
        Subnet::parse(&json!({"IpAddressPrefix": text, "Routes": [{"NextHop": "10.0.0.1"}]}))
    }

    #[test]
    fn prefixes() {
        assert!(subnet("10.0.0.0/24").unwrap().usable(Ipv4Addr::new(10, 0, 0, 7)));
        for address in [[10, 0, 0, 0], [10, 0, 0, 1], [10, 0, 0, 255], [10, 0, 1, 7]] {
            assert!(!subnet("10.0.0.0/24").unwrap().usable(Ipv4Addr::from(address)), "{address:?}");
        }
        for bad in ["10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "x/8", ""] {
            assert_eq!(subnet(bad).unwrap_err().hresult, codes::HCN_INVALID_PREFIX, "{bad}");
        }
        assert!(subnet("fd00::/64").unwrap().text() == "fd00::/64");
    }

    #[test]
    fn overlap_and_free_addresses() {
        let small = subnet("10.0.0.0/30").unwrap();
        assert!(small.overlaps(&subnet("10.0.0.0/8").unwrap()));
        assert!(!small.overlaps(&subnet("10.0.0.4/30").unwrap()));
        assert_eq!(small.free(|_| false).unwrap(), Ipv4Addr::new(10, 0, 0, 2));
        assert!(small.free(|_| true).is_err());
    }
}
