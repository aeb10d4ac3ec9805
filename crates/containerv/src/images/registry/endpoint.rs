//! A server that answers for a registry.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use containerv_spec::image::reference::DEFAULT_REGISTRY;

use super::authorization::Authorizer;
use super::hosts::Place;
use super::location::Location;
use super::transport::{Transport, Trust};
use super::{Credential, Settings};
use crate::{Error, ErrorKind, Result};

/// Where the default registry answers.
const DEFAULT_HOST: &str = "registry-1.docker.io";

/// It has TLS.
const TLS: u8 = 0;
/// It has none.
const PLAIN: u8 = 1;
/// It may have none, which shows when TLS fails.
const EITHER: u8 = 2;

/// A server that answers for a registry, or a mirror of it.
pub(super) struct Endpoint {
    /// What messages call it: the registry, and the mirror's address if it is one.
    pub(super) registry: String,
    /// Host and port, and the path before the repository, for TLS.
    base: Location,
    scheme: AtomicU8,
    /// It has answered something.
    reached: AtomicBool,
    pub(super) pull: bool,
    pub(super) resolve: bool,
    pub(super) push: bool,
    pub(super) headers: Vec<(String, String)>,
    /// To the server itself.
    pub(super) own: Transport,
    /// To others that it names: the same trust, without the client's certificate.
    pub(super) others: Transport,
    pub(super) authorizer: Authorizer,
    /// The registry that a mirror is asked for.
    namespace: Option<String>,
    pub(super) patience: super::Patience,
}

impl Endpoint {
    pub(super) fn new(
        registry: &str,
        place: &Place,
        settings: &Settings,
        given: Option<Credential>,
    ) -> Result<Self> {
        let refuse = |text: &str| {
            Error::new(ErrorKind::InvalidArgument, format!("`{text}` is no address of a registry"))
                .with_hint("write HOST or HOST:PORT")
        };
        let own_host = if registry == DEFAULT_REGISTRY { DEFAULT_HOST } else { registry };
        let own_server = format!("https://{own_host}");
        let url = place.url.clone().unwrap_or_else(|| own_server.clone());
        let mut base = Location::parse(&url).ok_or_else(|| refuse(&url))?;
        // The default registry's name is not the server's, also where a file gives it as such.
        if base.host == DEFAULT_REGISTRY {
            base.host = DEFAULT_HOST.to_owned();
        }
        let mirror = !Location::parse(&own_server).is_some_and(|own| {
            let usual = (own.port, base.port) == (443, 80);
            own.host == base.host && (own.port == base.port || usual)
        });
        base.path = prefix(&base.path, place.override_path);
        let address =
            base.origin().split_once("://").map_or_else(String::new, |(_, address)| address.to_owned());
        let insecure =
            settings.insecure.iter().any(|name| name == registry || *name == address || *name == base.host);
        // A URL without TLS is in a file of whoever looks after this machine, who has said so with it.
        let scheme = match base.https {
            false => PLAIN,
            true if insecure || base.is_loopback() && place.url.is_none() => EITHER,
            true => TLS,
        };
        let mut authorities = place.authorities.clone();
        authorities.extend(settings.authorities.iter().cloned());
        let trust = Trust {
            authorities: authorities.clone(),
            client: place.client.clone(),
            skip_verify: place.skip_verify || insecure,
        };
        let mut patience = settings.patience.clone();
        patience.connect = place.connect.unwrap_or(patience.connect);
        let transport = |trust: &Trust| Transport::new(trust, &settings.proxies, &patience);
        // What is said of this registry counts before what is said of all.
        let mut headers = place.headers.clone();
        let common = settings.config.headers()?.into_iter();
        headers.extend(
            common.filter(|(name, _)| !place.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))),
        );
        let registered = if mirror { &*address } else { registry };
        Ok(Self {
            registry: if mirror { format!("{address} (for {registry})") } else { registry.to_owned() },
            scheme: AtomicU8::new(scheme),
            reached: AtomicBool::new(false),
            pull: place.pull,
            resolve: place.resolve,
            push: place.push,
            headers,
            own: transport(&trust)?,
            others: transport(&Trust { authorities, ..Trust::default() })?,
            authorizer: Authorizer::new(registered, &settings.credentials, given),
            namespace: (mirror && place.url.is_some()).then(|| registry.to_owned()),
            patience,
            base,
        })
    }

    /// What is at this path behind `/v2/`.
    pub(super) fn location(&self, path: &str) -> Location {
        let mut location = self.base.clone();
        location.path = format!("{}/{path}", self.base.path);
        match &self.namespace {
            Some(registry) => location.with_parameter("ns", registry),
            None => location,
        }
    }

    /// The protocols to try for a location, in this order: with TLS and without, as far as that is not known.
    pub(super) fn ways(&self, location: &Location) -> (Location, Option<Location>) {
        let plain = || Location { https: false, port: self.plain_port(), ..location.clone() };
        match self.scheme.load(Ordering::Relaxed) {
            PLAIN if location.same_origin(&self.base) => (plain(), None),
            EITHER if location.same_origin(&self.base) => (location.clone(), Some(plain())),
            _ => (location.clone(), None),
        }
    }

    /// Notes by which protocol it has answered.
    pub(super) fn answered(&self, location: &Location) {
        self.reached.store(true, Ordering::Relaxed);
        let known = if location.https { TLS } else { PLAIN };
        let _ = self.scheme.compare_exchange(EITHER, known, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Says whether it has ever answered.
    pub(super) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.scheme.load(Ordering::Relaxed) == PLAIN
    }

    /// Says whether it is the server itself, and not one that it has named.
    pub(super) fn is_own(&self, location: &Location) -> bool {
        let port = if location.https || !self.base.https { self.base.port } else { self.plain_port() };
        location.host == self.base.host
            && location.port == port
            && (location.https || self.is_plain_allowed())
    }

    fn is_plain_allowed(&self) -> bool {
        self.scheme.load(Ordering::Relaxed) != TLS
    }

    fn plain_port(&self) -> u16 {
        if self.base.port == 443 { 80 } else { self.base.port }
    }
}

/// The path before `/library/debian/…`.
fn prefix(path: &str, whole: bool) -> String {
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    if whole || path.ends_with("/v2") { path.to_owned() } else { format!("{path}/v2") }
}

#[cfg(test)]
mod tests {
    use super::super::hosts;
    use super::*;

    #[test]
    fn a_registry_is_reached_where_its_file_says() {
        for (registry, file, origin_and_path) in [
            ("docker.io", "", "https://registry-1.docker.io/v2/a"),
            ("docker.io", "server = \"https://docker.io\"", "https://registry-1.docker.io/v2/a"),
            ("r.io", "", "https://r.io/v2/a"),
            ("r.io:5000", "", "https://r.io:5000/v2/a"),
            ("[::1]:5000", "", "https://[::1]:5000/v2/a"),
            ("r.io", "server = \"https://m.io/base\"", "https://m.io/base/v2/a?ns=r.io"),
            ("r.io", "server = \"https://m.io/v2/\"", "https://m.io/v2/a?ns=r.io"),
            ("r.io", "server = \"https://m.io/x\"\noverride_path = true", "https://m.io/x/a?ns=r.io"),
            ("r.io", "server = \"http://r.io\"", "http://r.io/v2/a"),
        ] {
            let place = hosts::parse(file).unwrap().remove(0);
            let endpoint = Endpoint::new(registry, &place, &Settings::default(), None).unwrap();
            assert_eq!(endpoint.location("a").url(), origin_and_path, "{registry}: {file}");
        }
    }

    #[test]
    fn without_tls_is_this_machine_or_who_was_named_or_a_url_that_says_so() {
        let insecure = Settings { insecure: vec!["named.io:5000".to_owned()], ..Settings::default() };
        for (registry, file, settings, ways) in [
            ("r.io", "", &insecure, 1),
            ("r.io", "skip_verify = true", &insecure, 1),
            ("localhost:5000", "", &insecure, 2),
            ("127.0.0.1:5000", "", &insecure, 2),
            ("127.0.0.1:5000", "server = \"https://127.0.0.1:5000\"", &insecure, 1),
            ("named.io:5000", "", &insecure, 2),
            ("named.io", "", &insecure, 1),
            ("named.io:5000", "", &Settings::default(), 1),
        ] {
            let place = hosts::parse(file).unwrap().remove(0);
            let endpoint = Endpoint::new(registry, &place, settings, None).unwrap();
            let (first, second) = endpoint.ways(&endpoint.location("a"));
            assert!(first.https, "{registry}: {file}");
            assert_eq!(1 + usize::from(second.is_some()), ways, "{registry}: {file}");
        }
    }
}
