//! Uploads: what is there is left, what another repository has is mounted, the rest is sent, large content in pieces.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use containerv_spec::image::{Descriptor, Digest, Reference};
use ureq::http::Method;

use super::authorization::{Purpose, Scope};
use super::client::{Client, Need};
use super::endpoint::Endpoint;
use super::exchange::{Answer, Asked, Payload};
use super::location::Location;
use crate::{Error, ErrorKind, Result};

/// Opens content that is uploaded, from an offset on. It is opened again when something fails.
pub type Source<'a> = dyn Fn(u64) -> io::Result<Box<dyn Read + Send>> + 'a;

/// How content came to be in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Present,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// One blob on its way.
struct Upload<'a> {
    endpoint: &'a Endpoint,
    repository: &'a str,
    descriptor: &'a Descriptor,
    source: &'a Source<'a>,
    action: &'a str,
    chunk: u64,
}

/// An upload that the registry has begun.
struct Begun {
    location: Location,
    /// The least that a piece may have, unless it is the last.
    least: u64,
}

impl Client {
    /// Says whether a repository has some content.
    ///
    /// # Errors
    ///
    /// If the registry does not say.
    pub fn has_blob(&self, reference: &Reference, digest: &Digest) -> Result<bool> {
        let action = format!("look for `{digest}` in `{}`", reference.repository());
        let endpoint = self.pushed_to(reference.registry())?;
        has(&endpoint, reference.repository(), digest, &action)
    }

    /// Brings content into a repository. `others` are repositories of the same registry that may have it.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the registry does not let us, and what it says else.
    pub fn push_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        others: &[&str],
        source: &Source<'_>,
    ) -> Result<Pushed> {
        let repository = reference.repository();
        let action = format!("upload `{}` to `{repository}`", descriptor.digest);
        let endpoint = self.pushed_to(reference.registry())?;
        if has(&endpoint, repository, &descriptor.digest, &action)? {
            return Ok(Pushed::Present);
        }
        // After a piece of one byte, what the registry has could not be told from nothing.
        let chunk = self.shared.settings.chunk_bytes.max(2);
        let upload = Upload { endpoint: &endpoint, repository, descriptor, source, action: &action, chunk };
        for other in others.iter().filter(|other| **other != repository) {
            match upload.begin(Some(other)) {
                Ok(None) => return Ok(Pushed::Mounted),
                // It has begun an upload instead, which is the one to use.
                Ok(Some(begun)) => return upload.persist(Some(begun)).map(|()| Pushed::Uploaded),
                // Who may not read the other repository may still write this one.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
        upload.persist(None).map(|()| Pushed::Uploaded)
    }

    /// Stores a manifest or an index by the tag of a reference, or by its digest if it has none.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if content that it names is not there, and what the registry says else.
    pub fn push_manifest(&self, reference: &Reference, media_type: &str, bytes: &[u8]) -> Result<Digest> {
        let (repository, digest) = (reference.repository(), Digest::of(bytes));
        let name = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
        let action = format!("push the manifest `{name}` of `{repository}`");
        let endpoint = self.pushed_to(reference.registry())?;
        let asked = Asked {
            method: Method::PUT,
            headers: vec![("content-type", media_type.to_owned())],
            payload: Payload::Bytes(bytes.to_vec()),
            ..Asked::get(endpoint.location(&format!("{repository}/manifests/{name}")), &action)
        };
        let answer = pushed(&endpoint, &asked, repository, &[200, 201, 202])?;
        match answer.header("docker-content-digest").and_then(|said| said.parse::<Digest>().ok()) {
            Some(said) if !said.matches(bytes) => Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "cannot {action}: {} has stored it as `{said}`, and it is `{digest}`",
                    endpoint.registry
                ),
            )
            .with_hint("something between here and the registry changes what is sent")),
            _ => Ok(digest),
        }
    }

    /// The server that is pushed to: the registry's own, or the first that may be.
    fn pushed_to(&self, registry: &str) -> Result<Arc<Endpoint>> {
        let mut fitting = self.endpoints(registry, Need::Push)?;
        Ok(fitting.swap_remove(fitting.len() - 1))
    }
}

/// Sends a request with the right to push.
fn pushed(endpoint: &Endpoint, asked: &Asked<'_>, repository: &str, statuses: &[u16]) -> Result<Answer> {
    let scopes = [Scope::push(repository)];
    sent(endpoint, asked, Purpose { repository, scopes: &scopes }, statuses)
}

fn sent(endpoint: &Endpoint, asked: &Asked<'_>, purpose: Purpose<'_>, statuses: &[u16]) -> Result<Answer> {
    let answer = endpoint.send(asked, purpose)?;
    let known = !statuses.contains(&answer.status) && endpoint.authorizer.known(purpose.repository);
    answer.expect(statuses, asked.action, &endpoint.registry, known)
}

fn has(endpoint: &Endpoint, repository: &str, digest: &Digest, action: &str) -> Result<bool> {
    let location = endpoint.location(&format!("{repository}/blobs/{digest}"));
    let asked = Asked { method: Method::HEAD, ..Asked::get(location, action) };
    Ok(pushed(endpoint, &asked, repository, &[200, 404])?.status == 200)
}

impl Upload<'_> {
    /// Begins an upload; nothing if the registry has taken the content from another repository.
    fn begin(&self, other: Option<&str>) -> Result<Option<Begun>> {
        let mut location = self.endpoint.location(&format!("{}/blobs/uploads/", self.repository));
        let mut scopes = vec![Scope::push(self.repository)];
        if let Some(other) = other {
            let digest = self.descriptor.digest.to_string();
            location = location.with_parameter("mount", &digest).with_parameter("from", other);
            scopes.push(Scope::pull(other));
        }
        let asked = Asked { method: Method::POST, ..Asked::get(location, self.action) };
        let purpose = Purpose { repository: self.repository, scopes: &scopes };
        let answer = sent(self.endpoint, &asked, purpose, &[201, 202])?;
        if answer.status == 201 {
            return Ok(None);
        }
        let least = answer.header("oci-chunk-min-length").and_then(|least| least.trim().parse().ok());
        Ok(Some(Begun { location: self.next(&answer)?, least: least.unwrap_or(0) }))
    }

    /// Sends it, and begins anew when that fails for now.
    fn persist(&self, mut begun: Option<Begun>) -> Result<()> {
        let patience = &self.endpoint.patience;
        let mut attempt = 1;
        loop {
            let begun = match begun.take() {
                Some(begun) => Some(begun),
                None => self.begin(None)?,
            };
            let Some(Begun { location, least }) = begun else { return Ok(()) };
            let chunk = self.chunk.max(least);
            let result = match self.descriptor.size <= chunk {
                true => self.whole(location),
                false => self.pieces(location, chunk),
            };
            let Err(error) = result else { return Ok(()) };
            let passing = matches!(
                error.kind(),
                ErrorKind::Unavailable
                    | ErrorKind::TimedOut
                    | ErrorKind::ResourceExhausted
                    | ErrorKind::NotFound
            );
            if !passing || attempt >= patience.attempts {
                return Err(error);
            }
            attempt += 1;
            thread::sleep(patience.delay(attempt, None).unwrap_or_default());
            if has(self.endpoint, self.repository, &self.descriptor.digest, self.action)? {
                return Ok(());
            }
        }
    }

    fn whole(&self, location: Location) -> Result<()> {
        let size = self.descriptor.size;
        let open = || self.open(0, size);
        let payload = Payload::Stream { length: size, open: &open };
        self.finish(location, payload, Some(1))
    }

    fn pieces(&self, mut location: Location, chunk: u64) -> Result<()> {
        let size = self.descriptor.size;
        let (mut at, mut attempt) = (0, 1);
        while at < size {
            let length = chunk.min(size - at);
            let before = at;
            match self.piece(&location, at, length) {
                Ok(answer) => {
                    location = self.next(&answer)?;
                    at = received(&answer).unwrap_or(at + length);
                }
                Err(error) if attempt < self.endpoint.patience.attempts => {
                    attempt += 1;
                    thread::sleep(self.endpoint.patience.delay(attempt, None).unwrap_or_default());
                    // The registry says how much has come; one that has forgotten the upload fails it.
                    (location, at) = self.progress(location, error)?;
                }
                Err(error) => return Err(error),
            }
            if at > size || at > before + length {
                let message = format!(
                    "cannot {}: {} says that {at} bytes have come",
                    self.action, self.endpoint.registry
                );
                return Err(
                    Error::new(ErrorKind::Corrupt, message).with_hint("tell whoever runs the registry")
                );
            }
            if at > before {
                attempt = 1;
            } else if attempt >= self.endpoint.patience.attempts {
                let message =
                    format!("cannot {}: {} takes no more bytes", self.action, self.endpoint.registry);
                return Err(Error::new(ErrorKind::Other, message).with_hint("look at the registry's log"));
            } else {
                attempt += 1;
            }
        }
        self.finish(location, Payload::Nothing, None)
    }

    fn piece(&self, location: &Location, at: u64, length: u64) -> Result<Answer> {
        let open = || self.open(at, length);
        let asked = Asked {
            method: Method::PATCH,
            headers: vec![
                ("content-type", "application/octet-stream".to_owned()),
                ("content-range", format!("{at}-{}", at + length - 1)),
            ],
            payload: Payload::Stream { length, open: &open },
            tries: Some(1),
            ..Asked::get(location.clone(), self.action)
        };
        pushed(self.endpoint, &asked, self.repository, &[201, 202, 204])
    }

    /// Asks how far an upload has come that has failed.
    fn progress(&self, location: Location, failure: Error) -> Result<(Location, u64)> {
        let asked = Asked::get(location, self.action);
        match pushed(self.endpoint, &asked, self.repository, &[200, 202, 204]) {
            Ok(answer) => Ok((self.next(&answer)?, received(&answer).unwrap_or(0))),
            Err(_) => Err(failure),
        }
    }

    fn finish(&self, location: Location, payload: Payload<'_>, tries: Option<u32>) -> Result<()> {
        let asked = Asked {
            method: Method::PUT,
            headers: vec![("content-type", "application/octet-stream".to_owned())],
            payload,
            tries,
            ..Asked::get(location.with_parameter("digest", &self.descriptor.digest.to_string()), self.action)
        };
        pushed(self.endpoint, &asked, self.repository, &[200, 201, 204]).map(drop)
    }

    fn open(&self, at: u64, length: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new((self.source)(at)?.take(length)))
    }

    fn next(&self, answer: &Answer) -> Result<Location> {
        let said = answer.header("location");
        said.and_then(|said| answer.location.join(said)).ok_or_else(|| {
            let message = format!("cannot {}: {} does not say where to", self.action, self.endpoint.registry);
            Error::new(ErrorKind::Corrupt, message).with_hint("tell whoever runs the registry")
        })
    }
}

/// Bytes that have come: one more than the last of `Range: 0-99`.
fn received(answer: &Answer) -> Option<u64> {
    let range = answer.header("range")?;
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last: u64 = range.trim().strip_prefix("0-")?.parse().ok()?;
    // A registry without a byte says `0-0`, as one with a byte does.
    Some(if last == 0 { 0 } else { last.saturating_add(1) })
}
