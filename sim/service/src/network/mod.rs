//! Networks, endpoints, namespaces: the state behind `computenetwork.dll`.

mod address;
mod endpoint;
mod first;
mod modify;
mod policy;
mod ports;
mod watch;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sim_protocol::codes;

use crate::answer::{Answer, Refusal, Success};
use crate::calls::Context;
use crate::container::Interface;
use crate::documents::Wanted;
use crate::machine;
use crate::schema;
use crate::server::Work;
use crate::world::{State, World};
use watch::Event;

pub use address::Subnet;
pub use watch::{forget, settle};

#[derive(Default)]
pub struct Networks {
    pub networks: BTreeMap<String, Network>,
    pub endpoints: BTreeMap<String, Endpoint>,
    pub namespaces: BTreeMap<String, Namespace>,
    /// Load balancers and routes are kept as they are, and do nothing.
    pub balancers: BTreeMap<String, Value>,
    pub routes: BTreeMap<String, Value>,
    watch: watch::Watch,
    ports: ports::Ports,
    made: u32,
}

pub struct Network {
    pub settings: Map<String, Value>,
    pub kind: String,
    pub subnets: Vec<Subnet>,
    /// The name of its bridge here.
    pub bridge: String,
}

pub struct Endpoint {
    pub settings: Map<String, Value>,
    pub network: String,
    pub namespace: Option<String>,
    /// The system that it is plugged into.
    pub attached: Option<String>,
    pub peer: String,
}

pub struct Namespace {
    pub settings: Map<String, Value>,
    pub endpoints: Vec<String>,
    pub containers: Vec<String>,
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

impl Networks {
    pub fn described(&self) -> Value {
        let keys = |keys: Vec<&String>| json!(keys);
        json!({
            "networks": keys(self.networks.keys().collect()),
            "endpoints": keys(self.endpoints.keys().collect()),
            "namespaces": keys(self.namespaces.keys().collect()),
        })
    }

    fn remove_network(&mut self, id: &str) -> Option<()> {
        let network = self.networks.remove(id)?;
        crate::wire::remove_bridge(&network.bridge);
        self.watch.happened(Event::NetworkPreDelete, id);
        self.watch.happened(Event::NetworkDelete, id);
        Some(())
    }

    /// The endpoint is of the system from now on, or of none.
    fn attach(&mut self, id: &str, system: Option<&str>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        let event = if system.is_some() { Event::EndpointAttached } else { Event::EndpointDetached };
        if endpoint.attached.as_deref() != system {
            self.watch.happened(event, id);
        }
        endpoint.attached = system.map(str::to_owned);
    }

    fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }
}

/// The functions on network objects; `None` for others.
pub fn perform(context: &Context<'_>) -> Option<Work> {
    let name = context.call.function.as_str();
    if name == "HNSCall" {
        return Some(Work::Done(first::call(context)));
    }
    let answer = match name {
        "HcnQueryEndpointStats" => Some(statistics(context)),
        "HcnRegisterServiceCallback" => Some(watch::register(context)),
        "HcnUnregisterServiceCallback" => Some(watch::unregister(context)),
        _ => None,
    };
    if answer.is_some() {
        return answer.map(Work::Done);
    }
    let rest = name.strip_prefix("Hcn")?;
    let answer = if let Some(kind) = rest.strip_prefix("Enumerate") {
        enumerate(context, kind.trim_end_matches('s'))
    } else if let Some(kind) = rest.strip_prefix("Create") {
        create(context, kind)
    } else if let Some(kind) = rest.strip_prefix("Open") {
        open(context, kind)
    } else if let Some(kind) = rest.strip_prefix("Query").and_then(|rest| rest.strip_suffix("Properties")) {
        query(context, kind)
    } else if let Some(kind) = rest.strip_prefix("Modify") {
        modify::perform(context, kind)
    } else if let Some(kind) = rest.strip_prefix("Delete") {
        delete(context, kind)
    } else {
        return None;
    };
    Some(Work::Done(answer))
}

/// The document's type, and the code for an object that is not there.
fn of_kind(kind: &str) -> Answer<(&'static str, u32)> {
    Ok(match kind {
        "Network" => ("hcn.HostComputeNetwork", codes::HCN_NETWORK_NOT_FOUND),
        "Endpoint" => ("hcn.HostComputeEndpoint", codes::HCN_ENDPOINT_NOT_FOUND),
        "Namespace" => ("hcn.HostComputeNamespace", codes::ELEMENT_NOT_FOUND),
        "LoadBalancer" => ("hcn.HostComputeLoadBalancer", codes::ELEMENT_NOT_FOUND),
        "SdnRoute" => ("hcn.HostComputeRoute", codes::ELEMENT_NOT_FOUND),
        _ => return refuse(codes::E_NOTIMPL, format!("no objects of the kind {kind}")),
    })
}

fn parse(name: &str, text: &str) -> Answer<Value> {
    schema::parse(name, text)
        .map_err(|wrong| Refusal::new(codes::HCN_INVALID_JSON, format!("Invalid JSON document {wrong}")))
}

/// A GUID as a key: lower case, no braces.
fn key(id: &str) -> String {
    id.trim_matches(['{', '}']).to_ascii_lowercase()
}

/// The id that the caller wants, or a new one: in the call, or in the document.
fn wanted_id(context: &Context<'_>, settings: &Value) -> String {
    let null = |id: &String| !id.is_empty() && id != "00000000-0000-0000-0000-000000000000";
    let given = Some(key(context.text("id"))).filter(null);
    let named = settings["ID"].as_str().map(key).filter(null);
    given.or(named).unwrap_or_else(machine::new_guid)
}

fn create(context: &Context<'_>, kind: &str) -> Answer {
    let (name, _) = of_kind(kind)?;
    let settings = parse(name, context.text("settings"))?;
    let id = wanted_id(context, &settings);
    let mut world = context.service.world();
    let networks = &mut world.networks;
    match kind {
        "Network" => create_network(networks, &id, settings)?,
        "Endpoint" => endpoint::create(networks, &key(context.text("network")), &id, settings)?,
        "Namespace" => create_namespace(networks, &id, settings)?,
        _ => {
            let mut settings = settings;
            settings["ID"] = json!(id);
            let kept = if kind == "LoadBalancer" { &mut networks.balancers } else { &mut networks.routes };
            if kept.insert(id.clone(), settings).is_some() {
                return refuse(codes::HCN_INVALID_POLICY, format!("the id {id} is in use"));
            }
        }
    }
    Ok(Success::values(json!(id)))
}

fn create_network(networks: &mut Networks, id: &str, settings: Value) -> Answer<()> {
    if networks.networks.contains_key(id) {
        return refuse(codes::HCN_NETWORK_ALREADY_EXISTS, format!("the network {id} exists"));
    }
    let Some(kind) = settings["Type"].as_str().map(str::to_owned) else {
        return refuse(codes::HCN_INVALID_NETWORK_TYPE, "a network has a type");
    };
    policy::check_network(&settings["Policies"])?;
    let mut subnets = Vec::new();
    for ipam in settings["Ipams"].as_array().into_iter().flatten() {
        for subnet in ipam["Subnets"].as_array().into_iter().flatten() {
            subnets.push(Subnet::parse(subnet)?);
        }
    }
    if subnets.is_empty() && kind == "NAT" {
        subnets.push(Subnet::default_of(networks.networks.len()));
    }
    let taken = networks.networks.values().flat_map(|network| &network.subnets);
    if let Some(other) = taken.clone().find(|other| subnets.iter().any(|own| own.overlaps(other))) {
        return refuse(codes::HCN_INVALID_SUBNET, format!("{} is part of another network", other.text()));
    }
    let mut settings = object(settings);
    settings.insert("ID".to_owned(), json!(id));
    let bridge = format!("simbr{}", networks.next());
    networks.watch.happened(Event::NetworkPreCreate, id);
    networks.watch.happened(Event::NetworkCreate, id);
    networks.networks.insert(id.to_owned(), Network { settings, kind, subnets, bridge });
    Ok(())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn create_namespace(networks: &mut Networks, id: &str, settings: Value) -> Answer<()> {
    if networks.namespaces.contains_key(id) {
        return refuse(codes::E_INVALIDARG, format!("the namespace {id} exists"));
    }
    let compartment = networks.next() + 1;
    let mut settings = object(settings);
    settings.insert("ID".to_owned(), json!(id));
    settings.insert("NamespaceId".to_owned(), json!(compartment));
    settings.entry("Type").or_insert_with(|| json!("Host"));
    let namespace = Namespace { settings, endpoints: Vec::new(), containers: Vec::new() };
    networks.namespaces.insert(id.to_owned(), namespace);
    networks.watch.happened(Event::NamespaceCreate, id);
    Ok(())
}

/// The properties of an object.
fn properties(networks: &Networks, kind: &str, id: &str) -> Option<Value> {
    match kind {
        "Network" => networks.networks.get(id).map(|network| {
            let mut settings = network.settings.clone();
            settings.entry("Ipams").or_insert_with(|| json!([{"Type": "Static", "Subnets": network.subnets.iter().map(Subnet::document).collect::<Vec<_>>()}]));
            Value::Object(settings)
        }),
        "Endpoint" => networks.endpoints.get(id).map(|endpoint| {
            let mut settings = endpoint.settings.clone();
            if let Some(namespace) = &endpoint.namespace {
                settings.insert("HostComputeNamespace".to_owned(), json!(namespace));
            }
            Value::Object(settings)
        }),
        "Namespace" => networks.namespaces.get(id).map(|namespace| {
            let mut settings = namespace.settings.clone();
            let endpoints = namespace.endpoints.iter().map(|id| json!({"Type": "Endpoint", "Data": {"ID": id}}));
            let containers = namespace.containers.iter().map(|id| json!({"Type": "Container", "Data": {"ID": id}}));
            settings.insert("Resources".to_owned(), endpoints.chain(containers).collect());
            Value::Object(settings)
        }),
        "LoadBalancer" => networks.balancers.get(id).cloned(),
        "SdnRoute" => networks.routes.get(id).cloned(),
        _ => None,
    }
}

fn ids(networks: &Networks, kind: &str) -> Vec<String> {
    match kind {
        "Network" => networks.networks.keys().cloned().collect(),
        "Endpoint" => networks.endpoints.keys().cloned().collect(),
        "Namespace" => networks.namespaces.keys().cloned().collect(),
        "LoadBalancer" => networks.balancers.keys().cloned().collect(),
        _ => networks.routes.keys().cloned().collect(),
    }
}

/// The filter of a query: a document in a string.
fn filter(context: &Context<'_>) -> Answer<Map<String, Value>> {
    let Some(text) = context.optional("query").filter(|text| !text.is_empty()) else { return Ok(Map::new()) };
    let query = parse("hcn.HostComputeQuery", text)?;
    match query["Filter"].as_str().unwrap_or_default() {
        "" => Ok(Map::new()),
        text => match serde_json::from_str(text) {
            Ok(Value::Object(filter)) => Ok(filter),
            _ => refuse(codes::HCN_INVALID_JSON, "Invalid JSON document '$.Filter'"),
        },
    }
}

fn enumerate(context: &Context<'_>, kind: &str) -> Answer {
    of_kind(kind)?;
    let filter = filter(context)?;
    let world = context.service.world();
    let passes = |id: &String| {
        let properties = properties(&world.networks, kind, id).unwrap_or_default();
        filter.iter().all(|(name, wanted)| {
            let name = if name == "VirtualNetwork" { "HostComputeNetwork" } else { name.as_str() };
            match (&properties[name], wanted) {
                (Value::String(have), Value::String(wanted)) => have.eq_ignore_ascii_case(wanted),
                (have, wanted) => have == wanted,
            }
        })
    };
    let found: Vec<String> = ids(&world.networks, kind).into_iter().filter(passes).collect();
    Ok(Success::document(&json!(found)))
}

fn open(context: &Context<'_>, kind: &str) -> Answer {
    let (_, missing) = of_kind(kind)?;
    let id = key(context.text("id"));
    match properties(&context.service.world().networks, kind, &id) {
        Some(_) => Ok(Success::values(json!(id))),
        None => refuse(missing, format!("no {kind} {id}")),
    }
}

fn query(context: &Context<'_>, kind: &str) -> Answer {
    let (_, missing) = of_kind(kind)?;
    filter(context)?;
    let id = key(context.text("id"));
    match properties(&context.service.world().networks, kind, &id) {
        Some(properties) => Ok(Success::document(&properties)),
        None => refuse(missing, format!("no {kind} {id}")),
    }
}

fn statistics(context: &Context<'_>) -> Answer {
    filter(context)?;
    let id = key(context.text("id"));
    Ok(Success::document(&traffic(&context.service.world().networks, &id)?))
}

/// What went through the endpoint; nothing when no container has it.
fn traffic(networks: &Networks, id: &str) -> Answer<Value> {
    let Some(endpoint) = networks.endpoints.get(id) else {
        return refuse(codes::HCN_ENDPOINT_NOT_FOUND, format!("no endpoint {id}"));
    };
    Ok(crate::wire::traffic(id, &endpoint.peer))
}

fn delete(context: &Context<'_>, kind: &str) -> Answer {
    let (_, missing) = of_kind(kind)?;
    let id = key(context.text("id"));
    let mut world = context.service.world();
    let networks = &mut world.networks;
    let none = || Refusal::new(missing, format!("no {kind} {id}"));
    let referred = |by: &str| refuse(codes::HCN_ENTITY_HAS_REFERENCES, format!("the {kind} {id} has {by}"));
    match kind {
        "Network" => {
            if networks.endpoints.values().any(|endpoint| endpoint.network == id) {
                return referred("endpoints");
            }
            networks.remove_network(&id).ok_or_else(none)?;
        }
        "Endpoint" => {
            let endpoint = networks.endpoints.get(&id).ok_or_else(none)?;
            if endpoint.attached.is_some() {
                return referred("a compute system");
            }
            if let Some(namespace) =
                endpoint.namespace.clone().and_then(|id| networks.namespaces.get_mut(&id))
            {
                namespace.endpoints.retain(|known| *known != id);
            }
            networks.endpoints.remove(&id);
        }
        "Namespace" => {
            let namespace = networks.namespaces.get(&id).ok_or_else(none)?;
            if !namespace.endpoints.is_empty() || !namespace.containers.is_empty() {
                return referred("resources");
            }
            networks.namespaces.remove(&id);
            networks.watch.happened(Event::NamespaceDelete, &id);
        }
        "LoadBalancer" => drop(networks.balancers.remove(&id).ok_or_else(none)?),
        _ => drop(networks.routes.remove(&id).ok_or_else(none)?),
    }
    Ok(Success::default())
}

/// Plugs a new system's endpoints in; returns them.
pub fn join(world: &mut World, system: &str, wanted: &Wanted) -> Answer<Vec<String>> {
    let networks = &mut world.networks;
    let mut endpoints = wanted.endpoints.clone();
    if let Some(id) = &wanted.namespace
        && let Some(namespace) = networks.namespaces.get(id)
    {
        endpoints.extend(namespace.endpoints.iter().cloned());
    }
    let busy = endpoints
        .iter()
        .find(|id| networks.endpoints.get(*id).is_some_and(|endpoint| endpoint.attached.is_some()));
    if let Some(busy) = busy {
        return refuse(codes::HCN_ENDPOINT_ALREADY_ATTACHED, format!("the endpoint {busy} is attached"));
    }
    endpoints.iter().for_each(|id| networks.attach(id, Some(system)));
    if let Some(namespace) = wanted.namespace.as_ref().and_then(|id| networks.namespaces.get_mut(id)) {
        namespace.containers.push(system.to_owned());
    }
    Ok(endpoints)
}

/// A system has ended, or lets go of the endpoints.
pub fn leave(world: &mut World, system: &str, endpoints: &[String]) {
    endpoints.iter().for_each(|id| world.networks.attach(id, None));
    for namespace in world.networks.namespaces.values_mut() {
        namespace.containers.retain(|container| container != system);
    }
}

/// Plugs an endpoint into a system, or takes it out again. One that runs notices at once.
pub fn plug(world: &mut World, number: u64, id: &str, on: bool) -> Answer<()> {
    let Some(card) = interface(&world.networks, id) else {
        return refuse(codes::HCN_ENDPOINT_NOT_FOUND, format!("no endpoint {id}"));
    };
    let endpoint = world.networks.endpoints.get(id);
    let endpoint = endpoint.ok_or_else(|| Refusal::new(codes::HCN_ENDPOINT_NOT_FOUND, id))?;
    let Some(system) = world.systems.get_mut(&number) else { return Ok(()) };
    if on && endpoint.attached.is_some() {
        return refuse(codes::HCN_ENDPOINT_ALREADY_ATTACHED, format!("the endpoint {id} is attached"));
    }
    let runs = matches!(system.state, State::Running | State::Paused);
    if let Some(container) = system.container.as_ref().filter(|_| runs) {
        match on {
            true => container.plug(&card)?,
            false => container.unplug(id),
        }
    }
    system.endpoints.retain(|known| known != id);
    if on {
        system.endpoints.push(id.to_owned());
    }
    let system = system.id.clone();
    world.networks.attach(id, on.then_some(system.as_str()));
    Ok(())
}

/// What a container's cards are to be.
pub fn interfaces(world: &World, endpoints: &[String]) -> Vec<Interface> {
    endpoints.iter().filter_map(|id| interface(&world.networks, id)).collect()
}

fn interface(networks: &Networks, id: &str) -> Option<Interface> {
    let endpoint = networks.endpoints.get(id)?;
    let network = networks.networks.get(&endpoint.network)?;
    let config = &endpoint.settings.get("IpConfigurations")?[0];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Interface {
        endpoint: id.to_owned(),
        bridge: network.bridge.clone(),
        peer: endpoint.peer.clone(),
        mac: text(endpoint.settings.get("MacAddress")?)?.replace('-', ":"),
        address: format!("{}/{}", config["IpAddress"].as_str()?, config["PrefixLength"]),
        gateway: endpoint.settings.get("Routes").and_then(|routes| text(&routes[0]["NextHop"])),
    })
}
