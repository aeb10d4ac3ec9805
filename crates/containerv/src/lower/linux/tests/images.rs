//! Containers of images.

use containerv_spec::OsText;
use containerv_spec::plan::{Action, LinuxPlan};
use containerv_spec::request::{IdRange, Layers, Network, Overlay, Root, UserNamespace};

use super::{attached, places, request, root_machine, text, user_machine};
use crate::lower::linux::{Launch, lower, overlay_options};

fn image(count: usize) -> Root {
    let folder = |number: usize| OsText::from(format!("/data/images/layers/{number:064x}/fs"));
    Root::Layers(Layers { folders: (1..=count).rev().map(folder).collect(), ..Layers::default() })
}

fn plan(root: Root, change: impl FnOnce(&mut containerv_spec::Request)) -> LinuxPlan {
    let mut request = request(root);
    change(&mut request);
    lower(&request, &root_machine(), &places(), Launch::Prepared).unwrap()
}

#[test]
fn an_image_as_root() {
    insta::assert_snapshot!(text(
        &lower(&request(image(3)), &root_machine(), &places(), attached()).unwrap()
    ));
}

#[test]
fn an_image_read_only_as_an_ordinary_user_with_the_hosts_network() {
    let mut request = request(image(2));
    (request.read_only, request.network) = (true, Network::Host);
    let mut machine = user_machine();
    machine.system.resolver = Some("/run/systemd/resolve/stub-resolv.conf".into());
    insta::assert_snapshot!(text(&lower(&request, &machine, &places(), Launch::Prepared).unwrap()));
}

/// mount(2) takes a page of options.
#[test]
fn layers_whose_paths_are_too_long_together_have_short_names() {
    for (count, linked) in [(1, false), (30, false), (60, true), (128, true), (500, true)] {
        let plan = plan(image(count), |_| {});
        let links = plan.steps.iter().find_map(|step| match &step.action {
            Action::LinkLayers { targets, .. } => Some(targets.clone()),
            _ => None,
        });
        assert_eq!(links.is_some(), linked, "{count}");
        let (lower, base, options) = plan
            .steps
            .iter()
            .find_map(|step| match &step.action {
                Action::MountOverlay { lower, base, upper, work, .. } => {
                    Some((lower, base, overlay_options(lower, upper, work, true)))
                }
                _ => None,
            })
            .unwrap();
        assert!(options.len() < 4096, "{count}: {}", options.len());
        assert_eq!((lower.len(), base.is_some()), (count, linked));
        if linked {
            let last = OsText::from((count - 1).to_string());
            assert_eq!((&lower[0], lower.last()), (&"0".into(), Some(&last)));
        }
    }
}

#[test]
fn a_path_with_a_separator_is_linked() {
    let folders = vec!["/data/a,b/fs".into(), "/data/c:d/fs".into()];
    let plan = plan(Root::Layers(Layers { folders, ..Layers::default() }), |_| {});
    assert!(plan.steps.iter().any(|step| matches!(step.action, Action::LinkLayers { .. })));
}

#[test]
fn what_cannot_be_with_an_image_is_refused() {
    for (root, machine, change, expected) in [
        (image(0), root_machine(), None, "an image of 0 layers"),
        (image(501), root_machine(), None, "an image of 501 layers"),
        (image(2), root_machine(), Some(Overlay::None), "`--overlay none`"),
        (
            Root::Layers(Layers { folders: vec!["relative".into()], ..Layers::default() }),
            root_machine(),
            None,
            "`--layer relative`",
        ),
    ] {
        let mut request = request(root);
        request.overlay = change.unwrap_or_default();
        let error = lower(&request, &machine, &places(), attached()).unwrap_err();
        assert_eq!(error.all_problems().len(), 1, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn mapped(request: &mut containerv_spec::Request) {
    let range = |outside| vec![IdRange { inside: 0, outside, count: 65_536 }];
    request.namespaces.user = UserNamespace::Mapped { uids: range(100_000), gids: range(200_000) };
}

#[test]
fn an_image_below_a_container_with_mapped_ids() {
    insta::assert_snapshot!(text(&plan(image(2), mapped)));
}

#[test]
fn the_built_in_image_below_a_read_only_container_with_mapped_ids() {
    let plan = plan(Root::Host, |request| {
        mapped(request);
        (request.read_only, request.overlay) = (true, Overlay::Memory);
    });
    insta::assert_snapshot!(text(&plan));
}

#[test]
fn a_layer_with_the_containers_own_directories_in_it_cannot_be_shifted() {
    for (root, kept, expected) in [
        ("/state/containers/c", None, "lies in the layer `/state/containers/c`"),
        ("/state", None, "own directory, `/state/containers/c`, lies in the layer `/state`"),
        ("/srv", Some("/srv/changes"), "its overlay, `/srv/changes`, lies in the layer `/srv`"),
        ("/srv", Some("/srv"), "its overlay, `/srv`, lies in the layer `/srv`"),
    ] {
        let mut request = request(Root::Directory(root.into()));
        request.overlay = kept.map_or(Overlay::Container, |path| Overlay::Kept(path.into()));
        assert!(lower(&request, &root_machine(), &places(), attached()).is_ok(), "{root}");
        mapped(&mut request);
        let error = lower(&request, &root_machine(), &places(), attached()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut request = request(Root::Directory("/srv".into()));
    request.overlay = Overlay::Kept("/srv2".into());
    mapped(&mut request);
    assert!(lower(&request, &root_machine(), &places(), attached()).is_ok());
}
