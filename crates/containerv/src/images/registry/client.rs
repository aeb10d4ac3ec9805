//! A client of any number of registries.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use containerv_spec::image::document::{Document, MAX_DOCUMENT_BYTES, media_type};
use containerv_spec::image::{Descriptor, Digest, Reference};

use super::authorization::{Purpose, Scope};
use super::endpoint::Endpoint;
use super::exchange::Asked;
use super::{Blob, Credential, Settings, hosts};
use crate::{Error, ErrorKind, Result};

/// Media types of documents that we read.
const DOCUMENTS: [&str; 4] =
    [media_type::OCI_INDEX, media_type::OCI_MANIFEST, media_type::DOCKER_INDEX, media_type::DOCKER_MANIFEST];

/// A client of any number of registries. Clones are the same client.
#[derive(Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) settings: Settings,
    given: Option<Credential>,
    registries: Mutex<HashMap<String, Arc<[Arc<Endpoint>]>>>,
}

/// A document and what describes it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its media type, digest and size, which are true of the bytes.
    pub descriptor: Descriptor,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// What they say.
    pub document: Document,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// What an endpoint is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Pull,
    Resolve,
    Push,
}

impl Client {
    /// A client that knows this of the machine. It connects to nobody yet.
    pub fn new(settings: Settings) -> Self {
        Self::with_credential(settings, None)
    }

    pub(super) fn with_credential(settings: Settings, given: Option<Credential>) -> Self {
        Self { shared: Arc::new(Shared { settings, given, registries: Mutex::default() }) }
    }

    /// Asks what a reference names now: a manifest, or an index of several.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, `PermissionDenied` if it is not for everybody, `Corrupt` for a document that is
    /// not what it should be.
    pub fn resolve(&self, reference: &Reference) -> Result<Fetched> {
        let need = if reference.digest().is_some() { Need::Pull } else { Need::Resolve };
        self.document(reference, need, None)
    }

    /// Fetches a document by its digest, in the repository of a reference.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn manifest(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Fetched> {
        let reference = reference.with_digest(descriptor.digest.clone());
        self.document(&reference, Need::Pull, Some(descriptor))
    }

    /// Downloads content of at most `limit` bytes, such as a configuration, and holds it against its descriptor.
    ///
    /// # Errors
    ///
    /// As [`blob`](Self::blob), and `Corrupt` for content that has another digest.
    pub fn content(&self, reference: &Reference, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let what = format!("`{}` of `{}`", descriptor.digest, reference.familiar());
        if descriptor.size > limit {
            let message =
                format!("cannot download {what}: it has {} bytes, more than {limit}", descriptor.size);
            return Err(Error::new(ErrorKind::Corrupt, message).with_hint("the image is damaged"));
        }
        let mut bytes = Vec::new();
        let mut blob = self.blob(reference, descriptor, 0)?;
        std::io::Read::read_to_end(&mut blob, &mut bytes)
            .map_err(|error| Error::io(error, format!("cannot download {what}")))?;
        if !descriptor.digest.matches(&bytes) {
            return Err(wrong_content(&what, &descriptor.digest, &Digest::of(&bytes)));
        }
        Ok(bytes)
    }

    /// Downloads content from an offset on.
    ///
    /// What is read ends after exactly as many bytes as the descriptor says. Its digest is not looked at: whoever has
    /// the bytes before the offset has to. When the connection breaks, it goes on where it was.
    ///
    /// # Errors
    ///
    /// `NotFound` and `PermissionDenied` at once; what fails later fails the reading.
    pub fn blob(&self, reference: &Reference, descriptor: &Descriptor, offset: u64) -> Result<Blob> {
        Blob::open(self, reference, descriptor, offset)
    }

    fn document(&self, reference: &Reference, need: Need, wanted: Option<&Descriptor>) -> Result<Fetched> {
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or_default().to_owned(),
        };
        let repository = reference.repository();
        let action = format!("pull the manifest `{name}` of `{repository}`");
        let scopes = [Scope::pull(repository)];
        let purpose = Purpose { repository, scopes: &scopes };
        self.first(reference.registry(), need, &action, |endpoint| {
            let location = endpoint.location(&format!("{repository}/manifests/{name}"));
            let mut asked = Asked::get(location, &action);
            asked.headers.push(("accept", DOCUMENTS.join(", ")));
            let (headers, _, bytes) = endpoint.read(&asked, purpose, MAX_DOCUMENT_BYTES as u64)?;
            let text =
                |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let corrupt = |why: String| {
                Error::new(ErrorKind::Corrupt, format!("cannot {action}: {}: {why}", endpoint.registry))
            };
            let digest =
                verified(&bytes, reference.digest(), text("docker-content-digest")).map_err(|why| {
                    corrupt(why).with_hint("something between here and the registry changes what it sends")
                })?;
            if let Some(wanted) = wanted.filter(|wanted| wanted.size != bytes.len() as u64) {
                return Err(corrupt(format!(
                    "it has {} bytes, and should have {}",
                    bytes.len(),
                    wanted.size
                )));
            }
            let content_type = wanted.map_or(text("content-type"), |wanted| &wanted.media_type);
            let document = Document::parse(&bytes, content_type)
                .map_err(|why| corrupt(why.to_string()).with_hint("the image has to be made again"))?;
            let descriptor = Descriptor::new(document.media_type(), digest, bytes.len() as u64);
            Ok(Fetched { descriptor, bytes, document })
        })
    }

    /// The servers that answer for a registry and are good for this.
    pub(super) fn endpoints(&self, registry: &str, need: Need) -> Result<Vec<Arc<Endpoint>>> {
        let all = self.all_endpoints(registry)?;
        let fits = |endpoint: &&Arc<Endpoint>| match need {
            Need::Pull => endpoint.pull,
            Need::Resolve => endpoint.resolve,
            Need::Push => endpoint.push,
        };
        let fitting: Vec<Arc<Endpoint>> = all.iter().filter(fits).cloned().collect();
        if fitting.is_empty() {
            let what = match need {
                Need::Pull => "pull",
                Need::Resolve => "resolve",
                Need::Push => "push",
            };
            let message = format!("no server of the registry `{registry}` may be asked to {what}");
            return Err(Error::new(ErrorKind::Unavailable, message)
                .with_hint("look at `capabilities` of its hosts.toml"));
        }
        Ok(fitting)
    }

    fn all_endpoints(&self, registry: &str) -> Result<Arc<[Arc<Endpoint>]>> {
        let mut registries = self.shared.registries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = registries.get(registry) {
            return Ok(known.clone());
        }
        let mut endpoints = Vec::new();
        for place in hosts::find(&self.shared.settings.hosts, registry)? {
            let given = self.shared.given.clone();
            endpoints.push(Arc::new(Endpoint::new(registry, &place, &self.shared.settings, given)?));
        }
        let endpoints: Arc<[Arc<Endpoint>]> = endpoints.into();
        registries.insert(registry.to_owned(), endpoints.clone());
        Ok(endpoints)
    }

    /// What the first server has that has it. The failure of the last is told, which is the registry's own; what
    /// mirrors said stands behind it.
    pub(super) fn first<T>(
        &self,
        registry: &str,
        need: Need,
        action: &str,
        ask: impl Fn(&Arc<Endpoint>) -> Result<T>,
    ) -> Result<T> {
        let mut failures = Vec::new();
        for endpoint in self.endpoints(registry, need)? {
            match ask(&endpoint) {
                Ok(answer) => return Ok(answer),
                Err(error) => failures.push(error),
            }
        }
        match failures.len() {
            1 => Err(failures.remove(0)),
            _ => {
                failures.reverse();
                Err(Error::problems(format!("cannot {action}: all servers of `{registry}` failed"), failures))
            }
        }
    }
}

/// The digest of a document, which is that which was asked for and that which the registry says.
fn verified(bytes: &[u8], asked: Option<&Digest>, said: &str) -> Result<Digest, String> {
    let differs = |wanted: &Digest| {
        format!("what it sends has the digest `{}`, and should have `{wanted}`", Digest::of(bytes))
    };
    if let Some(asked) = asked {
        return if asked.matches(bytes) { Ok(asked.clone()) } else { Err(differs(asked)) };
    }
    match said.parse::<Digest>() {
        Ok(said) if !said.matches(bytes) => Err(differs(&said)),
        _ => Ok(Digest::of(bytes)),
    }
}

pub(super) fn wrong_content(what: &str, wanted: &Digest, found: &Digest) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("cannot download {what}: what was sent has the digest `{found}`, and should have `{wanted}`"),
    )
    .with_hint("something between here and the registry changes what it sends")
}
