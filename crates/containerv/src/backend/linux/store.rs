//! Where containers are kept: a directory for each, with a journal.
//!
//! A container's directory holds `config.json` (the request), `journal` and what the container
//! writes. The directory is locked (flock(2)) while an operation changes the container. The
//! file `alive` is locked by whoever supervises the container's first process, for as long as
//! that runs: the kernel lets go of the lock when the supervisor ends, however it ends. It is a
//! file of its own because a keeper holds it open inside the container.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use containerv_spec::state::Exit;
use containerv_spec::{ContainerId, OsText, Request};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;

use super::journal::{Entry, Journal};
use super::remembered::Remembered;
use crate::host::DAMAGED_REQUEST;
use crate::lower::linux::Places;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a request, journal or record that are read.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// The two roots of a host.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// What may be gone after a restart of the machine.
    pub(crate) run: PathBuf,
    /// What stays.
    pub(crate) data: PathBuf,
    requests: Remembered,
}

impl Store {
    /// A store at these roots, made when first needed.
    pub(crate) fn new(run: PathBuf, data: PathBuf) -> Self {
        Self { run, data, requests: Remembered::default() }
    }

    /// The directory of a container's kind: those removed at their end live in `run`.
    fn parent(&self, auto_remove: bool) -> PathBuf {
        (if auto_remove { &self.run } else { &self.data }).join("containers")
    }

    /// The directory of names.
    pub(crate) fn names(&self) -> PathBuf {
        self.data.join("names")
    }

    /// Where a new container's files go.
    pub(crate) fn places(&self, request: &Request) -> Places {
        let directory = self.parent(request.auto_remove).join(request.id.as_str());
        Places { directory: text(&directory), names: text(&self.names()) }
    }

    /// Makes the roots' directories, private to the caller, and refuses those of others.
    pub(crate) fn make_roots(&self) -> Result<()> {
        for directory in [self.parent(true), self.parent(false), self.names()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.map_err(|error| {
                Error::io(error, format!("cannot make the state directory `{}`", directory.display()))
                    .with_hint("choose another with `--root DIR` or CONTAINERV_ROOT")
            })?;
        }
        [&self.run, &self.data].iter().try_for_each(|root| check_owner(root))
    }

    /// Returns the ids of all containers, in no order.
    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        let mut ids = Vec::new();
        for auto_remove in [true, false] {
            let parent = self.parent(auto_remove);
            let entries = match fs::read_dir(&parent) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io(error, format!("cannot list `{}`", parent.display()))),
            };
            for entry in entries.flatten() {
                ids.extend(entry.file_name().to_str().and_then(|name| name.parse::<ContainerId>().ok()));
            }
        }
        Ok(ids)
    }

    /// Opens a container's directory; `None` if there is none.
    pub(crate) fn find(&self, id: &ContainerId) -> Result<Option<Directory>> {
        for auto_remove in [false, true] {
            let path = self.parent(auto_remove).join(id.as_str());
            match Directory::open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                opened => {
                    return opened
                        .map(|opened| Some(Directory { requests: self.requests.clone(), ..opened }));
                }
            }
        }
        Ok(None)
    }

    /// Opens the directory of a container that has to be there.
    pub(crate) fn get(&self, id: &ContainerId) -> Result<Directory> {
        self.find(id)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no container `{}`", id.short()))
                .with_hint("`cv ps -a` lists all containers")
        })
    }

    /// Returns the id behind a reserved name.
    pub(crate) fn named(&self, name: &str) -> Option<ContainerId> {
        let target = fs::read_link(self.names().join(name)).ok()?;
        target.to_str()?.parse().ok()
    }

    /// Returns all names whose container is gone.
    pub(crate) fn dangling_names(&self) -> Result<Vec<PathBuf>> {
        let Ok(entries) = fs::read_dir(self.names()) else { return Ok(Vec::new()) };
        let mut dangling = Vec::new();
        for entry in entries.flatten() {
            let id = fs::read_link(entry.path())
                .ok()
                .and_then(|target| target.to_str()?.parse::<ContainerId>().ok());
            let known = match id {
                Some(id) => self.find(&id)?.is_some(),
                None => false,
            };
            if !known {
                dangling.push(entry.path());
            }
        }
        Ok(dangling)
    }
}

fn check_owner(root: &Path) -> Result<()> {
    let metadata = fs::metadata(root)
        .map_err(|error| Error::io(error, format!("cannot look at `{}`", root.display())))?;
    if metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    let message = format!("the state directory `{}` belongs to or can be written by others", root.display());
    Err(Error::new(ErrorKind::PermissionDenied, message)
        .with_hint("choose a directory of your own with `--root DIR`"))
}

/// Returns a path as the text that plans use.
pub(crate) fn text(path: &Path) -> OsText {
    OsText::from_bytes(path.as_os_str().as_bytes())
}

/// Returns a plan's text as a path.
pub(crate) fn path(text: &OsText) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(text.as_bytes()))
}

/// An open container directory.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Its path.
    pub(crate) path: PathBuf,
    fd: OwnedFd,
    requests: Remembered,
}

/// An operation's hold on a container; let go when dropped.
#[derive(Debug)]
pub(crate) struct Lock(OwnedFd);

impl Drop for Lock {
    /// Closing is not enough: a process that the embedding program forked meanwhile has a copy of
    /// the descriptor, with which the hold would go on.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// The file in which a supervisor records the end of a container.
#[derive(Debug)]
pub(crate) struct Witness(OwnedFd);

impl Witness {
    /// Returns how the container ended; `None` if nobody recorded it.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let mut bytes = [0u8; 512];
        let count = rustix::io::pread(&self.0, &mut bytes, 0).ok()?;
        serde_json::from_slice(bytes.get(..count)?).ok()
    }
}

impl Directory {
    /// Opens an existing directory.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|errno| Error::os(errno.raw_os_error(), format!("cannot open `{}`", path.display())))?;
        Ok(Self { path, fd, requests: Remembered::default() })
    }

    /// Returns the descriptor.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Waits for the hold on the container.
    pub(crate) fn lock(&self) -> Result<Lock> {
        self.lock_with(FlockOperation::LockExclusive).map(Lock)
    }

    /// Takes the hold if nobody has it.
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>> {
        match self.lock_with(FlockOperation::NonBlockingLockExclusive) {
            Ok(fd) => Ok(Some(Lock(fd))),
            Err(error) if error.raw_os_error() == Some(Errno::WOULDBLOCK.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock_with(&self, operation: FlockOperation) -> Result<OwnedFd> {
        // A descriptor of its own: flock(2) belongs to the open file, not to the process.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = || {
            let fd = rustix::fs::openat(&self.fd, ".", flags, Mode::empty())?;
            flock(&fd, operation)?;
            Ok(fd)
        };
        lock().map_err(|errno: Errno| {
            Error::os(
                errno.raw_os_error(),
                format!("cannot lock the container directory `{}`", self.path.display()),
            )
        })
    }

    /// Returns what messages call the container.
    pub(crate) fn called(&self) -> String {
        let short = || self.name().chars().take(12).collect();
        self.request().map_or_else(|_| short(), |request| request.called().to_owned())
    }

    /// Reads the request.
    pub(crate) fn request(&self) -> Result<Request> {
        let content = self.read("config.json")?.ok_or_else(|| {
            let message = format!("container `{}` has no stored request", self.name());
            Error::new(ErrorKind::Corrupt, message)
                .with_hint("remove what is left of it with `cv system repair`")
        })?;
        if let Some(request) = self.requests.get(&content) {
            return Ok(request);
        }
        let path = self.path.join("config.json");
        let request = parse(&content, &path).map_err(|error: Error| error.with_hint(DAMAGED_REQUEST))?;
        self.requests.keep(content, &request);
        Ok(request)
    }

    /// Reads the journal. A last line that is cut off was never acted upon.
    pub(crate) fn journal(&self) -> Result<Journal> {
        let mut journal = Journal::default();
        let bytes = self.read("journal")?.unwrap_or_default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            journal.take(parse(line, &self.path.join("journal"))?);
        }
        Ok(journal)
    }

    /// Reads what can be read of a damaged journal.
    pub(crate) fn salvaged_journal(&self) -> Journal {
        let mut journal = Journal::default();
        let bytes = self.read("journal").ok().flatten().unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).for_each(|entry| journal.take(entry));
        journal
    }

    /// Says whether a container whose request cannot be read uses nothing for certain: nothing of it was started
    /// yet, or nothing is left of it but files.
    pub(crate) fn uses_nothing(&self) -> Result<bool> {
        if self.is_supervised()? {
            return Ok(false);
        }
        let journal = self.journal().unwrap_or_else(|_| self.salvaged_journal());
        let begun = journal.process.is_some() || journal.started_unix_ns.is_some();
        let made = begun || journal.ready || journal.again;
        // Its processes end before its files go.
        Ok(!made || journal.removing && !self.path.join("config.json").exists())
    }

    /// Bytes of the journal, by which is seen whether it has changed.
    pub(crate) fn journal_size(&self) -> i64 {
        let stat = rustix::fs::statat(&self.fd, "journal", AtFlags::SYMLINK_NOFOLLOW);
        stat.map_or(0, |stat| stat.st_size)
    }

    /// Opens the journal for writing, making it.
    pub(crate) fn open_journal(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(&self.fd, "journal", flags, Mode::from_raw_mode(0o600)).map_err(|errno| {
            Error::os(errno.raw_os_error(), format!("cannot open `{}`", self.path.join("journal").display()))
        })
    }

    /// Appends an entry to an open journal.
    pub(crate) fn note(&self, journal: impl AsFd, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        // One write(2): a reader, or a crash, never sees half of a line followed by another.
        match rustix::io::write(journal, &line) {
            Ok(written) if written == line.len() => Ok(()),
            Ok(_) => Err(Error::os(Errno::NOSPC.raw_os_error(), self.journal_failed())),
            Err(errno) => Err(Error::os(errno.raw_os_error(), self.journal_failed())),
        }
    }

    fn journal_failed(&self) -> String {
        format!("cannot write `{}`", self.path.join("journal").display())
    }

    /// Takes the supervisor's lock, waiting for those who only look at it. It lasts until the
    /// descriptor and all its copies are closed.
    ///
    /// A `recorder` can write how the container ended into the file; a keeper, whose descriptor
    /// is open inside the container, cannot.
    pub(crate) fn supervise(&self, recorder: bool) -> Result<OwnedFd> {
        let access = if recorder { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = || {
            let fd = rustix::fs::openat(&self.fd, "alive", flags, Mode::from_raw_mode(0o600))?;
            flock(&fd, FlockOperation::LockExclusive)?;
            if recorder {
                rustix::fs::ftruncate(&fd, 0)?;
            }
            Ok(fd)
        };
        lock().map_err(|errno: Errno| self.supervision_failed(errno))
    }

    /// Records how a run ended, through the supervisor's descriptor.
    pub(crate) fn record_exit(&self, alive: &OwnedFd, exit: &Exit) -> Result<()> {
        let json = serde_json::to_vec(exit).unwrap_or_default();
        let written = rustix::fs::ftruncate(alive, 0).and_then(|()| rustix::io::pwrite(alive, &json, 0));
        written.map(drop).map_err(|errno| self.supervision_failed(errno))
    }

    /// Lets go of the supervisor's lock. Closing the descriptor alone would not do it while a
    /// process that another thread is just starting has a copy.
    pub(crate) fn end_supervision(&self, alive: OwnedFd) -> Result<()> {
        flock(&alive, FlockOperation::Unlock).map_err(|errno| self.supervision_failed(errno))
    }

    /// Waits until nobody supervises the container, and reads how it ended. `None` if its
    /// supervisor ended without a record.
    pub(crate) fn wait_exit(&self) -> Result<Option<Exit>> {
        match self.look_at_supervisor(FlockOperation::LockShared) {
            Ok(Some(fd)) => self.parse_exit(fd),
            Ok(None) => Ok(None),
            Err(errno) => Err(self.supervision_failed(errno)),
        }
    }

    /// Reads how the last run ended, if it has.
    pub(crate) fn exit(&self) -> Result<Option<Exit>> {
        match self.look_at_supervisor(FlockOperation::NonBlockingLockShared) {
            Ok(Some(fd)) => self.parse_exit(fd),
            Ok(None) | Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(self.supervision_failed(errno)),
        }
    }

    fn parse_exit(&self, alive: OwnedFd) -> Result<Option<Exit>> {
        let bytes = read_document(alive).map_err(|error| {
            Error::io(error, format!("cannot read `{}`", self.path.join("alive").display()))
        })?;
        if bytes.is_empty() { Ok(None) } else { parse(&bytes, &self.path.join("alive")).map(Some) }
    }

    /// Says whether somebody supervises the container: its first process has not ended.
    pub(crate) fn is_supervised(&self) -> Result<bool> {
        match self.look_at_supervisor(FlockOperation::NonBlockingLockShared) {
            Ok(_) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(errno) => Err(self.supervision_failed(errno)),
        }
    }

    fn look_at_supervisor(&self, operation: FlockOperation) -> Result<Option<OwnedFd>, Errno> {
        match rustix::fs::openat(&self.fd, "alive", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => flock(&fd, operation).map(|()| Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Opens what tells how the container ended, even once its directory is removed.
    pub(crate) fn witness(&self) -> Result<Witness> {
        let opened = rustix::fs::openat(&self.fd, "alive", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        opened.map(Witness).map_err(|errno| self.supervision_failed(errno))
    }

    fn supervision_failed(&self, errno: Errno) -> Error {
        Error::os(errno.raw_os_error(), format!("cannot lock `{}`", self.path.join("alive").display()))
    }

    /// The id that the directory is named after.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let failed =
            |error: io::Error| Error::io(error, format!("cannot read `{}`", self.path.join(name).display()));
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => read_document(fd).map(Some).map_err(failed),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// Writes a file under another name and renames it.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let temporary = format!("{name}.new");
        let path = self.path.join(&temporary);
        let write = || {
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(bytes)?;
            fs::rename(&path, self.path.join(name))
        };
        write()
            .map_err(|error| Error::io(error, format!("cannot write `{}`", self.path.join(name).display())))
    }
}

/// Reads a whole file. Its size is only where to begin: it may grow meanwhile.
fn read_document(fd: OwnedFd) -> io::Result<Vec<u8>> {
    let size = rustix::fs::fstat(&fd)?.st_size;
    let size = u64::try_from(size).unwrap_or(0).min(MAX_DOCUMENT_BYTES);
    let mut bytes = Vec::with_capacity(size as usize);
    File::from(fd).take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// flock(2), again after a signal.
fn flock(fd: impl AsFd, operation: FlockOperation) -> Result<(), Errno> {
    loop {
        match rustix::fs::flock(fd.as_fd(), operation) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("`{}` is damaged", path.display()))
            .with_source(error)
            .with_hint("`cv system repair` removes containers that cannot be read")
    })
}
