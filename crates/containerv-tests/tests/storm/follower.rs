//! Somebody who follows the events of everything that happens.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;
use std::time::Duration;

use containerv::{Event, Host};
use containerv_tests::Bed;

use crate::own::THREAD;

const PATIENCE: Duration = Duration::from_secs(60);

/// Marks the container whose end is the last event that is followed.
const LAST: &str = "last";

/// A thread that reads events and checks that each container's are those of a life.
pub(crate) struct Follower(Receiver<Seen>);

/// What a follower has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Containers from `create` to `destroy`.
    pub(crate) lives: usize,
    /// How often each thing has happened.
    actions: BTreeMap<String, usize>,
}

impl Follower {
    /// Begins with the events that come from now on.
    pub(crate) fn begin(host: &Host) -> Self {
        let events = host.events(None, true).unwrap();
        let (sender, receiver) = channel();
        let follow = move || {
            let mut seen = Seen::default();
            let mut living = BTreeMap::new();
            for event in events {
                let event = event.unwrap();
                let last = event.attributes.contains_key(LAST) && event.action == "destroy";
                seen.take(&mut living, event);
                if last {
                    break;
                }
            }
            assert!(living.is_empty(), "without an end: {living:?}");
            sender.send(seen).unwrap();
        };
        Builder::new().name(format!("{THREAD}-events")).spawn(follow).unwrap();
        Self(receiver)
    }

    /// Makes and removes a last container, and returns what was seen until then.
    pub(crate) fn end(self, bed: &Bed) -> Seen {
        let last = bed.keeper(|request| _ = request.labels.insert(LAST.into(), String::new()));
        last.delete(true).unwrap();
        self.0.recv_timeout(PATIENCE).expect("the follower sees the last event, and has failed at none")
    }
}

impl Seen {
    /// Takes an event of one of the `living`, each with what has happened to it so far.
    fn take(&mut self, living: &mut BTreeMap<String, Vec<String>>, event: Event) {
        let id = event.id.as_str().to_owned();
        *self.actions.entry(event.action.clone()).or_default() += 1;
        if event.action == "create" {
            assert!(living.insert(id, vec![event.action]).is_none(), "made twice");
            return;
        }
        let life = living.get_mut(&id).unwrap_or_else(|| panic!("{event:?} before it was made"));
        life.push(event.action);
        if life.last().is_some_and(|action| action == "destroy") {
            let count = |wanted: &str| life.iter().filter(|action| *action == wanted).count();
            assert!(count("start") >= 1 && count("start") == count("die"), "{id}: {life:?}");
            self.lives += 1;
            living.remove(&id);
        }
    }
}
