//! Endpoint, namespace, ports and names.

use containerv_spec::hcs::network::{
    Dns, Empty, Endpoint, EndpointPolicy, EndpointReference, Health, IpConfig, ModifyNamespace, Namespace,
    NamespaceRequest, NamespaceResourceType, Network as Document, NetworkType, OutboundNat, PortMapping,
    Query,
};
use containerv_spec::hcs::{Found, Text, Version};
use containerv_spec::plan::hcs::{Call, Stage};
use containerv_spec::request::{NamedNetwork, Network, PublishedPort};

use super::Draft;
use super::tag::Owned;
use crate::ErrorKind::{InvalidArgument, NotFound, Unsupported};

/// The network that Docker makes as well, and that is made if it is missing.
const NAT: &str = "nat";
/// Its GUID if we make it: the same for everybody, so that two who make it at once do not make two.
const NAT_ID: &str = "6e617400-0000-8000-8000-636f6e746e72";
/// Longest name of a network here.
const MAX_NAME: usize = 256;
/// Most ports.
const MAX_PORTS: usize = 1000;

/// What a container's document says about its network.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// GUID of the namespace; process isolation.
    pub(super) namespace: Option<String>,
    /// GUID of the endpoint; Hyper-V isolation.
    pub(super) endpoint: Option<String>,
    /// Suffixes for names without a dot.
    pub(super) search: Option<String>,
}

impl Draft<'_> {
    /// Makes the container's network.
    pub(super) fn network(&mut self) -> Joined {
        let request = self.request;
        let named = match &request.network {
            Network::Named(named) => Some(named),
            _ => None,
        };
        if named.is_none() {
            self.needs_network();
        }
        let mut joined = Joined {
            search: (!request.dns.search.is_empty()).then(|| request.dns.search.join(",")),
            ..Joined::default()
        };
        match &request.network {
            Network::Host => self.problem(
                Unsupported,
                "`--network host`: a Windows container has a network of its own",
                "use `--network nat` and `--publish`",
            ),
            Network::Veth(_) => {
                self.problem(
                    Unsupported,
                    "network: there are no veth pairs on Windows",
                    "use `--network nat`",
                );
            }
            Network::Container(id) if self.is_hyperv() => self.problem(
                Unsupported,
                format!("`--network container:{}`: a virtual machine's network cannot be shared", id.short()),
                "use `--isolation process`, or one network for both",
            ),
            // The other container's namespace, which has the name that follows from its identifier.
            Network::Container(id) => joined.namespace = Some(self.places.tag.guid(id, Owned::Namespace)),
            Network::Named(_) | Network::None => {
                let endpoint = named.map(|named| self.endpoint(named));
                if self.is_hyperv() {
                    joined.endpoint = endpoint;
                } else {
                    joined.namespace = Some(self.namespace(endpoint));
                }
            }
        }
        joined
    }

    /// Options that mean nothing without a network of the host.
    fn needs_network(&mut self) {
        let request = self.request;
        for (asked, option) in [(!request.ports.is_empty(), "--publish"), (!request.dns.is_empty(), "--dns")]
        {
            if asked {
                let message = format!("`{option}`: the container is on no network of the host");
                self.problem(InvalidArgument, message, "name one, as `--network nat`");
            }
        }
    }

    /// Makes the endpoint; returns its GUID.
    fn endpoint(&mut self, named: &NamedNetwork) -> String {
        let kind = self.kind(named);
        let network = self.find(named, kind);
        let id = self.places.tag.guid(&self.request.id, Owned::Endpoint);
        let dns = Dns {
            domain: String::new(),
            search: self.request.dns.search.clone(),
            server_list: self.request.dns.servers.clone(),
        };
        let settings = Endpoint {
            id: Some(id.clone()),
            name: self.places.tag.endpoint_name(&self.request.id),
            host_compute_network: network.clone(),
            policies: self.policies(kind),
            ip_configurations: self.address(named, kind),
            dns,
            mac_address: self.hardware_address(named),
            health: Health::default(),
            schema_version: Version::NETWORK,
        };
        self.check_dns();
        let undo = vec![Call::DeleteEndpoint { id: id.clone() }];
        self.push(Stage::Start, Call::CreateEndpoint { network, id: id.clone(), settings }, undo);
        id
    }

    fn kind(&mut self, named: &NamedNetwork) -> NetworkType {
        let known = self.machine.networks.iter().find(|known| known.name.eq_ignore_ascii_case(&named.name));
        if let Some(known) = known {
            return known.kind;
        }
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
        let is_name = (1..=MAX_NAME).contains(&named.name.len()) && named.name.bytes().all(plain);
        if !named.name.eq_ignore_ascii_case(NAT) || !is_name {
            let names: Vec<&str> = self.machine.networks.iter().map(|known| known.name.as_str()).collect();
            let there_are = match names.is_empty() {
                true => "the machine has no networks".to_owned(),
                false => format!("networks of the machine: {}", names.join(", ")),
            };
            let hint = format!("{there_are}; `nat` is made if it is missing");
            self.problem(NotFound, format!("`--network {}`: there is no such network", named.name), &hint);
        }
        NetworkType::Nat
    }

    /// Finds the network, or makes the default one.
    fn find(&mut self, named: &NamedNetwork, kind: NetworkType) -> Text {
        let known = self.machine.networks.iter().find(|known| known.name.eq_ignore_ascii_case(&named.name));
        if let Some(known) = known {
            let (query, found) = (Query::named(&known.name), Found::Network);
            self.push(Stage::Start, Call::EnumerateNetworks { query, found }, Vec::new());
            return found.into();
        }
        self.notes.push("the machine has no network `nat`: it is made, and stays".to_owned());
        let settings = Document {
            id: Some(NAT_ID.to_owned()),
            name: NAT.to_owned(),
            kind,
            mac_pool: Empty::default(),
            dns: Dns::default(),
            health: Health::default(),
            schema_version: Version::NETWORK,
        };
        self.push(Stage::Start, Call::CreateNetwork { id: NAT_ID.to_owned(), settings }, Vec::new());
        NAT_ID.into()
    }

    fn policies(&mut self, kind: NetworkType) -> Vec<EndpointPolicy> {
        let ports = &self.request.ports;
        if !ports.is_empty() && kind != NetworkType::Nat {
            self.problem(
                Unsupported,
                format!(
                    "`--publish`: ports are mapped on networks of the kind NAT, and this one is {}",
                    kind.name()
                ),
                "use `--network nat`; on other networks the container is reached at its own address",
            );
        }
        if ports.len() > MAX_PORTS {
            let message = format!("`--publish`: {} ports are more than {MAX_PORTS}", ports.len());
            self.problem(InvalidArgument, message, "publish fewer");
        }
        self.check_ports();
        let mut policies: Vec<EndpointPolicy> = ports.iter().take(MAX_PORTS).map(mapping).collect();
        if kind == NetworkType::L2Bridge {
            self.notes.push(
                "on a network of the kind L2Bridge, traffic to elsewhere is translated to the host's address"
                    .to_owned(),
            );
            policies.push(EndpointPolicy::OutboundNat(OutboundNat::default()));
        }
        policies
    }

    fn check_ports(&mut self) {
        let ports = &self.request.ports;
        let mut taken = Vec::new();
        for port in ports {
            if port.container_port == 0 {
                self.problem(
                    InvalidArgument,
                    "`--publish`: port 0 of the container",
                    "give a port from 1 to 65535",
                );
            }
            let Some(host_port) = port.host_port else { continue };
            let same = (host_port, port.protocol, port.host_address);
            if taken.contains(&same) {
                let message =
                    format!("`--publish`: port {host_port}/{} of the host twice", port.protocol.name());
                self.problem(InvalidArgument, message, "each port of the host leads to one port");
            }
            taken.push(same);
        }
    }

    fn address(&mut self, named: &NamedNetwork, kind: NetworkType) -> Vec<IpConfig> {
        let Some(ip_address) = named.address else { return Vec::new() };
        if kind == NetworkType::Ics {
            self.problem(
                Unsupported,
                "`--ip`: a network of the kind ICS gives addresses itself",
                "leave it out, or use a network of another kind",
            );
        }
        vec![IpConfig { ip_address, prefix_length: None }]
    }

    fn hardware_address(&mut self, named: &NamedNetwork) -> Option<String> {
        let given = named.mac_address.as_ref()?;
        let parts: Vec<&str> = given.split(['-', ':']).collect();
        let right = parts.len() == 6
            && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !right {
            let message = format!("`--mac-address {given}`: not a hardware address");
            self.problem(InvalidArgument, message, "write six bytes, as `00-15-5d-52-c0-10`");
        }
        Some(parts.join("-").to_uppercase())
    }

    fn check_dns(&mut self) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        for suffix in &self.request.dns.search {
            if suffix.is_empty() || suffix.len() > 253 || !suffix.bytes().all(plain) {
                let message = format!("`--dns-search {suffix}`: not a domain");
                self.problem(InvalidArgument, message, "give a domain, as `corp.example`");
            }
        }
    }

    /// Makes the namespace, with the endpoint in it; returns its GUID.
    fn namespace(&mut self, endpoint: Option<String>) -> String {
        let id = self.places.tag.guid(&self.request.id, Owned::Namespace);
        let settings = Namespace { id: Some(id.clone()), schema_version: Version::NETWORK };
        let undo = vec![Call::DeleteNamespace { id: id.clone() }];
        self.push(Stage::Start, Call::CreateNamespace { id: id.clone(), settings }, undo);
        if let Some(endpoint) = endpoint {
            let change = |request_type| Call::ModifyNamespace {
                id: id.clone(),
                settings: ModifyNamespace {
                    resource_type: NamespaceResourceType::Endpoint,
                    request_type,
                    settings: EndpointReference { endpoint_id: endpoint.clone() },
                },
            };
            self.push(Stage::Start, change(NamespaceRequest::Add), vec![change(NamespaceRequest::Remove)]);
        }
        id
    }
}

fn mapping(port: &PublishedPort) -> EndpointPolicy {
    let any = port.host_address.is_some_and(|address| address.is_unspecified());
    EndpointPolicy::PortMapping(PortMapping {
        protocol: port.protocol.number(),
        internal_port: port.container_port,
        external_port: port.host_port,
        vip: port.host_address.filter(|_| !any),
        flags: if port.host_address.is_some_and(|address| address.is_ipv6()) { PortMapping::IPV6 } else { 0 },
    })
}
