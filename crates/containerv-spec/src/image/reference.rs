//! Names of images, by the grammar of the distribution project.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Digest;

/// The registry of names that have none.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag of names that have neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// Longest repository, in bytes.
const MAX_REPOSITORY: usize = 255;
/// Longest tag, in bytes.
const MAX_TAG: usize = 128;
/// Longest name of a registry: what DNS has, and a port.
const MAX_REGISTRY: usize = 255 + 6;
/// An older name of the default registry.
const OLD_DEFAULT: &str = "index.docker.io";
/// Where the default registry keeps repositories without an owner.
const LIBRARY: &str = "library/";

/// The name of an image: registry, repository, and a tag, a digest or both.
///
/// Read as Docker reads it: `debian` is `docker.io/library/debian:latest`. Shown in full; see
/// [`familiar`](Self::familiar) for the short form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Host of the registry, with its port if it has one: `docker.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Repository in the registry: `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The short form that people write: `debian:bookworm`.
    pub fn familiar(&self) -> String {
        let name = self.name();
        let short = name.strip_prefix(DEFAULT_REGISTRY).and_then(|rest| rest.strip_prefix('/'));
        let short = short.map_or(&*name, |rest| match rest.strip_prefix(LIBRARY) {
            Some(only) if !only.contains('/') && stands_alone(only) => only,
            _ if rest.contains('/') && stands_alone(rest) => rest,
            _ => &name,
        });
        self.with_suffix(short)
    }

    /// Registry and repository: `docker.io/library/debian`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository with this tag, and without a digest.
    ///
    /// # Errors
    ///
    /// For a text that is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        check_tag(tag)?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository with this digest, and without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn with_suffix(&self, name: &str) -> String {
        let mut text = name.to_owned();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push_str(&format!("@{digest}"));
        }
        text
    }
}

/// Says whether a name without its registry is read back as one of the default registry.
fn stands_alone(name: &str) -> bool {
    split_registry(name).0 == DEFAULT_REGISTRY && !is_identifier(name)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.with_suffix(&self.name()))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl TryFrom<String> for Reference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.is_empty() {
            return Err(InvalidReference("it is empty".to_owned()));
        }
        if is_identifier(text) {
            return Err(wrong("64 hexadecimal digits are an id; a name has to differ from one"));
        }
        if text.contains("://") {
            return Err(wrong("it is a URL; a name has no `https://`"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|error| InvalidReference(format!("{error}")))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        let (registry, repository) = split_registry(name);
        check_registry(registry)?;
        let repository = match registry {
            DEFAULT_REGISTRY if !repository.contains('/') => format!("{LIBRARY}{repository}"),
            _ => repository.to_owned(),
        };
        check_repository(&repository)?;
        let tag = match (tag, &digest) {
            (None, None) => Some(DEFAULT_TAG),
            (tag, _) => tag,
        };
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }
}

/// A tag follows the last colon, if no slash does.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// Parts a name into registry and repository. The first part is a registry if it looks like a host: with a dot, a port or an upper-case letter, or `localhost`.
pub fn split_registry(name: &str) -> (&str, &str) {
    let host = |first: &str| {
        first.contains(['.', ':'])
            || first == "localhost"
            || first.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some((OLD_DEFAULT, rest)) => (DEFAULT_REGISTRY, rest),
        Some((first, rest)) if host(first) => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn check_tag(tag: &str) -> Result<(), InvalidReference> {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let later = |byte: u8| first(byte) || matches!(byte, b'.' | b'-');
    if tag.len() > MAX_TAG {
        return Err(InvalidReference(format!("the tag is longer than {MAX_TAG} characters")));
    }
    match tag.bytes().next() {
        Some(byte) if first(byte) && tag.bytes().all(later) => Ok(()),
        _ => Err(InvalidReference(format!(
            "`{tag}` is no tag: letters, digits and `_`, later also `.` and `-`"
        ))),
    }
}

/// Says whether `registry` is a registry's host, with a port or without.
///
/// # Errors
///
/// For what is none.
pub fn check_registry(registry: &str) -> Result<(), InvalidReference> {
    let refuse = || InvalidReference(format!("`{registry}` is no host of a registry"));
    if registry.len() > MAX_REGISTRY {
        return Err(wrong("the host of the registry is too long"));
    }
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or_else(refuse)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| refuse())?;
            ("", if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(refuse)?) })
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (registry, None),
        },
    };
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    if !registry.starts_with('[') && !host.split('.').all(label) {
        return Err(refuse());
    }
    match port {
        Some(port) if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() => {
            Err(InvalidReference(format!("`{port}` is no port")))
        }
        _ => Ok(()),
    }
}

fn check_repository(repository: &str) -> Result<(), InvalidReference> {
    if repository.len() > MAX_REPOSITORY {
        return Err(InvalidReference(format!("the repository is longer than {MAX_REPOSITORY} characters")));
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(InvalidReference(format!(
            "the repository `{repository}` has upper-case letters; repositories are in lower case"
        )));
    }
    match repository.split('/').find(|component| !is_component(component)) {
        None => Ok(()),
        Some(component) => Err(InvalidReference(format!(
            "`{component}` is no part of a repository's name: lower-case letters and digits, parted by `.`, `_`, \
             `__` or `-`"
        ))),
    }
}

/// Runs of letters and digits, parted by `.`, `_`, `__` or any number of `-`.
fn is_component(component: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends(component.bytes().next())
        && ends(component.bytes().last())
        && separators.into_iter().all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn wrong(why: &str) -> InvalidReference {
    InvalidReference(why.to_owned())
}

/// Why a text is no name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidReference(String);

impl fmt::Display for InvalidReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidReference {}

#[cfg(test)]
mod tests;
