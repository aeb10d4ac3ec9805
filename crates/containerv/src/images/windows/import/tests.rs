//! Imports with the stand-ins, and containers of what they make.

use std::fs;
use std::path::{Path, PathBuf};

use containerv_spec::OsText;
use containerv_spec::request::{Isolation, Layers, Root};
use containerv_sys::windows::random;

use super::super::tests::{M, archive, base, upper};
use super::{destroy, import};
use crate::archive::Kind;
use crate::{Container, ErrorKind, Host};

struct Bed {
    root: PathBuf,
    layers: PathBuf,
}

impl Bed {
    fn new() -> Option<Self> {
        let own = std::env::current_exe().unwrap();
        if !own.with_file_name("computecore.dll").exists() {
            println!("skipped: no stand-ins beside this program");
            return None;
        }
        let name = random::hex::<6>().unwrap();
        let layers = Path::new(r"C:\layers").join(format!("import-{name}"));
        fs::create_dir_all(&layers).unwrap();
        Some(Self { root: std::env::temp_dir().join(format!("containerv-import-{name}")), layers })
    }

    fn layer(&self, name: &str) -> PathBuf {
        self.layers.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.layers)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_dir_all(&self.layers);
    }
}

/// Wine has no reparse points and no extended attributes: they are in the upper layer alone, where the transport
/// format has them.
fn plain_base() -> Vec<M> {
    let has = |member: &M, name: &str| {
        member.records.iter().any(|(keyword, _)| keyword.starts_with(name.as_bytes()))
    };
    base()
        .into_iter()
        .filter(|member| member.kind != Kind::Symlink && !has(member, "MSWINDOWS.xattr"))
        .collect()
}

fn rich_upper() -> Vec<M> {
    let mut members = upper();
    members.insert(2, M::file("Files/windows/extended", b"e").with("MSWINDOWS.xattr.A", b"AQ=="));
    members.insert(3, M::file("Files/windows/extended:stream", b"in a stream"));
    members.insert(4, M::link("Files/windows/link.txt", "new.txt"));
    members.insert(5, M::directory("Files/windows/System32"));
    members.insert(6, M::gone("Files/windows/System32/.wh.big.dll"));
    members
}

#[test]
fn a_container_runs_in_imported_layers() {
    let Some(bed) = Bed::new() else { return };
    let (base, upper) = (bed.layer("base"), bed.layer("upper"));
    let bytes = archive(&plain_base());
    import(&bytes[..], &base, &[]).unwrap();
    assert_eq!(fs::read(base.join(r"Files\Windows\read.me")).unwrap(), b"hello");
    assert_eq!(fs::read(base.join(r"Files\Windows\tool.exe")).unwrap(), b"MZ tool");
    assert_eq!(fs::read(base.join(r"Files\Windows\System32\tool.exe")).unwrap(), b"MZ tool");
    assert!(base.join("blank-base.vhdx").exists() && base.join(r"UtilityVM\SystemTemplate.vhdx").exists());
    import(&archive(&rich_upper())[..], &upper, std::slice::from_ref(&base)).unwrap();
    assert_eq!(fs::read(upper.join(r"Hives\Software_Delta")).unwrap(), b"regf");
    assert!(upper.join(r"UtilityVM\Files").exists() && !upper.join(r"UtilityVM\Files\EFI").exists());
    let chain: Vec<String> =
        serde_json::from_slice(&fs::read(upper.join("layerchain.json")).unwrap()).unwrap();
    assert_eq!(chain, [base.display().to_string()]);
    assert_eq!(bed.names(), ["base", "upper"]);

    let host = Host::open_at(&bed.root).unwrap();
    let text = |path: &PathBuf| OsText::from(path.display().to_string());
    let root =
        Root::Layers(Layers { folders: vec![text(&upper), text(&base)], os_version: None, image: None });
    let container =
        Container::builder(root).isolation(Isolation::Process).create(&host).unwrap().delete_on_drop();
    let run = |line: &str| {
        let output = container.command("cmd").args(["/c", line]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert_eq!(run(r"type C:\Windows\new.txt"), (true, "new".into()));
    assert_eq!(run(r"type C:\ProgramData\same"), (true, "other".into()));
    assert_eq!(run(r"type C:\windows\TOOL2.exe"), (true, "MZ tool".into()));
    assert_eq!(run(r"type C:\windows\link.txt"), (true, "new".into()));
    for gone in [r"C:\Windows\read.me", r"C:\Users\größe 名.txt", r"C:\Windows\System32\big.dll"] {
        assert_eq!(run(&format!("if exist \"{gone}\" (echo there) else (echo gone)")).1, "gone", "{gone}");
    }
    assert_eq!(run(r"if exist C:\PROGRA~1 (echo there)").1, "there");
    drop(container);
    for layer in [&upper, &base] {
        destroy(layer).unwrap();
    }
    assert!(bed.names().is_empty(), "{:?}", bed.names());
}

#[test]
fn what_is_refused_leaves_nothing() {
    let Some(bed) = Bed::new() else { return };
    let base = bed.layer("base");
    import(&archive(&plain_base())[..], &base, &[]).unwrap();
    let mut hostile = upper();
    hostile.push(M::file("Files/..\\..\\x", b""));
    let error = import(&archive(&hostile)[..], &bed.layer("upper"), std::slice::from_ref(&base)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let bytes = archive(&upper());
    let error = import(&bytes[..bytes.len() / 2 + 100], &bed.layer("upper"), std::slice::from_ref(&base))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    // A link to what no layer has is found only when the layer is there.
    let mut members = upper();
    members.insert(2, M::hard("Files/windows/hard", "Files/Windows/none"));
    let error = import(&archive(&members)[..], &bed.layer("upper"), std::slice::from_ref(&base)).unwrap_err();
    assert!(error.to_string().contains("Files/windows/hard"), "{error}");
    // Nothing is made over what is there.
    let error = import(&bytes[..], &base, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(bed.names(), ["base"]);
}
