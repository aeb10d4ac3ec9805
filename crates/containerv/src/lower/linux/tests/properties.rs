//! What holds for every request.

use containerv_spec::plan::{Action, Phase, Slot};
use containerv_spec::request::{IdRange, Lifetime, Network, Overlay, Request, Root, Share, UserNamespace};
use proptest::prelude::*;

use super::super::{Launch, lower};
use super::{places, request, root_machine, user_machine};

fn requests() -> impl Strategy<Value = Request> {
    let root =
        prop_oneof![Just(Root::Host), "/[a-z]{1,8}".prop_map(|path| Root::Directory(path.as_str().into()))];
    let overlay = prop_oneof![
        Just(Overlay::Default),
        Just(Overlay::None),
        Just(Overlay::Container),
        Just(Overlay::Memory),
        Just(Overlay::Kept("/kept".into())),
    ];
    let share = || prop_oneof![Just(Share::Private), Just(Share::Host)];
    let network = prop_oneof![Just(Network::None), Just(Network::Host)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (root, overlay, share(), share(), share(), network, flags).prop_map(
        |(
            root,
            overlay,
            pid,
            ipc,
            uts,
            network,
            (read_only, privileged, init, owner_bound, command, mapped),
        )| {
            let mut request = request(root);
            (request.overlay, request.network, request.read_only) = (overlay, network, read_only);
            (request.namespaces.pid, request.namespaces.ipc, request.namespaces.uts) = (pid, ipc, uts);
            (request.security.privileged, request.init) = (privileged, init);
            request.lifetime = if owner_bound { Lifetime::OwnerBound } else { Lifetime::Detached };
            if mapped {
                let range = vec![IdRange { inside: 0, outside: 100_000, count: 65_536 }];
                request.namespaces.user = UserNamespace::Mapped { uids: range.clone(), gids: range };
            }
            if !command {
                request.process = None;
            }
            request
        },
    )
}

fn slot_made(action: &Action) -> Option<Slot> {
    match action {
        Action::CloneTree { slot, .. } | Action::NewFileSystem { slot, .. } => Some(*slot),
        Action::MountOverlay { slot, .. } => *slot,
        Action::OpenHost { slot, .. } => Some(*slot),
        Action::OpenRoot { .. } => Some(Slot::ROOT),
        _ => None,
    }
}

fn slot_used(action: &Action) -> Option<Slot> {
    match action {
        Action::Attach { slot, .. } | Action::AttachOutside { slot, .. } | Action::MakeEntry { slot, .. } => {
            Some(*slot)
        }
        Action::ProtectMount { slot, .. } => Some(*slot),
        Action::ProtectRoot | Action::PivotRoot | Action::ChangeRoot => Some(Slot::ROOT),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_are_well_formed(request in requests(), root in any::<bool>(), detached in any::<bool>()) {
        let machine = if root { root_machine() } else { user_machine() };
        let launch = match (&request.process, detached) {
            (None, _) => Launch::Keeper,
            (Some(_), true) => Launch::Detached,
            (Some(_), false) => Launch::Attached { main_thread: true },
        };
        let Ok(plan) = lower(&request, &machine, &places(), launch) else { return Ok(()) };
        let mut made = Vec::new();
        // What is cloned before the process is made, the process has.
        for (_, action) in plan.phase(Phase::Outer).chain(plan.phase(Phase::Inside)) {
            if let Some(slot) = slot_used(action) {
                prop_assert!(made.contains(&slot), "{action} uses what is not there");
            }
            made.extend(slot_made(action));
        }
        let inside: Vec<&Action> = plan.phase(Phase::Inside).map(|step| step.1).collect();
        let count = |wanted: fn(&Action) -> bool| inside.iter().filter(|action| wanted(action)).count();
        prop_assert_eq!(count(|action| matches!(action, Action::Execute(_) | Action::Keep { .. })), 1);
        prop_assert!(matches!(inside.last(), Some(Action::Execute(_) | Action::Keep { .. })), "the last step stays");
        prop_assert_eq!(count(|action| matches!(action, Action::Await)), 1, "released once");
        prop_assert!(plan.phase(Phase::Beside).any(|step| *step.1 == Action::Release));
        // A descriptor of the host would be a way out for the first path that the container decides on.
        let position = |wanted: fn(&Action) -> bool| inside.iter().position(|action| wanted(action));
        let closed = position(|action| matches!(action, Action::CloseDescriptors { .. }));
        let looked = position(|action| matches!(action, Action::ResolveUser { .. }));
        prop_assert!(looked.is_none() || closed.is_some_and(|closed| Some(closed) < looked));
        // Nothing of the host can be reached by path once the root was pivoted to.
        let pivot = inside.iter().position(|action| matches!(action, Action::PivotRoot));
        let last_host = inside.iter().rposition(|action| {
            matches!(action, Action::CloneTree { .. } | Action::AttachOutside { .. } | Action::MountOverlay { .. })
        });
        prop_assert!(last_host < pivot || pivot.is_none());
    }
}
