//! The other documents that are stored or printed.

use containerv_spec::cgroup::GroupSet;
use containerv_spec::machine::Machine;
use containerv_spec::request::{Mount, Network, Process};
use containerv_spec::seccomp::Profile;
use containerv_spec::state::{Exit, Status};
use containerv_spec::{ContainerId, Limits};

use crate::invariant::{document, written};

/// Each is read back as it was written. Limits that change others hold what the change says.
pub fn target(data: &[u8]) {
    document::<Exit>(data);
    document::<ContainerId>(data);
    document::<GroupSet>(data);
    document::<Machine>(data);
    document::<Mount>(data);
    document::<Network>(data);
    document::<Process>(data);
    document::<Profile>(data);
    if let Some(status) = document::<Status>(data) {
        assert_eq!(serde_json::to_value(status).ok(), Some(status.as_str().into()));
    }
    if let Some(limits) = document::<Limits>(data) {
        let changed = Limits::default().changed_by(&limits);
        written(&changed);
        assert_eq!(changed.is_empty(), limits.is_empty());
        assert_eq!(limits.changed_by(&Limits::default()), limits, "an empty change changes nothing");
        assert_eq!(changed.changed_by(&limits), changed, "a change made twice is one");
    }
}
