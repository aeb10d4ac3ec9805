//! Unpacked layers, by chain ID.

use std::fs;
use std::path::{Path, PathBuf};

use containerv_spec::image::Digest;
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::{Store, durable, names, read_document};
use crate::backend::system::System;
use crate::{Error, ErrorKind, Result};

/// What is known of an unpacked layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// Digest of the layer's archive, not compressed.
    pub(crate) diff_id: Digest,
    /// Chain ID of the layer below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Digest>,
    /// Bytes of the files in it.
    pub(crate) size: u64,
}

/// A layer that the caller alone is unpacking.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    tree: PathBuf,
    target: PathBuf,
    fault: super::Fault,
    _lock: Lock,
}

impl Store {
    fn layer_path(&self, chain: &Digest) -> PathBuf {
        self.root.join("layers").join(chain.hex())
    }

    /// The tree of an unpacked layer, whether it is there or not.
    pub(crate) fn layer_tree(&self, chain: &Digest) -> PathBuf {
        self.layer_path(chain).join(tree_name(chain))
    }

    /// What is known of a layer, if it is there.
    pub(crate) fn layer(&self, chain: &Digest) -> Result<Option<LayerRecord>> {
        let path = self.layer_path(chain).join("layer.json");
        let Some(bytes) = read_document(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("`{}` is damaged", path.display()))
                .with_source(error)
                .with_hint("remove its directory and pull the image again")
        })
    }

    /// Says whether a layer is there.
    pub(crate) fn has_layer(&self, chain: &Digest) -> bool {
        self.layer_path(chain).is_dir()
    }

    /// Takes it upon the caller to unpack a layer; `None` if it is there. If somebody else is at it, waits.
    pub(crate) fn stage(&self, system: &System, chain: &Digest) -> Result<Option<Staging>> {
        let target = self.layer_path(chain);
        if target.is_dir() {
            return Ok(None);
        }
        let lock = Lock::exclusive(&self.object_lock("layer", chain))?;
        if target.is_dir() {
            return Ok(None);
        }
        self.directory("layers")?;
        let path = self.directory("staging")?.join(chain.hex());
        // Of somebody who was killed.
        remove_tree(system, &path)?;
        let tree = path.join(tree_name(chain));
        fs::create_dir_all(&tree)
            .map_err(|error| Error::io(error, format!("cannot make `{}`", path.display())))?;
        self.step();
        Ok(Some(Staging { path, tree, target, fault: self.fault.clone(), _lock: lock }))
    }

    /// Every layer with its directory.
    pub(super) fn all_layers(&self) -> Result<Vec<(Digest, PathBuf)>> {
        let directory = self.root.join("layers");
        let layers = names(&directory)?.into_iter().filter_map(|name| {
            let path = directory.join(&name);
            // That of a base layer is its diff ID, which may be of the other algorithm.
            let algorithm = if name.len() == 64 { "sha256" } else { "sha512" };
            Some((format!("{algorithm}:{name}").parse().ok()?, path))
        });
        Ok(layers.collect())
    }
}

impl Staging {
    /// Where to unpack.
    pub(crate) fn tree(&self) -> PathBuf {
        self.tree.clone()
    }

    /// Gives the layer its name once everything of it is on the disk.
    pub(crate) fn finish(self, record: &LayerRecord) -> Result<()> {
        let failed = |error| Error::io(error, format!("cannot finish the layer `{}`", self.target.display()));
        let json = serde_json::to_vec(record).unwrap_or_default();
        fs::write(self.path.join("layer.json"), json).map_err(failed)?;
        self.fault.step();
        durable::sync_tree(&self.path).map_err(failed)?;
        self.fault.step();
        fs::rename(&self.path, &self.target).map_err(failed)?;
        durable::sync_directory(self.target.parent().unwrap_or(&self.target)).map_err(failed)?;
        self.fault.step();
        Ok(())
    }

    /// Removes what was unpacked.
    pub(crate) fn discard(self, system: &System) -> Result<()> {
        remove_tree(system, &self.path)
    }
}

/// What the tree of a layer is called. Windows knows layers by the last component of their folders' paths.
fn tree_name(chain: &Digest) -> &str {
    if cfg!(windows) { &chain.hex()[..32] } else { "fs" }
}

/// Removes a tree that may be gone, and whatever ids own it.
pub(super) fn remove_tree(system: &System, path: &Path) -> Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    system
        .remove_layer(path)
        .map_err(|error| error.context(format!("cannot remove the layer `{}`", path.display())))
}
