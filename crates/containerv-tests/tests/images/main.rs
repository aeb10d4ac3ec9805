//! Images between a registry and containers: pulled by many at once and by processes that are killed, run, removed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod containers;
mod fitting;
mod killed;
mod many;
mod removal;

use std::path::PathBuf;

use containerv::{Images, PullOptions};
use containerv_tests::Bed;
use containerv_tests::image::{Image, noise};
use containerv_tests::registry::Registry;

const PROGRAM: &str = env!("CARGO_BIN_EXE_crash-at");

/// A registry with an image `app:1`, and its name there.
fn registry_with(image: &Image) -> (Registry, String) {
    let registry = Registry::start();
    image.put(&registry, "team/app", Some("1"));
    let name = format!("{}/team/app:1", registry.name());
    (registry, name)
}

/// An image of layers of this many bytes each, which cannot be compressed; files `1`, `2`, ….
fn large(layers: u64, bytes: usize) -> Image {
    (1..=layers).fold(Image::default(), |image, number| {
        image.layer(&[(number.to_string().as_str(), &noise(number, bytes))])
    })
}

fn images(bed: &Bed) -> Images {
    bed.host().images()
}

/// Looks that an image of [`large`] is there, whole.
fn check_large(bed: &Bed, name: &str, layers: u64, bytes: usize) {
    let image = images(bed).get(name).unwrap();
    let containerv::spec::request::Root::Layers(root) = image.root().unwrap() else { panic!() };
    assert_eq!(root.folders.len() as u64, layers);
    for (number, folder) in (1..=layers).rev().zip(&root.folders) {
        let file = PathBuf::from(folder.to_str().unwrap()).join(number.to_string());
        assert!(std::fs::read(&file).unwrap() == noise(number, bytes), "{}", file.display());
    }
}

fn pull(bed: &Bed, name: &str) -> containerv::Result<containerv::Image> {
    images(bed).pull(name, &PullOptions::default())
}

fn data(bed: &Bed) -> PathBuf {
    bed.state().join("data")
}
