//! Layers and mounts.

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{Layers, Mount, MountOptions, MountSource, Root};

use crate::draft::Draft;
use crate::platform;
use crate::value::{self, fields, not_offered, quote, wrong};

pub(super) fn looks_absolute(text: &OsText) -> bool {
    matches!(text.as_bytes(), [b'\\', b'\\', ..] | [_, b':', b'\\' | b'/', ..])
}

/// Says whether a path is written relative to the working directory: `.`, `.\dir`, `../dir`.
pub(super) fn looks_relative(text: &OsText) -> bool {
    let climbed = text.as_bytes().strip_prefix(b".").map(|rest| rest.strip_prefix(b".").unwrap_or(rest));
    climbed.is_some_and(|rest| matches!(rest, [] | [b'\\' | b'/', ..]))
}

/// Takes a path of the host, which begins at a drive or is relative to the working directory.
fn host_path(text: &OsText) -> Result<OsText, Error> {
    if text.is_empty() {
        return Err(wrong("the path is empty"));
    }
    if looks_absolute(text) {
        return Ok(text.clone());
    }
    if looks_relative(text) {
        return platform::absolute_source(text);
    }
    Err(wrong(format!("{} does not begin at the root of a drive", quote(text)))
        .with_hint("give a path with its drive, as `C:\\data`"))
}

pub(super) fn change_layers(draft: &mut Draft, change: impl FnOnce(&mut Layers)) {
    let mut layers = match std::mem::replace(&mut draft.request.root, Root::Host) {
        Root::Layers(layers) => layers,
        Root::Host | Root::Directory(_) => Layers::default(),
    };
    change(&mut layers);
    draft.request.root = Root::Layers(layers);
}

pub(super) fn layer(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.rootfs = true;
    let folder = host_path(text)?;
    change_layers(draft, |layers| layers.folders.push(folder));
    Ok(())
}

pub(super) fn rootfs(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.rootfs = true;
    draft.request.root = Root::Directory(host_path(text)?);
    Ok(())
}

/// `C:\src:C:\dst[:ro]`: a colon after a single letter belongs to a drive, one after `\\?\C` or a pipe as well.
pub(super) fn volume(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `SOURCE:TARGET[:ro]`, as `C:\\data:C:\\data:ro`");
    let (source, rest) = take_path(text).ok_or_else(expected)?;
    let (target, options) = take_path(rest.strip_prefix(':').ok_or_else(expected)?).ok_or_else(expected)?;
    let read_only = match options {
        "" | ":rw" => false,
        ":ro" => true,
        _ => return Err(expected()),
    };
    let source = OsText::from(source);
    if !source.as_bytes().iter().any(|byte| matches!(byte, b'/' | b'\\' | b':')) && !looks_relative(&source) {
        let message = format!("{} would be a named volume, which is not offered yet", quote(&source));
        return Err(not_offered(message).with_hint("give a path with its drive, as `C:\\data`"));
    }
    let mut mount = from_to(host_path(&source)?, target, read_only);
    mount.options.create_source = matches!(mount.source, MountSource::Bind { .. });
    draft.request.mounts.push(mount);
    Ok(())
}

/// Takes a path up to the next colon that does not follow its drive.
fn take_path(text: &str) -> Option<(&str, &str)> {
    let raw = text.strip_prefix(r"\\?\").or_else(|| text.strip_prefix("//?/")).unwrap_or(text);
    let begin = text.len() - raw.len();
    let drive = matches!(raw.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let from = begin + if drive { 2 } else { 0 };
    let end = text[from..].find(':').map_or(text.len(), |at| from + at);
    (end > 0).then(|| text.split_at(end))
}

fn is_pipe(path: &OsText) -> bool {
    let path = path.to_string().replace('/', "\\").to_ascii_lowercase();
    path.starts_with(r"\\.\pipe\")
}

fn from_to(path: OsText, target: &str, read_only: bool) -> Mount {
    let source = match is_pipe(&path) {
        true => MountSource::NamedPipe { path },
        false => MountSource::Bind { path, recursive: true },
    };
    Mount { source, target: target.into(), read_only, options: MountOptions::default() }
}

pub(super) fn mount(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let fields = fields::split(text)?;
    let pairs: Vec<(OsText, Option<OsText>)> = fields.iter().map(fields::key_value).collect();
    let find = |names: &[&str]| {
        let named =
            |(name, _): &&(OsText, Option<OsText>)| name.to_str().is_some_and(|name| names.contains(&name));
        pairs.iter().rev().find(named).and_then(|(_, given)| given.clone())
    };
    let kind = find(&["type"]).unwrap_or_else(|| "volume".into());
    let kind = kind.to_str().filter(|kind| matches!(*kind, "bind" | "npipe")).ok_or_else(|| {
        not_offered(format!("mounts of type {} are not offered on Windows", quote(&kind)))
            .with_hint("use `type=bind,source=PATH,target=PATH` or `type=npipe`")
    })?;
    let source = find(&["source", "src"]).ok_or_else(|| wrong("`source=PATH` is missing"))?;
    let target = find(&["target", "destination", "dst"]).ok_or_else(|| wrong("`target=PATH` is missing"))?;
    if is_pipe(&source) != (kind == "npipe") {
        return Err(wrong(format!("`type={kind}` with the source {}", quote(&source)))
            .with_hint(r"a pipe is `\\.\pipe\NAME` and of type `npipe`, all else of type `bind`"));
    }
    let mut read_only = false;
    for (name, given) in &pairs {
        match (value::utf8(name)?, given.as_ref().map(value::utf8).transpose()?) {
            ("type" | "source" | "src" | "target" | "destination" | "dst", Some(_)) => {}
            ("readonly" | "ro", None) => read_only = true,
            ("readonly" | "ro", Some(text)) => read_only = value::boolean(text)?,
            _ => return Err(wrong(format!("{} is not a field of type `{kind}`", quote(name)))),
        }
    }
    draft.request.mounts.push(from_to(host_path(&source)?, value::utf8(&target)?, read_only));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn volumes_have_drives() {
        for (text, source, target, read_only) in [
            (r"C:\src:C:\dst", r"C:\src", r"C:\dst", false),
            (r"c:/src:d:/dst:ro", "c:/src", "d:/dst", true),
            (r"C:\src:D:", r"C:\src", "D:", false),
            (r"\\server\share\a:C:\a:rw", r"\\server\share\a", r"C:\a", false),
            (r"\\?\C:\src:C:\dst:ro", r"\\?\C:\src", r"C:\dst", true),
            (r"\\?\Volume{x}\a:C:\a", r"\\?\Volume{x}\a", r"C:\a", false),
        ] {
            let mount = read("volume", &[text]).unwrap().request.mounts.remove(0);
            assert_eq!(mount.source, MountSource::Bind { path: source.into(), recursive: true }, "{text}");
            assert_eq!((mount.target.to_string().as_str(), mount.read_only), (target, read_only), "{text}");
            assert!(mount.options.create_source);
        }
        let mount = read("volume", &[r"\\.\pipe\a:\\.\pipe\b"]).unwrap().request.mounts.remove(0);
        assert_eq!(mount.source, MountSource::NamedPipe { path: r"\\.\pipe\a".into() });
        for text in [
            "",
            "C:",
            r"C:\a",
            "name:C:\\a",
            r"C:\a:C:\b:z",
            r"C:\a:C:\b:ro:x",
            ":C:\\a",
            "a:b:c",
            r"C:a:C:\b",
            r"a\b:C:\b",
        ] {
            assert!(read("volume", &[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn relative_paths_are_of_this_machine() {
        for text in [".", "..", r".\a", "./a", r"..\a"] {
            assert!(looks_relative(&text.into()), "{text}");
            let mount = read("volume", &[&format!(r"{text}:C:\b")]);
            assert_eq!(mount.is_ok(), cfg!(windows), "{text}");
        }
        for text in ["", ".a", "...", r"a\.", r"C:\."] {
            assert!(!looks_relative(&text.into()), "{text}");
        }
    }

    #[test]
    fn mounts_have_fields() {
        let draft = read(
            "mount",
            &[r"type=bind,src=C:\a,dst=C:\b,readonly", r"type=npipe,source=\\.\pipe\a,target=\\.\pipe\b"],
        );
        let mounts = draft.unwrap().request.mounts;
        assert!(mounts[0].read_only && !mounts[0].options.create_source);
        assert!(matches!(mounts[1].source, MountSource::NamedPipe { .. }));
        for text in [
            "",
            r"type=bind,source=C:\a",
            r"type=tmpfs,source=x,target=C:\a",
            r"type=npipe,source=C:\a,target=\\.\pipe\b",
            r"type=bind,source=\\.\pipe\a,target=C:\b",
            r"type=bind,source=C:\a,target=C:\b,bind-propagation=shared",
        ] {
            assert!(read("mount", &[text]).is_err(), "{text}");
        }
    }
}
