//! What a running process uses.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use containerv_spec::image::Digest;

use super::lock::Lock;
use super::{MOST_DOCUMENT_BYTES, Store, durable, names};
use crate::{Error, Result};

/// A list of blobs (by digest) and layers (by chain ID) that nobody may remove. It ends when it is dropped, or
/// when the process ends.
///
/// Its file is locked for as long as it counts. It is made and changed under a shared hold on the store, and read
/// under an exclusive one, so it is never read half written, and nothing is removed between its change and a
/// look whether the object is there.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    store_lock: PathBuf,
    lock: Lock,
    used: Mutex<BTreeSet<Digest>>,
}

impl Lease {
    /// Adds objects; whether they are there is to be looked at afterwards.
    pub(crate) fn add<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Result<()> {
        let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = used.len();
        used.extend(digests.into_iter().cloned());
        if used.len() == before {
            return Ok(());
        }
        let text: String = used.iter().map(|digest| format!("{digest}\n")).collect();
        let _hold = Lock::shared(&self.store_lock)?;
        let mut file = self.lock.file();
        let mut write = || {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())
        };
        write().map_err(|error| Error::io(error, format!("cannot write `{}`", self.path.display())))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Whoever collects removes it if this fails.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Begins a lease of nothing.
    pub(crate) fn lease(&self) -> Result<Lease> {
        let directory = self.directory("leases")?;
        let _hold = Lock::shared(&self.store_lock())?;
        loop {
            // A name of a process that had this number and was killed may be left.
            let path = durable::temporary(&directory);
            if let Some(lock) = Lock::try_exclusive(&path)? {
                let cleared = lock.file().set_len(0);
                cleared.map_err(|error| Error::io(error, format!("cannot write `{}`", path.display())))?;
                let (store_lock, used) = (self.store_lock(), Mutex::new(BTreeSet::new()));
                return Ok(Lease { path, store_lock, lock, used });
            }
        }
    }

    /// What all running processes use; leases of others are removed, unless in a `dry_run`. Under an exclusive hold
    /// on the store.
    pub(super) fn leased(&self, dry_run: bool) -> Result<BTreeSet<Digest>> {
        let directory = self.root.join("leases");
        let mut used = BTreeSet::new();
        for name in names(&directory)? {
            let path = directory.join(name);
            if let Some(dead) = Lock::try_exclusive(&path)? {
                drop(dead);
                if !dry_run {
                    super::remove_file(&path)?;
                }
                continue;
            }
            used.extend(read_lease(&path)?.lines().filter_map(|line| line.parse::<Digest>().ok()));
        }
        Ok(used)
    }
}

fn read_lease(path: &std::path::Path) -> Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MOST_DOCUMENT_BYTES).read_to_string(&mut text));
    match read {
        // Its process has ended since.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io(error, format!("cannot read `{}`", path.display()))),
        Ok(_) => Ok(text),
    }
}
