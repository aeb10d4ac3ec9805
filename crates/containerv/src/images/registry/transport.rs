//! Connections: TLS, proxies and single requests.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ureq::config::AutoHeaderValue;
use ureq::http::{Request, Response};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy, SendBody};

use super::failure::Broken;
use super::location::Location;
use super::{Patience, Proxies};
use crate::{Error, ErrorKind, Result};

/// Most bytes of a file with certificates.
const MAX_CERTIFICATES: u64 = 8 << 20;
/// Connections that are kept for further requests.
const IDLE: usize = 16;

/// Whom to trust and who one is.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    pub(super) authorities: Vec<PathBuf>,
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(super) skip_verify: bool,
}

/// Connections of one kind of trust.
pub(super) struct Transport {
    /// Ways of checking a certificate, of which each that succeeds is enough: by the authorities that were named, and
    /// by the system's.
    ways: Vec<TlsConfig>,
    /// The way that has worked.
    first: AtomicUsize,
    proxies: Proxies,
    patience: Patience,
    agents: Mutex<HashMap<(usize, Option<String>), Agent>>,
}

impl Transport {
    pub(super) fn new(trust: &Trust, proxies: &Proxies, patience: &Patience) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = trust.client.as_ref().map(client_certificate).transpose()?;
        let tls = |roots: RootCerts| {
            TlsConfig::builder()
                .root_certs(roots)
                .client_cert(client.clone())
                .disable_verification(trust.skip_verify)
                .unversioned_rustls_crypto_provider(provider.clone())
                .build()
        };
        let mut ways = Vec::new();
        if !trust.authorities.is_empty() && !trust.skip_verify {
            let mut certificates = Vec::new();
            for path in &trust.authorities {
                certificates.extend(authorities(path)?);
            }
            ways.push(tls(RootCerts::new_with_certs(&certificates)));
        }
        ways.push(tls(RootCerts::PlatformVerifier));
        Ok(Self {
            ways,
            first: AtomicUsize::new(0),
            proxies: proxies.clone(),
            patience: patience.clone(),
            agents: Mutex::default(),
        })
    }

    /// Sends one request, which is made anew for each way of checking a certificate.
    pub(super) fn run(
        &self,
        location: &Location,
        make: &mut dyn FnMut() -> std::io::Result<Request<SendBody<'static>>>,
    ) -> Result<Response<Body>, Broken> {
        let first = self.first.load(Ordering::Relaxed);
        let mut last = None;
        for way in (0..self.ways.len()).map(|way| (first + way) % self.ways.len()) {
            let agent = self.agent(way, location)?;
            let request = make().map_err(|error| Broken::of_io(&error))?;
            match agent.run(request) {
                Ok(response) => {
                    self.first.store(way, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(error) => {
                    let broken = Broken::of(&error);
                    if !broken.untrusted {
                        return Err(broken);
                    }
                    last = Some(broken);
                }
            }
        }
        Err(last.unwrap_or_else(|| Broken::of(&ureq::Error::ConnectionFailed)))
    }

    fn agent(&self, way: usize, location: &Location) -> Result<Agent, Broken> {
        let proxy = self.proxies.for_host(location.https, &location.host, location.port);
        let key = (way, proxy.map(str::to_owned));
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let proxy = proxy.map(Proxy::new).transpose().map_err(|error| Broken {
            kind: ErrorKind::InvalidArgument,
            text: format!("its proxy is no URL: {error}"),
            hint: Some("look at HTTPS_PROXY and HTTP_PROXY"),
            no_tls: false,
            untrusted: false,
            again: false,
            absent: false,
        })?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("containerv/", env!("CARGO_PKG_VERSION")))
            .accept(AutoHeaderValue::None)
            .accept_encoding("identity")
            .timeout_connect(Some(self.patience.connect))
            .timeout_resolve(Some(self.patience.connect))
            .timeout_per_read(Some(self.patience.no_progress))
            .timeout_per_write(Some(self.patience.no_progress))
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .input_buffer_size(256 << 10)
            .output_buffer_size(256 << 10)
            .tls_config(self.ways[way].clone())
            .proxy(proxy)
            .build();
        let agent = Agent::new_with_config(config);
        agents.insert(key, agent.clone());
        Ok(agent)
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let text = pem(path)?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(unreadable(path, &error.to_string())),
        }
    }
    if found.is_empty() { Err(unreadable(path, "it has no certificate")) } else { Ok(found) }
}

fn client_certificate((certificate, key): &(PathBuf, PathBuf)) -> Result<ClientCert> {
    let chain = authorities(certificate)?;
    let private = PrivateKey::from_pem(&pem(key)?).map_err(|error| unreadable(key, &error.to_string()))?;
    Ok(ClientCert::new_with_certs(&chain, private))
}

fn pem(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| {
        Error::io(error, format!("cannot read the certificate `{}`", path.display()))
            .with_hint("look at `ca` and `client` of hosts.toml")
    };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_CERTIFICATES + 1).read_to_end(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > MAX_CERTIFICATES { Err(unreadable(path, "it is too large")) } else { Ok(text) }
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("cannot use the certificate `{}`: {why}", path.display()))
        .with_hint("it has to be in PEM form, with `-----BEGIN` lines")
}
