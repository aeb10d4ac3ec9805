//! Documents of the Host Compute Network, schema 2.0.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Version, is_default};

/// What the enumerations take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Query {
    /// Version of the document.
    pub schema_version: Version,
    /// A JSON document in a string; empty for everything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filter: String,
}

impl Query {
    /// Asks for the objects of a name. The name is of printable ASCII without `"` and `\`; others are no names
    /// of networks here.
    pub fn named(name: &str) -> Self {
        Self { schema_version: Version::NETWORK, filter: format!("{{\"Name\":\"{name}\"}}") }
    }
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Network {
    /// GUID.
    #[serde(rename = "ID", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    pub name: String,
    /// Kind.
    #[serde(rename = "Type")]
    pub kind: NetworkType,
    /// Hardware addresses for endpoints: the service's own choice. Always sent.
    #[serde(default)]
    pub mac_pool: Empty,
    /// Names. Always sent.
    #[serde(default)]
    pub dns: Dns,
    /// State of the object. Always sent.
    #[serde(default)]
    pub health: Health,
    /// Version of the document.
    pub schema_version: Version,
}

/// A kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkType {
    /// A subnet of its own; the host translates addresses and maps ports.
    #[serde(rename = "NAT")]
    Nat,
    /// The same by Internet Connection Sharing, which also gives addresses and names; clients of Windows.
    #[serde(rename = "ICS")]
    Ics,
    /// Directly on the physical network.
    Transparent,
    /// On the host's subnet, with the host's hardware address.
    L2Bridge,
    /// As [`NetworkType::L2Bridge`], with the rules of a physical host.
    L2Tunnel,
    /// Over other networks.
    Overlay,
    /// Without the host.
    Private,
}

impl NetworkType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Nat,
        Self::Ics,
        Self::Transparent,
        Self::L2Bridge,
        Self::L2Tunnel,
        Self::Overlay,
        Self::Private,
    ];

    /// Returns the name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nat => "NAT",
            Self::Ics => "ICS",
            Self::Transparent => "Transparent",
            Self::L2Bridge => "L2Bridge",
            Self::L2Tunnel => "L2Tunnel",
            Self::Overlay => "Overlay",
            Self::Private => "Private",
        }
    }

    /// Finds a kind by its name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// Name service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Dns {
    /// Suffix of the connection.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Suffixes for names without a dot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_list: Vec<IpAddr>,
}

/// State of an object; the client of Microsoft always sends it with the empty `Extra`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// More of it.
    pub extra: Empty,
}

/// An object of which we use nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Empty {}

/// An endpoint: what a container has on a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Endpoint {
    /// GUID.
    #[serde(rename = "ID", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    pub name: String,
    /// GUID of the network.
    pub host_compute_network: super::Text,
    /// Rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<EndpointPolicy>,
    /// Addresses; from the network's pool unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_configurations: Vec<IpConfig>,
    /// Names. Always sent.
    #[serde(default)]
    pub dns: Dns,
    /// Hardware address, as `00-15-5D-52-C0-10`; from the network's pool unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// State of the object. Always sent.
    #[serde(default)]
    pub health: Health,
    /// Version of the document.
    pub schema_version: Version,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IpConfig {
    /// The address.
    pub ip_address: IpAddr,
    /// Length of the network prefix; the network's own unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u8>,
}

/// A rule of an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "Type", content = "Settings", deny_unknown_fields)]
pub enum EndpointPolicy {
    /// A port of the host leads to one of the container; NAT only.
    PortMapping(PortMapping),
    /// Traffic to elsewhere is translated to the host's address; for networks of layer 2.
    #[serde(rename = "OutBoundNAT")]
    OutboundNat(OutboundNat),
}

/// A port of the host that leads to one of the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PortMapping {
    /// Number of the protocol: 6 TCP, 17 UDP.
    pub protocol: u32,
    /// Port in the container.
    pub internal_port: u16,
    /// Port of the host; chosen by the service unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_port: Option<u16>,
    /// Address of the host; all of them unless given.
    #[serde(rename = "VIP", default, skip_serializing_if = "Option::is_none")]
    pub vip: Option<IpAddr>,
    /// Sum of flags; see [`PortMapping::IPV6`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: u32,
}

impl PortMapping {
    /// For addresses of IPv6.
    pub const IPV6: u32 = 2;
}

/// Traffic that is translated to the host's address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OutboundNat {
    /// Subnets to which it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<String>,
}

/// A network namespace: the network of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Namespace {
    /// GUID.
    #[serde(rename = "ID", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Version of the document.
    pub schema_version: Version,
}

/// What `HcnModifyNamespace` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifyNamespace {
    /// What is changed.
    pub resource_type: NamespaceResourceType,
    /// How.
    pub request_type: NamespaceRequest,
    /// The endpoint.
    pub settings: EndpointReference,
}

/// What a namespace's change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespaceResourceType {
    /// An endpoint.
    Endpoint,
}

/// How a namespace changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespaceRequest {
    /// Something comes in.
    Add,
    /// Something goes out.
    Remove,
}

/// An endpoint by its GUID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EndpointReference {
    /// The GUID.
    pub endpoint_id: String,
}

/// What the network service's first interface (`HNSCall`) answers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirstAnswer<T> {
    /// It went well.
    pub success: bool,
    /// What did not.
    pub error: String,
    /// What was asked for.
    pub output: Option<T>,
}
