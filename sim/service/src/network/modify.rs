//! Changes of network objects.

use serde_json::{Value, json};
use sim_protocol::codes;

use super::{Networks, key, parse, policy};
use crate::answer::{Answer, Refusal, Success};
use crate::calls::Context;
use crate::schema;
use crate::world::{State, System, World};

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

pub fn perform(context: &Context<'_>, kind: &str) -> Answer {
    let id = key(context.text("id"));
    let text = context.text("settings");
    let mut world = context.service.world();
    let networks = &mut world.networks;
    match kind {
        "Network" => network(networks, &id, &parse("hcn.ModifyNetworkSettingRequest", text)?),
        "Endpoint" => endpoint(networks, &id, &parse("hcn.ModifyEndpointSettingRequest", text)?),
        "Namespace" => {
            let request = parse("hcn.ModifyNamespaceSettingRequest", text)?;
            let changed = namespace(networks, &id, &request)?;
            follow(&mut world, &id, &request)?;
            Ok(changed)
        }
        _ => {
            let (name, kept) = match kind {
                "LoadBalancer" => ("hcn.HostComputeLoadBalancer", &mut networks.balancers),
                _ => ("hcn.HostComputeRoute", &mut networks.routes),
            };
            let mut settings = parse(name, text)?;
            settings["ID"] = json!(id);
            match kept.get_mut(&id) {
                Some(slot) => *slot = settings,
                None => return refuse(codes::ELEMENT_NOT_FOUND, format!("no {kind} {id}")),
            }
            Ok(Success::default())
        }
    }
}

/// A container of the namespace gets the endpoint, or loses it, at once.
fn follow(world: &mut World, namespace: &str, request: &Value) -> Answer<()> {
    if request["ResourceType"] != "Endpoint" {
        return Ok(());
    }
    let Some(space) = world.networks.namespaces.get(namespace) else { return Ok(()) };
    let inside = |system: &System| space.containers.contains(&system.id) && system.state != State::Stopped;
    let number = world.systems.iter().find(|(_, system)| inside(system)).map(|(number, _)| *number);
    let Some(number) = number else { return Ok(()) };
    let endpoint = request["Settings"]["EndpointId"].as_str().map(key).unwrap_or_default();
    super::plug(world, number, &endpoint, request["RequestType"] != "Remove")
}

/// The settings have to be of the type that the resource has.
fn check_settings(name: &str, request: &Value) -> Answer<()> {
    schema::check(name, &request["Settings"]).map_err(|wrong| {
        let place = wrong.path.replacen('$', "$.Settings", 1);
        Refusal::new(codes::HCN_INVALID_JSON, format!("Invalid JSON document '{place}': {}", wrong.what))
    })
}

/// Puts policies in, or takes those out that are equal.
fn change(settings: &mut serde_json::Map<String, Value>, kind: &str, policies: &Value) -> Answer {
    let changed = policies.as_array().cloned().unwrap_or_default();
    let list = settings.entry("Policies").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return refuse(codes::E_UNEXPECTED, "policies are a list") };
    match kind {
        "Remove" => {
            if !changed.iter().all(|policy| list.contains(policy)) {
                return refuse(codes::HCN_POLICY_NOT_FOUND, "no such policy");
            }
            list.retain(|policy| !changed.contains(policy));
        }
        "Update" | "Reset" => {
            list.retain(|policy| !changed.iter().any(|new| new["Type"] == policy["Type"]));
            list.extend(changed);
        }
        _ => list.extend(changed),
    }
    Ok(Success::default())
}

fn network(networks: &mut Networks, id: &str, request: &Value) -> Answer {
    let network = networks.networks.get_mut(id);
    let network =
        network.ok_or_else(|| Refusal::new(codes::HCN_NETWORK_NOT_FOUND, format!("no network {id}")))?;
    if request["ResourceType"] != "Policy" {
        return Ok(Success::default());
    }
    check_settings("hcn.PolicyNetworkRequest", request)?;
    policy::check_network(&request["Settings"]["Policies"])?;
    change(
        &mut network.settings,
        request["RequestType"].as_str().unwrap_or("Add"),
        &request["Settings"]["Policies"],
    )
}

fn endpoint(networks: &mut Networks, id: &str, request: &Value) -> Answer {
    let none = || Refusal::new(codes::HCN_ENDPOINT_NOT_FOUND, format!("no endpoint {id}"));
    let endpoint = networks.endpoints.get(id).ok_or_else(none)?;
    if request["ResourceType"] != "Policy" {
        return Ok(Success::default());
    }
    check_settings("hcn.PolicyEndpointRequest", request)?;
    let policies = &request["Settings"]["Policies"];
    let kind = request["RequestType"].as_str().unwrap_or("Add");
    let network =
        networks.networks.get(&endpoint.network).map(|network| network.kind.clone()).unwrap_or_default();
    if kind != "Remove" {
        policy::check_endpoint(networks, &network, id, policies)?;
    }
    let endpoint = networks.endpoints.get_mut(id).ok_or_else(none)?;
    change(&mut endpoint.settings, kind, policies)
}

fn namespace(networks: &mut Networks, id: &str, request: &Value) -> Answer {
    let none = || Refusal::new(codes::ELEMENT_NOT_FOUND, format!("no namespace {id}"));
    if !networks.namespaces.contains_key(id) {
        return Err(none());
    }
    let remove = request["RequestType"] == "Remove";
    if request["ResourceType"] == "Container" {
        check_settings("hcn.NamespaceContainerRequest", request)?;
        let container = request["Settings"]["ContainerId"].as_str().unwrap_or_default().to_owned();
        let namespace = networks.namespaces.get_mut(id).ok_or_else(none)?;
        namespace.containers.retain(|known| *known != container);
        if !remove {
            namespace.containers.push(container);
        }
        return Ok(Success::default());
    }
    if request["ResourceType"] != "Endpoint" {
        return refuse(codes::HCN_INVALID_JSON, "Invalid JSON document '$.ResourceType'");
    }
    check_settings("hcn.NamespaceEndpointRequest", request)?;
    let endpoint_id = request["Settings"]["EndpointId"].as_str().map(key).unwrap_or_default();
    let endpoint = networks.endpoints.get_mut(&endpoint_id);
    let endpoint = endpoint
        .ok_or_else(|| Refusal::new(codes::HCN_ENDPOINT_NOT_FOUND, format!("no endpoint {endpoint_id}")))?;
    match (remove, &endpoint.namespace) {
        (false, Some(other)) => {
            let message = format!("the endpoint {endpoint_id} is in the namespace {other}");
            return refuse(codes::HCN_ENDPOINT_NAMESPACE_ALREADY_EXISTS, message);
        }
        (false, None) if endpoint.attached.is_some() => {
            let message = format!("the endpoint {endpoint_id} is attached to a compute system");
            return refuse(codes::HCN_ENDPOINT_ALREADY_ATTACHED, message);
        }
        (true, other) if other.as_deref() != Some(id) => {
            return refuse(
                codes::HCN_ENDPOINT_NOT_ATTACHED,
                format!("the endpoint {endpoint_id} is not in {id}"),
            );
        }
        _ => {}
    }
    endpoint.namespace = (!remove).then(|| id.to_owned());
    let namespace = networks.namespaces.get_mut(id).ok_or_else(none)?;
    if remove {
        namespace.endpoints.retain(|known| *known != endpoint_id);
    } else {
        namespace.endpoints.push(endpoint_id);
    }
    Ok(Success::default())
}
