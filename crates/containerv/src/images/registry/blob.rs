//! Downloads that go on after the connection broke.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use containerv_spec::image::{Descriptor, Digest, Reference};
use ureq::BodyReader;

use super::authorization::{Purpose, Scope};
use super::client::{Client, Need};
use super::endpoint::Endpoint;
use super::exchange::{Answer, Asked};
use super::failure::Broken;
use super::location::Location;
use crate::{Error, ErrorKind, Result};

/// Content that is being downloaded; see [`Client::blob`].
///
/// A failed reading has the library's error inside ([`io::Error::downcast`]), with kind and hint.
pub struct Blob {
    source: Source,
    repository: String,
    action: String,
    digest: Digest,
    size: u64,
    /// Offset of the next byte.
    at: u64,
    body: Option<BodyReader<'static>>,
    /// Tries since bytes have come.
    attempt: u32,
}

struct Source {
    endpoint: Arc<Endpoint>,
    /// Where it is instead of in the registry: layers that not everybody may give away.
    elsewhere: Option<Location>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("action", &self.action)
            .field("at", &self.at)
            .field("size", &self.size)
            .finish()
    }
}

impl Blob {
    pub(super) fn open(
        client: &Client,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Self> {
        let repository = reference.repository();
        let action = format!("download `{}` of `{repository}`", descriptor.digest);
        if offset > descriptor.size {
            let message = format!("cannot {action} from byte {offset} on: it has {} bytes", descriptor.size);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let open = |endpoint: &Arc<Endpoint>, elsewhere: Option<Location>| {
            let mut blob = Self {
                source: Source { endpoint: endpoint.clone(), elsewhere },
                repository: repository.to_owned(),
                action: action.clone(),
                digest: descriptor.digest.clone(),
                size: descriptor.size,
                at: offset,
                body: None,
                attempt: 1,
            };
            // What is complete is not asked for.
            if offset < descriptor.size || offset == 0 {
                blob.connect()?;
            }
            Ok(blob)
        };
        let from_registry =
            client.first(reference.registry(), Need::Pull, &action, |endpoint| open(endpoint, None));
        let Err(error) = from_registry else { return from_registry };
        if error.kind() != ErrorKind::NotFound || descriptor.urls.is_empty() {
            return Err(error);
        }
        let mut failures = vec![error];
        if let Some(endpoint) = client.endpoints(reference.registry(), Need::Pull)?.last() {
            for url in &descriptor.urls {
                match Location::parse(url).filter(|url| url.https || url.is_loopback()) {
                    Some(url) => match open(endpoint, Some(url)) {
                        Ok(blob) => return Ok(blob),
                        Err(error) => failures.push(error),
                    },
                    None => failures.push(Error::new(
                        ErrorKind::InvalidArgument,
                        format!("`{}` is no URL to download from with TLS", super::failure::printable(url)),
                    )),
                }
            }
        }
        Err(Error::problems(
            format!("cannot {action}: neither the registry nor the places that it names have it"),
            failures,
        ))
    }

    /// Asks for the bytes from where we are.
    fn connect(&mut self) -> Result<()> {
        let endpoint = self.source.endpoint.clone();
        let scopes = [Scope::pull(&self.repository)];
        let purpose = Purpose { repository: &self.repository, scopes: &scopes };
        let location = match &self.source.elsewhere {
            Some(elsewhere) => elsewhere.clone(),
            None => endpoint.location(&format!("{}/blobs/{}", self.repository, self.digest)),
        };
        let mut asked = Asked::get(location, &self.action);
        if self.at > 0 {
            asked.headers.push(("range", format!("bytes={}-", self.at)));
        }
        let answer = match self.source.elsewhere {
            Some(_) => endpoint.send_without_token(&asked)?,
            None => endpoint.send(&asked, purpose)?,
        };
        let known = !matches!(answer.status, 200 | 206) && endpoint.authorizer.known(&self.repository);
        let answer = answer.expect(&[200, 206], &self.action, &endpoint.registry, known)?;
        let skipped = self.check(&answer)?;
        let mut body = answer.body.into_reader();
        // One that does not know ranges sends all again.
        let skip = io::copy(&mut (&mut body).take(skipped), &mut io::sink());
        if !skip.is_ok_and(|read| read == skipped) {
            return Err(self.broken(&Broken::of_io(&io::ErrorKind::UnexpectedEof.into())));
        }
        self.body = Some(body);
        Ok(())
    }

    /// How many bytes of an answer are there already.
    fn check(&self, answer: &Answer) -> Result<u64> {
        let registry = &self.source.endpoint.registry;
        let corrupt = |why: String| {
            Error::new(ErrorKind::Corrupt, format!("cannot {}: {registry} {why}", self.action)).with_hint(
                "the registry's content is damaged, or something between here and there changes it",
            )
        };
        let begin = if answer.status == 206 { self.at } else { 0 };
        if answer.status == 206 {
            let range = answer.header("content-range").unwrap_or_default();
            if range_begin(range) != Some(self.at) {
                let range = super::failure::printable(range);
                return Err(corrupt(format!(
                    "was asked for the bytes from {} on, and sends `{range}`",
                    self.at
                )));
            }
        }
        let length = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
        match length.map(|length| length.saturating_add(begin)) {
            Some(total) if total != self.size => {
                Err(corrupt(format!("has {total} bytes of it, and it should have {}", self.size)))
            }
            _ => Ok(self.at - begin),
        }
    }

    fn broken(&self, broken: &Broken) -> Error {
        broken.error(&self.action, &self.source.endpoint.registry)
    }

    /// Tries again later, as often as the settings say.
    fn reconnect(&mut self, why: &Broken) -> Result<()> {
        let patience = self.source.endpoint.patience.clone();
        self.body = None;
        if !why.again || self.attempt >= patience.attempts {
            return Err(self.broken(why));
        }
        self.attempt += 1;
        thread::sleep(patience.delay(self.attempt, None).unwrap_or_default());
        self.connect()
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let left = self.size - self.at;
            if left == 0 {
                self.body = None;
                return Ok(0);
            }
            let most = usize::try_from(left).map_or(buffer.len(), |left| buffer.len().min(left));
            let broken = match &mut self.body {
                Some(body) => match body.read(&mut buffer[..most]) {
                    Ok(0) => Broken::of_io(&io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => {
                        self.at += read as u64;
                        self.attempt = 1;
                        return Ok(read);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Broken::of_io(&error),
                },
                None => Broken::of_io(&io::ErrorKind::UnexpectedEof.into()),
            };
            self.reconnect(&broken).map_err(io::Error::other)?;
        }
    }
}

/// The first byte of `bytes 10-19/20`.
fn range_begin(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
