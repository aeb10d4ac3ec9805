//! Images of Windows that are compared, changed and put on another base, on any system.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest, chain_id};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::layers::Parents;
use super::store::{LayerRecord, Lease, Record, Store, Taken};
use super::unpacking::{Job, Unpacking};
use super::windows::{
    ConfigEdit, Difference, Differing, Hashing, ImageParts, LayerChange, LayerSummary, Unpacked, View,
    compose, differences, note, rebase, summary,
};
use super::{Image, Images, now_unix_ns, parse_reference};
use crate::{Error, ErrorKind, Result};

const BUFFER: usize = 256 << 10;

/// What becomes of an image.
#[derive(Clone, Debug, Default)]
pub struct ImageEdit {
    /// How it wants to be run.
    pub config: ConfigEdit,
    /// What a new layer on top of the others changes; with none, there is no new layer.
    pub changes: Vec<LayerChange>,
    /// What the history says of it.
    pub comment: String,
    /// The time that everything new has, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// The same in RFC 3339, as the configuration has it.
    pub time: String,
}

/// An image on another base.
#[derive(Clone, Debug)]
pub struct RebasedImage {
    /// The image.
    pub image: Image,
    /// Files that the image has changed and that are others in the new base than in the old one: the image's hide those
    /// of the new base.
    pub conflicts: Vec<String>,
}

/// A directory for what is in the making. Nobody who collects takes it for abandoned while it exists.
struct Workplace {
    path: PathBuf,
    _lease: Lease,
}

impl Workplace {
    fn new(store: &Store) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = Digest::of(format!("{} {number} {}", std::process::id(), now_unix_ns()).as_bytes());
        let lease = store.lease()?;
        lease.add([&name])?;
        let path = store.staging()?.join(name.hex());
        fs::create_dir(&path).map_err(|error| Error::io(error, format!("make `{}`", path.display())))?;
        Ok(Self { path, _lease: lease })
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What stays is removed with what interrupted pulls have left.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Layers in the form that is looked at.
struct Portable {
    folders: Vec<PathBuf>,
    _workplace: Option<Workplace>,
}

fn portable(image: &Image) -> Result<Portable> {
    if image.config().os != "windows" {
        let message = format!("`{}` is for {}", image.reference().familiar(), image.platform());
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("images of Windows can be compared and changed file by file"));
    }
    let (store, chains) = (image.store(), chain_id(&image.config().rootfs.diff_ids));
    if Unpacking::of("windows") == Unpacking::Portable {
        if !image.is_complete() {
            return Err(incomplete(image));
        }
        let folders = chains.iter().map(|chain| store.layer_tree(chain)).collect();
        return Ok(Portable { folders, _workplace: None });
    }
    // What Windows makes of a layer is not what its archive says.
    let workplace = Workplace::new(store)?;
    let mut folders = Vec::new();
    for (number, blob) in image.manifest().layers.iter().enumerate() {
        let folder = workplace.path.join(number.to_string());
        fs::create_dir(&folder).map_err(|error| Error::io(error, format!("make `{}`", folder.display())))?;
        let job = Job {
            media_type: &blob.media_type,
            target: &folder,
            is_base: number == 0,
            below: Parents::at(&[]),
            system: None,
            progress: None,
        };
        Unpacking::Portable
            .unpack(open_blob(store, &blob.digest)?.ok_or_else(|| incomplete(image))?, &job)?;
        folders.push(folder);
    }
    Ok(Portable { folders, _workplace: Some(workplace) })
}

fn incomplete(image: &Image) -> Error {
    let name = image.reference().familiar();
    Error::new(ErrorKind::NotFound, format!("the image `{name}` is not complete"))
        .with_hint(format!("`cv pull {name}` brings what is missing"))
}

fn open_blob(store: &Store, digest: &Digest) -> Result<Option<BufReader<File>>> {
    let Some(path) = store.blob(digest) else { return Ok(None) };
    let file = File::open(&path).map_err(|error| Error::io(error, format!("open `{}`", path.display())))?;
    Ok(Some(BufReader::with_capacity(BUFFER, file)))
}

impl Image {
    /// Sums up each layer of an image of Windows, the base first.
    ///
    /// # Errors
    ///
    /// `Unsupported` for an image of another system; `NotFound` if a layer is missing.
    pub fn windows_layers(&self) -> Result<Vec<LayerSummary>> {
        portable(self)?.folders.iter().map(|folder| summary(folder)).collect()
    }

    /// Lists what a container of an image of Windows would see, with a function that gets it: content can be read while
    /// that runs.
    ///
    /// # Errors
    ///
    /// As [`Image::windows_layers`]; what the function says.
    pub fn with_windows_view<T>(&self, look: impl FnOnce(&View) -> Result<T>) -> Result<T> {
        let portable = portable(self)?;
        look(&View::of(&portable.folders)?)
    }
}

impl Images {
    /// Compares two images of Windows file by file.
    ///
    /// # Errors
    ///
    /// As [`Image::windows_layers`].
    pub fn differences(&self, one: &Image, other: &Image) -> Result<Vec<Differing>> {
        one.with_windows_view(|one| other.with_windows_view(|other| Ok(differences(one, other))))
    }

    /// Makes an image of another one of Windows, with a changed configuration and a new layer, and gives it a name.
    ///
    /// # Errors
    ///
    /// As [`Image::windows_layers`]; what an image of Windows cannot have; what the system says. The old image stays as
    /// it is.
    pub fn edit(&self, image: &Image, edit: &ImageEdit, reference: &str) -> Result<Image> {
        let below = portable(image)?;
        let (mut manifest, mut config) = (image.manifest().clone(), image.config().clone());
        edit.config.apply(&mut config)?;
        let lease = self.begin()?;
        let mut diff_id = None;
        if !edit.changes.is_empty() {
            let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(edit.time_unix_ns);
            let view = View::of(&below.folders)?;
            let (blob, made) =
                self.put_layer(&lease, &manifest, |to| compose(&view, &edit.changes, now, to))?;
            manifest.layers.push(blob);
            diff_id = Some(made.diff_id);
        }
        note(&mut config, diff_id, &edit.comment, &edit.time);
        drop(below);
        self.put_image(lease, manifest, &config, reference)
    }

    /// Puts what an image has above its old base on a new one, and gives the outcome a name. No byte of a layer changes.
    ///
    /// # Errors
    ///
    /// The image is not made on that base, or does not fit on the new one: another system, or a hard link to what the new
    /// base does not have. As [`Image::windows_layers`].
    pub fn rebase(&self, image: &Image, old: &Image, new: &Image, reference: &str) -> Result<RebasedImage> {
        fn parts(image: &Image) -> ImageParts<'_> {
            ImageParts { manifest: image.manifest(), config: image.config() }
        }
        let rebased = rebase(parts(image), parts(old), parts(new))?;
        let conflicts = conflicts(&portable(image)?, old.config().rootfs.diff_ids.len(), &portable(new)?)?;
        let mut manifest = image.manifest().clone();
        manifest.layers = rebased.layers;
        let image = self.put_image(self.begin()?, manifest, &rebased.config, reference)?;
        Ok(RebasedImage { image, conflicts })
    }

    fn begin(&self) -> Result<Lease> {
        self.prepare()?;
        self.store.lease()
    }

    /// Stores a layer that is written now, compressed, and says what it is.
    fn put_layer(
        &self,
        lease: &Lease,
        manifest: &Manifest,
        write: impl FnOnce(&mut dyn Write) -> Result<Unpacked>,
    ) -> Result<(Descriptor, Unpacked)> {
        let workplace = Workplace::new(&self.store)?;
        let path = workplace.path.join("layer");
        let (unpacked, file) = compress_to(&path, write)?;
        let is_docker = manifest.media_type.as_deref().is_some_and(|own| own == media_type::DOCKER_MANIFEST);
        let kind = if is_docker { media_type::DOCKER_LAYER_GZIP } else { media_type::OCI_LAYER_GZIP };
        let blob = Descriptor::new(kind, file.diff_id, file.size);
        lease.add([&blob.digest])?;
        self.put_blob(&blob, &path)?;
        Ok((blob, unpacked))
    }

    fn put_blob(&self, blob: &Descriptor, from: &Path) -> Result<()> {
        let Taken::Ours(mut partial) = self.store.take(blob)? else { return Ok(()) };
        let held = partial.digest_held()?;
        let failed = |error| Error::io(error, format!("read `{}`", from.display()));
        let mut file = File::open(from).map_err(failed)?;
        io::copy(&mut (&mut file).take(held), &mut io::sink()).map_err(failed)?;
        let mut piece = vec![0; BUFFER];
        loop {
            match file.read(&mut piece).map_err(failed)? {
                0 => break,
                count => partial.write(&piece[..count])?,
            }
        }
        partial.finish().map(drop)
    }

    /// Stores an image all of whose blobs are there: its layers are unpacked over each other, then it gets its name.
    fn put_image(
        &self,
        lease: Lease,
        mut manifest: Manifest,
        config: &ImageConfig,
        reference: &str,
    ) -> Result<Image> {
        let reference = parse_reference(reference)?;
        if reference.digest().is_some() {
            let message = format!("`{}` has a digest, which no name can choose", reference.familiar());
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_hint("give a name and a tag"));
        }
        let chains = chain_id(&config.rootfs.diff_ids);
        lease.add(manifest.layers.iter().map(|layer| &layer.digest).chain(&chains))?;
        for index in 0..chains.len() {
            self.unpack_stored(&manifest, config, &chains, index)?;
        }
        let json =
            |error: serde_json::Error| Error::new(ErrorKind::Other, format!("write a document: {error}"));
        let bytes = serde_json::to_vec(config).map_err(json)?;
        manifest.config = Descriptor::of(manifest.config.media_type.clone(), &bytes);
        let manifest_bytes = serde_json::to_vec(&manifest).map_err(json)?;
        let kind = manifest.media_type.clone().unwrap_or_else(|| media_type::OCI_MANIFEST.to_owned());
        let descriptor = Descriptor::of(kind, &manifest_bytes);
        lease.add([&manifest.config.digest, &descriptor.digest])?;
        self.store.put_document(&manifest.config.digest, &bytes)?;
        self.store.put_document(&descriptor.digest, &manifest_bytes)?;
        let record = Record {
            reference,
            target: descriptor.clone(),
            manifest: descriptor,
            config: manifest.config.digest.clone(),
            platform: config.platform(),
            stored_unix_ns: now_unix_ns(),
        };
        self.store.put_record(&record)?;
        Image::open(&self.store, record, Arc::new(lease))
    }

    fn unpack_stored(
        &self,
        manifest: &Manifest,
        config: &ImageConfig,
        chains: &[Digest],
        index: usize,
    ) -> Result<()> {
        let (blob, chain) = (&manifest.layers[index], &chains[index]);
        let system = &self.host.system;
        let Some(staging) = self.store.stage(system, chain)? else { return Ok(()) };
        let below: Vec<_> = chains[..index].iter().rev().map(|chain| self.store.layer_tree(chain)).collect();
        let tree = staging.tree();
        let (is_base, below) = (index == 0, Parents::at(&below));
        let owner = Some(&**system);
        let job = Job {
            media_type: &blob.media_type,
            target: &tree,
            is_base,
            below,
            system: owner,
            progress: None,
        };
        let unpacked = open_blob(&self.store, &blob.digest).and_then(|source| {
            let missing = || {
                Error::new(
                    ErrorKind::NotFound,
                    format!("the layer {} is not in the store", blob.digest.short()),
                )
                .with_hint("pull the image that it is of again")
            };
            Unpacking::of(&config.os).unpack(source.ok_or_else(missing)?, &job)
        });
        match unpacked {
            Ok(unpacked) => {
                let parent = index.checked_sub(1).map(|lower| chains[lower].clone());
                staging.finish(&LayerRecord { diff_id: unpacked.diff_id, parent, size: unpacked.size })
            }
            Err(error) => {
                staging.discard(system)?;
                Err(error)
            }
        }
    }
}

/// Writes a compressed file; says what was written, and what the file is.
fn compress_to(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<Unpacked>,
) -> Result<(Unpacked, Unpacked)> {
    let failed = |error| Error::io(error, format!("write `{}`", path.display()));
    let file = File::create_new(path).map_err(failed)?;
    let hashing = Hashing::new(BufWriter::with_capacity(BUFFER, file));
    let mut compressed = GzEncoder::new(hashing, Compression::default());
    let unpacked = write(&mut compressed)?;
    let mut hashing = compressed.finish().map_err(failed)?;
    hashing.flush().map_err(failed)?;
    let file = hashing.finish();
    Ok((unpacked, file))
}

/// What the layers above a base hide that is another in the new base. The layers have to fit on that.
fn conflicts(image: &Portable, base: usize, new: &Portable) -> Result<Vec<String>> {
    let above = &image.folders[base..];
    let (old, new_base) = (View::of(&image.folders[..base])?, View::of(&new.folders)?);
    let whole = View::of(&image.folders)?;
    let does_not_fit = |error: Error| error.context("the image does not fit on the new base");
    View::of(&[&new.folders[..], above].concat()).map_err(does_not_fit)?;
    let differing = differences(&old, &new_base).into_iter();
    let other = differing.filter(|found| !matches!(found.difference, Difference::Added));
    let hidden = other.filter(|found| whole.layer_of(&found.path).is_some_and(|layer| layer >= base));
    // A directory is not hidden by one above it.
    Ok(hidden.map(|found| found.path).filter(|path| !whole.is_directory(path)).collect())
}
