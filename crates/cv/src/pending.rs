//! What the library will offer and does not yet: each call says so.

#![allow(missing_docs, reason = "goes away with the library's own")]

use containerv::Host;

#[derive(serde::Serialize)]
pub struct Feature {
    pub backend: String,
    pub name: String,
    pub available: bool,
    pub reason: String,
    pub label: String,
}
#[derive(serde::Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    Warning,
    Failed,
}
#[derive(serde::Serialize)]
pub struct Check {
    pub name: String,
    pub status: CheckStatus,
    pub found: String,
    pub cause: String,
    pub fix: String,
}
pub trait PendingHost {
    fn features(&self) -> Vec<Feature>;
    fn diagnose(&self) -> Vec<Check>;
}
impl PendingHost for Host {
    fn features(&self) -> Vec<Feature> {
        Vec::new()
    }
    fn diagnose(&self) -> Vec<Check> {
        Vec::new()
    }
}
