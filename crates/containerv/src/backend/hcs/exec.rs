//! Further processes in a running container.

use std::sync::Arc;

use containerv_spec::ContainerId;
use containerv_spec::request::Process as ProcessRequest;

use super::running::Process;
use super::system::System;
use crate::backend::events::Announce;
use crate::lower::hcs::{Streams, process_parameters};
use crate::process::{Ends, ExecOptions, StdioSet};
use crate::{Error, ErrorKind, Result};

impl System {
    /// Starts a further process in a running container.
    pub(crate) fn exec(
        self: &Arc<Self>,
        id: &ContainerId,
        process: &ProcessRequest,
        stdio: StdioSet,
        options: ExecOptions,
    ) -> Result<(Process, Ends)> {
        let (directory, running) = self.running_now(id)?;
        let request = directory.request()?;
        let name = request.called();
        if running.paused {
            return Err(Error::new(ErrorKind::InvalidState, format!("container `{name}` is paused"))
                .with_hint(format!("resume it with `cv unpause {name}`")));
        }
        if options.privileged {
            let message = "`--privileged`: Windows has no privileged processes";
            return Err(
                Error::new(ErrorKind::Unsupported, message).with_hint("use `--user ContainerAdministrator`")
            );
        }
        let terminal = process.terminal.is_some();
        let streams = Streams {
            stdin: terminal || !stdio.stdin.is_null(),
            stdout: terminal || !stdio.stdout.is_null(),
            stderr: !terminal && !stdio.stderr.is_null(),
        };
        let parameters = process_parameters(&request, process, streams)?;
        let started = running.system.create_process(&parameters);
        let (started, info) = started.map_err(|failure| {
            failure.explain_start(&format!("cannot start a process in container `{name}`"))
        })?;
        super::perform::die_at(self.fault(), 1);
        let (mut child, ends) = Process::new(id, None, started, info, stdio, terminal, None)?;
        if options.announced
            && let Ok(told) = self.new_id()
        {
            child.tell_end(self, self.announce_exec(&request, &told, &process.args));
        }
        Ok((child, ends))
    }
}
