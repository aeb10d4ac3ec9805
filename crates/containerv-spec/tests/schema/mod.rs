//! A strict validator of documents against `tests/data/hcs-schema.json`: a field that is not known, a
//! value of the wrong type and a value that is not of a closed set are refused.
//!
//! The crate `containerv` includes this file in its own tests.

use serde_json::Value;

/// What a field holds that the schema calls `any`: by type, field, and the field and value that decide.
const INSIDE: &[(&str, &str, &str, &str, &str)] = &[
    ("ModifySettingRequest", "Settings", "ResourcePath", "Container/Memory/SizeInMB", "uint64"),
    ("ModifySettingRequest", "Settings", "ResourcePath", "Container/Processor", "Processor"),
    ("ModifySettingRequest", "Settings", "ResourcePath", "Container/MappedDirectories", "MappedDirectory"),
    ("ModifySettingRequest", "Settings", "ResourcePath", "Container/MappedPipes", "MappedPipe"),
    ("schema1.ResourceModificationRequestResponse", "Settings", "ResourceType", "Network", "guid"),
    (
        "ModificationRequest",
        "Settings",
        "PropertyType",
        "ContainerCredentialGuard",
        "ContainerCredentialGuardOperationRequest",
    ),
    (
        "ContainerCredentialGuardOperationRequest",
        "OperationDetails",
        "Operation",
        "AddInstance",
        "ContainerCredentialGuardAddInstanceRequest",
    ),
    (
        "ContainerCredentialGuardOperationRequest",
        "OperationDetails",
        "Operation",
        "RemoveInstance",
        "ContainerCredentialGuardRemoveInstanceRequest",
    ),
    ("hcn.EndpointPolicy", "Settings", "Type", "PortMapping", "hcn.PortMappingPolicySetting"),
    ("hcn.EndpointPolicy", "Settings", "Type", "OutBoundNAT", "hcn.OutboundNatPolicySetting"),
    ("hcn.EndpointPolicy", "Settings", "Type", "ACL", "hcn.AclPolicySetting"),
    (
        "hcn.ModifyNamespaceSettingRequest",
        "Settings",
        "ResourceType",
        "Endpoint",
        "hcndocs.NamespaceEndpointRequest",
    ),
];

/// The schema.
pub(crate) struct Schema(Value);

/// Where a document is wrong, and how.
pub(crate) type Wrong = String;

impl Schema {
    /// Reads the schema.
    pub(crate) fn load() -> Self {
        Self(serde_json::from_str(include_str!("../data/hcs-schema.json")).unwrap())
    }

    /// Checks a document of a type.
    pub(crate) fn check(&self, kind: &str, document: &Value) -> Result<(), Wrong> {
        self.value("$", kind, document)
    }

    fn value(&self, path: &str, kind: &str, value: &Value) -> Result<(), Wrong> {
        if let Some(items) = kind.strip_prefix("[]") {
            let list = value.as_array().ok_or_else(|| format!("{path}: not a list of {items}"))?;
            return list
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| self.value(&format!("{path}[{at}]"), items, item));
        }
        if let Some(items) = kind.strip_prefix("map[string]") {
            let map = value.as_object().ok_or_else(|| format!("{path}: not a map of {items}"))?;
            return map.iter().try_for_each(|(key, item)| self.value(&format!("{path}.{key}"), items, item));
        }
        if let Some(members) = self.0["enums"].get(kind) {
            return one_of(path, kind, members, value);
        }
        if let Some(alias) = self.0["aliases"].get(kind).and_then(Value::as_str) {
            return self.value(path, alias, value);
        }
        match self.0.get(kind).and_then(|known| known.get("fields")) {
            Some(fields) => self.object(path, kind, fields, value),
            None => simple(path, kind, value),
        }
    }

    fn object(&self, path: &str, kind: &str, fields: &Value, value: &Value) -> Result<(), Wrong> {
        let object = value.as_object().ok_or_else(|| format!("{path}: not an object {kind}"))?;
        for (name, item) in object {
            let path = format!("{path}.{name}");
            let field = fields.get(name).ok_or_else(|| format!("{path}: {kind} has no such field"))?;
            let declared = field["type"].as_str().unwrap();
            let inside = INSIDE.iter().find(|(of, field, by, decides, _)| {
                *of == kind && field == name && object.get(*by).and_then(Value::as_str) == Some(decides)
            });
            self.value(&path, inside.map_or(declared, |found| found.4), item)?;
        }
        Ok(())
    }
}

fn one_of(path: &str, kind: &str, members: &Value, value: &Value) -> Result<(), Wrong> {
    let fits = |member: &Value| member == value || member.get("value").is_some_and(|number| number == value);
    let list = members.as_array().unwrap();
    // Flags are sums of their members.
    let all =
        list.iter().filter_map(|member| member.get("value").and_then(Value::as_u64)).fold(0, |a, b| a | b);
    let flags = kind.ends_with("Flags") && value.as_u64().is_some_and(|sum| sum & !all == 0);
    if flags || list.iter().any(fits) { Ok(()) } else { Err(format!("{path}: {value} is no {kind}")) }
}

fn simple(path: &str, kind: &str, value: &Value) -> Result<(), Wrong> {
    let whole = |least: i64, most: u64| {
        value.as_u64().is_some_and(|number| number <= most)
            || value.as_i64().is_some_and(|number| (least..0).contains(&number))
    };
    let text = value.as_str();
    let right = match kind {
        "any" => !value.is_null(),
        "string" | "bytes" => text.is_some(),
        "json-string" => text.is_some_and(|text| serde_json::from_str::<Value>(text).is_ok()),
        "bool" => value.is_boolean(),
        "guid" => text.is_some_and(is_guid),
        "datetime" => text.is_some_and(|text| text.len() >= 20 && text.as_bytes()[10] == b'T'),
        "float64" => value.is_number(),
        "uint8" => whole(0, u8::MAX.into()),
        "uint16" => whole(0, u16::MAX.into()),
        "uint32" => whole(0, u32::MAX.into()),
        "uint64" => whole(0, u64::MAX),
        "int32" => whole(i32::MIN.into(), i32::MAX as u64),
        "int64" => whole(i64::MIN, i64::MAX as u64),
        other => return Err(format!("{path}: the schema has no type {other}")),
    };
    if right { Ok(()) } else { Err(format!("{path}: {value} is no {kind}")) }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
