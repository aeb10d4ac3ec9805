//! `containerv_create` and what is done with its container.

use std::ffi::{CString, c_char, c_int};
use std::ptr::null;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use containerv::{Child, Container, Error, ErrorKind, ExecOptions, StdioSet};
use containerv_spec::OsText;
use containerv_spec::request::Process;
use containerv_spec::state::Status;

use crate::border::{self, Failure, Result, invalid};
use crate::foreign::{self, ProcessHandle, SpawnOptions};
use crate::handles::registry;
use crate::options::{ContainervOptions, snapshot};
use crate::request::request;
use crate::system::processes::{self, Place, Processes};
use crate::system::{self, calls};

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

    fn start(&self, process: &Process) -> Result<Child> {
        // What has ended counts for the container's limit until it is reaped.
        self.processes().reap();
        let started = self.container.exec(process, StdioSet::inherit(), ExecOptions::default());
        started.map_err(|error| self.explained(error))
    }

    /// The number for a container that has ended is that of a process that has.
    fn explained(&self, error: Error) -> Failure {
        let ended = || !self.container.state().is_ok_and(|state| state.status == Status::Running);
        match error.kind() {
            ErrorKind::InvalidState if error.raw_os_error().is_none() && ended() => {
                Failure::new(libc::ESRCH, "the container has ended").caused(error)
            }
            _ => error.into(),
        }
    }

    /// Starts a process; `tell` gets the handle, unless the caller does not want one.
    fn spawn(&self, process: &Process, wait: bool, tell: Option<impl FnOnce(ProcessHandle)>) -> Result<()> {
        let place = Place::new(tell.is_some())?;
        let child = self.start(process)?;
        let watch = wait.then(|| processes::watch(&child, &place)).transpose();
        // From here on the process is the container's, whatever happens.
        let handle = self.processes().add(child, place);
        if let Some(tell) = tell {
            tell(handle);
        }
        if let Some(process) = watch? {
            process.wait();
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
            other => Ok(other?),
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
        let request = request(host.new_id()?, &root, &options.settings, &mounts)?;
        let entry = Entry::new(Container::create(&host, request)?)?;
        let handle = registry().containers.add(Arc::new(entry));
        // SAFETY: not NULL, and the caller promises room for a pointer.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Says early, and with the system's own number, what is wrong with the root.
fn check_root(root: &OsText) -> Result<()> {
    if root.is_empty() {
        return Err(Failure::new(libc::ENOENT, "the path of the root is empty"));
    }
    let failed = |error| Failure::io(error, format!("cannot use `{root}` as a root"));
    if std::fs::metadata(system::host_path(root)?).map_err(failed)?.is_dir() {
        Ok(())
    } else {
        Err(Failure::new(libc::ENOTDIR, format!("cannot use `{root}` as a root: it is not a directory")))
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
        let options = unsafe { options.as_ref() };
        let flags = options.map_or(0, |options| options.flags);
        if flags & !WAIT != 0 {
            return Err(invalid(format!("the flags {:#x} have no meaning", flags & !WAIT)));
        }
        // SAFETY: the caller promises that the texts are valid.
        let process = calls::process(unsafe { SpawnTexts::read(path, options) })?;
        let tell = (!pid_out.is_null()).then_some(|handle| {
            // SAFETY: not NULL, and the caller promises room for a handle.
            unsafe { pid_out.write(handle) };
        });
        entry.spawn(&process, flags & WAIT != 0, tell)
    })
}

/// What `containerv_spawn` was given, copied.
pub(crate) struct SpawnTexts {
    pub(crate) path: OsText,
    pub(crate) arguments: Option<OsText>,
    pub(crate) environment: Vec<OsText>,
    /// User and group.
    #[cfg_attr(windows, expect(dead_code, reason = "users of Windows are no numbers"))]
    pub(crate) user: Option<(u32, u32)>,
}

impl SpawnTexts {
    /// # Safety
    /// The texts of the options are NULL or end in NUL, the environment is NULL or ends in NULL, and
    /// the user is NULL or valid.
    unsafe fn read(path: OsText, options: Option<&SpawnOptions>) -> Self {
        let Some(options) = options else {
            return Self { path, arguments: None, environment: Vec::new(), user: None };
        };
        // SAFETY: as this function's caller promises.
        let (arguments, environment) =
            unsafe { (foreign::text(options.arguments), foreign::terminated_texts(options.environment)) };
        // SAFETY: the same.
        let user = unsafe { system::user(options.as_user) };
        Self { path, arguments, environment, user }
    }
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
        system::join(&id)
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
