//! The compute service of a bed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::build::Built;
use crate::failure::{Failure, Result};

/// The running service. As root it has namespaces of its own for mounts and networks, and the bed's
/// Windows programs are in them too: nothing that it makes is seen outside.
pub(super) struct Service {
    child: Child,
    apart: bool,
}

impl Service {
    pub(super) fn start(built: &Built, prefix: &Path, template: &Path, state: &Path) -> Result<Service> {
        let apart = rustix::process::geteuid().is_root();
        let mut command = if apart {
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"])
                .arg(&built.service);
            command
        } else {
            Command::new(&built.service)
        };
        command.arg("serve").args([prefix, template, state, &built.launcher]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| Failure::io("starting the compute service", &error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(|error| Failure::io("reading from the compute service", &error))?;
        }
        let service = Service { child, apart };
        if line.trim() == "ready" {
            Ok(service)
        } else {
            Err(Failure::new("the compute service did not come up"))
        }
    }

    /// `program` among what the service makes.
    pub(super) fn inside(&self, program: &str) -> Command {
        if !self.apart {
            return Command::new(program);
        }
        // The shell knows the working directory that the command is given later.
        let script = "exec nsenter --target \"$0\" --mount --net --wdns=\"$(pwd)\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, &self.child.id().to_string(), program]);
        command
    }

    /// Ends it, and with it its containers; returns when they are gone.
    pub(super) fn stop(&mut self) {
        drop(self.child.stdin.take());
        // Fails only if it was waited for already.
        let _ = self.child.wait();
    }
}
