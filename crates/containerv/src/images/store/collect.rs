//! Removal of what nobody uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use containerv_spec::image::{Digest, chain_id};

use super::lock::Lock;
use super::{Record, Store, durable, layers, names, parse_file_name, remove_file};
use crate::backend::system::System;
use crate::{Error, Result};

/// What may be removed.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// These objects alone, by digest and chain ID.
    These(BTreeSet<Digest>),
    /// Everything, also what downloads that were broken off have left.
    All,
}

/// What was, or would be, removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unused {
    /// Blobs and layers, by digest and chain ID.
    pub(crate) digests: Vec<Digest>,
    /// Bytes of blobs.
    pub(crate) blob_bytes: u64,
    /// Bytes of unpacked layers.
    pub(crate) layer_bytes: u64,
}

/// Bytes on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes {
    /// Of each blob, by its digest, and of each unpacked layer, by its chain ID; of a base layer that is not
    /// compressed they are the same, and this is the sum.
    pub(crate) objects: BTreeMap<Digest, u64>,
    /// Of downloads that were broken off.
    pub(crate) partial: u64,
}

impl Store {
    /// Everything that an image consists of: blobs by digest, layers by chain ID. What cannot be read, names
    /// nothing.
    pub(crate) fn parts(&self, record: &Record) -> BTreeSet<Digest> {
        let mut parts = BTreeSet::from([
            record.target.digest.clone(),
            record.manifest.digest.clone(),
            record.config.clone(),
        ]);
        if let Ok(manifest) = self.manifest(&record.manifest) {
            parts.extend(manifest.layers.iter().map(|layer| layer.digest.clone()));
        }
        parts.extend(self.chain(&record.config).unwrap_or_default());
        parts
    }

    /// The chain IDs of an image, the base first.
    fn chain(&self, config: &Digest) -> Result<Vec<Digest>> {
        Ok(chain_id(&self.config(config)?.rootfs.diff_ids))
    }

    /// Removes what no reference, no running process and no container uses. `folders` are asked for once
    /// nobody can begin to use something: the layers of containers, by their paths. With `without`, only tells
    /// what would be removed if no reference named one of these manifests.
    ///
    /// # Errors
    ///
    /// What could not be removed; then the rest may be left, too.
    pub(crate) fn collect(
        &self,
        system: &System,
        scope: &Scope,
        folders: impl FnOnce() -> Result<Vec<PathBuf>>,
        without: Option<&BTreeSet<Digest>>,
    ) -> Result<Unused> {
        let dry_run = without.is_some();
        if !self.root.is_dir() {
            return Ok(Unused::default());
        }
        // Two at once would remove the same trees.
        let _alone = Lock::exclusive(&self.root.join("locks").join("collection"))?;
        let hold = Lock::exclusive(&self.store_lock())?;
        let mut used = self.leased(dry_run)?;
        for record in self.records()? {
            if without.is_none_or(|manifests| !manifests.contains(&record.manifest.digest)) {
                used.extend(self.parts(&record));
            }
        }
        let removable = |digest: &Digest| match scope {
            Scope::These(these) => these.contains(digest) && !used.contains(digest),
            Scope::All => !used.contains(digest),
        };
        let mut unused = Unused::default();
        let mut idle = self.all_layers()?;
        idle.retain(|(chain, _)| removable(chain));
        if !idle.is_empty() {
            let folders = folders()?;
            idle.retain(|(_, path)| !folders.iter().any(|folder| folder.starts_with(path)));
        }
        for (digest, path, size) in self.all_blobs()?.into_iter().chain(self.all_partial()?) {
            if removable(&digest) {
                unused.blob_bytes += size;
                unused.digests.push(digest);
                if !dry_run {
                    remove_file(&path)?;
                    self.step();
                }
            }
        }
        let mut doomed = Vec::new();
        for (chain, path) in idle {
            unused.layer_bytes += self.layer(&chain).ok().flatten().map_or(0, |layer| layer.size);
            unused.digests.push(chain);
            doomed.push(path);
        }
        if dry_run {
            return Ok(unused);
        }
        // Trees take long; with another name nobody finds them, and others need not wait.
        let mut trash = Vec::new();
        for path in doomed {
            let staging = self.directory("staging")?;
            let aside = std::iter::repeat_with(|| durable::temporary(&staging)).find(|path| !path.exists());
            let Some(aside) = aside else { continue };
            fs::rename(&path, &aside)
                .map_err(|error| Error::io(error, format!("cannot remove the layer `{}`", path.display())))?;
            self.step();
            trash.push(aside);
        }
        if matches!(scope, Scope::All) {
            trash.extend(self.abandoned(&used)?);
        }
        drop(hold);
        for path in trash {
            layers::remove_tree(system, &path)?;
            self.step();
        }
        Ok(unused)
    }

    /// The size of everything.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        let mut sizes = Sizes::default();
        for (digest, _, size) in self.all_blobs()? {
            *sizes.objects.entry(digest).or_default() += size;
        }
        for (chain, _) in self.all_layers()? {
            let size = self.layer(&chain).ok().flatten().map_or(0, |layer| layer.size);
            *sizes.objects.entry(chain).or_default() += size;
        }
        sizes.partial = self.all_partial()?.iter().map(|(_, _, size)| size).sum();
        Ok(sizes)
    }

    /// The chain IDs of layers that folders are in.
    pub(crate) fn chains_of(&self, folders: &[PathBuf]) -> Result<Vec<Digest>> {
        let mut layers = self.all_layers()?;
        layers.retain(|(_, path)| folders.iter().any(|folder| folder.starts_with(path)));
        Ok(layers.into_iter().map(|(chain, _)| chain).collect())
    }

    /// Removes what killed processes have left half done, but for what was downloaded, which the next pull goes on
    /// with. Returns what was, or with `dry_run` would be, removed.
    pub(crate) fn repair(&self, system: &System, dry_run: bool) -> Result<Vec<String>> {
        if !self.root.is_dir() {
            return Ok(Vec::new());
        }
        let _alone = Lock::exclusive(&self.root.join("locks").join("collection"))?;
        let hold = Lock::exclusive(&self.store_lock())?;
        let used = self.leased(dry_run)?;
        let trees = if dry_run { self.unfinished(&used)? } else { self.abandoned(&used)? };
        drop(hold);
        let mut removed = Vec::new();
        for tree in trees {
            if !dry_run {
                layers::remove_tree(system, &tree)?;
            }
            let name = tree.file_name().unwrap_or_default().to_string_lossy();
            removed.push(name.trim_start_matches('.').chars().take(12).collect());
        }
        Ok(removed)
    }

    /// Trees of layers that nobody is at.
    fn unfinished(&self, used: &BTreeSet<Digest>) -> Result<Vec<PathBuf>> {
        let staging = self.root.join("staging");
        let busy = |name: &str| used.iter().any(|digest| digest.hex() == name);
        Ok(names(&staging)?.into_iter().filter(|name| !busy(name)).map(|name| staging.join(name)).collect())
    }

    /// Removes what was left half done, but for the trees of layers, which are returned. Nobody is at an object
    /// that is in no lease, and temporary files are written under a hold on the store.
    fn abandoned(&self, used: &BTreeSet<Digest>) -> Result<Vec<PathBuf>> {
        let trees = self.unfinished(used)?;
        let locks = self.root.join("locks");
        for name in names(&locks)? {
            let object = name.split_once('-').and_then(|(_, object)| parse_file_name(object));
            if object.is_some_and(|object| !used.contains(&object)) {
                remove_file(&locks.join(name))?;
            }
        }
        let mut directories = vec![self.root.join("references")];
        let blobs = self.root.join("blobs");
        directories.extend(names(&blobs)?.into_iter().map(|algorithm| blobs.join(algorithm)));
        for directory in directories {
            for name in names(&directory)?.into_iter().filter(|name| durable::is_temporary(name)) {
                remove_file(&directory.join(name))?;
            }
        }
        Ok(trees)
    }
}
