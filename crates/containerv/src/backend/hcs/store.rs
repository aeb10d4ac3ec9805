//! Where containers are kept: a directory for each, with a journal.
//!
//! A container's directory holds `config.json` (the request), `journal` and what the container
//! writes. The file `lock` is locked while an operation changes the container. The file `alive`
//! is locked by whoever supervises the container's own command, for as long as that runs: Windows
//! lets go of the lock when the supervisor ends, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use containerv_spec::state::Exit;
use containerv_spec::{ContainerId, Request};
use containerv_sys::windows::lock::{Lock, Sharing};
use containerv_sys::windows::{file, volume};

use super::execute::Record;
use super::journal::{Entry, Journal};
use crate::host::DAMAGED_REQUEST;
use crate::lower::hcs::{Places, Tag};
use crate::{Error, ErrorKind, Result};

/// Most bytes of a request, journal or record that are read.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// The root of a host.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    data: PathBuf,
    tag: OnceLock<Tag>,
}

impl Store {
    /// A store at this root, made when first needed.
    pub(crate) fn new(data: PathBuf) -> Self {
        Self { data, tag: OnceLock::new() }
    }

    /// The root.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where a container's files are.
    pub(crate) fn places(&self, id: &ContainerId) -> Result<Places> {
        let root = self.data.to_str().ok_or_else(|| {
            let message = format!("the state directory `{}` is not valid Unicode", self.data.display());
            Error::new(ErrorKind::InvalidArgument, message).with_hint("choose another with `--root DIR`")
        })?;
        Ok(Places { tag: self.tag().clone(), ..Places::below(root, id) })
    }

    /// The mark of what containers of this root have outside of it. It follows from where the root really
    /// is, so that it is the same by whatever links and short names somebody gets there.
    pub(crate) fn tag(&self) -> &Tag {
        self.tag.get_or_init(|| {
            let real = self.data.ancestors().find_map(|above| {
                let rest = self.data.strip_prefix(above).ok()?;
                Some(volume::final_path(above).ok()?.join(rest))
            });
            Tag::of_root(&real.unwrap_or_else(|| self.data.clone()).to_string_lossy())
        })
    }

    fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    pub(crate) fn names(&self) -> PathBuf {
        self.data.join("names")
    }

    /// Returns the ids of all containers, in no order.
    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        let parent = self.containers();
        let entries = match fs::read_dir(&parent) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(error, format!("cannot list `{}`", parent.display()))),
        };
        Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    /// Finds a container's directory.
    pub(crate) fn find(&self, id: &ContainerId) -> Option<Directory> {
        let path = self.containers().join(id.as_str());
        path.is_dir().then(|| Directory { path, id: id.clone() })
    }

    /// Returns the id behind a reserved name.
    pub(crate) fn named(&self, name: &str) -> Option<ContainerId> {
        fs::read_to_string(self.names().join(name)).ok()?.parse().ok()
    }

    /// Returns all names whose container is gone.
    pub(crate) fn dangling_names(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.names()).into_iter().flatten().flatten();
        let dangles = |path: &PathBuf| {
            let id = fs::read_to_string(path).ok().and_then(|id| id.parse().ok());
            id.is_none_or(|id| self.find(&id).is_none())
        };
        entries.map(|entry| entry.path()).filter(dangles).collect()
    }
}

/// A container's directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The container's id.
    pub(crate) id: ContainerId,
}

/// The supervisor's hold, in which it records the end.
#[derive(Debug)]
pub(crate) struct Alive(Lock);

impl Directory {
    /// Waits for the hold on the container.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let locked = self.open("lock").and_then(|file| Lock::wait(file, Sharing::Exclusive));
        locked.map_err(|error| self.failed("lock", "lock", error))
    }

    /// Takes the hold if nobody has it. A container that is all but removed has none: to make the file
    /// would keep its directory.
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path.join("lock"));
        match file.and_then(|file| Lock::try_now(file, Sharing::Exclusive)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            locked => locked.map_err(|error| self.failed("lock", "lock", error)),
        }
    }

    /// The same of what may be a directory alone, which a crash has left.
    pub(crate) fn try_lock_any(&self) -> Result<Option<Lock>> {
        let locked = self.open("lock").and_then(|file| Lock::try_now(file, Sharing::Exclusive));
        locked.map_err(|error| self.failed("lock", "lock", error))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.path.join(name))
    }

    fn failed(&self, doing: &str, name: &str, error: io::Error) -> Error {
        Error::io(error, format!("cannot {doing} `{}`", self.path.join(name).display()))
    }

    /// Returns what messages call the container.
    pub(crate) fn called(&self) -> String {
        self.request().map_or_else(|_| self.id.short().to_owned(), |request| request.called().to_owned())
    }

    /// Reads the request, with the name that it has now.
    pub(crate) fn request(&self) -> Result<Request> {
        let bytes = self.read("config.json")?.ok_or_else(|| {
            let message = format!("container `{}` has no stored request", self.id.short());
            Error::new(ErrorKind::Corrupt, message)
                .with_hint("remove what is left of it with `cv system repair`")
        })?;
        let request = self.parse("config.json", &bytes);
        let mut request: Request = request.map_err(|error: Error| error.with_hint(DAMAGED_REQUEST))?;
        if let Some(name) = self.journal()?.name {
            request.name = Some(name);
        }
        Ok(request)
    }

    /// Reads the journal.
    pub(crate) fn journal(&self) -> Result<Journal> {
        Journal::read(&self.read("journal")?.unwrap_or_default())
            .map_err(|error| self.damaged("journal", error))
    }

    /// Says whether its command was ever started.
    pub(crate) fn has_run(&self) -> Result<bool> {
        let journal = self.journal()?;
        Ok(journal.open || journal.started_unix_ns.is_some())
    }

    /// Reads what can be read of a damaged journal.
    pub(crate) fn salvaged_journal(&self) -> Journal {
        Journal::salvage(&self.read("journal").ok().flatten().unwrap_or_default())
    }

    /// Says whether a container whose request cannot be read uses nothing for certain: it was never made, or nothing
    /// is left of it but files.
    pub(crate) fn uses_nothing(&self) -> Result<bool> {
        if self.is_supervised()? {
            return Ok(false);
        }
        let journal = self.journal().unwrap_or_else(|_| self.salvaged_journal());
        Ok(journal.made.is_none() || journal.removing && !self.path.join("config.json").exists())
    }

    /// Appends an entry to the journal, and returns after it is on the disk.
    pub(crate) fn note(&self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let file = OpenOptions::new().append(true).create(true).open(self.path.join("journal"));
        // One write: a reader, or a crash, never sees half of a line followed by another.
        let written = file.and_then(|mut file| file.write_all(&line).and_then(|()| file.sync_all()));
        written.map_err(|error| self.failed("write", "journal", error))
    }

    /// Takes the supervisor's lock, waiting for those who only look at it.
    pub(crate) fn supervise(&self) -> Result<Alive> {
        let locked = self.open("alive").and_then(|file| {
            let lock = Lock::wait(file, Sharing::Exclusive)?;
            lock.file().set_len(0)?;
            Ok(Alive(lock))
        });
        locked.map_err(|error| self.failed("lock", "alive", error))
    }

    /// Records how a run ended. The lock is let go of when `alive` is dropped.
    pub(crate) fn record_exit(&self, alive: &Alive, exit: &Exit) -> Result<()> {
        let json = serde_json::to_vec(exit).unwrap_or_default();
        let mut file = alive.0.file();
        let written =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(&json));
        written.map_err(|error| self.failed("write", "alive", error))
    }

    /// Waits until nobody supervises the container, and reads how it ended. `None` if its
    /// supervisor ended without a record.
    pub(crate) fn wait_exit(&self) -> Result<Option<Exit>> {
        match File::open(self.path.join("alive")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => {
                let locked = opened.and_then(|file| Lock::wait(file, Sharing::Shared));
                self.parse_exit(&locked.map_err(|error| self.failed("lock", "alive", error))?)
            }
        }
    }

    /// Reads how the last run ended, if it has.
    pub(crate) fn exit(&self) -> Result<Option<Exit>> {
        match self.look_at_supervisor()? {
            Supervision::None(Some(lock)) => self.parse_exit(&lock),
            _ => Ok(None),
        }
    }

    /// Says whether somebody supervises the container: its own command has not ended.
    pub(crate) fn is_supervised(&self) -> Result<bool> {
        Ok(matches!(self.look_at_supervisor()?, Supervision::Held))
    }

    fn look_at_supervisor(&self) -> Result<Supervision> {
        let looked = match File::open(self.path.join("alive")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Supervision::None(None)),
            opened => opened.and_then(|file| Lock::try_now(file, Sharing::Shared)),
        };
        match looked.map_err(|error| self.failed("lock", "alive", error))? {
            Some(lock) => Ok(Supervision::None(Some(lock))),
            None => Ok(Supervision::Held),
        }
    }

    fn parse_exit(&self, lock: &Lock) -> Result<Option<Exit>> {
        let mut bytes = Vec::new();
        let read = lock.file().take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| self.failed("read", "alive", error))?;
        if bytes.is_empty() { Ok(None) } else { self.parse("alive", &bytes).map(Some) }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let read = File::open(self.path.join(name))
            .and_then(|file| file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }

    /// Writes a file so that readers see the old content or the new.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        file::write(&self.path.join(name), bytes).map_err(|error| self.failed("write", name, error))
    }

    fn parse<T: for<'de> serde::Deserialize<'de>>(&self, name: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| self.damaged(name, error))
    }

    fn damaged(&self, name: &str, error: serde_json::Error) -> Error {
        Error::new(ErrorKind::Corrupt, format!("`{}` is damaged", self.path.join(name).display()))
            .with_source(error)
            .with_hint("`cv system repair` removes containers that cannot be read")
    }
}

/// Who supervises a container.
enum Supervision {
    /// Somebody.
    Held,
    /// Nobody; the record of the last run, if there was one, cannot change while this is held.
    None(Option<Lock>),
}

/// The journal of a container, for the execution of plans.
impl Record for Directory {
    fn record(&mut self, entry: &Entry) -> Result<()> {
        self.note(entry)
    }
}
