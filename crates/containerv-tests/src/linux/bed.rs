//! What tests of Linux alone do in a bed.

use std::path::Path;

use containerv::spec::request::Process;
use containerv::spec::{OsText, Request};
use containerv::{Container, Output, StdioSet};

use super::machine;
use crate::Bed;

impl Bed {
    /// Gives the state root and the root file system to an ordinary user.
    ///
    /// # Panics
    ///
    /// If this process is not root.
    pub fn give_to(&self, uid: u32) {
        let state = self.make_directory("state");
        let owner = format!("{uid}:{uid}");
        machine::run(
            "chown",
            &["-R", &owner, state.to_str().unwrap(), self.path("rootfs").to_str().unwrap()],
        );
    }

    /// Watches that no interface of this name is left.
    pub fn watch_interface(&self, name: &str) {
        self.watched.lock().unwrap().push(name.to_owned());
    }

    /// Runs a shell script as a container's command and returns what it wrote.
    pub fn run(&self, change: impl FnOnce(&mut Request), script: &str) -> Output {
        let mut request = self.request();
        request.process = Some(shell(script));
        change(&mut request);
        let mut stdio = StdioSet::piped();
        stdio.stdin = containerv::Stdio::Null;
        let (container, child) = Container::run_attached(self.host(), request, stdio).unwrap();
        let output = child.wait_with_output().unwrap();
        container.delete(false).unwrap();
        output
    }

    /// Runs a shell script that must succeed, and returns what it wrote to standard output
    /// without the last newline.
    pub fn text(&self, change: impl FnOnce(&mut Request), script: &str) -> String {
        let output = self.run(change, script);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{script}`: {}: {error}", output.status);
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Mounts something on the host until the result is dropped.
    pub fn mount(&self, arguments: &[&str], at: &Path) -> HostMount {
        let at = at.to_str().unwrap();
        machine::run("mount", &[arguments, &[at]].concat());
        HostMount(at.to_owned())
    }
}

/// A mount of the host that a test has made.
#[derive(Debug)]
pub struct HostMount(String);

impl Drop for HostMount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").args(["-l", &self.0]).status();
    }
}

/// A shell that runs a script.
pub fn shell(script: &str) -> Process {
    Process {
        env: containerv::default_environment(),
        ..Process::new(["sh", "-c", script].map(OsText::from).to_vec())
    }
}
