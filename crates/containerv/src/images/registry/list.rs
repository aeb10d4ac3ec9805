//! What a registry has: repositories, and tags of each.

use std::sync::Arc;

use containerv_spec::image::Reference;
use containerv_spec::image::reference::DEFAULT_REGISTRY;
use serde::Deserialize;

use super::authorization::{Purpose, Scope};
use super::client::{Client, Need};
use super::endpoint::Endpoint;
use super::exchange::Asked;
use super::location::Location;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a page.
const MAX_PAGE: u64 = 8 << 20;
/// Most pages and most names of a list.
const MAX_PAGES: u32 = 1000;
const MAX_NAMES: usize = 1_000_000;
/// Names that are asked for at once.
const PAGE: &str = "1000";
/// Where the default registry is searched.
const SEARCH: &str = "https://index.docker.io/v1/search";

/// A repository that a search has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What it is, if the registry says it.
    pub description: String,
    /// How many people like it.
    #[serde(rename = "star_count")]
    pub stars: u64,
    /// The registry itself looks after it.
    #[serde(rename = "is_official")]
    pub official: bool,
}

impl Client {
    /// The tags of a repository.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such repository, and what the registry says else.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let repository = reference.repository();
        let action = format!("list the tags of `{repository}`");
        let scopes = [Scope::pull(repository)];
        let purpose = Purpose { repository, scopes: &scopes };
        self.first(reference.registry(), Need::Resolve, &action, |endpoint| {
            let first = endpoint.location(&format!("{repository}/tags/list"));
            pages(endpoint, first, purpose, &action, |page: Page| page.tags.unwrap_or_default())
        })
    }

    /// The repositories of a registry, as far as it tells them to us.
    ///
    /// # Errors
    ///
    /// `Unsupported` or `PermissionDenied` if it has no catalogue for us.
    pub fn catalogue(&self, registry: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            repositories: Option<Vec<String>>,
        }
        let action = "list the repositories";
        let scopes = [Scope::catalogue()];
        let purpose = Purpose { repository: "", scopes: &scopes };
        self.first(registry, Need::Resolve, action, |endpoint| {
            let first = endpoint.location("_catalog");
            let answer =
                pages(endpoint, first, purpose, action, |page: Page| page.repositories.unwrap_or_default());
            answer.map_err(|error| match error.kind() {
                ErrorKind::NotFound | ErrorKind::Unsupported => error
                    .with_kind(ErrorKind::Unsupported)
                    .with_hint("this registry has no catalogue to be searched; its web page may have a list"),
                ErrorKind::PermissionDenied => error.with_hint(format!(
                    "registries show their catalogue to few people, or to nobody; try `cv login {registry}`"
                )),
                _ => error,
            })
        })
    }

    /// Looks for repositories: in the default registry by its own search, in others by what is in the names of
    /// their catalogue, in small letters.
    ///
    /// # Errors
    ///
    /// As [`catalogue`](Self::catalogue).
    pub fn search(&self, registry: &str, term: &str, limit: usize) -> Result<Vec<Found>> {
        if registry != DEFAULT_REGISTRY {
            let wanted = term.to_lowercase();
            let fitting = self.catalogue(registry)?.into_iter().filter(|name| name.contains(&wanted));
            return Ok(fitting.take(limit).map(|name| Found { name, ..Found::default() }).collect());
        }
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Found>,
        }
        let action = format!("search for `{term}`");
        let location = Location::parse(SEARCH)
            .map(|search| search.with_parameter("q", term).with_parameter("n", &limit.min(100).to_string()));
        let endpoints = self.endpoints(registry, Need::Resolve)?;
        let (Some(location), Some(endpoint)) = (location, endpoints.last()) else { return Ok(Vec::new()) };
        let answer = endpoint.send_without_token(&Asked::get(location, &action))?;
        let answer = answer.expect(&[200], &action, registry, false)?;
        let page: Answer = read_page(&answer.bytes(MAX_PAGE, &action, registry)?, &action, registry)?;
        Ok(page.results.into_iter().take(limit).collect())
    }
}

/// Follows the pages of a list (distribution-spec, "Listing Tags").
fn pages<P: for<'de> Deserialize<'de>>(
    endpoint: &Arc<Endpoint>,
    first: Location,
    purpose: Purpose<'_>,
    action: &str,
    names: impl Fn(P) -> Vec<String>,
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut next = Some(first.with_parameter("n", PAGE));
    for _ in 0..MAX_PAGES {
        let Some(location) = next.take() else { return Ok(all) };
        let asked = Asked::get(location, action);
        let (headers, location, bytes) = endpoint.read(&asked, purpose, MAX_PAGE)?;
        all.extend(names(read_page(&bytes, action, &endpoint.registry)?));
        let link = headers.get("link").and_then(|link| link.to_str().ok()).and_then(next_page);
        next = link.and_then(|link| location.join(link)).filter(|next| next.same_origin(&location));
        if all.len() > MAX_NAMES {
            break;
        }
    }
    match next {
        None => Ok(all),
        Some(_) => {
            let message = format!("cannot {action}: the list of {} does not end", endpoint.registry);
            Err(Error::new(ErrorKind::Corrupt, message).with_hint("tell whoever runs the registry"))
        }
    }
}

fn read_page<P: for<'de> Deserialize<'de>>(bytes: &[u8], action: &str, registry: &str) -> Result<P> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("cannot {action}: what {registry} answers: {error}"))
            .with_hint("look whether it is a registry that answers there")
    })
}

/// The URL of `<URL>; rel="next"` (RFC 8288).
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (url, relation) = part.trim().strip_prefix('<')?.split_once('>')?;
        let next = relation.split(';').any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter == "rel=next" || parameter == "rel=\"next\""
        });
        next.then_some(url)
    })
}
