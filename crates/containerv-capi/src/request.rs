//! Settings to a request.

use std::ffi::c_uint;

use containerv_spec::request::{Lifetime, Mount, MountSource, Root, Stop};
use containerv_spec::{ContainerId, OsText, Request};

use crate::border::{Failure, Result, invalid};
use crate::options::{MountTexts, Settings};
use crate::system;

/// Bits of `enum containerv_capabilities`.
#[cfg_attr(windows, expect(dead_code, reason = "Windows keeps the other things apart in any case"))]
pub(crate) mod capability {
    use std::ffi::c_uint;

    pub(crate) const NETWORK: c_uint = 0x1;
    pub(crate) const PROCESS_CONTROL: c_uint = 0x2;
    pub(crate) const IPC: c_uint = 0x4;
    pub(crate) const FILESYSTEM: c_uint = 0x8;
    pub(crate) const CGROUPS: c_uint = 0x10;
    pub(crate) const USERS: c_uint = 0x20;
}

/// Bits of `enum containerv_mount_flags`.
pub(crate) const BIND: c_uint = 0x1;
pub(crate) const RECURSIVE: c_uint = 0x2;
pub(crate) const READONLY: c_uint = 0x4;
pub(crate) const CREATE: c_uint = 0x100;

/// Name that every container of this interface has.
const HOSTNAME: &str = "containerv-host";

/// Returns the request for a container whose root is the directory `root`. Every problem that
/// needs no look at the machine is found here, all of them at once.
pub(crate) fn request(
    id: ContainerId,
    root: &OsText,
    settings: &Settings,
    mounts: &[MountTexts],
) -> Result<Request> {
    let mut problems = Problems::default();
    let request = system::request::complete(base(id, root, &mut problems), settings, mounts, &mut problems);
    problems.finish(request)
}

/// A request without anything that the settings are about.
pub(crate) fn base(id: ContainerId, root: &OsText, problems: &mut Problems) -> Request {
    Request {
        name: None,
        created_unix_ns: 0,
        labels: Default::default(),
        isolation: Default::default(),
        root: Root::Directory(problems.take(absolute(root)).unwrap_or_default()),
        overlay: Default::default(),
        read_only: false,
        mounts: Vec::new(),
        namespaces: Default::default(),
        network: Default::default(),
        ports: Vec::new(),
        dns: Default::default(),
        hostname: Some(HOSTNAME.to_owned()),
        domainname: None,
        extra_hosts: Vec::new(),
        sysctls: Default::default(),
        limits: Default::default(),
        cgroup_parent: None,
        security: Default::default(),
        devices: Vec::new(),
        assigned_devices: Vec::new(),
        storage_bytes: None,
        shm_bytes: None,
        process: None,
        init: false,
        lifetime: Lifetime::OwnerBound,
        // Nothing of the container shall outlast a restart of the machine.
        auto_remove: true,
        log: Default::default(),
        stop: Stop::default(),
        id,
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub(crate) struct Problems(Vec<Failure>);

impl Problems {
    /// Notes that something needs a capability that was not given.
    #[cfg_attr(windows, expect(dead_code, reason = "capabilities are never missing there"))]
    pub(crate) fn needs(&mut self, has: bool, given: bool, what: &str, capability: &str) {
        if given && !has {
            let problem = invalid(format!("{what} were given without {capability}"));
            self.0.push(problem.with_hint("add it with containerv_options_set_caps()"));
        }
    }

    /// Takes a result apart.
    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// Returns the request, unless something is wrong with it.
    pub(crate) fn finish(self, request: Request) -> Result<Request> {
        match self.0.is_empty() {
            true => Ok(request),
            false => Err(Failure::all("cannot create a container", self.0)),
        }
    }
}

/// Takes a path of the host relative to the working directory, as every C function does.
fn absolute(path: &OsText) -> Result<OsText> {
    let absolute = std::path::absolute(system::host_path(path)?).map_err(|error| {
        Failure::io(error, format!("cannot make `{path}` absolute")).with_hint("give an absolute path")
    })?;
    system::path_text(&absolute)
}

/// The caller's mounts.
pub(crate) fn mounts(mounts: &[MountTexts], problems: &mut Problems) -> Vec<Mount> {
    let one = |(index, texts)| mount(texts).map_err(|failure| failure.context(format!("mount {index}")));
    mounts.iter().enumerate().filter_map(|mount| problems.take(one(mount))).collect()
}

fn mount(texts: &MountTexts) -> Result<Mount> {
    let unknown = texts.flags & !(BIND | RECURSIVE | READONLY | CREATE);
    if unknown != 0 {
        return Err(invalid(format!("the flags {unknown:#x} have no meaning")));
    }
    let target = texts.target.as_ref().ok_or_else(|| invalid("`where` is NULL"))?;
    let target = system::request::target(target)?;
    let source = source(texts)?;
    let options = system::request::options(&source, texts.flags);
    Ok(Mount { source, target, read_only: texts.flags & READONLY != 0, options })
}

/// What a mount shows. Without a file system type it is a bind, and a bind needs none.
fn source(texts: &MountTexts) -> Result<MountSource> {
    if let Some(special) = system::request::special_source(texts)? {
        return Ok(special);
    }
    let what = texts.what.as_ref().ok_or_else(|| invalid("`what` is NULL"))?;
    if what.is_empty() {
        return Err(Failure::new(libc::ENOENT, "`what` is empty"));
    }
    Ok(MountSource::Bind { path: absolute(what)?, recursive: texts.flags & RECURSIVE != 0 })
}
