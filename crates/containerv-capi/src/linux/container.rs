//! `containerv_create` and what is done with its container.

use std::ffi::{CString, c_char, c_int};
use std::ptr::null;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use containerv::{Container, Error, ErrorKind, ExecOptions, StdioSet};
use containerv_spec::OsText;
use containerv_spec::request::Process;
use containerv_spec::state::Status;

use super::processes::{self, Processes};
use super::request::{self, Caller};
use super::{arguments, member};
use crate::border::{self, Result, invalid};
use crate::foreign::{self, ProcessHandle, SpawnOptions};
use crate::handles::registry;
use crate::options::{ContainervOptions, snapshot};

const WAIT: u32 = 0x1;

/// How long processes have between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(500);

/// How long killed processes may take to disappear: those that wait for a device do.
const PATIENCE: Duration = Duration::from_secs(10);

/// `struct containerv_container`, as far as C sees it.
#[repr(C)]
pub(crate) struct ContainervContainer {
    _private: [u8; 0],
}

/// A live container.
#[derive(Debug)]
pub(crate) struct Entry {
    container: Container,
    id: CString,
    processes: Mutex<Processes>,
}

impl Entry {
    fn new(container: Container) -> Result<Self> {
        let id = CString::new(container.id().short()).map_err(|_| invalid("the id holds NUL"))?;
        Ok(Self { container, id, processes: Mutex::default() })
    }

    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, process: &Process) -> Result<containerv::Child> {
        // What has ended counts for the container's limit until it is reaped.
        self.processes().reap();
        let started = self.container.exec(process, StdioSet::inherit(), ExecOptions::default());
        started.map_err(|error| self.explained(error))
    }

    /// The number for a container that has ended is that of a process that has.
    fn explained(&self, error: Error) -> Error {
        let ended = || !self.container.state().is_ok_and(|state| state.status == Status::Running);
        match error.kind() {
            ErrorKind::InvalidState if error.raw_os_error().is_none() && ended() => {
                Error::os(libc::ESRCH, "the container has ended").with_source(error)
            }
            _ => error,
        }
    }

    fn spawn(&self, process: &Process, wait: bool, started: impl FnOnce(i32)) -> Result<()> {
        let child = self.start(process)?;
        let watch = wait.then(|| processes::watch(&child)).transpose();
        // From here on the process is the container's, whatever happens.
        started(self.processes().add(child));
        if let Some(process) = watch? {
            processes::wait(&process, None);
            self.processes().reap();
        }
        Ok(())
    }

    fn destroy(&self) -> Result<()> {
        // They are children of this process: unless they are reaped the container cannot end.
        self.processes().end(GRACE, PATIENCE);
        match self.container.delete(true) {
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// See `chef/containerv.h`.
///
/// # Safety
/// The pointers are as the header demands.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_create(
    root: *const c_char,
    options: *mut ContainervOptions,
    out: *mut *mut ContainervContainer,
) -> c_int {
    border::status("containerv_create", || {
        // SAFETY: the caller promises NULL or a text.
        let root = unsafe { foreign::text(root) }.ok_or_else(|| invalid("`rootFs` is NULL"))?;
        if out.is_null() {
            return Err(invalid("`containerOut` is NULL"));
        }
        let options = snapshot(options)?;
        // SAFETY: the caller promises that the array is valid until this function returns.
        let mounts = unsafe { options.mounts() }?;
        check_root(&root)?;
        let host = registry().host()?;
        let caller =
            Caller { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        let request = request::request(host.new_id()?, &root, &options.settings, &mounts, caller)?;
        let entry = Entry::new(Container::create(&host, request)?)?;
        let handle = registry().containers.add(Arc::new(entry));
        // SAFETY: not NULL, and the caller promises room for a pointer.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Says early, and with the system's own number, what is wrong with the root.
fn check_root(root: &OsText) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let failed = |error| Error::io(error, format!("cannot use `{root}` as a root"));
    let metadata = std::fs::metadata(std::ffi::OsStr::from_bytes(root.as_bytes())).map_err(failed)?;
    if metadata.is_dir() {
        Ok(())
    } else {
        Err(Error::os(libc::ENOTDIR, format!("cannot use `{root}` as a root")))
    }
}

/// See `chef/containerv.h`.
///
/// # Safety
/// The pointers are as the header demands.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_spawn(
    container: *mut ContainervContainer,
    path: *const c_char,
    options: *const SpawnOptions,
    pid_out: *mut ProcessHandle,
) -> c_int {
    border::status("containerv_spawn", || {
        let entry = registry().containers.find(container)?;
        // SAFETY: the caller promises NULL or a text.
        let path = unsafe { foreign::text(path) }.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| invalid("`path` is NULL or empty"))?;
        // SAFETY: the caller promises NULL or valid options.
        let (process, flags) = unsafe { process(path, options) };
        if flags & !WAIT != 0 {
            return Err(invalid(format!("the flags {:#x} have no meaning", flags & !WAIT)));
        }
        entry.spawn(&process, flags & WAIT != 0, |id| {
            if !pid_out.is_null() {
                // SAFETY: not NULL, and the caller promises room for an id.
                unsafe { pid_out.write(id) };
            }
        })
    })
}

/// Reads the options of a process; returns the flags beside it.
///
/// # Safety
/// `options` is NULL or valid, as are its texts.
unsafe fn process(path: OsText, options: *const SpawnOptions) -> (Process, u32) {
    // SAFETY: the caller promises NULL or valid options.
    let options = unsafe { options.as_ref() };
    // SAFETY: the caller promises NULL or a text.
    let text = options.and_then(|options| unsafe { foreign::text(options.arguments) });
    // SAFETY: the caller promises NULL or an array that ends in NULL.
    let env =
        options.map_or_else(Vec::new, |options| unsafe { foreign::terminated_texts(options.environment) });
    // SAFETY: the caller promises NULL or a user.
    let user = options.and_then(|options| unsafe { options.as_user.as_ref() });
    let split = text.map_or_else(Vec::new, |text| arguments::split(text.as_bytes()));
    let args = std::iter::once(path.clone()).chain(split.into_iter().map(OsText::from_bytes)).collect();
    let process = Process {
        program: Some(path),
        search_path: false,
        env,
        set_home: false,
        // A group is named in any case, so that none is taken from the container's own files.
        user: user.map_or_else(|| "0:0".to_owned(), |user| format!("{}:{}", user.uid, user.gid)),
        ..Process::new(args)
    };
    (process, options.map_or(0, |options| options.flags))
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_kill(container: *mut ContainervContainer, pid: ProcessHandle) -> c_int {
    border::status("containerv_kill", || {
        let entry = registry().containers.find(container)?;
        entry.processes().ask_to_end(pid)
    })
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_destroy(container: *mut ContainervContainer) -> c_int {
    border::status("containerv_destroy", || {
        let containers = &registry().containers;
        // Taken out first: of two calls at the same time one finds nothing.
        let entry = containers.remove(container)?;
        entry.destroy().inspect_err(|_| containers.restore(container, entry))
    })
}

/// See `chef/containerv.h`.
///
/// # Safety
/// `id` is NULL or ends in NUL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_join(id: *const c_char) -> c_int {
    border::status("containerv_join", || {
        // SAFETY: as this function's caller promises.
        let id = unsafe { foreign::text(id) }.ok_or_else(|| invalid("`containerId` is NULL"))?;
        member::join(&id)
    })
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_id(container: *mut ContainervContainer) -> *const c_char {
    border::object("containerv_id", null(), || {
        // The text lives as long as the container, which the registry holds until `destroy`.
        Ok(registry().containers.find(container)?.id.as_ptr())
    })
}
