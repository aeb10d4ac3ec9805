//! Strict validation of documents against the published types.
//!
//! `data/schema.json` lists, for each type, its fields with their types, and the values of each
//! enumeration. It is reduced from the published schema references and from what Microsoft's own
//! client sends; where both know a type, a field of either is accepted.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

struct Schema {
    types: HashMap<String, HashMap<String, String>>,
    enums: HashMap<String, Vec<Value>>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(include_str!("../data/schema.json")).expect("our own file");
    Schema {
        types: serde_json::from_value(document["types"].clone()).expect("a map of maps of strings"),
        enums: serde_json::from_value(document["enums"].clone()).expect("a map of lists"),
    }
});

/// What is wrong, with the place as a JSON path such as `$.Container.Memory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub path: String,
    pub what: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "'{}': {}", self.path, self.what)
    }
}

/// Parses `text` as a document of the type `name`.
pub fn parse(name: &str, text: &str) -> Result<Value, Wrong> {
    let document: Value = serde_json::from_str(text)
        .map_err(|error| Wrong { path: "$".into(), what: format!("no JSON: {error}") })?;
    check(name, &document)?;
    Ok(document)
}

/// Checks a value against the type `name`: a type of the schema, a primitive, `[]T` or `{}T`.
pub fn check(name: &str, value: &Value) -> Result<(), Wrong> {
    check_at(name, value, "$")
}

fn check_at(name: &str, value: &Value, path: &str) -> Result<(), Wrong> {
    let wrong = |what: String| Err(Wrong { path: path.to_owned(), what });
    if let Some(element) = name.strip_prefix("[]") {
        let Value::Array(items) = value else { return wrong("not an array".into()) };
        return items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| check_at(element, item, &format!("{path}[{at}]")));
    }
    if let Some(element) = name.strip_prefix("{}") {
        let Value::Object(items) = value else { return wrong("not an object".into()) };
        return items.iter().try_for_each(|(key, item)| check_at(element, item, &format!("{path}.{key}")));
    }
    if let Some(values) = SCHEMA.enums.get(name) {
        let flags = name.ends_with("Flags") && value.is_u64();
        return if values.contains(value) || flags { Ok(()) } else { wrong(format!("{value} is no {name}")) };
    }
    if let Some(fields) = SCHEMA.types.get(name) {
        let Value::Object(members) = value else { return wrong(format!("not a {name} object")) };
        return members.iter().try_for_each(|(key, member)| match fields.get(key) {
            // A member without a value is as good as none.
            Some(_) if member.is_null() => Ok(()),
            Some(field) => check_at(field, member, &format!("{path}.{key}")),
            None => Err(Wrong { path: format!("{path}.{key}"), what: format!("unknown member of {name}") }),
        });
    }
    if primitive(name, value) { Ok(()) } else { wrong(format!("{value} is no {name}")) }
}

fn primitive(name: &str, value: &Value) -> bool {
    let unsigned = |most: u64| value.as_u64().is_some_and(|number| number <= most);
    let signed =
        |least: i64, most: i64| value.as_i64().is_some_and(|number| (least..=most).contains(&number));
    match name {
        "any" => true,
        "string" | "datetime" | "bytes" | "json-string" => value.is_string(),
        // The null text is how the client's Go says "none".
        "guid" => value.as_str().is_some_and(|text| text.is_empty() || is_guid(text)),
        "bool" => value.is_boolean(),
        "uint8" => unsigned(u8::MAX.into()),
        "uint16" => unsigned(u16::MAX.into()),
        "uint32" => unsigned(u32::MAX.into()),
        "uint64" => value.is_u64(),
        "int32" => signed(i32::MIN.into(), i32::MAX.into()),
        "int64" => value.is_i64(),
        "float64" => value.is_number(),
        _ => false,
    }
}

/// A GUID in any case, with or without braces.
pub fn is_guid(text: &str) -> bool {
    let text = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        let known = |name: &str| {
            let name = name.trim_start_matches("[]").trim_start_matches("{}");
            let primitives = "any string datetime bytes json-string guid bool uint8 uint16 uint32 uint64 int32 int64 float64";
            SCHEMA.types.contains_key(name)
                || SCHEMA.enums.contains_key(name)
                || primitives.split(' ').any(|primitive| primitive == name)
        };
        for (name, fields) in &SCHEMA.types {
            for (field, kind) in fields {
                assert!(known(kind), "{name}.{field}: {kind}");
            }
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_named_with_its_place() {
        let cases = [
            (r#"{"Owner": 1}"#, "$.Owner"),
            (r#"{"OwnerX": "x"}"#, "$.OwnerX"),
            (r#"{"Container": {"Memory": {"SizeInMB": -1}}}"#, "$.Container.Memory.SizeInMB"),
            (r#"{"Container": {"Storage": {"Layers": {}}}}"#, "$.Container.Storage.Layers"),
            (
                r#"{"Container": {"RegistryChanges": {"AddValues": [{"Type": "Strange"}]}}}"#,
                "$.Container.RegistryChanges.AddValues[0].Type",
            ),
            (r#"{"Container": 5}"#, "$.Container"),
            (r#"[]"#, "$"),
            (r#"{"#, "$"),
        ];
        for (text, path) in cases {
            assert_eq!(parse("ComputeSystem", text).unwrap_err().path, path, "{text}");
        }
    }

    #[test]
    fn documents_that_are_right_pass() {
        let text = r#"{"Owner": "x", "SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {
            "GuestOs": {"HostName": "web"}, "Processor": {}, "Memory": null,
            "MappedDirectories": [{"HostPath": "C:\\a", "ContainerPath": "C:\\b", "ReadOnly": true}]}}"#;
        parse("ComputeSystem", text).unwrap();
        parse("hcn.HostComputeNetwork", r#"{"Flags": 9, "Type": "NAT", "Health": {"Extra": {}}}"#).unwrap();
    }

    #[test]
    fn guids() {
        assert!(is_guid("1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11"));
        assert!(is_guid("{1B0AE0D2-0A5F-4F0A-8A5C-9A9F0A4A2D11}"));
        assert!(!is_guid("1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d1"));
        assert!(!is_guid("1b0ae0d2+0a5f-4f0a-8a5c-9a9f0a4a2d11"));
    }
}
