//! Removal never takes what somebody uses.

use std::time::Duration;

use containerv::spec::request::Process;
use containerv::{Container, ErrorKind, ImageOverrides, PruneOptions};
use containerv_tests::registry::{Fault, Rule};
use containerv_tests::{Bed, Caller, wait_until};

use super::{PROGRAM, check_large, data, images, large, pull, registry_with};

const PATIENCE: Duration = Duration::from_secs(60);

fn prune_all() -> PruneOptions {
    PruneOptions { all: true, ..PruneOptions::default() }
}

#[test]
fn a_container_keeps_its_layers() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(2, 1000));
    let image = pull(&bed, &name).unwrap();
    let mut request = bed.request();
    let asked = ImageOverrides { command: vec!["/1".into()], ..ImageOverrides::default() };
    image.complete(&mut request, Process::new(Vec::new()), &asked).unwrap();
    request.process = None;
    let folders = image.root().unwrap();
    drop(image);
    let container = Container::create(bed.host(), request).unwrap();
    let error = images(&bed).remove(&name, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.to_string().contains(container.id().short()), "{error}");
    let told = images(&bed).prune(&prune_all()).unwrap();
    assert_eq!(told.deleted, [], "a container uses it");
    images(&bed).remove(&name, true).unwrap();
    images(&bed).prune(&prune_all()).unwrap();
    let containerv::spec::request::Root::Layers(layers) = folders else { panic!() };
    for folder in &layers.folders {
        assert!(std::path::Path::new(folder.to_str().unwrap()).is_dir(), "{folder}");
    }
    assert_eq!(images(&bed).disk_usage().unwrap().images.len(), 0);
    container.kill().unwrap();
    container.wait().unwrap();
    container.start().unwrap();
    container.delete(true).unwrap();
    let freed = images(&bed).prune(&prune_all()).unwrap();
    assert_eq!((freed.deleted.len(), freed.bytes), (2, 2000));
    assert_eq!(images(&bed).disk_usage().unwrap().bytes, 0);
}

/// A container that runs and whose request is damaged may use any layer.
#[test]
fn a_container_that_cannot_be_read_keeps_all_layers() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(2, 1000));
    let image = pull(&bed, &name).unwrap();
    let mut request = bed.request();
    let asked = ImageOverrides { command: vec!["/1".into()], ..ImageOverrides::default() };
    image.complete(&mut request, Process::new(Vec::new()), &asked).unwrap();
    request.process = None;
    drop(image);
    let container = Container::create(bed.host(), request).unwrap();
    let file = data(&bed).join("containers").join(container.id().as_str()).join("config.json");
    let whole = std::fs::read(&file).unwrap();
    let refused = |error: containerv::Error| {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(container.id().short()), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("cv rm --force")), "{error:?}");
    };
    let kept = || containerv_tests::image::entries(&data(&bed).join("images/layers")).len();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(images(&bed).remove(&name, true).unwrap_err());
    refused(images(&bed).prune(&prune_all()).unwrap_err());
    refused(images(&bed).prune(&PruneOptions { dry_run: true, ..prune_all() }).unwrap_err());
    assert_eq!((images(&bed).list().unwrap().len(), kept()), (1, 2), "not even a name is gone");
    assert_eq!(images(&bed).disk_usage().unwrap().reclaimable, 0);
    // A name beside others takes nothing with it.
    images(&bed).tag(&name, "mine:2").unwrap();
    assert_eq!(images(&bed).remove("mine:2", false).unwrap().deleted, []);
    // The same without the file, as long as the container is not known to be nothing.
    std::fs::remove_file(&file).unwrap();
    images(&bed).prune(&prune_all()).unwrap_err();
    assert_eq!(kept(), 2);
    std::fs::write(&file, b"{").unwrap();
    let error = bed.host().delete(container.id().as_str(), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    bed.host().delete(container.id().as_str(), true).unwrap();
    assert_eq!(images(&bed).prune(&prune_all()).unwrap().untagged.len(), 1);
    assert_eq!(kept(), 0);
}

#[test]
fn names_go_one_by_one_and_the_image_with_the_last() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(1, 1000));
    let id = pull(&bed, &name).unwrap().id().to_string();
    images(&bed).tag(&name, "mine:2").unwrap();
    images(&bed).tag(&id, "mine:3").unwrap();
    assert_eq!(images(&bed).list().unwrap()[0].names.len(), 3);
    let removed = images(&bed).remove("mine:2", false).unwrap();
    assert_eq!((removed.untagged.len(), removed.deleted.len()), (1, 0));
    let error = images(&bed).remove(&id[7..19], false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    let removed = images(&bed).remove(&id[7..19], true).unwrap();
    assert_eq!((removed.untagged.len(), removed.deleted.len()), (2, 4));
    assert_eq!(images(&bed).get(&name).unwrap_err().kind(), ErrorKind::NotFound);
}

/// A pull holds what it has brought, though no name leads to it yet.
#[test]
fn a_running_pull_keeps_what_it_has() {
    let bed = Bed::new();
    let image = large(3, 100 << 10);
    let (registry, name) = registry_with(&image);
    // The last layer comes when the others are there.
    let last = containerv::spec::image::Digest::of(&image.blobs()[2]).to_string();
    let fault = Fault::Slow(4 << 10, Duration::from_millis(40));
    registry.misbehave(Rule { method: "GET", part: last, times: 1, fault });
    let caller = Caller::new(&bed, PROGRAM);
    let child = caller.command("pull").args(["--image", &name]).spawn().unwrap();
    let layers = || containerv_tests::image::entries(&data(&bed).join("images/layers")).len();
    assert!(wait_until(PATIENCE, || layers() == 2), "{}", layers());
    let mut rounds = 0;
    while layers() == 2 && rounds < 50 {
        images(&bed).prune(&prune_all()).unwrap();
        rounds += 1;
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(rounds > 0);
    check_large(&bed, &name, 3, 100 << 10);
}

#[test]
fn an_image_that_somebody_holds_stays() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(1, 1000));
    let image = pull(&bed, &name).unwrap();
    images(&bed).remove(&name, false).unwrap();
    images(&bed).prune(&prune_all()).unwrap();
    image.root().unwrap();
    drop(image);
    assert_eq!(images(&bed).prune(&prune_all()).unwrap().deleted.len(), 4);
}
