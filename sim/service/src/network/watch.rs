//! What those who watch are told: networks, namespaces and endpoints that come and go.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use crate::answer::{Answer, Success};
use crate::calls::Context;
use crate::server::{Client, Service};

/// Windows' numbers; the last is no slip of ours.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    NetworkPreCreate = 1,
    NetworkCreate = 2,
    NetworkPreDelete = 3,
    NetworkDelete = 4,
    NamespaceCreate = 5,
    NamespaceDelete = 6,
    EndpointAttached = 9,
    EndpointDetached = 0x10,
}

#[derive(Default)]
pub struct Watch {
    /// By client and its handle.
    watchers: HashMap<(u64, u64), Arc<Client>>,
    /// What nobody was told of yet.
    pending: Vec<(Event, String)>,
}

impl Watch {
    pub fn happened(&mut self, event: Event, id: &str) {
        self.pending.push((event, id.to_owned()));
    }
}

pub fn register(context: &Context<'_>) -> Answer {
    let key = (context.client.number, context.number("handle"));
    context.service.world().networks.watch.watchers.insert(key, Arc::clone(context.client));
    Ok(Success::default())
}

pub fn unregister(context: &Context<'_>) -> Answer {
    let key = (context.client.number, context.number("handle"));
    context.service.world().networks.watch.watchers.remove(&key);
    Ok(Success::default())
}

/// A client is gone.
pub fn forget(service: &Service, client: u64) {
    service.world().networks.watch.watchers.retain(|(number, _), _| *number != client);
}

/// Tells of what has happened, and opens and closes ports after it.
pub fn settle(service: &Service) {
    let mut world = service.world();
    let watch = &mut world.networks.watch;
    for (event, id) in std::mem::take(&mut watch.pending) {
        for ((_, handle), client) in &watch.watchers {
            service.event(client, *handle, "", &format!("{event:?}"), event as u32, &json!({"ID": id}));
        }
    }
    super::ports::follow(&mut world.networks);
}
