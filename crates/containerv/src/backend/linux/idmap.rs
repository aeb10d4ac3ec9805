//! Writes the id mappings of a new user namespace; user_namespaces(7).

use std::fs;
use std::process::{Command, Stdio};

use containerv_spec::OsText;
use containerv_spec::plan::IdMaps;
use containerv_spec::request::IdRange;

use super::store::path;
use crate::{Error, ErrorKind, Result};

/// Maps the ids of the process that was just made in a new user namespace.
pub(crate) fn write(pid: u32, maps: &IdMaps) -> Result<()> {
    if maps.deny_setgroups {
        write_file(pid, "setgroups", "deny")?;
    }
    match &maps.helpers {
        Some((uids, gids)) => {
            run_helper(uids, pid, &maps.uids)?;
            run_helper(gids, pid, &maps.gids)
        }
        None => {
            write_file(pid, "uid_map", &lines(&maps.uids))?;
            write_file(pid, "gid_map", &lines(&maps.gids))
        }
    }
}

/// The lines that the kernel takes.
pub(super) fn lines(ranges: &[IdRange]) -> String {
    ranges.iter().map(|range| format!("{} {} {}\n", range.inside, range.outside, range.count)).collect()
}

fn write_file(pid: u32, name: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{pid}/{name}");
    // The kernel takes a map in one write(2) only.
    fs::write(&path, text).map_err(|error| {
        Error::io(error, format!("cannot write `{}` to `{path}`", text.trim_end().replace('\n', ", ")))
            .with_hint(
                "the ranges must not overlap, and an ordinary user may map only its own id without newuidmap",
            )
    })
}

/// Runs newuidmap(1) or newgidmap(1), found by absolute path and without an environment.
fn run_helper(program: &OsText, pid: u32, ranges: &[IdRange]) -> Result<()> {
    let mut command = Command::new(path(program));
    command
        .arg(pid.to_string())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for range in ranges {
        command.args([range.inside, range.outside, range.count].map(|number| number.to_string()));
    }
    let output = command.output().map_err(|error| Error::io(error, format!("cannot run `{program}`")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let message =
        format!("`{program}` refused the mapping {}: {}", lines(ranges).replace('\n', ", "), said.trim());
    Err(Error::new(ErrorKind::PermissionDenied, message)
        .with_hint("compare the ranges with /etc/subuid and /etc/subgid"))
}
