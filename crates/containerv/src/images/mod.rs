//! Images: pulled from registries, kept in a store, and what containers are made of.

mod asking;
mod changing;
mod documents;
mod exchange;
mod fit;
mod image;
#[allow(dead_code, reason = "packing uses the rest, and Windows unpacks layers of its own kind alone")]
pub(crate) mod layers;
mod listing;
mod local;
mod making;
mod options;
mod pull;
mod pushing;
pub mod registry;
mod removal;
mod run;
mod store;
mod unpacking;
pub mod windows;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use containerv_spec::image::{Platform, Reference};
use containerv_spec::request::Root;

use crate::{Error, ErrorKind, Host, Result};
use registry::{Client, Settings};
use store::{Fault, Record, Store};

pub use changing::{ImageEdit, RebasedImage};
#[cfg(all(feature = "fuzzing", target_os = "linux"))]
pub(crate) use {exchange::list_archive, making::change};

pub use exchange::{LoadOptions, SaveFormat};
pub use fit::{Answer, Fit};
pub use image::{HistoryEntry, Image, ImageLayer};
pub use listing::{ImageSummary, ImageUsage, ImagesUsage};
pub use making::{DebootstrapOptions, DebootstrapPlan, DebootstrapProgress, DebootstrapStep, MakeOptions};
pub use options::{PullEvent, PullOptions, PullPolicy, PullProgress, PushEvent, PushOptions, PushProgress};
pub use removal::{PruneOptions, RemovedImages};
pub use run::ImageOverrides;

/// Fewest digits of an image's ID that are looked up.
const LEAST_ID_DIGITS: usize = 4;

/// The images of a host. Cheap to clone; may be used from any thread, and by any number of processes at once.
#[derive(Clone, Debug)]
pub struct Images {
    host: Host,
    store: Store,
    client: Arc<OnceLock<Client>>,
}

impl Images {
    pub(crate) fn new(host: &Host, fault: Option<u32>) -> Self {
        let store = Store::new(host.roots().1.join("images"), Fault::new(fault));
        Self { host: host.clone(), store, client: Arc::default() }
    }

    /// The same images, with other settings of registries than those of the environment and of the user's files.
    #[must_use]
    pub fn with_registries(&self, settings: Settings) -> Self {
        let client = OnceLock::from(Client::new(settings));
        Self { client: Arc::new(client), ..self.clone() }
    }

    /// Finds an image by reference (`debian:bookworm`, `debian@sha256:…`), or by its ID or a unique beginning of
    /// that. Nobody removes it while the handle exists.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidArgument` for what is no reference, or fits several images.
    pub fn get(&self, name: &str) -> Result<Image> {
        let record = self.find(name)?;
        let lease = self.store.lease()?;
        lease.add_image(&self.store, &record)?;
        Image::open(&self.store, record, Arc::new(lease))
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    ///
    /// As [`Images::get`]; `InvalidArgument` for a name with a digest.
    pub fn tag(&self, name: &str, reference: &str) -> Result<()> {
        let image = self.get(name)?;
        let reference = parse_reference(reference)?;
        if reference.digest().is_some() {
            let message = format!("`{}` has a digest, which no name can choose", reference.familiar());
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_hint("give a name and a tag"));
        }
        self.prepare()?;
        self.store.put_record(&Record { reference, ..image.record().clone() })
    }

    /// Finds the record of a reference or an ID.
    fn find(&self, name: &str) -> Result<Record> {
        let reference = name.parse::<Reference>();
        if let Ok(reference) = &reference
            && let Some(record) = self.record_of(reference)?
        {
            return Ok(record);
        }
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = digits.len() >= LEAST_ID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found: Vec<Record> = match is_id {
            true => self.store.records()?,
            false => Vec::new(),
        };
        found.retain(|record| record.config.hex().starts_with(digits));
        let several = found.iter().any(|record| record.config != found[0].config);
        match found.into_iter().next() {
            Some(_) if several => {
                Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` fits several images"))
                    .with_hint("give more digits of the ID"))
            }
            Some(record) => Ok(record),
            None => {
                if !is_id {
                    parse_reference(name)?;
                }
                Err(Error::new(ErrorKind::NotFound, format!("no image `{name}`"))
                    .with_hint("`cv images` lists what is there, `cv pull` gets one from a registry"))
            }
        }
    }

    /// The record of a reference: with a digest, by that of its index as well as by that of its manifest.
    fn record_of(&self, reference: &Reference) -> Result<Option<Record>> {
        let Some(digest) = reference.digest() else { return self.store.record(reference) };
        if let Some(record) = self.store.record(&reference.with_digest(digest.clone()))? {
            return Ok(Some(record));
        }
        let named = |record: &Record| {
            record.reference.name() == reference.name()
                && (record.target.digest == *digest || record.manifest.digest == *digest)
        };
        Ok(self.store.records()?.into_iter().find(named))
    }

    /// Makes the directories that everything is in, private to the caller.
    fn prepare(&self) -> Result<()> {
        self.host.system.make_roots()
    }

    /// The layers of all containers of this host, by their paths.
    ///
    /// # Errors
    ///
    /// There is a container whose request cannot be read: it may use any layer.
    fn folders_in_use(&self) -> Result<Vec<PathBuf>> {
        let system = &self.host.system;
        let mut folders = Vec::new();
        for id in system.ids()? {
            let request = match system.request(&id) {
                Ok(request) => request,
                Err(_) if system.uses_nothing(&id)? => continue,
                // It may have been made meanwhile.
                Err(_) => system.request(&id).map_err(|error| {
                    let id = id.short();
                    let message =
                        format!("cannot tell which layers container `{id}` uses, and so remove none");
                    error.context(message).with_hint(format!(
                        "mend its files, or remove it with all that is in it: `cv rm --force {id}`"
                    ))
                })?,
            };
            if let Root::Layers(layers) = &request.root {
                folders.extend(layers.folders.iter().filter_map(crate::process::os_path));
            }
        }
        Ok(folders)
    }

    /// A client that knows this machine's settings.
    fn client(&self) -> Client {
        self.client.get_or_init(|| Client::new(Settings::from_environment())).clone()
    }
}

/// The platform of images that run on this machine.
fn own_platform() -> Platform {
    Platform::new(std::env::consts::OS, std::env::consts::ARCH)
}

/// Reads a reference to an image, such as `debian:bookworm`.
///
/// # Errors
///
/// It is none, with the reason.
pub fn parse_reference(text: &str) -> Result<Reference> {
    text.parse().map_err(|error: containerv_spec::image::reference::InvalidReference| {
        Error::new(ErrorKind::InvalidArgument, format!("`{text}` is no reference to an image: {error}"))
            .with_hint("write it as `debian:bookworm` or `registry.example/team/app:1.2`")
    })
}

pub(crate) fn now_unix_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
