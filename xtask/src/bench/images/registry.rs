//! A registry of this benchmark's own, ended with it.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::workspace;

/// How often a server is asked whether it is there, 50 ms apart.
const PATIENCE: u32 = 200;

pub(super) struct Registry {
    process: Child,
    log: PathBuf,
    /// Host and port.
    pub(super) name: String,
}

impl Registry {
    pub(super) fn start(directory: &Path) -> Result<Registry> {
        let io = |error| Failure::io("starting a registry", &error);
        let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).map_err(io)?;
        let configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            directory.join("registry").display()
        );
        let file = directory.join("registry.yml");
        workspace::write(&file, configuration)?;
        let path = directory.join("registry.log");
        let log = File::create(&path).map_err(io)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null());
        let process = command.stdout(log.try_clone().map_err(io)?).stderr(log).spawn().map_err(io)?;
        let registry = Registry { process, log: path, name: address.to_string() };
        for _ in 0..PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Failure::new("the registry does not answer"))
    }

    /// Bytes of blobs that it has sent by now, as its log of accesses says.
    pub(super) fn sent(&self) -> Result<u64> {
        let log = fs::read(&self.log).map_err(|error| Failure::io("reading a registry's log", &error))?;
        Ok(String::from_utf8_lossy(&log).lines().filter_map(sent).sum())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a line of the log says to have been sent of a blob: `... "GET /v2/a/blobs/sha256:... HTTP/1.1" 200 1234 ...`.
fn sent(line: &str) -> Option<u64> {
    let mut parts = line.split('"').skip(1);
    let (request, answer) = (parts.next()?, parts.next()?);
    let target = request.strip_prefix("GET ")?;
    target.contains("/blobs/").then(|| answer.split_whitespace().nth(1)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_of_blobs_is_in_the_log() {
        for (line, bytes) in [
            (
                r#"127.0.0.1 - - [1/Nov/2026:00:00:00 +0000] "GET /v2/a/blobs/sha256:1 HTTP/1.1" 200 1234 "" "cv""#,
                Some(1234),
            ),
            (
                r#"127.0.0.1 - - [1/Nov/2026:00:00:00 +0000] "GET /v2/a/blobs/sha256:1 HTTP/1.1" 206 34 "" "cv""#,
                Some(34),
            ),
            (
                r#"127.0.0.1 - - [1/Nov/2026:00:00:00 +0000] "GET /v2/a/manifests/1 HTTP/1.1" 200 99 "" "cv""#,
                None,
            ),
            (
                r#"127.0.0.1 - - [1/Nov/2026:00:00:00 +0000] "HEAD /v2/a/blobs/sha256:1 HTTP/1.1" 200 0 "" "cv""#,
                None,
            ),
            ("level=error", None),
        ] {
            assert_eq!(sent(line), bytes, "{line}");
        }
    }
}
