//! What the library will offer and does not yet: each call says so.

#![allow(missing_docs, reason = "goes away with the library's own")]

use std::collections::BTreeMap;
use std::time::SystemTime;

use containerv::{Container, Error, ErrorKind, Host, Result};
use containerv_spec::ContainerId;

fn pending<T>(what: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, format!("{what} is not offered yet")))
}

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
pub struct Event {
    pub time_unix_ns: u64,
    pub id: ContainerId,
    pub name: String,
    pub action: String,
    pub attributes: BTreeMap<String, String>,
}

pub trait PendingHost {
    fn features(&self) -> Vec<Feature>;
    fn diagnose(&self) -> Vec<Check>;
    fn events(&self, since: Option<SystemTime>, follow: bool) -> Result<std::vec::IntoIter<Result<Event>>>;
}
impl PendingHost for Host {
    fn features(&self) -> Vec<Feature> {
        Vec::new()
    }
    fn diagnose(&self) -> Vec<Check> {
        Vec::new()
    }
    fn events(&self, _: Option<SystemTime>, _: bool) -> Result<std::vec::IntoIter<Result<Event>>> {
        pending("`events`")
    }
}

pub trait PendingContainer {
    fn disk_usage(&self) -> Result<u64>;
}
impl PendingContainer for Container {
    fn disk_usage(&self) -> Result<u64> {
        pending("the size of a container")
    }
}
