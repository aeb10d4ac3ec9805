//! `HNSCall`: the first generation's way to networks and endpoints.

use serde_json::{Value, json};
use sim_protocol::codes;

use super::{Networks, create_network, endpoint, key};
use crate::answer::{Answer, Refusal, Success};
use crate::calls::Context;
use crate::machine;

pub fn call(context: &Context<'_>) -> Answer {
    let (method, path) = (context.text("method"), context.text("path"));
    let mut world = context.service.world();
    // The function itself succeeds; how the request went is in the answer.
    let answer = match respond(&mut world.networks, method, path, context.text("request")) {
        Ok(output) => json!({"Success": true, "Output": output}),
        Err(refusal) => json!({"Success": false, "Error": refusal.message, "ErrorCode": refusal.hresult}),
    };
    Ok(Success::document(&answer))
}

fn respond(networks: &mut Networks, method: &str, path: &str, request: &str) -> Answer<Value> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (collection, id) = (parts.next().unwrap_or_default(), parts.next().map(key));
    match (method, collection, id) {
        ("GET", "globals", Some(_)) => Ok(json!({"Version": {"Major": 13, "Minor": 3}})),
        ("GET", "networks", None) => Ok(networks.networks.keys().map(|id| network(networks, id)).collect()),
        ("GET", "networks", Some(id)) if networks.networks.contains_key(&id) => Ok(network(networks, &id)),
        ("GET", "endpoints", None) => Ok(networks.endpoints.keys().map(|id| shown(networks, id)).collect()),
        ("GET", "endpoints", Some(id)) if networks.endpoints.contains_key(&id) => Ok(shown(networks, &id)),
        ("GET", "endpointstats", Some(id)) => super::traffic(networks, &id),
        ("POST", "networks", None) => add_network(networks, request),
        ("POST", "endpoints", None) => add_endpoint(networks, request),
        ("DELETE", "networks", Some(id)) => remove_network(networks, &id),
        ("DELETE", "endpoints", Some(id)) => remove_endpoint(networks, &id),
        (_, "networks", Some(id)) => {
            Err(Refusal::new(codes::HCN_NETWORK_NOT_FOUND, format!("The network was not found: {id}")))
        }
        (_, "endpoints", Some(id)) => {
            Err(Refusal::new(codes::HCN_ENDPOINT_NOT_FOUND, format!("The endpoint was not found: {id}")))
        }
        _ => Err(Refusal::new(codes::E_NOTIMPL, format!("no {method} {path}"))),
    }
}

fn network(networks: &Networks, id: &str) -> Value {
    let network = &networks.networks[id];
    let subnets = network.subnets.iter().map(|subnet| {
        json!({"AddressPrefix": subnet.text(), "GatewayAddress": subnet.gateway.map(|address| address.to_string())})
    });
    json!({"ID": id, "Name": network.settings.get("Name"), "Type": network.kind, "Subnets": subnets.collect::<Vec<_>>()})
}

fn shown(networks: &Networks, id: &str) -> Value {
    let endpoint = &networks.endpoints[id];
    let get = |name: &str| endpoint.settings.get(name).cloned().unwrap_or_default();
    let config = get("IpConfigurations")[0].clone();
    json!({
        "ID": id, "Name": get("Name"), "VirtualNetwork": endpoint.network, "IPAddress": config["IpAddress"],
        "PrefixLength": config["PrefixLength"], "GatewayAddress": get("Routes")[0]["NextHop"],
        "MacAddress": get("MacAddress"), "Policies": get("Policies"),
    })
}

fn object(request: &str) -> Answer<Value> {
    match serde_json::from_str(request) {
        Ok(Value::Object(members)) => Ok(Value::Object(members)),
        _ => Err(Refusal::new(codes::HCN_INVALID_JSON, "Invalid JSON document '$'")),
    }
}

fn add_network(networks: &mut Networks, request: &str) -> Answer<Value> {
    let request = object(request)?;
    let id = request["ID"].as_str().map(key).unwrap_or_else(machine::new_guid);
    let subnets: Vec<Value> = request["Subnets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|subnet| {
            json!({"IpAddressPrefix": subnet["AddressPrefix"],
                "Routes": [{"NextHop": subnet["GatewayAddress"], "DestinationPrefix": "0.0.0.0/0"}]})
        })
        .collect();
    let kind = request["Type"].as_str().unwrap_or_default();
    let kind = if kind.eq_ignore_ascii_case("nat") { "NAT" } else { kind };
    let settings =
        json!({"Name": request["Name"], "Type": kind, "Ipams": [{"Type": "Static", "Subnets": subnets}]});
    create_network(networks, &id, settings)?;
    Ok(network(networks, &id))
}

fn add_endpoint(networks: &mut Networks, request: &str) -> Answer<Value> {
    let request = object(request)?;
    let id = request["ID"].as_str().map(key).unwrap_or_else(machine::new_guid);
    let of = request["VirtualNetwork"].as_str().map(key).unwrap_or_default();
    let mut settings = json!({"Name": request["Name"]});
    if let Some(address) = request["IPAddress"].as_str() {
        settings["IpConfigurations"] =
            json!([{"IpAddress": address, "PrefixLength": request["PrefixLength"]}]);
    }
    endpoint::create(networks, &of, &id, settings)?;
    Ok(shown(networks, &id))
}

fn remove_network(networks: &mut Networks, id: &str) -> Answer<Value> {
    if networks.endpoints.values().any(|endpoint| endpoint.network == id) {
        return Err(Refusal::new(
            codes::HCN_ENTITY_HAS_REFERENCES,
            format!("the network {id} has endpoints"),
        ));
    }
    let none = || Refusal::new(codes::HCN_NETWORK_NOT_FOUND, format!("The network was not found: {id}"));
    networks.remove_network(id).map(|()| Value::Null).ok_or_else(none)
}

fn remove_endpoint(networks: &mut Networks, id: &str) -> Answer<Value> {
    match networks.endpoints.get(id) {
        None => Err(Refusal::new(codes::HCN_ENDPOINT_NOT_FOUND, format!("The endpoint was not found: {id}"))),
        Some(endpoint) if endpoint.attached.is_some() => {
            Err(Refusal::new(codes::HCN_ENTITY_HAS_REFERENCES, format!("the endpoint {id} is attached")))
        }
        Some(_) => {
            networks.endpoints.remove(id);
            networks
                .namespaces
                .values_mut()
                .for_each(|namespace| namespace.endpoints.retain(|known| known != id));
            Ok(Value::Null)
        }
    }
}
