//! The client of registries, against a registry of ours that misbehaves on demand, and Debian's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod documents;
mod downloads;
mod mirrors;
#[cfg(target_os = "linux")]
mod podman;
mod real;
mod tls;
mod uploads;

use std::io::{self, Read};
use std::time::Duration;

use containerv::images::registry::{Client, CredentialFiles, Patience, Settings};
use containerv::spec::image::document::media_type;
use containerv::spec::image::{Descriptor, Manifest, Reference};
use containerv_tests::registry::{Fault, Registry, Rule};

/// Settings of nobody's, with short times.
fn settings() -> Settings {
    let patience = Patience {
        no_progress: Duration::from_secs(2),
        first_delay: Duration::from_millis(5),
        longest_delay: Duration::from_secs(3),
        attempts: 4,
        ..Patience::default()
    };
    Settings { patience, ..Settings::default() }
}

fn client() -> Client {
    Client::new(settings())
}

fn reference(registry: &Registry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.name()).parse().unwrap()
}

/// Bytes that are not all alike.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// An image of one layer, by a tag.
fn put_image(registry: &Registry, repository: &str, tag: &str) -> Descriptor {
    let (config, layer) = (b"{}".to_vec(), content(1000));
    registry.put_blob(repository, &config);
    registry.put_blob(repository, &layer);
    let manifest = Manifest::new(
        Descriptor::of(media_type::OCI_CONFIG, &config),
        vec![Descriptor::of(media_type::OCI_LAYER, &layer)],
    );
    let bytes = serde_json::to_vec(&manifest).unwrap();
    registry.put_manifest(repository, Some(tag), media_type::OCI_MANIFEST, &bytes)
}

fn layer(bytes: &[u8]) -> Descriptor {
    Descriptor::of(media_type::OCI_LAYER, bytes)
}

/// Downloads content from an offset on.
fn download(
    client: &Client,
    reference: &Reference,
    descriptor: &Descriptor,
    offset: u64,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    client.blob(reference, descriptor, offset).map_err(io::Error::other)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The library's failure in one of reading.
fn inner(error: io::Error) -> containerv::Error {
    error.downcast().expect("a failure of the library")
}

fn rule(method: &'static str, part: &str, times: u32, fault: Fault) -> Rule {
    Rule { method, part: part.to_owned(), times, fault }
}

/// A directory of one test, removed at its end.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("containerv-registry-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Credentials that are kept here.
    fn credentials(&self) -> CredentialFiles {
        let file = self.0.join("config.json");
        CredentialFiles { read: vec![file.clone()], write: Some(file), programs: vec![self.0.clone()] }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
