//! What exists in the services: the stand-ins', or on a real Windows its own.

use std::time::Duration;

use containerv_sys::windows::hcs::Hcs;
use containerv_sys::windows::library::Libraries;
use containerv_sys::windows::network::{Hcn, Kind};
use serde_json::{Value, json};

use super::{StandIns, real_layers};

/// Returns identifiers of compute systems, endpoints and namespaces, and layers that are attached; the
/// last only the stand-ins tell.
pub(super) fn state() -> Value {
    if real_layers().is_none() {
        return StandIns::connect().state();
    }
    let libraries = Libraries::system32();
    let (hcs, hcn) = (Hcs::load(&libraries), Hcn::load(&libraries));
    let listed = hcs.enumerate_systems(hcs.operation().unwrap(), None).unwrap();
    let listed = listed.finish(Some(Duration::from_secs(60))).unwrap().unwrap_or_default();
    let systems: Vec<Value> = serde_json::from_str(&listed).unwrap_or_default();
    let systems: Vec<&Value> = systems.iter().map(|system| &system["Id"]).collect();
    let of = |kind| -> Value { serde_json::from_str(&hcn.enumerate(kind, "").unwrap()).unwrap() };
    let networks = json!({"endpoints": of(Kind::Endpoint), "namespaces": of(Kind::Namespace)});
    json!({"systems": systems, "networks": networks})
}
