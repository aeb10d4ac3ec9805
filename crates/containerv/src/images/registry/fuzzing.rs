//! For the fuzz targets.

use super::authorization::Given;
use super::credentials::{Document, helper_reply};
use super::location::Location;
use super::{Credential, challenge, hosts};

/// Challenges of `WWW-Authenticate`: scheme, names and values.
pub fn challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    challenge::parse(header).into_iter().map(|challenge| (challenge.scheme, challenge.parameters)).collect()
}

/// The token in an authorization server's answer.
pub fn token(answer: &[u8]) -> Result<String, String> {
    Given::read(answer).map(|given| given.value)
}

/// Where an answer to a request for a URL leads.
pub fn join(asked: &str, answer: &str) -> Option<String> {
    Location::parse(asked)?.join(answer).map(|joined| joined.url())
}

/// What a file with credentials has for a repository of a registry, and what it has after a login and a logout.
pub fn credentials(
    text: &[u8],
    registry: &str,
    repository: &str,
    login: &Credential,
) -> Result<[Result<Option<Credential>, &'static str>; 3], String> {
    let mut document = Document::parse(text)?;
    let _ = (document.headers(), document.proxies());
    let before = document.find(registry, repository);
    document.store(registry, login);
    let mut again = Document::parse(document.text().as_bytes())?;
    let kept = again.find(registry, "");
    again.erase(registry);
    Ok([before, kept, again.find(registry, "")])
}

/// What a credential helper has answered.
pub fn helper(ended_well: bool, answer: &[u8]) -> Result<Option<Credential>, String> {
    helper_reply(ended_well, answer)
}

/// URLs of a `hosts.toml`, in their order.
pub fn hosts(text: &str) -> Result<Vec<Option<String>>, String> {
    hosts::parse(text).map(|places| places.into_iter().map(|place| place.url).collect())
}
