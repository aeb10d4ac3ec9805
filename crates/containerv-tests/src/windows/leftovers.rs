//! Looks for everything that a container can leave behind.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Watched, services};

/// Returns a line for each thing that is left of these containers.
pub(crate) fn leftovers(directory: &Path, ids: &[String], (): &Watched) -> Vec<String> {
    let state = services::state();
    let of_container = |text: &&str| ids.iter().any(|id| text.contains(id.as_str()) || is_guid_of(text, id));
    let mut found = Vec::new();
    for (kind, list) in [
        ("compute system", &state["systems"]),
        ("endpoint", &state["networks"]["endpoints"]),
        ("namespace", &state["networks"]["namespaces"]),
    ] {
        let names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        found.extend(names.filter(of_container).map(|name| format!("{kind} {name}")));
    }
    let mark = directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_own = |layer: &&Value| layer["folder"].as_str().unwrap_or_default().to_lowercase().contains(&mark);
    let layers = state["layers"].as_array().into_iter().flatten().filter(is_own);
    found.extend(layers.map(|layer| format!("attached layer {layer}")));
    for name in [r"data\containers", r"data\names"] {
        let entries = fs::read_dir(directory.join("state").join(name)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| format!("file {}", entry.path().display())));
    }
    found
}

/// A container's namespace and endpoint have GUIDs that end as the halves of its identifier do.
fn is_guid_of(text: &str, id: &str) -> bool {
    let text = text.to_lowercase();
    [&id[20..32], &id[52..]].iter().any(|end| text.ends_with(&format!("-{end}")))
}
