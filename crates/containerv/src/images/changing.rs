//! Images of Windows that are compared, changed and put on another base, on any system.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use containerv_spec::image::document::media_type;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest, chain_id};

use super::layers::Parents;
use super::layers::decode::Compression;
use super::layers::encode::encode;
use super::local::{Content, Local};
use super::making::{MakeOptions, json};
use super::store::{Lease, Store};
use super::unpacking::{Job, Unpacking};
use super::windows::{
    ConfigEdit, Difference, Differing, ImageParts, LayerChange, LayerSummary, View, compose, differences,
    note, rebase, summary,
};
use super::{Image, Images, PullOptions, now_unix_ns, pull};
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
        let mut new = None;
        if !edit.changes.is_empty() {
            let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(edit.time_unix_ns);
            let view = View::of(&below.folders)?;
            let spool = self.spool()?;
            let (_, encoded) =
                encode(&spool, Compression::Gzip, |feed| compose(&view, &edit.changes, now, feed))?;
            let is_docker = manifest.media_type.as_deref() == Some(media_type::DOCKER_MANIFEST);
            let kind = if is_docker { media_type::DOCKER_LAYER_GZIP } else { media_type::OCI_LAYER_GZIP };
            manifest.layers.push(Descriptor::new(kind, encoded.digest.clone(), encoded.size));
            new = Some((encoded, spool));
        }
        let diff_id = new.as_ref().map(|(encoded, _)| encoded.diff_id.clone());
        note(&mut config, diff_id, &edit.comment, &edit.time);
        drop(below);
        let new = match &new {
            Some((encoded, spool)) => Some((encoded.digest.clone(), spool.content()?)),
            None => None,
        };
        self.put_image(manifest, &config, new, reference)
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
        let image = self.put_image(manifest, &rebased.config, None, reference)?;
        Ok(RebasedImage { image, conflicts })
    }

    /// Stores an image whose layers are stored but for the new one, and gives it a name.
    fn put_image(
        &self,
        mut manifest: Manifest,
        config: &ImageConfig,
        new: Option<(Digest, Content)>,
        reference: &str,
    ) -> Result<Image> {
        let options = MakeOptions { reference: Some(reference.to_owned()), ..MakeOptions::default() };
        let Some(reference) = options.name()? else {
            return Err(Error::new(ErrorKind::InvalidArgument, "no name"));
        };
        self.prepare()?;
        let config_bytes = json(config)?;
        manifest.config = Descriptor::of(manifest.config.media_type.clone(), &config_bytes);
        let manifest_bytes = json(&manifest)?;
        let kind = manifest.media_type.clone().unwrap_or_else(|| media_type::OCI_MANIFEST.to_owned());
        let target = Descriptor::of(kind, &manifest_bytes);
        let manifest_digest = target.digest.clone();
        let mut source = Local::new(target, |_: &Digest| None);
        source.add(manifest_digest, Content::Bytes(manifest_bytes.into()));
        source.add(manifest.config.digest, Content::Bytes(config_bytes.into()));
        if let Some((digest, content)) = new {
            source.add(digest, content);
        }
        pull::pull(&self.store, &source, &self.machine(), &reference, &PullOptions::default())
            .map_err(|error| error.context(format!("cannot make the image `{}`", reference.familiar())))
    }
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
