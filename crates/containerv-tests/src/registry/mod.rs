//! A registry of images in this process, on 127.0.0.1, that keeps a log of who asked for what and, if it is told to,
//! misbehaves.

mod access;
mod fault;
mod http;
mod routes;
pub mod tls;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use containerv::spec::image::{Descriptor, Digest};

use crate::wait_until;

pub use access::{Access, PASSWORD, REFRESH_TOKEN, USER};
pub use fault::{Fault, Rule};

/// How long the answers to requests that came already are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What `Authorization` began with: `Basic`, `Bearer`.
    pub authorization: Option<String>,
    /// The header `Range` or `Content-Range`.
    pub range: Option<String>,
    /// The header `X-Meta-Team`.
    pub team: Option<String>,
    /// The header `Host`.
    pub host: String,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body that were written.
    pub sent: u64,
}

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    log: Mutex<Vec<Line>>,
    stop: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    /// Requests that are being answered.
    busy: AtomicUsize,
}

/// What it has, and how it behaves.
#[derive(Debug, Default)]
struct State {
    blobs: HashMap<String, Arc<Vec<u8>>>,
    repositories: BTreeMap<String, Repository>,
    uploads: HashMap<String, (String, Vec<u8>)>,
    access: Access,
    tokens: HashMap<String, BTreeSet<String>>,
    rules: Vec<Rule>,
    /// Origin that blobs are sent from instead.
    blobs_elsewhere: Option<String>,
    page: Option<usize>,
    /// Least bytes of a piece that is uploaded, unless it is the last.
    least_piece: Option<u64>,
    issued: u64,
}

#[derive(Debug, Default)]
struct Repository {
    blobs: BTreeSet<String>,
    manifests: BTreeMap<String, (String, Arc<Vec<u8>>)>,
    tags: BTreeMap<String, String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Starts an empty registry for everybody, at a free port.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let inside = shared.clone();
        let listening = Some(thread::spawn(move || listen(&listener, &inside)));
        Self { address, shared, listening }
    }

    /// Its name in references: `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts content into a repository.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut state = self.shared.state();
        state.blobs.insert(digest.to_string(), Arc::new(bytes.to_vec()));
        state.repositories.entry(repository.to_owned()).or_default().blobs.insert(digest.to_string());
        digest
    }

    /// Puts a document into a repository, by a tag too if one is given.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Descriptor {
        let digest = Digest::of(bytes).to_string();
        let mut state = self.shared.state();
        let place = state.repositories.entry(repository.to_owned()).or_default();
        place.manifests.insert(digest.clone(), (media_type.to_owned(), Arc::new(bytes.to_vec())));
        if let Some(tag) = tag {
            place.tags.insert(tag.to_owned(), digest);
        }
        Descriptor::of(media_type, bytes)
    }

    /// What a repository has of this digest.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        let state = self.shared.state();
        let digest = digest.to_string();
        state.repositories.get(repository)?.blobs.get(&digest)?;
        state.blobs.get(&digest).map(|bytes| bytes.to_vec())
    }

    /// Lets in only who proves to be somebody.
    pub fn require(&self, access: Access) {
        self.shared.state().access = access;
    }

    /// Makes all tokens invalid that it has given.
    pub fn forget_tokens(&self) {
        self.shared.state().tokens.clear();
    }

    /// Sends who wants a blob to this origin, which has the same paths.
    pub fn redirect_blobs(&self, origin: &str) {
        self.shared.state().blobs_elsewhere = Some(origin.to_owned());
    }

    /// Gives lists in pages of this many names.
    pub fn page(&self, names: usize) {
        self.shared.state().page = Some(names);
    }

    /// Says that pieces of uploads have to have so many bytes, except the last.
    pub fn want_pieces_of(&self, bytes: u64) {
        self.shared.state().least_piece = Some(bytes);
    }

    /// Misbehaves for requests that the rule fits. Rules that were given first go first.
    pub fn misbehave(&self, rule: Rule) {
        self.shared.state().rules.push(rule);
    }

    /// The requests that were answered so far, in the order in which the answers ended.
    pub fn log(&self) -> Vec<Line> {
        // A client has an answer a moment before the line about it is here.
        wait_until(PATIENCE, || self.shared.busy.load(Ordering::SeqCst) == 0);
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answered requests with this method whose target has this in it.
    pub fn asked(&self, method: &str, part: &str) -> Vec<Line> {
        let fits = |line: &Line| line.method == method && line.target.contains(part);
        self.log().into_iter().filter(fits).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for connection in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        if let Ok(handle) = connection.try_clone() {
            shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        let shared = shared.clone();
        thread::spawn(move || {
            // A client that goes away is no failure of the registry.
            let _ = routes::serve(&connection, &shared);
            let _ = connection.shutdown(Shutdown::Both);
        });
    }
}
