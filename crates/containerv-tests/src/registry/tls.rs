//! TLS in front of a registry, with the certificate of an authority that no system knows.
//!
//! The certificates are for 127.0.0.1 and hold until 2120; nobody has the authority's key.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Registry;

/// The authority's certificate, in PEM form.
pub const AUTHORITY: &str = include_str!("tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

/// How long one end is listened to before the other is looked at.
const TURN: Duration = Duration::from_millis(2);

/// A place where a registry is reached by TLS.
#[derive(Debug)]
pub struct Tls {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Tls {
    /// Listens at a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub fn before(registry: &Registry) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (to, config) = (registry.address, Arc::new(configuration()));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let listening = thread::spawn(move || {
            for client in listener.incoming().flatten().take_while(|_| !stopped.load(Ordering::SeqCst)) {
                let (config, stopped) = (config.clone(), stopped.clone());
                // A client that goes away, or does not trust the certificate, is no failure here.
                thread::spawn(move || _ = pass(client, to, config, &stopped));
            }
        });
        Self { address, stop, listening: Some(listening) }
    }

    /// Its name in references: `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn configuration() -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// Passes on what both ends say, until one of them ends.
fn pass(client: TcpStream, to: SocketAddr, config: Arc<ServerConfig>, stop: &AtomicBool) -> io::Result<()> {
    let mut plain = TcpStream::connect(to)?;
    [&client, &plain].into_iter().try_for_each(|stream| stream.set_read_timeout(Some(TURN)))?;
    let mut secret = StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, client);
    let mut buffer = vec![0; 64 << 10];
    while !stop.load(Ordering::SeqCst) {
        if !turn(&mut secret, &mut plain, &mut buffer)? || !turn(&mut plain, &mut secret, &mut buffer)? {
            break;
        }
    }
    Ok(())
}

/// Passes on what one end has said by now; says whether it may say more.
fn turn(from: &mut impl Read, to: &mut impl Write, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read(buffer) {
        Ok(0) => Ok(false),
        Ok(count) => {
            to.write_all(&buffer[..count])?;
            to.flush()?;
            Ok(true)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(true),
        Err(error) => Err(error),
    }
}
