//! The backend of a system that has none yet: everything is unavailable, with the reason.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use containerv_spec::plan::Plan;
use containerv_spec::request::{Process as ProcessRequest, TerminalSize};
use containerv_spec::state::Exit;
use containerv_spec::{ContainerId, Limits, OsText, Request};

use crate::attach::{AttachFrame, AttachOptions};
use crate::container::State;
use crate::copy::{Change, CopyOptions, CopySummary};
use crate::host::RepairAction;
use crate::process::{ExecOptions, ExitStatus, StdioSet};
use crate::{Error, ErrorKind, Result};

fn unavailable<T>() -> Result<T> {
    let message = format!("no backend of this version runs containers on {}", std::env::consts::OS);
    Err(Error::new(ErrorKind::Unavailable, message).with_hint("use a Linux host"))
}

/// No backend.
#[derive(Debug)]
pub(crate) struct System;

/// What no container is made of.
pub(crate) struct Made {
    pub(crate) request: Request,
    pub(crate) process: Option<Process>,
    pub(crate) ends: Ends,
}

/// Pipe ends of no process.
#[derive(Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<std::io::PipeWriter>,
    pub(crate) stdout: Option<std::io::PipeReader>,
    pub(crate) stderr: Option<std::io::PipeReader>,
}

impl System {
    pub(crate) fn new(_run: PathBuf, _data: PathBuf, _fault: Option<u32>) -> Self {
        Self
    }

    pub(crate) fn variable(name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    pub(crate) fn default_roots() -> Result<(PathBuf, PathBuf)> {
        let data = std::env::var_os("ProgramData").map(PathBuf::from);
        let data = data.or_else(|| std::env::var_os("HOME").map(PathBuf::from));
        let root = data.unwrap_or_else(std::env::temp_dir).join("containerv");
        Ok((root.join("run"), root.join("data")))
    }

    pub(crate) fn new_id(&self) -> Result<ContainerId> {
        unavailable()
    }

    pub(crate) fn plan(&self, _request: &Request, _attached: bool) -> Result<Plan> {
        unavailable()
    }

    pub(crate) fn create(&self, _request: Request) -> Result<Made> {
        unavailable()
    }

    pub(crate) fn run_detached(&self, _request: Request) -> Result<Made> {
        unavailable()
    }

    pub(crate) fn run_attached(&self, _request: Request, _stdio: StdioSet) -> Result<Made> {
        unavailable()
    }

    pub(crate) fn start(&self, _id: &ContainerId) -> Result<()> {
        unavailable()
    }

    pub(crate) fn prepare(&self, _id: &ContainerId) -> Result<()> {
        unavailable()
    }

    pub(crate) fn request(&self, _id: &ContainerId) -> Result<Request> {
        unavailable()
    }

    pub(crate) fn ids(&self) -> Result<Vec<ContainerId>> {
        Ok(Vec::new())
    }

    pub(crate) fn named(&self, _name: &str) -> Option<ContainerId> {
        None
    }

    pub(crate) fn state(&self, _id: &ContainerId) -> Result<State> {
        unavailable()
    }

    pub(crate) fn signal(&self, _id: &ContainerId, _signal: i32) -> Result<()> {
        unavailable()
    }

    pub(crate) fn disk_usage(&self, _id: &ContainerId) -> Result<u64> {
        unavailable()
    }

    pub(crate) fn path(&self, _id: &ContainerId) -> Result<PathBuf> {
        unavailable()
    }

    pub(crate) fn stop(
        &self,
        _id: &ContainerId,
        _signal: Option<i32>,
        _timeout: Option<Duration>,
    ) -> Result<()> {
        unavailable()
    }

    pub(crate) fn wait(&self, _id: &ContainerId) -> Result<Exit> {
        unavailable()
    }

    pub(crate) fn delete(&self, _id: &ContainerId, _force: bool) -> Result<()> {
        unavailable()
    }

    pub(crate) fn pause(&self, _id: &ContainerId) -> Result<()> {
        unavailable()
    }

    pub(crate) fn resume(&self, _id: &ContainerId) -> Result<()> {
        unavailable()
    }

    pub(crate) fn enter(&self, _id: &ContainerId) -> Result<()> {
        unavailable()
    }

    pub(crate) fn update(&self, _id: &ContainerId, _change: &Limits) -> Result<()> {
        unavailable()
    }

    pub(crate) fn upload(
        &self,
        _id: &ContainerId,
        _from: &std::path::Path,
        _to: &OsText,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        unavailable()
    }

    pub(crate) fn download(
        &self,
        _id: &ContainerId,
        _from: &OsText,
        _to: &std::path::Path,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        unavailable()
    }

    pub(crate) fn upload_tar(
        &self,
        _id: &ContainerId,
        _archive: impl std::io::Read,
        _to: &OsText,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        unavailable()
    }

    pub(crate) fn download_tar(
        &self,
        _id: &ContainerId,
        _from: &OsText,
        _archive: impl std::io::Write,
        _options: &CopyOptions,
    ) -> Result<CopySummary> {
        unavailable()
    }

    pub(crate) fn changes(&self, _id: &ContainerId) -> Result<Vec<Change>> {
        unavailable()
    }

    pub(crate) fn rename(&self, _id: &ContainerId, _name: &str) -> Result<()> {
        unavailable()
    }

    pub(crate) fn repair(&self, _dry_run: bool) -> Result<Vec<RepairAction>> {
        Ok(Vec::new())
    }

    pub(crate) fn stats(&self, _id: &ContainerId) -> Result<crate::Stats> {
        unavailable()
    }

    pub(crate) fn processes(&self, _id: &ContainerId) -> Result<Vec<crate::ProcessInfo>> {
        unavailable()
    }

    pub(crate) fn features(&self) -> Vec<crate::Feature> {
        let reason = format!("it needs a Linux host, and this is {}", std::env::consts::OS);
        crate::features::document(|_| Err(reason.clone()))
    }

    pub(crate) fn diagnose(&self) -> Vec<crate::Check> {
        let found = format!("none for {}", std::env::consts::OS);
        let cause = "this version runs containers on Linux only; plans for Linux can be made here";
        let status = crate::CheckStatus::Failed;
        vec![crate::Check::bad("backend", status, found, cause, "use a Linux host")]
    }

    pub(crate) fn events(&self, _since: u64, _follow: bool) -> Result<Events> {
        unavailable()
    }

    pub(crate) fn logs(&self, _id: &ContainerId, _options: crate::LogOptions) -> Result<Logs> {
        unavailable()
    }

    pub(crate) fn attach(&self, _id: &ContainerId, _options: AttachOptions) -> Result<Attachment> {
        unavailable()
    }

    pub(crate) fn exec(
        &self,
        _id: &ContainerId,
        _process: &ProcessRequest,
        _stdio: StdioSet,
        _options: ExecOptions,
    ) -> Result<(Process, Ends)> {
        unavailable()
    }
}

/// No process can exist without a backend.
#[derive(Debug)]
pub(crate) struct Process(Infallible);

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn pid_inside(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        match self.0 {}
    }

    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        match self.0 {}
    }

    pub(crate) fn signal(&self, _signal: i32) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn resize(&self, _size: TerminalSize) -> Result<()> {
        match self.0 {}
    }

    #[cfg(unix)]
    pub(crate) fn take_terminal(&mut self) -> Option<std::os::fd::OwnedFd> {
        match self.0 {}
    }
}

/// No attachment can exist either.
#[derive(Debug)]
pub(crate) struct Attachment(Infallible);

/// Its reader.
#[derive(Debug)]
pub(crate) struct AttachedReader(Infallible);

/// Its writer.
#[derive(Clone, Debug)]
pub(crate) struct AttachedWriter(Infallible);

impl Attachment {
    pub(crate) fn split(self) -> (AttachedReader, AttachedWriter) {
        match self.0 {}
    }
}

impl AttachedReader {
    pub(crate) fn next_frame(&mut self) -> Result<Option<AttachFrame>> {
        match self.0 {}
    }
}

impl AttachedWriter {
    pub(crate) fn write(&self, _bytes: &[u8]) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn close_stdin(&self) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn resize(&self, _size: TerminalSize) -> Result<()> {
        match self.0 {}
    }

    pub(crate) fn detach(&self) {
        match self.0 {}
    }
}

/// No log can exist either.
#[derive(Debug)]
pub(crate) struct Logs(Infallible);

impl Logs {
    pub(crate) fn next(&mut self) -> Option<Result<crate::LogEntry>> {
        match self.0 {}
    }
}

/// Nor can events.
#[derive(Debug)]
pub(crate) struct Events(Infallible);

impl Events {
    pub(crate) fn end_at(&mut self, _unix_ns: u64) {
        match self.0 {}
    }

    pub(crate) fn next(&mut self) -> Option<Result<crate::Event>> {
        match self.0 {}
    }
}
