//! Who we are to a registry: basic authentication, and bearer tokens of an authorization server
//! (distribution, `docs/spec/auth`).

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::challenge::Challenge;
use super::endpoint::Endpoint;
use super::exchange::{Asked, Payload};
use super::location::{Location, escape};
use super::{Credential, CredentialFiles, challenge};
use crate::base64;
use crate::{Error, ErrorKind, Result};

/// Most bytes of an authorization server's answer.
const MAX_ANSWER: u64 = 1 << 20;
/// How long a token counts that does not say it (distribution, `docs/spec/auth/token.md`).
const USUAL_LIFE: Duration = Duration::from_secs(60);
/// The longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Most tokens that are remembered of a registry.
const MAX_TOKENS: usize = 1000;
/// Who asks an authorization server.
const CLIENT_ID: &str = "containerv";

/// What somebody wants to do with a repository, as `repository:library/debian:pull`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope(String);

impl Scope {
    pub(super) fn pull(repository: &str) -> Self {
        Self(format!("repository:{repository}:pull"))
    }

    pub(super) fn push(repository: &str) -> Self {
        Self(format!("repository:{repository}:pull,push"))
    }

    pub(super) fn catalogue() -> Self {
        Self("registry:catalog:*".to_owned())
    }
}

/// What a token is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose<'a> {
    pub(super) repository: &'a str,
    pub(super) scopes: &'a [Scope],
}

/// Remembers what a registry asks for, and the tokens that were given for it.
pub(super) struct Authorizer {
    /// Name that credentials are kept by.
    name: String,
    files: CredentialFiles,
    /// Used in place of what the files have.
    given: Option<Credential>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Option<Challenge>,
    credentials: HashMap<String, Option<Credential>>,
    tokens: HashMap<String, Token>,
    /// What a login has given in place of the password.
    identity: Option<String>,
}

struct Token {
    value: String,
    until: Instant,
}

impl Authorizer {
    pub(super) fn new(name: &str, files: &CredentialFiles, given: Option<Credential>) -> Self {
        Self { name: name.to_owned(), files: files.clone(), given, state: Mutex::default() }
    }

    /// The header that a request needs, as far as it is known.
    pub(super) fn header(&self, endpoint: &Endpoint, purpose: Purpose<'_>) -> Result<Option<String>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.challenge.clone() {
            Some(challenge) => self.answer(&mut state, endpoint, &challenge, purpose),
            None => Ok(None),
        }
    }

    /// Takes in a refusal with these `WWW-Authenticate` headers, and says which header to try next, if any.
    ///
    /// `used` is what was refused.
    pub(super) fn refused(
        &self,
        endpoint: &Endpoint,
        headers: &[&str],
        purpose: Purpose<'_>,
        used: Option<&str>,
    ) -> Result<Option<String>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let challenges: Vec<Challenge> = headers.iter().flat_map(|header| challenge::parse(header)).collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme).cloned();
        let Some(challenge) = of("bearer").or_else(|| of("basic")) else { return Ok(None) };
        if let Some(used) = used.and_then(|used| used.strip_prefix("Bearer ")) {
            state.tokens.retain(|_, token| token.value != used);
        }
        state.challenge = Some(challenge.clone());
        let next = self.answer(&mut state, endpoint, &challenge, purpose)?;
        Ok(next.filter(|next| used != Some(&**next)))
    }

    /// Says whether there are credentials for a repository.
    pub(super) fn known(&self, repository: &str) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.credential(&mut state, repository).is_ok_and(|found| found.is_some())
    }

    /// The identity token that was given for a password.
    pub(super) fn identity(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).identity.clone()
    }

    fn credential(&self, state: &mut State, repository: &str) -> Result<Option<Credential>> {
        if self.given.is_some() {
            return Ok(self.given.clone());
        }
        if let Some(found) = state.credentials.get(repository) {
            return Ok(found.clone());
        }
        let found = self.files.find(&self.name, repository)?;
        state.credentials.insert(repository.to_owned(), found.clone());
        Ok(found)
    }

    fn answer(
        &self,
        state: &mut State,
        endpoint: &Endpoint,
        challenge: &Challenge,
        purpose: Purpose<'_>,
    ) -> Result<Option<String>> {
        let credential = self.credential(state, purpose.repository)?;
        if let Some(Credential::RegistryToken(token)) = &credential {
            return Ok(Some(format!("Bearer {token}")));
        }
        if challenge.scheme == "basic" {
            return Ok(match credential {
                Some(Credential::Basic { user, password }) => Some(basic(&user, &password)),
                _ => None,
            });
        }
        let scopes = scopes(challenge, purpose.scopes);
        let key = scopes.join(" ");
        if let Some(token) = state.tokens.get(&key).filter(|token| Instant::now() < token.until) {
            return Ok(Some(format!("Bearer {}", token.value)));
        }
        let answer = self.ask(endpoint, challenge, &scopes, credential.as_ref())?;
        if let Some(identity) = answer.refresh_token {
            state.identity = Some(identity);
        }
        if state.tokens.len() >= MAX_TOKENS {
            state.tokens.clear();
        }
        let header = format!("Bearer {}", answer.value);
        state.tokens.insert(key, Token { value: answer.value, until: Instant::now() + answer.life });
        Ok(Some(header))
    }

    /// Asks an authorization server for a token.
    fn ask(
        &self,
        endpoint: &Endpoint,
        challenge: &Challenge,
        scopes: &[String],
        credential: Option<&Credential>,
    ) -> Result<Given> {
        let action = "get a token";
        let registry = &endpoint.registry;
        let said = challenge.parameter("realm").unwrap_or_default();
        let refuse = |why: &str, hint: &str| {
            let said = super::failure::printable(said);
            Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "cannot {action} for {registry}: it names `{said}` as its authorization server, {why}"
                ),
            )
            .with_hint(hint))
        };
        let Some(realm) = Location::parse(said) else {
            return refuse("which is no URL", "tell whoever runs the registry");
        };
        if !realm.https && !realm.is_loopback() && !endpoint.is_plain() {
            return refuse(
                "to which everything would go without TLS",
                "let the registry name a server with `https`",
            );
        }
        let service = challenge.parameter("service").unwrap_or_default();
        let asked = match credential {
            Some(Credential::IdentityToken(token)) => Asked {
                method: ureq::http::Method::POST,
                headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
                payload: Payload::Bytes(form(service, scopes, token).into_bytes()),
                ..Asked::get(realm, action)
            },
            other => {
                let mut realm = realm;
                if !service.is_empty() {
                    realm = realm.with_parameter("service", service);
                }
                for scope in scopes {
                    realm = realm.with_parameter("scope", scope);
                }
                let mut headers = Vec::new();
                if let Some(Credential::Basic { user, password }) = other {
                    realm = realm.with_parameter("account", user);
                    // Only a login wants what can be kept.
                    if self.given.is_some() {
                        realm = realm
                            .with_parameter("client_id", CLIENT_ID)
                            .with_parameter("offline_token", "true");
                    }
                    headers.push(("authorization", basic(user, password)));
                }
                Asked { headers, ..Asked::get(realm, action) }
            }
        };
        let mut answer =
            endpoint.send_without_token(&asked)?.expect(&[200], action, registry, credential.is_some())?;
        let mut body = Vec::new();
        let read = answer.body.as_reader().take(MAX_ANSWER + 1).read_to_end(&mut body);
        read.map_err(|error| super::failure::Broken::of_io(&error).error(action, registry))?;
        Given::read(&body).map_err(|why| {
            Error::new(
                ErrorKind::Corrupt,
                format!("cannot {action} for {registry}: {}: {why}", asked.location.origin()),
            )
            .with_hint("tell whoever runs the authorization server")
        })
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::encode(format!("{user}:{password}").as_bytes()))
}

fn form(service: &str, scopes: &[String], token: &str) -> String {
    let scope = scopes.join(" ");
    let fields = [
        ("grant_type", "refresh_token"),
        ("service", service),
        ("client_id", CLIENT_ID),
        ("scope", &scope),
        ("refresh_token", token),
    ];
    fields.map(|(name, value)| format!("{name}={}", escape(value))).join("&")
}

/// What we want, and what the registry says that it takes.
fn scopes(challenge: &Challenge, wanted: &[Scope]) -> Vec<String> {
    let mut scopes: Vec<String> = wanted.iter().map(|scope| scope.0.clone()).collect();
    let said = challenge.parameter("scope").unwrap_or_default();
    scopes.extend(said.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned));
    scopes.sort();
    scopes.dedup();
    // `pull` beside `pull,push` of the same repository says nothing more.
    let all = scopes.clone();
    scopes.retain(|scope| !all.iter().any(|other| other != scope && other.starts_with(&format!("{scope},"))));
    scopes
}

/// An authorization server's answer.
pub(crate) struct Given {
    pub(crate) value: String,
    life: Duration,
    refresh_token: Option<String>,
}

impl Given {
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            token: Option<String>,
            #[serde(default)]
            access_token: Option<String>,
            #[serde(default)]
            expires_in: Option<f64>,
            #[serde(default)]
            refresh_token: Option<String>,
        }
        if body.len() as u64 > MAX_ANSWER {
            return Err("its answer is too large".to_owned());
        }
        let answer: Answer = serde_json::from_slice(body).map_err(|error| format!("its answer: {error}"))?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let value = filled(answer.token).or(filled(answer.access_token)).ok_or("its answer has no token")?;
        if !value.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
            return Err("its token cannot be in a header".to_owned());
        }
        let life = answer.expires_in.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let life = life
            .map_or(USUAL_LIFE, |seconds| Duration::from_secs_f64(seconds.min(LONGEST_LIFE.as_secs_f64())));
        // It has to reach the registry in time.
        let life = life.saturating_sub((life / 4).min(Duration::from_secs(10)));
        Ok(Self { value, life, refresh_token: filled(answer.refresh_token) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_ours_and_of_the_registry_are_one_list() {
        let challenge = |scope: &str| Challenge {
            scheme: "bearer".to_owned(),
            parameters: vec![("scope".to_owned(), scope.to_owned())],
        };
        for (said, wanted, expected) in [
            ("", vec![Scope::pull("a")], vec!["repository:a:pull"]),
            ("repository:a:pull", vec![Scope::pull("a")], vec!["repository:a:pull"]),
            ("repository:a:pull", vec![Scope::push("a")], vec!["repository:a:pull,push"]),
            (
                "repository:a:pull,push",
                vec![Scope::push("a"), Scope::pull("b")],
                vec!["repository:a:pull,push", "repository:b:pull"],
            ),
            ("registry:catalog:*", vec![], vec!["registry:catalog:*"]),
        ] {
            assert_eq!(scopes(&challenge(said), &wanted), expected, "{said}");
        }
    }

    #[test]
    fn answers_of_authorization_servers_are_read_within_bounds() {
        let read = |text: &str| Given::read(text.as_bytes());
        assert_eq!(read(r#"{"token":"a","access_token":"b"}"#).unwrap().value, "a");
        assert_eq!(read(r#"{"token":"","access_token":"b","expires_in":300}"#).unwrap().life.as_secs(), 290);
        assert_eq!(read(r#"{"token":"a"}"#).unwrap().life.as_secs(), 50);
        assert!(read(r#"{"token":"a","expires_in":1e300}"#).unwrap().life <= LONGEST_LIFE);
        assert!(read(r#"{"token":"a","expires_in":-5}"#).unwrap().life <= USUAL_LIFE);
        for wrong in ["", "{}", "[]", r#"{"token":1}"#, r#"{"token":"a\r\nx: y"}"#, r#"{"token":"é"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
