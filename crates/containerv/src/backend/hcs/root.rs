//! What a directory is as the root of a Windows container.
//!
//! A container's `C:` is a stack of layers, the lowest of which holds Windows. A directory takes part in one
//! of three ways, by what it holds:
//!
//! * a folder `Files`: it is a layer, the topmost one. A file `layerchain.json` names those below; without
//!   it, it is a base layer;
//! * anything else: a plain directory. Its base is named by its own `layerchain.json`, or by the environment
//!   variable `CONTAINERV_BASE`. Each of its entries is mapped, writable, to the same name in `C:\`, so that
//!   what is written there stays, and two containers may share it;
//! * a folder `Windows`, or a container's disk: it is neither, and refused.
//!
//! Layers are never written to: what goes elsewhere than to a mapped entry is gone with the container.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use containerv_spec::request::{Layers, Mount, MountOptions, MountSource, Root};
use containerv_spec::{OsText, Request};

use crate::{Error, ErrorKind, Result};

/// Environment variable that names the base of plain directories: the folder of a layer.
pub(crate) const BASE_VARIABLE: &str = "CONTAINERV_BASE";

/// The layers below a layer, topmost first: an array of paths. Docker writes it too.
const CHAIN: &str = "layerchain.json";
/// Where a layer has its files.
const FILES: &str = "Files";
/// The disk of a container.
const DISK: &str = "sandbox.vhdx";
/// What a directory has that is a whole system.
const SYSTEM: &str = "Windows";

/// Most bytes of a chain: 127 layers of the longest paths that are usual.
const MAX_CHAIN: u64 = 256 << 10;
/// Most entries of a plain directory.
const MAX_ENTRIES: usize = 300;

/// Returns the request with layers and mounts in place of a directory. `base` is what the
/// environment says.
pub(crate) fn resolve(mut request: Request, base: Option<&Path>) -> Result<Request> {
    let Root::Directory(path) = &request.root else { return Ok(request) };
    let directory =
        PathBuf::from(path.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("`{path}` is not valid Unicode"))
        })?);
    let failed = |error: Error| error.context(format!("cannot use `{path}` as a root"));
    let (folders, entries) = look_at(&directory, base).map_err(failed)?;
    request.root = Root::Layers(Layers { folders, os_version: None, image: None });
    // The caller's own mounts may lie in these.
    request.mounts.splice(0..0, entries);
    Ok(request)
}

/// Returns the layers of a directory, and what is mapped.
fn look_at(directory: &Path, base: Option<&Path>) -> Result<(Vec<OsText>, Vec<Mount>)> {
    let entries = fs::read_dir(directory)
        .map_err(|error| Error::io(error, format!("read `{}`", directory.display())))?;
    let entries: Vec<fs::DirEntry> = entries
        .collect::<io::Result<_>>()
        .map_err(|error| Error::io(error, format!("read `{}`", directory.display())))?;
    let has = |name: &str| entries.iter().any(|entry| is_named(entry, name));
    if has(FILES) {
        return Ok((layer(directory)?, Vec::new()));
    }
    if has(SYSTEM) {
        return Err(refused("it holds a whole Windows as plain files, and a container's `C:` is made of layers")
            .with_hint(format!("move all of it into a folder `{FILES}` there, and finish that as a base layer; or take the layer of an image")));
    }
    if has(DISK) {
        return Err(refused(format!("`{DISK}` in it is the disk of a container"))
            .with_hint("name the folder of a layer, or a plain directory"));
    }
    let below = match chain(directory)? {
        Some(below) if !below.is_empty() => below,
        _ => layer(base.ok_or_else(without_base)?)
            .map_err(|error| error.context(format!("the base of {BASE_VARIABLE}")))?,
    };
    let mapped = entries.iter().filter(|entry| !is_named(entry, CHAIN));
    if mapped.clone().count() > MAX_ENTRIES {
        return Err(refused(format!("it has more than {MAX_ENTRIES} entries, and each is mapped"))
            .with_hint("put them into fewer directories"));
    }
    Ok((below, mapped.map(map).collect::<Result<_>>()?))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

fn without_base() -> Error {
    Error::new(ErrorKind::Unavailable, "it is a plain directory, and no base layer with Windows is named").with_hint(format!(
        "set {BASE_VARIABLE} to the folder of a base layer, or write its path into `{CHAIN}` there: [\"C:\\\\layers\\\\base\"]"
    ))
}

/// Names are the same in upper and lower case.
fn is_named(entry: &fs::DirEntry, name: &str) -> bool {
    entry.file_name().to_str().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// Returns a layer and those below it.
fn layer(folder: &Path) -> Result<Vec<OsText>> {
    if !folder.join(FILES).is_dir() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("`{}` has no folder `{FILES}`", folder.display()),
        )
        .with_hint("name the folder of a layer"));
    }
    let mut all = vec![text(folder)?];
    all.extend(chain(folder)?.unwrap_or_default());
    Ok(all)
}

/// Reads which layers are below, if a folder says it.
fn chain(folder: &Path) -> Result<Option<Vec<OsText>>> {
    let path = folder.join(CHAIN);
    let failed = |error| Error::io(error, format!("read `{}`", path.display()));
    let mut bytes = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?.take(MAX_CHAIN + 1).read_to_end(&mut bytes).map_err(failed)?,
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let wrong = |problem: String| {
        Error::new(ErrorKind::InvalidArgument, format!("`{}`: {problem}", path.display()))
            .with_hint("write an array of the paths of folders, the topmost first, the base layer last")
    };
    if bytes.len() as u64 > MAX_CHAIN {
        return Err(wrong(format!("it is larger than {MAX_CHAIN} bytes")));
    }
    // Docker writes `null` for a base layer.
    let folders: Option<Vec<String>> =
        serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(folders.unwrap_or_default().into_iter().map(OsText::from).collect()))
}

/// Maps an entry of a plain directory.
fn map(entry: &fs::DirEntry) -> Result<Mount> {
    let path = entry.path();
    let kind =
        entry.file_type().map_err(|error| Error::io(error, format!("look at `{}`", path.display())))?;
    if kind.is_symlink() {
        let message = format!("`{}` is a link, which would lead out of the directory", path.display());
        return Err(refused(message).with_hint("put what it leads to in its place, or mount that"));
    }
    let name = text(Path::new(&entry.file_name()))?;
    Ok(Mount {
        source: MountSource::Bind { path: text(&path)?, recursive: true },
        target: format!("C:\\{name}").into(),
        read_only: false,
        options: MountOptions::default(),
    })
}

fn text(path: &Path) -> Result<OsText> {
    path.to_str().map(OsText::from).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("`{}` is not valid Unicode", path.display()))
            .with_hint("rename it")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use containerv_spec::ContainerId;

    use super::*;

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    impl Place {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let place = std::env::temp_dir().join(format!("containerv-root-{}-{number}", std::process::id()));
            fs::create_dir_all(&place).unwrap();
            Self(place)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn directory(&self, name: &str) -> PathBuf {
            fs::create_dir_all(self.path(name)).unwrap();
            self.path(name)
        }

        fn file(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn resolved(&self, base: Option<&str>) -> Result<Request> {
            let root = Root::Directory(text(&self.path("root")).unwrap());
            let id = ContainerId::from_random([7; 32]);
            let request = serde_json::json!({ "id": id, "root": root });
            let base = base.map(|base| self.path(base));
            resolve(serde_json::from_value(request).unwrap(), base.as_deref())
        }

        fn layers(&self, base: Option<&str>) -> Vec<OsText> {
            match self.resolved(base).unwrap().root {
                Root::Layers(layers) => layers.folders,
                other => panic!("{other:?}"),
            }
        }

        fn refusal(&self, base: Option<&str>) -> String {
            let error = self.resolved(base).unwrap_err();
            assert!(error.hint().is_some() || error.raw_os_error().is_some(), "{error}");
            error.to_string()
        }
    }

    #[test]
    fn a_folder_with_files_is_a_layer() {
        let place = Place::new();
        place.directory("root/Files");
        let own = text(&place.path("root")).unwrap();
        assert_eq!(place.layers(None), std::slice::from_ref(&own));
        for (chain, below) in [
            ("null", &[][..]),
            ("[]", &[]),
            ("\u{feff}[\"C:\\\\layers\\\\b\", \"C:\\\\layers\\\\a\"]", &[r"C:\layers\b", r"C:\layers\a"]),
        ] {
            place.file("root/layerchain.json", chain);
            let expected: Vec<OsText> =
                [own.clone()].into_iter().chain(below.iter().map(|path| OsText::from(*path))).collect();
            assert_eq!(place.layers(None), expected, "{chain}");
        }
        assert!(place.resolved(None).unwrap().mounts.is_empty());
        for wrong in ["", "{}", "[1]", "[\"a\"", &" ".repeat(300_000)] {
            place.file("root/layerchain.json", wrong);
            assert!(place.refusal(None).contains("layerchain.json`"), "{wrong:.20}");
        }
    }

    #[test]
    fn entries_of_a_plain_directory_are_mapped_over_the_base() {
        let place = Place::new();
        for directory in ["root/bin", "root/data", "base/Files"] {
            place.directory(directory);
        }
        place.file("root/note.txt", "");
        let request = place.resolved(Some("base")).unwrap();
        let mut targets: Vec<String> = request.mounts.iter().map(|mount| mount.target.to_string()).collect();
        targets.sort();
        assert_eq!(targets, [r"C:\bin", r"C:\data", r"C:\note.txt"]);
        assert!(request.mounts.iter().all(|mount| !mount.read_only));
        assert_eq!(place.layers(Some("base")), [text(&place.path("base")).unwrap()]);
        // The directory's own word goes first, and is not shown.
        place.file("root/LayerChain.json", "null");
        place.file("root/layerchain.json", "[\"C:\\\\own\"]");
        assert_eq!(place.layers(Some("base")), [OsText::from(r"C:\own")]);
        assert_eq!(place.resolved(None).unwrap().mounts.len(), 3);
        place.file("base/layerchain.json", "[\"C:\\\\lower\"]");
        place.file("root/layerchain.json", "[]");
        assert_eq!(
            place.layers(Some("base")),
            [text(&place.path("base")).unwrap(), OsText::from(r"C:\lower")]
        );
    }

    #[test]
    fn the_callers_mounts_come_after_the_entries() {
        let place = Place::new();
        place.directory("root/data");
        place.directory("base/Files");
        let mut request = place.resolved(Some("base")).unwrap();
        request.root = Root::Directory(text(&place.path("root")).unwrap());
        let own = Mount { target: r"C:\data\own".into(), ..request.mounts[0].clone() };
        request.mounts = vec![own];
        let request = resolve(request, Some(&place.path("base"))).unwrap();
        let targets: Vec<String> = request.mounts.iter().map(|mount| mount.target.to_string()).collect();
        assert_eq!(targets, [r"C:\data", r"C:\data\own"]);
    }

    #[test]
    fn what_cannot_be_a_root_is_refused_with_the_reason() {
        let place = Place::new();
        assert!(place.refusal(None).contains("root"));
        place.directory("root");
        assert!(place.refusal(None).contains("no base layer"));
        place.directory("base");
        assert!(place.refusal(Some("base")).contains("CONTAINERV_BASE"));
        place.file("root/sandbox.vhdx", "");
        assert!(place.refusal(None).contains("the disk of a container"));
        place.directory("root/windows");
        assert!(place.refusal(None).contains("a whole Windows"));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_mapped() {
        let place = Place::new();
        place.directory("root");
        place.directory("base/Files");
        std::os::unix::fs::symlink("/", place.path("root/out")).unwrap();
        assert!(place.refusal(Some("base")).contains("is a link"));
    }

    #[test]
    fn other_roots_are_left_alone() {
        let place = Place::new();
        place.directory("root/Files");
        let request = place.resolved(None).unwrap();
        assert_eq!(resolve(request.clone(), None).unwrap(), request);
    }
}
