//! Directories and files of the host in a container.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sim_protocol::codes;

use super::{Container, refuse};
use crate::answer::{Answer, OrRefuse, Refusal};
use crate::machine::{self, Machine};

/// Mounts `$1` at `$2`, which is made if it is not there.
const MAP: &str = "set -e; if [ -d \"$1\" ]; then mkdir -p \"$2\"; else mkdir -p \"${2%/*}\"; : >> \"$2\"; fi; \
                   mount --bind \"$1\" \"$2\"";
const READ_ONLY: &str = "; mount -o remount,bind,ro \"$2\"";

/// Drive letter and components of a path such as `D:\data`; the first is in lower case.
pub fn parts(path: &str) -> Option<(char, Vec<&str>)> {
    let (drive, rest) = path.split_once(':')?;
    let letter = drive.chars().next().filter(char::is_ascii_alphabetic)?.to_ascii_lowercase();
    let parts: Vec<&str> = rest.split('\\').filter(|part| !part.is_empty()).collect();
    let rooted = rest.is_empty() || rest.starts_with('\\');
    let whole = drive.len() == 1
        && rooted
        && !parts.iter().any(|part| matches!(*part, "." | "..") || part.contains('/'));
    // The drive of the system itself cannot be another one.
    (whole && (letter != 'c' || !parts.is_empty())).then_some((letter, parts))
}

impl Container {
    /// Maps a directory, or a file, into the running container.
    pub fn map(&self, machine: &Machine, item: &Value) -> Answer<()> {
        let host = item["HostPath"].as_str().unwrap_or_default();
        let from = machine.path(host);
        let from = from.ok_or_else(|| Refusal::new(codes::FILE_NOT_FOUND, format!("no {host}")))?;
        let (letter, parts) = self.wanted(item)?;
        self.make_drive(letter)?;
        let to = self.place(letter, &parts)?;
        let flags = if item["ReadOnly"] == true { READ_ONLY } else { "" };
        self.inside(&format!("{MAP}{flags}"), &[&from, &to])
    }

    pub fn unmap(&self, item: &Value) -> Answer<()> {
        let (letter, parts) = self.wanted(item)?;
        let to = self.place(letter, &parts)?;
        self.inside("umount \"$1\"", &[&to])
            .map_err(|refusal| Refusal::new(codes::ELEMENT_NOT_FOUND, refusal.message))?;
        if letter != 'c' && parts.is_empty() {
            fs::remove_file(self.drive_link(letter)).or_refuse("removing the drive")?;
        }
        Ok(())
    }

    fn wanted<'a>(&self, item: &'a Value) -> Answer<(char, Vec<&'a str>)> {
        let path = item["ContainerPath"].as_str().unwrap_or_default();
        match parts(path) {
            Some(parts) => Ok(parts),
            None => refuse(codes::E_INVALIDARG, format!("the container path {path}")),
        }
    }

    fn drive_link(&self, letter: char) -> PathBuf {
        self.prefix().join(format!("dosdevices/{letter}:"))
    }

    fn make_drive(&self, letter: char) -> Answer<()> {
        let link = self.drive_link(letter);
        if link.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs::create_dir_all(self.prefix().join(format!("drive_{letter}"))).or_refuse("making a drive")?;
        symlink(format!("../drive_{letter}"), link).or_refuse("making a drive")
    }

    /// Where the path is, in the letter case that is there: seen through the container's own mounts.
    fn place(&self, letter: char, parts: &[&str]) -> Answer<PathBuf> {
        let drive = self.prefix().join(format!("drive_{letter}"));
        let mut seen = PathBuf::from(format!("/proc/{}/root", self.first()?));
        seen.push(drive.strip_prefix("/").unwrap_or(&drive));
        let mut place = drive;
        for part in parts {
            let found = machine::entry(&seen, part);
            let name = found.as_deref().and_then(Path::file_name).unwrap_or(part.as_ref());
            seen.push(name);
            place.push(name);
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_paths() {
        assert_eq!(parts(r"C:\a\b\"), Some(('c', vec!["a", "b"])));
        assert_eq!(parts(r"D:\"), Some(('d', vec![])));
        assert_eq!(parts("e:"), Some(('e', vec![])));
        for wrong in ["", "C:", r"C:\", r"\a", "C:a", r"C:\..\a", r"CD:\a", "1:\\a", "C:\\a/b"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
