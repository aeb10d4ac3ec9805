//! Endpoints: addresses from the network's subnets.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use sim_protocol::codes;

use super::{Endpoint, Networks, key, object, policy};
use crate::answer::{Answer, Refusal};

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

pub fn create(networks: &mut Networks, network: &str, id: &str, settings: Value) -> Answer<()> {
    if networks.endpoints.contains_key(id) {
        return refuse(codes::HCN_INVALID_ENDPOINT, format!("the endpoint {id} exists"));
    }
    let named = settings["HostComputeNetwork"].as_str().map(key).filter(|id| !id.is_empty());
    if named.as_ref().is_some_and(|named| named != network) {
        return refuse(codes::HCN_INVALID_ENDPOINT, "HostComputeNetwork names another network");
    }
    let found = networks.networks.get(network);
    let found =
        found.ok_or_else(|| Refusal::new(codes::HCN_NETWORK_NOT_FOUND, format!("no network {network}")))?;
    policy::check_endpoint(networks, &found.kind, id, &settings["Policies"])?;
    let mut settings = object(settings);
    if let Some(subnet) = found.subnets.iter().find(|subnet| subnet.is_version_4()) {
        let taken = |address: Ipv4Addr| taken(networks, network, address);
        let wanted =
            settings.get("IpConfigurations").and_then(Value::as_array).filter(|list| !list.is_empty());
        match wanted {
            Some(list) => list.iter().try_for_each(|config| check(&found.subnets, config, &taken))?,
            None => {
                let address = subnet.free(taken)?;
                let config = json!([{"IpAddress": address.to_string(), "PrefixLength": subnet.length}]);
                settings.insert("IpConfigurations".to_owned(), config);
            }
        }
        if let Some(gateway) = subnet.gateway {
            let routes = json!([{"NextHop": gateway.to_string(), "DestinationPrefix": "0.0.0.0/0"}]);
            settings.entry("Routes").or_insert(routes);
        }
    }
    let turn = networks.next();
    if settings.get("MacAddress").and_then(Value::as_str).is_none_or(str::is_empty) {
        let mac = format!("00-15-5D-52-{:02X}-{:02X}", 0xC0 | (turn >> 8) & 0xF, turn & 0xFF);
        settings.insert("MacAddress".to_owned(), json!(mac));
    }
    settings.insert("ID".to_owned(), json!(id));
    settings.insert("HostComputeNetwork".to_owned(), json!(network));
    let endpoint = Endpoint {
        settings,
        network: network.to_owned(),
        namespace: None,
        attached: None,
        peer: format!("simep{turn}"),
    };
    networks.endpoints.insert(id.to_owned(), endpoint);
    Ok(())
}

/// Whether another endpoint has the address; one that was leaked keeps its own.
fn taken(networks: &Networks, network: &str, address: Ipv4Addr) -> bool {
    let text = address.to_string();
    let own = networks.endpoints.values().filter(|endpoint| endpoint.network == network);
    own.filter_map(|endpoint| endpoint.settings.get("IpConfigurations")?.as_array())
        .flatten()
        .any(|config| config["IpAddress"] == text.as_str())
}

fn check(subnets: &[super::Subnet], config: &Value, taken: &dyn Fn(Ipv4Addr) -> bool) -> Answer<()> {
    let text = config["IpAddress"].as_str().unwrap_or_default();
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(());
    }
    let address: Ipv4Addr =
        text.parse().map_err(|_| Refusal::new(codes::HCN_INVALID_IP, format!("the address '{text}'")))?;
    if taken(address) || !subnets.iter().any(|subnet| subnet.usable(address)) {
        return refuse(codes::HCN_ADDRESS_INVALID_OR_RESERVED, format!("the address {address} is not free"));
    }
    Ok(())
}
