//! The documents `config.json` and `auth.json`, of which all that is not known is kept.

use containerv_spec::image::reference::DEFAULT_REGISTRY;
use serde_json::{Map, Value, json};

use super::{Credential, DEFAULT_KEY, TOKEN_USER};
use crate::base64;

/// What names of headers for registries begin with.
const META: &str = "X-Meta-";
/// Members of an entry of `proxies`, and variables of containers.
const PROXIES: [(&str, &str); 5] = [
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

/// A file with credentials.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document(Map<String, Value>);

impl Document {
    /// Reads the text of a file; an empty one is an empty document.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(text).map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn text(&self) -> String {
        format!("{:#}\n", Value::Object(self.0.clone()))
    }

    /// Name of the program that keeps the credentials of a registry.
    pub(crate) fn program(&self, registry: &str) -> Option<String> {
        let own = self.0.get("credHelpers").and_then(Value::as_object).and_then(|helpers| {
            helpers.iter().find(|(key, _)| Place::of(key).is_whole(registry)).map(|(_, name)| name)
        });
        let name = own.or_else(|| self.0.get("credsStore")).and_then(Value::as_str)?;
        Some(name.to_owned()).filter(|name| !name.is_empty())
    }

    /// Looks up credentials by the longest part of a repository that has some.
    pub(crate) fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>, &'static str> {
        let Some(entries) = self.0.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let mut fitting: Vec<(usize, &Value)> = entries
            .iter()
            .filter_map(|(key, entry)| Some((Place::of(key).covers(registry, repository)?, entry)))
            .collect();
        fitting.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        for (_, entry) in fitting {
            if let Some(credential) = credential(entry)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Headers for registries.
    pub(crate) fn headers(&self) -> Result<Vec<(String, String)>, String> {
        let Some(all) = self.0.get("HttpHeaders").filter(|all| !all.is_null()) else { return Ok(Vec::new()) };
        let all = all.as_object().ok_or("`HttpHeaders` has no names and values")?;
        let ours = |name: &str| name.get(..META.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(META));
        let header = |(name, value): (&String, &Value)| {
            let value =
                value.as_str().filter(|value| value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let named = ureq::http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            let value =
                value.filter(|_| named).ok_or_else(|| format!("`HttpHeaders`: `{name}` is no header"))?;
            Ok((name.clone(), value.to_owned()))
        };
        all.iter().filter(|(name, _)| ours(name)).map(header).collect()
    }

    /// Proxies for containers: variables and values.
    pub(crate) fn proxies(&self) -> Result<Vec<(&'static str, String)>, String> {
        let entry = self.0.get("proxies").and_then(|proxies| proxies.get("default"));
        let Some(entry) = entry.filter(|entry| !entry.is_null()) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (member, variable) in PROXIES {
            match entry.get(member) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.contains('\0') => {
                    return Err(format!("`{member}` of `proxies` has a NUL byte"));
                }
                Some(Value::String(text)) if text.is_empty() => {}
                Some(Value::String(text)) => found.push((variable, text.clone())),
                Some(_) => return Err(format!("`{member}` of `proxies` is no text")),
            }
        }
        Ok(found)
    }

    pub(crate) fn store(&mut self, key: &str, credential: &Credential) {
        let entry = match credential {
            Credential::Basic { user, password } => {
                json!({"auth": base64::encode(format!("{user}:{password}").as_bytes())})
            }
            Credential::IdentityToken(token) => {
                json!({"auth": base64::encode(format!("{TOKEN_USER}:").as_bytes()), "identitytoken": token})
            }
            Credential::RegistryToken(token) => json!({"registrytoken": token}),
        };
        self.entry(key, entry);
    }

    /// Notes that a program has the credentials.
    pub(crate) fn mark(&mut self, key: &str) {
        self.entry(key, json!({}));
    }

    /// Puts an entry in the place of all that are for the whole registry.
    fn entry(&mut self, key: &str, entry: Value) {
        self.erase(Place::of(key).host);
        let auths = self.0.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[key] = entry;
    }

    /// Removes what is there for the whole registry.
    pub(crate) fn erase(&mut self, registry: &str) -> bool {
        let Some(Value::Object(entries)) = self.0.get_mut("auths") else { return false };
        let before = entries.len();
        entries.retain(|key, _| !Place::of(key).is_whole(registry));
        entries.len() < before
    }
}

/// A key: a host and, in Podman's files, a part of a repository's path.
struct Place<'a> {
    host: &'a str,
    path: &'a str,
}

impl<'a> Place<'a> {
    fn of(key: &'a str) -> Self {
        if key == DEFAULT_KEY {
            return Self { host: DEFAULT_REGISTRY, path: "" };
        }
        let (url, rest) = match key.split_once("://") {
            Some((_, rest)) => (true, rest),
            None => (false, key),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        let path = if url || matches!(path, "v1" | "v2") { "" } else { path };
        let host = match host {
            "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY,
            host => host,
        };
        Self { host, path }
    }

    fn is_whole(&self, registry: &str) -> bool {
        self.path.is_empty() && self.host.eq_ignore_ascii_case(registry)
    }

    /// How much of the repository it names, if it is for it.
    fn covers(&self, registry: &str, repository: &str) -> Option<usize> {
        let rest = self.host.eq_ignore_ascii_case(registry).then(|| repository.strip_prefix(self.path))??;
        (self.path.is_empty() || rest.is_empty() || rest.starts_with('/')).then_some(self.path.len())
    }
}

fn credential(entry: &Value) -> Result<Option<Credential>, &'static str> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::IdentityToken(token.to_owned())));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credential::RegistryToken(token.to_owned())));
    }
    if let Some(auth) = text("auth") {
        let decoded = base64::decode(auth.trim().as_bytes()).ok_or("are not in base 64")?;
        let decoded = String::from_utf8(decoded).map_err(|_| "are not text")?;
        let (user, password) = decoded.split_once(':').ok_or("have no `:` after the user")?;
        return Ok(Some(basic(user, password.trim_end_matches('\0'))));
    }
    match (text("username"), text("password")) {
        (Some(user), Some(password)) => Ok(Some(basic(user, password))),
        _ => Ok(None),
    }
}

/// A pair as files and programs have it.
pub(super) fn basic(user: &str, password: &str) -> Credential {
    match user {
        TOKEN_USER => Credential::IdentityToken(password.to_owned()),
        user => Credential::Basic { user: user.to_owned(), password: password.to_owned() },
    }
}
