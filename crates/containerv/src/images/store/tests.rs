//! The store by itself: locks, leases, blobs, references, removal.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use containerv_spec::image::{Descriptor, Digest, Manifest, Platform, Reference};
use serde_json::json;

use super::{Fault, LayerRecord, Record, Scope, Store, Taken, Unused};
use crate::backend::system::System;
use crate::{ErrorKind, Result};

/// A store of a test's own.
struct Bed {
    path: PathBuf,
    store: Store,
    system: System,
}

impl Bed {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("containerv-store-{}-{number}", std::process::id()));
        let store = Store::new(path.join("images"), Fault::default());
        let system = System::new(path.join("run"), path.clone(), None);
        Self { path, store, system }
    }

    fn collect(&self, scope: &Scope, folders: Vec<PathBuf>) -> Unused {
        self.store.collect(&self.system, scope, || Ok(folders), None).unwrap()
    }

    fn put_blob(&self, bytes: &[u8]) -> Descriptor {
        let blob = Descriptor::of("application/octet-stream", bytes);
        if let Taken::Ours(mut partial) = self.store.take(&blob).unwrap() {
            partial.digest_held().unwrap();
            partial.write(bytes).unwrap();
            partial.finish().unwrap();
        }
        blob
    }

    fn put_layer(&self, chain: &Digest, diff_id: &Digest) {
        if let Some(staging) = self.store.stage(&self.system, chain).unwrap() {
            fs::write(staging.tree().join("file"), "content").unwrap();
            staging.finish(&LayerRecord { diff_id: diff_id.clone(), parent: None, size: 7 }).unwrap();
        }
    }

    /// An image of one layer with its name.
    fn put_image(&self, name: &str, content: &str) -> Record {
        let layer = self.put_blob(content.as_bytes());
        let diff_id = layer.digest.clone();
        self.put_layer(&diff_id, &diff_id);
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        let config = serde_json::to_vec(&config).unwrap();
        let config_blob = Descriptor::of("application/vnd.oci.image.config.v1+json", &config);
        self.store.put_document(&config_blob.digest, &config).unwrap();
        let manifest = serde_json::to_vec(&Manifest::new(config_blob.clone(), vec![layer])).unwrap();
        let descriptor = Descriptor::of("application/vnd.oci.image.manifest.v1+json", &manifest);
        self.store.put_document(&descriptor.digest, &manifest).unwrap();
        let record = Record {
            reference: reference(name),
            target: descriptor.clone(),
            manifest: descriptor,
            config: config_blob.digest,
            platform: Platform::new("linux", "amd64"),
            stored_unix_ns: 1,
        };
        self.store.put_record(&record).unwrap();
        record
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn reference(name: &str) -> Reference {
    name.parse().unwrap()
}

#[test]
fn a_blob_has_its_name_once_it_is_whole_and_verified() {
    let bed = Bed::new();
    let bytes = vec![7; 1000];
    let blob = Descriptor::of("application/octet-stream", &bytes);
    let ours = |store: &Store| match store.take(&blob).unwrap() {
        Taken::Ours(partial) => partial,
        Taken::There(path) => panic!("{}", path.display()),
    };
    let mut partial = ours(&bed.store);
    assert_eq!(partial.digest_held().unwrap(), 0);
    partial.write(&bytes[..400]).unwrap();
    assert_eq!(partial.finish().unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(bed.store.blob(&blob.digest).is_none());
    // The next goes on there.
    let mut partial = ours(&bed.store);
    assert_eq!(partial.digest_held().unwrap(), 400);
    partial.write(&bytes[400..]).unwrap();
    let path = partial.finish().unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    assert!(matches!(bed.store.take(&blob).unwrap(), Taken::There(_)));
}

#[test]
fn wrong_and_surplus_bytes_are_not_kept() {
    let bed = Bed::new();
    let blob = Descriptor::of("application/octet-stream", b"right");
    for wrong in [b"wrong".as_slice(), b"right and more"] {
        let Taken::Ours(mut partial) = bed.store.take(&blob).unwrap() else { panic!() };
        assert_eq!(partial.digest_held().unwrap(), 0);
        let path = partial.path().to_owned();
        let error = partial.write(wrong).and_then(|()| partial.finish().map(drop)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(fs::metadata(path).map_or(0, |metadata| metadata.len()), 0);
        assert!(bed.store.blob(&blob.digest).is_none());
    }
}

#[test]
fn who_comes_second_waits_and_finds_it() {
    let bed = Bed::new();
    let blob = Descriptor::of("application/octet-stream", b"once");
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                if let Taken::Ours(mut partial) = bed.store.take(&blob).unwrap() {
                    partial.write(b"once").unwrap();
                    partial.finish().unwrap();
                    made.fetch_add(1, Ordering::SeqCst);
                }
                if let Some(staging) = bed.store.stage(&bed.system, &blob.digest).unwrap() {
                    let record = LayerRecord { diff_id: blob.digest.clone(), parent: None, size: 0 };
                    staging.finish(&record).unwrap();
                    made.fetch_add(100, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 101);
}

#[test]
fn a_document_that_changed_on_the_disk_is_not_read() {
    let bed = Bed::new();
    let record = bed.put_image("app", "layer");
    fs::write(bed.store.blob(&record.config).unwrap(), "{}").unwrap();
    let error = bed.store.config(&record.config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn a_tag_that_moves_leaves_its_image_a_name_by_digest() {
    let bed = Bed::new();
    let old = bed.put_image("app:1", "old");
    let new = bed.put_image("app:1", "new");
    let names: Vec<String> =
        bed.store.records().unwrap().iter().map(|record| record.reference.familiar()).collect();
    assert_eq!(names, ["app:1".to_owned(), format!("app@{}", old.manifest.digest)]);
    assert_eq!(bed.store.record(&reference("app:1")).unwrap(), Some(new.clone()));
    // One that has another name needs none.
    bed.store.put_record(&Record { reference: reference("app:2"), ..new }).unwrap();
    bed.put_image("app:1", "newer");
    assert_eq!(bed.store.records().unwrap().len(), 3);
}

#[test]
fn what_somebody_uses_is_kept() {
    let bed = Bed::new();
    let shared = bed.put_image("a", "shared");
    bed.store.put_record(&Record { reference: reference("b"), ..shared.clone() }).unwrap();
    let parts = |record: &Record| Scope::These(bed.store.parts(record));
    // Another reference.
    let scope = parts(&shared);
    bed.store.remove_record(&reference("a")).unwrap();
    assert_eq!(bed.collect(&scope, vec![]), Unused::default());
    // A process that runs.
    bed.store.remove_record(&reference("b")).unwrap();
    let lease = bed.store.lease().unwrap();
    lease.add_image(&bed.store, &shared).unwrap();
    assert_eq!(bed.collect(&scope, vec![]), Unused::default());
    assert_eq!(bed.collect(&Scope::All, vec![]), Unused::default());
    drop(lease);
    // A container keeps its layer alone.
    let tree = bed.store.layer_tree(&shared.manifest_layers(&bed.store)[0]);
    let unused = bed.collect(&scope, vec![tree.clone()]);
    assert_eq!((unused.digests.len(), unused.layer_bytes, tree.is_dir()), (3, 0, true));
    let unused = bed.collect(&Scope::All, vec![]);
    assert_eq!((unused.digests.len(), unused.layer_bytes, tree.is_dir()), (1, 7, false));
    assert_eq!(remains(&bed), BTreeSet::new());
}

impl Record {
    fn manifest_layers(&self, store: &Store) -> Vec<Digest> {
        store.config(&self.config).unwrap().rootfs.diff_ids
    }
}

/// Files that are left, but for the locks that everybody has.
fn remains(bed: &Bed) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut pending = vec![bed.store.root().to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => pending.push(path),
                path => drop(found.insert(path)),
            }
        }
    }
    let standing = ["lock", "locks/references", "locks/collection"].map(|name| bed.store.root().join(name));
    found.retain(|path| !standing.contains(path));
    found
}

#[test]
fn removal_leaves_what_was_not_asked_for_and_prune_takes_what_crashes_left() {
    let bed = Bed::new();
    let image = bed.put_image("app", "layer");
    // A download that was broken off, and a layer that was never finished.
    let blob = Descriptor::of("application/octet-stream", b"whole");
    let Taken::Ours(mut partial) = bed.store.take(&blob).unwrap() else { panic!() };
    partial.write(b"who").unwrap();
    drop(partial);
    let staging = bed.store.stage(&bed.system, &blob.digest).unwrap().unwrap();
    drop(staging);
    fs::write(bed.store.root().join("references/.123-4"), "half").unwrap();
    let scope = Scope::These(bed.store.parts(&image));
    bed.store.remove_record(&image.reference).unwrap();
    bed.collect(&scope, vec![]);
    let Taken::Ours(partial) = bed.store.take(&blob).unwrap() else { panic!() };
    assert_eq!(partial.length().unwrap(), 3, "what another pull has begun is not part of the image");
    drop(partial);
    let told = bed.store.collect(&bed.system, &Scope::All, || Ok(vec![]), Some(&BTreeSet::new())).unwrap();
    assert_eq!((told.digests.len(), told.blob_bytes), (1, 3));
    assert_eq!(bed.store.records().unwrap(), []);
    bed.collect(&Scope::All, vec![]);
    assert_eq!(remains(&bed), BTreeSet::new());
}

#[test]
fn a_dry_run_tells_what_images_would_free() -> Result<()> {
    let bed = Bed::new();
    let image = bed.put_image("app", "layer");
    let without = BTreeSet::from([image.manifest.digest.clone()]);
    let told = bed.store.collect(&bed.system, &Scope::All, || Ok(vec![]), Some(&without))?;
    assert_eq!(told.digests.len(), 4);
    assert!(bed.store.config(&image.config).is_ok());
    bed.store.remove_record(&image.reference)?;
    assert_eq!(bed.collect(&Scope::All, vec![]), told);
    Ok(())
}

#[test]
fn leases_of_the_dead_do_not_count() {
    let bed = Bed::new();
    let image = bed.put_image("app", "layer");
    bed.store.remove_record(&image.reference).unwrap();
    let leases = bed.store.root().join("leases");
    fs::create_dir_all(&leases).unwrap();
    fs::write(leases.join(".99999-0"), format!("{}\n", image.config)).unwrap();
    assert_eq!(bed.collect(&Scope::All, vec![]).digests.len(), 4);
    assert_eq!(remains(&bed), BTreeSet::new());
}
