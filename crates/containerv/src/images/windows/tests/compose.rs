//! New layers, taken again as any other.

use std::fs;
use std::time::{Duration, SystemTime};

use containerv_spec::image::Digest;

use super::super::facts::usual_descriptor;
use super::super::hive::tests::{hive_file, value_of};
use super::super::{
    LayerChange, RegistryChange, RegistryValue, Security, View, compose, differences, unpack,
};
use super::view::folder;
use super::{M, Scratch, base};
use crate::ErrorKind;

fn when() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500)
}

fn with_registry() -> Vec<M> {
    let mut members = base();
    members.retain(|member| member.name != "Hives/System_Base");
    let at = members.iter().position(|member| member.name.ends_with("System32")).unwrap() + 1;
    let select = RegistryValue { name: "Current".into(), kind: 4, data: vec![2, 0, 0, 0] };
    members.splice(
        at..at,
        [
            M::directory("Files/Windows/System32/config"),
            M::file("Files/Windows/System32/config/SOFTWARE", &hive_file(&["Microsoft", "Windows"], None)),
            M::file("Files/Windows/System32/config/SYSTEM", &hive_file(&["Select"], Some(select))),
        ],
    );
    members
}

fn set(key: &str, name: &str, kind: &str, text: &str) -> LayerChange {
    LayerChange::SetValue(RegistryChange {
        key: key.into(),
        value: RegistryValue::of_text(name, kind, text).unwrap(),
    })
}

fn write(to: &str, content: &[u8]) -> LayerChange {
    LayerChange::Write { to: to.into(), content: content.to_vec() }
}

fn remove(path: &str) -> LayerChange {
    LayerChange::Remove { path: path.into() }
}

#[test]
fn a_new_layer_does_what_its_changes_say() {
    let scratch = Scratch::new();
    let base = folder(&scratch, "base", &with_registry(), true);
    let below = View::of(std::slice::from_ref(&base)).unwrap();
    let here = scratch.directory("here");
    fs::create_dir(here.join("sub")).unwrap();
    fs::write(here.join("a.txt"), b"from here").unwrap();
    fs::write(here.join("sub/b.txt"), b"below").unwrap();
    let changes = [
        LayerChange::Add { from: here, to: r"C:\app".into() },
        write(r"C:\WINDOWS\system32\TOOL.exe", b"MZ newer"),
        write("/app/deep/er/c.txt", b""),
        LayerChange::MakeDirectory { path: "data".into() },
        remove(r"C:\Windows\read.me"),
        remove("Files/Users"),
        set(r"HKLM\SOFTWARE\microsoft\Vendor", "Greeting", "sz", "hello"),
        set(r"HKLM\SYSTEM\CurrentControlSet\Services\x", "Start", "dword", "0x2"),
    ];
    let mut bytes = Vec::new();
    let made = compose(&below, &changes, when(), &mut bytes).unwrap();
    assert_eq!((made.size, &made.diff_id), (bytes.len() as u64, &Digest::of(&bytes)));
    let mut again = Vec::new();
    compose(&below, &changes, when(), &mut again).unwrap();
    assert!(again == bytes);
    let upper = scratch.directory("upper");
    assert_eq!(unpack(&bytes[..], &upper, false).unwrap(), made);
    let view = View::of(&[base, upper]).unwrap();
    let told: Vec<String> = differences(&below, &view).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "A Files/app",
            "A Files/app/a.txt",
            "A Files/app/deep",
            "A Files/app/deep/er",
            "A Files/app/deep/er/c.txt",
            "A Files/app/sub",
            "A Files/app/sub/b.txt",
            "A Files/data",
            "D Files/Users",
            "D Files/Users/größe 名.txt",
            "D Files/Windows/read.me",
            "C Files/Windows/System32/tool.exe (content, times)",
            "A Hives/Software_Delta",
            "A Hives/System_Delta",
        ]
    );
    let entry =
        |path: &str| view.entries().find(|entry| entry.path == path).unwrap_or_else(|| panic!("{path}"));
    // The replaced file is whose it was; a directory above a change is as it was.
    let security = Some(Security::Raw(usual_descriptor(false)));
    assert_eq!(entry("Files/Windows/System32/tool.exe").facts.security, security);
    assert_eq!(entry("Files/app/a.txt").facts.security, security);
    let windows = below.entries().find(|entry| entry.path == "Files/Windows").unwrap();
    assert_eq!(entry("Files/Windows").facts.times.created, windows.facts.times.created);
    let read = |path: &str| {
        let mut content = Vec::new();
        view.read(entry(path), &mut content).unwrap();
        content
    };
    assert_eq!(read("Files/app/sub/b.txt"), b"below");
    let software = read("Hives/Software_Delta");
    assert_eq!(
        value_of(&software, &["Microsoft", "Vendor"], "Greeting"),
        Some((1, b"h\0e\0l\0l\0o\0\0\0".to_vec()))
    );
    let system = read("Hives/System_Delta");
    assert_eq!(value_of(&system, &["ControlSet002", "Services", "x"], "Start"), Some((4, vec![2, 0, 0, 0])));
}

#[test]
fn an_empty_layer_is_one() {
    let scratch = Scratch::new();
    let base = folder(&scratch, "base", &base(), true);
    let below = View::of(std::slice::from_ref(&base)).unwrap();
    let mut bytes = Vec::new();
    compose(&below, &[], when(), &mut bytes).unwrap();
    let upper = scratch.directory("upper");
    unpack(&bytes[..], &upper, false).unwrap();
    let changed = differences(&below, &View::of(&[base, upper]).unwrap());
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    use ErrorKind::{Corrupt, InvalidArgument, NotFound, Unsupported};
    let scratch = Scratch::new();
    let base = folder(&scratch, "base", &base(), true);
    let below = View::of(&[base]).unwrap();
    for (kind, changes) in [
        (InvalidArgument, vec![write("D:\\x", b"")]),
        (InvalidArgument, vec![write("C:\\..\\x", b"")]),
        (InvalidArgument, vec![write("C:\\", b"")]),
        (InvalidArgument, vec![write("a:s", b"")]),
        (InvalidArgument, vec![write("CON", b"")]),
        (InvalidArgument, vec![write("Hives/System_Delta", b"")]),
        (InvalidArgument, vec![write("UtilityVM/Files/x", b"")]),
        (InvalidArgument, vec![write("Windows/System32", b"")]),
        (InvalidArgument, vec![write("Windows/read.me/x", b"")]),
        (InvalidArgument, vec![write("Documents and Settings/x", b"")]),
        (NotFound, vec![remove("none")]),
        (InvalidArgument, vec![remove("Users"), write("Users/x", b"")]),
        (InvalidArgument, vec![write("Users/x", b""), remove("users")]),
        (InvalidArgument, vec![write("x", b"1"), write("X", b"2")]),
        (NotFound, vec![LayerChange::Add { from: scratch.0.join("none"), to: "x".into() }]),
        (Unsupported, vec![set(r"HKLM\SAM\x", "a", "sz", "")]),
        (Unsupported, vec![set(r"HKCU\x", "a", "sz", "")]),
        // This base's registry is none.
        (Corrupt, vec![set(r"HKLM\SOFTWARE\x", "a", "sz", "")]),
    ] {
        let error = compose(&below, &changes, when(), std::io::sink()).unwrap_err();
        assert_eq!(error.kind(), kind, "{changes:?}: {error}");
    }
    for (kind, text) in
        [("dword", "4294967296"), ("dword", "x"), ("qword", "-1"), ("binary", "abc"), ("number", "1")]
    {
        RegistryValue::of_text("a", kind, text).unwrap_err();
    }
    assert_eq!(RegistryValue::of_text("a", "multi_sz", "b\\0c").unwrap().data, b"b\0\0\0c\0\0\0\0\0");
    assert_eq!(RegistryValue::of_text("a", "binary", "0a ff").unwrap().data, [10, 255]);
    // Files of the host with names that Windows reads as something else: only other systems have such.
    for (number, name) in ["a b.", "aux"].into_iter().enumerate().filter(|_| cfg!(unix)) {
        let from = scratch.directory(&number.to_string());
        fs::write(from.join(name), b"").unwrap();
        let add = [LayerChange::Add { from, to: "x".into() }];
        let error = compose(&below, &add, when(), std::io::sink()).unwrap_err();
        assert_eq!(error.kind(), InvalidArgument, "{name}: {error}");
    }
    // What was there in other letters is the same.
    let changed = compose(&below, &[remove("USERS")], when(), std::io::sink());
    assert!(changed.is_ok(), "{changed:?}");
}
