//! Logs of supervised containers.

use containerv_spec::ContainerId;
use containerv_spec::request::{Log, LogDriver, Request};

use super::journal::Journal;
use super::store::Directory;
use super::{System, execute};
use crate::backend::lines::Series;
use crate::backend::logs::{self, MAX_LINE, NAME, Writer};
use crate::logs::LogOptions;
use crate::{Error, ErrorKind, Result};

/// Entries of a log.
pub(crate) type Logs = logs::Logs<Directory>;

impl Writer for Directory {
    fn is_writing(&self) -> Result<bool> {
        self.is_supervised()
    }
}

impl System {
    /// Opens the log of a container.
    pub(crate) fn logs(&self, id: &ContainerId, options: LogOptions) -> Result<Logs> {
        let directory = self.directory(id)?;
        let request = directory.request()?;
        refuse_without_log(&request, &directory.journal()?)?;
        let series = Series {
            directory: execute::duplicate(directory.fd())?,
            path: directory.path.clone(),
            name: NAME,
            files: request.log.max_files.clamp(1, Log::MOST_FILES),
            max_line: MAX_LINE,
        };
        Logs::open(series, directory, options)
    }
}

fn refuse_without_log(request: &Request, journal: &Journal) -> Result<()> {
    let name = request.called();
    let (why, hint) = if request.process.is_none() {
        ("it has no command of its own", "read the output of each process from whoever starts it")
    } else if journal.intent.attached.is_some() {
        ("it was run in the foreground, and its output went to its caller", "run it with `--detach`")
    } else if request.log.driver == LogDriver::None {
        ("its log driver is `none`", "run it with `--log-driver json-file`")
    } else {
        return Ok(());
    };
    let message = format!("container `{name}` has no log: {why}");
    Err(Error::new(ErrorKind::InvalidState, message).with_hint(hint))
}
