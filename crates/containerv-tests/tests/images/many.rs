//! Many at once: each byte comes once.

use std::collections::BTreeMap;
use std::time::Duration;

use containerv::{PullEvent, PullOptions};
use containerv_tests::image::{Image, noise};
use containerv_tests::registry::{Fault, Registry, Rule};
use containerv_tests::{Bed, Caller};

use super::{PROGRAM, check_large, images, large, pull, registry_with};

const LAYERS: u64 = 4;
const BYTES: usize = 300 << 10;

/// How often each blob was sent.
fn sent(registry: &Registry) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for line in registry.asked("GET", "/blobs/") {
        *sent.entry(line.target).or_default() += 1;
    }
    sent
}

/// Slow enough that all are there before the first has its blob.
fn slow(registry: &Registry) {
    let fault = Fault::Slow(32 << 10, Duration::from_millis(20));
    registry.misbehave(Rule { method: "GET", part: "/blobs/".to_owned(), times: u32::MAX, fault });
}

#[test]
fn processes_that_pull_the_same_image_download_it_once() {
    let bed = Bed::new();
    let image = large(LAYERS, BYTES);
    let (registry, name) = registry_with(&image);
    slow(&registry);
    let caller = Caller::new(&bed, PROGRAM);
    let children: Vec<_> =
        (0..4).map(|_| caller.command("pull").args(["--image", &name]).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    check_large(&bed, &name, LAYERS, BYTES);
    // Each reads the configuration itself; layers come once.
    let layers = image.blobs().iter().map(|blob| containerv::spec::image::Digest::of(blob).to_string());
    let sent = sent(&registry);
    for layer in layers {
        let times: usize =
            sent.iter().filter(|(target, _)| target.ends_with(&layer)).map(|(_, times)| times).sum();
        assert_eq!(times, 1, "{layer}: {sent:?}");
    }
    // Nothing comes by one more.
    let before = registry.log().len();
    pull(&bed, &name).unwrap();
    let layers: Vec<_> = image.blobs().iter().map(|blob| containerv::spec::image::Digest::of(blob)).collect();
    let again = registry.log().split_off(before);
    assert!(
        again.iter().all(|line| layers.iter().all(|layer| !line.target.contains(layer.hex()))),
        "{again:?}"
    );
}

#[test]
fn threads_that_pull_images_with_layers_in_common_bring_these_once() {
    let bed = Bed::new();
    let registry = Registry::start();
    let base = large(2, BYTES);
    let mut names = Vec::new();
    for number in 0..6u64 {
        let repository = format!("team/app{}", number % 3);
        base.clone().layer(&[("own", &noise(100 + number % 3, 1000))]).put(&registry, &repository, Some("1"));
        names.push(format!("{}/{repository}:1", registry.name()));
    }
    slow(&registry);
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| pull(&bed, name).unwrap());
        }
    });
    assert_eq!(images(&bed).list().unwrap().len(), 3);
    for blob in base.blobs() {
        let digest = containerv::spec::image::Digest::of(blob).to_string();
        assert_eq!(registry.asked("GET", &digest).len(), 1, "{digest}");
    }
}

/// The same blob twice in one image, as empty layers are.
#[test]
fn a_layer_that_an_image_has_twice_comes_once() {
    let bed = Bed::new();
    let image = Image::default().layer(&[("a", b"a")]).layer(&[("b", b"b")]).layer(&[("a", b"a")]);
    let (registry, name) = registry_with(&image);
    let pulled = pull(&bed, &name).unwrap();
    assert_eq!(pulled.layers().unwrap().len(), 3);
    let digest = containerv::spec::image::Digest::of(&image.blobs()[0]).to_string();
    assert_eq!(registry.asked("GET", &digest).len(), 1);
}

#[test]
fn what_happens_is_told_in_order() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(2, BYTES));
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = told.clone();
    let options = PullOptions {
        progress: Some(std::sync::Arc::new(move |event: &PullEvent| {
            listener.lock().unwrap().push(event.clone())
        })),
        ..PullOptions::default()
    };
    images(&bed).pull(&name, &options).unwrap();
    let told = told.lock().unwrap();
    let Some(PullEvent::Resolved { layers, .. }) = told.first() else { panic!("{told:?}") };
    for layer in layers {
        let about = |event: &&PullEvent| match event {
            PullEvent::Waiting { layer: of }
            | PullEvent::Downloading { layer: of, .. }
            | PullEvent::Verifying { layer: of }
            | PullEvent::Done { layer: of } => *of == layer.digest,
            _ => false,
        };
        let all: Vec<&PullEvent> = told.iter().filter(about).collect();
        assert!(matches!(all.first(), Some(PullEvent::Waiting { .. })), "{all:?}");
        let whole = |event: &&&PullEvent| matches!(event, PullEvent::Downloading { done, total, .. } if done == total && *total == layer.size);
        assert_eq!(all.iter().filter(whole).count(), 1, "{all:?}");
        assert!(matches!(all.last(), Some(PullEvent::Done { .. })), "{all:?}");
    }
    assert!(matches!(told.last(), Some(PullEvent::Stored { .. })), "{told:?}");
    // A second pull finds all of it.
    drop(told);
    assert!(images(&bed).pull(&name, &options).is_ok());
}
