//! Settings to a request, as far as they are Windows' own.
//!
//! A container has always processes, files and names of its own here: of the capabilities, only
//! that for the network chooses anything.

use std::ffi::c_uint;

use containerv_spec::hcs::path;
use containerv_spec::request::{MountOptions, MountSource, NamedNetwork, Network};
use containerv_spec::{OsText, Request};

use super::unicode;
use crate::border::{Failure, Result};
use crate::options::{MountTexts, Settings};
use crate::request::{Problems, capability};

/// The network of a container that shares the host's, as far as Windows lets it.
const SHARED: &str = "nat";

/// Fills in what the settings say.
pub(crate) fn complete(
    mut request: Request,
    settings: &Settings,
    mounts: &[MountTexts],
    problems: &mut Problems,
) -> Request {
    request.mounts = crate::request::mounts(mounts, problems);
    request.network = network(settings.capabilities);
    request
}

fn network(capabilities: c_uint) -> Network {
    if capabilities & capability::NETWORK != 0 {
        return Network::None;
    }
    Network::Named(NamedNetwork::new(SHARED))
}

/// What a mount shows that is no directory or file: a named pipe, whose path says that.
pub(crate) fn special_source(texts: &MountTexts) -> Result<Option<MountSource>> {
    let pipe = texts.what.as_ref().filter(|what| what.to_str().and_then(path::pipe_name).is_some());
    if let Some(pipe) = pipe {
        return Ok(Some(MountSource::NamedPipe { path: pipe.clone() }));
    }
    match texts.fstype.as_ref().filter(|kind| texts.flags & crate::request::BIND == 0 && !kind.is_empty()) {
        None => Ok(None),
        Some(kind) => Err(Failure::new(
            libc::ENOTSUP,
            format!("`fstype` is `{kind}`: Windows mounts no file systems in containers"),
        )
        .with_hint("map a directory, with CV_MOUNT_BIND")),
    }
}

/// Where a mount appears.
pub(crate) fn target(text: &OsText) -> Result<OsText> {
    if text.to_str().and_then(path::pipe_name).is_some() {
        return Ok(text.clone());
    }
    let path = unicode(text)?;
    if path.starts_with(['/', '\\']) || path.get(1..).is_some_and(|rest| rest.starts_with([':'])) {
        return super::path_inside(text);
    }
    Err(crate::border::invalid(format!("`where` is `{text}`, which is not absolute")))
}

/// Windows makes a target that is missing, and never follows a link on the way.
pub(crate) fn options(_source: &MountSource, _flags: c_uint) -> MountOptions {
    MountOptions::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{BIND, CREATE, READONLY, request};

    fn made(capabilities: c_uint, mounts: &[MountTexts]) -> Result<Request> {
        let id = "0123456789abcdef".repeat(4).parse().unwrap();
        request(id, &r"C:\containerfs".into(), &Settings { capabilities }, mounts)
    }

    fn bind(what: &str, target: &str, flags: c_uint) -> MountTexts {
        MountTexts { what: Some(what.into()), target: Some(target.into()), fstype: None, flags }
    }

    #[test]
    fn only_the_network_is_a_choice() {
        let request = made(0, &[]).unwrap();
        assert_eq!(request.network, Network::Named(NamedNetwork::new("nat")));
        assert_eq!(made(0x3e, &[]).unwrap(), request);
        assert_eq!(made(u32::MAX, &[]).unwrap().network, Network::None);
        assert_eq!(request.hostname.as_deref(), Some("containerv-host"));
    }

    #[test]
    fn mounts_are_mapped_and_need_no_capability() {
        let mounts = [
            bind(r"C:\data", "/data", BIND | CREATE | READONLY),
            bind("C:/data", r"D:\x", 0),
            bind(r"\\.\pipe\agent", r"\\.\pipe\inside", BIND),
        ];
        let mounts = made(0, &mounts).unwrap().mounts;
        let facts: Vec<(String, bool)> =
            mounts.iter().map(|mount| (mount.target.to_string(), mount.read_only)).collect();
        let expected = [(r"C:\data", true), (r"D:\x", false), (r"\\.\pipe\inside", false)];
        assert_eq!(facts, expected.map(|(target, read_only)| (target.to_owned(), read_only)));
        assert_eq!(mounts[0].source, MountSource::Bind { path: r"C:\data".into(), recursive: false });
        assert_eq!(mounts[2].source, MountSource::NamedPipe { path: r"\\.\pipe\agent".into() });
        assert!(mounts.iter().all(|mount| mount.options == MountOptions::default()));
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let mounts = [
            bind(r"C:\data", "data", BIND),
            bind(r"C:\data", r"C:\data", 0x8),
            MountTexts { fstype: Some("tmpfs".into()), ..bind("none", "/x", 0) },
            MountTexts { what: None, ..bind("", "/x", BIND) },
        ];
        let failure = made(0, &mounts).unwrap_err();
        assert_eq!(failure.error().all_problems().len(), 4, "{failure:?}");
        assert_eq!(failure.number(), libc::EINVAL);
    }
}
