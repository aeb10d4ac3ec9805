//! Policies: the type of their settings follows from their name.

use serde_json::Value;
use sim_protocol::codes;

use super::Networks;
use crate::answer::{Answer, Refusal};
use crate::schema;

/// Names of policies and of their settings; those left out may hold anything.
const SETTINGS: &[(&str, &str)] = &[
    ("PortMapping", "hcn.PortMappingPolicySetting"),
    ("ACL", "hcn.AclPolicySetting"),
    ("QOS", "hcn.QosPolicySetting"),
    ("OutBoundNAT", "hcn.OutboundNatPolicySetting"),
    ("SDNRoute", "hcn.SDNRoutePolicySetting"),
    ("L4WFPPROXY", "hcn.L4WfpProxyPolicySetting"),
    ("ProviderAddress", "hcn.ProviderAddressEndpointPolicySetting"),
    ("PortName", "hcn.PortnameEndpointPolicySetting"),
    ("EncapOverhead", "hcn.EncapOverheadEndpointPolicySetting"),
    ("VLAN", "hcn.VlanPolicySetting"),
    ("Iov", "hcn.IovPolicySetting"),
    ("TierAcl", "hcn.TierAclPolicySetting"),
    ("NetAdapterName", "hcn.NetAdapterNameNetworkPolicySetting"),
    ("SourceMacAddress", "hcn.SourceMacAddressNetworkPolicySetting"),
];

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

fn check_settings(policy: &Value) -> Answer<()> {
    let name = policy["Type"].as_str().unwrap_or_default();
    if name.is_empty() {
        return refuse(codes::HCN_INVALID_POLICY_TYPE, "a policy has a type");
    }
    let Some((_, settings)) = SETTINGS.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    if policy["Settings"].is_null() {
        return Ok(());
    }
    schema::check(settings, &policy["Settings"])
        .map_err(|wrong| Refusal::new(codes::HCN_INVALID_POLICY, format!("the policy {name} {wrong}")))
}

pub fn check_network(policies: &Value) -> Answer<()> {
    policies.as_array().into_iter().flatten().try_for_each(check_settings)
}

/// Checks policies of an endpoint: their settings, and that their ports are free.
pub fn check_endpoint(networks: &Networks, kind: &str, own: &str, policies: &Value) -> Answer<()> {
    let policies = policies.as_array().cloned().unwrap_or_default();
    policies.iter().try_for_each(check_settings)?;
    for port in policies.iter().filter_map(mapped).map(|mapping| mapping.outside) {
        if matches!(kind, "Transparent" | "L2Bridge" | "L2Tunnel" | "Private" | "Internal") {
            return refuse(
                codes::HCN_MAPPING_NOT_SUPPORTED,
                format!("a network of the type {kind} maps no ports"),
            );
        }
        let others = networks.endpoints.iter().filter(|(id, _)| *id != own);
        let taken = others.flat_map(|(_, endpoint)| endpoint.settings.get("Policies")?.as_array());
        let mut taken = taken.flatten().filter_map(mapped);
        if taken.any(|other| other.outside == port) || !networks.ports.may_open(port) {
            return refuse(codes::HCN_PORT_ALREADY_EXISTS, format!("the port {} is in use", port.1));
        }
    }
    Ok(())
}

/// What a port mapping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Protocol and port of the host.
    pub outside: (u64, u16),
    /// The container's port.
    pub inside: u16,
}

/// The mapping of a policy, if it is one with a port.
pub fn mapped(policy: &Value) -> Option<Mapping> {
    if policy["Type"] != "PortMapping" {
        return None;
    }
    let settings = &policy["Settings"];
    let protocol = match &settings["Protocol"] {
        Value::String(name) if name.ends_with("UDP") => 17,
        Value::Number(number) => number.as_u64()?,
        _ => 6,
    };
    let port = |name: &str| settings[name].as_u64().and_then(|port| u16::try_from(port).ok());
    let outside = port("ExternalPort").filter(|port| *port > 0)?;
    Some(Mapping { outside: (protocol, outside), inside: port("InternalPort").unwrap_or(outside) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_settings_type_exists() {
        for (name, settings) in SETTINGS {
            let wrong = schema::check(settings, &json!([])).unwrap_err();
            assert!(wrong.what.contains("object"), "{name}: {wrong}");
        }
    }

    #[test]
    fn mappings() {
        let policy = |protocol: Value| json!({"Type": "PortMapping", "Settings": {"Protocol": protocol, "ExternalPort": 80}});
        let mapping = |protocol| Some(Mapping { outside: (protocol, 80), inside: 80 });
        assert_eq!(mapped(&policy(json!(17))), mapping(17));
        assert_eq!(mapped(&policy(json!("TCP"))), mapping(6));
        assert_eq!(mapped(&json!({"Type": "ACL"})), None);
    }
}
