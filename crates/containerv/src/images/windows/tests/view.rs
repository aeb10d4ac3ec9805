//! Layers over each other, and images beside each other.

use std::path::PathBuf;

use super::super::{Aspect, Difference, EntryKind, View, differences, summary, unpack};
use super::{M, Scratch, archive, base, upper};
use crate::ErrorKind;

pub(super) fn folder(scratch: &Scratch, name: &str, members: &[M], base: bool) -> PathBuf {
    let folder = scratch.directory(name);
    unpack(&archive(members)[..], &folder, base).unwrap();
    folder
}

fn paths(view: &View) -> Vec<&str> {
    view.entries().map(|entry| &entry.path[..]).collect()
}

#[test]
fn upper_layers_hide_what_is_below() {
    let scratch = Scratch::new();
    let folders = [folder(&scratch, "base", &base(), true), folder(&scratch, "upper", &upper(), false)];
    let below = View::of(&folders[..1]).unwrap();
    assert_eq!(below.entries().count(), base().len() - 2, "streams belong to their file");
    let view = View::of(&folders).unwrap();
    let found = paths(&view);
    for gone in [
        "Files/Windows/read.me",
        "Files/Users/größe 名.txt",
        "UtilityVM/Files/EFI",
        "UtilityVM/Files/EFI/BCD",
    ] {
        assert!(paths(&below).contains(&gone) && !found.contains(&gone), "{gone}");
    }
    let entry =
        |path: &str| view.entries().find(|entry| entry.path == path).unwrap_or_else(|| panic!("{path}"));
    assert_eq!((entry("Files/windows").kind, entry("Files/windows").layer), (EntryKind::Directory, 1));
    assert_eq!(entry("Files/Windows/System32").layer, 0);
    let content = |path: &str| {
        let mut content = Vec::new();
        view.read(entry(path), &mut content).unwrap();
        String::from_utf8(content).unwrap()
    };
    assert_eq!(content("Files/ProgramData/same"), "other");
    assert_eq!(content("Files/windows/tool2.exe"), "MZ tool");
    assert_eq!(entry("Files/Documents and Settings").kind, EntryKind::Junction);
    assert_eq!(entry("Files/Documents and Settings").target.as_deref(), Some("C:\\Users"));
    let lower = below.entries().find(|entry| entry.path.ends_with("read.me")).unwrap();
    let streams: Vec<&str> = lower.streams.iter().map(|(name, ..)| &name[..]).collect();
    assert_eq!(streams, ["Zone.Identifier", "other"]);
}

#[test]
fn a_layer_is_summed_up() {
    let scratch = Scratch::new();
    let found = summary(&folder(&scratch, "upper", &upper(), false)).unwrap();
    assert_eq!((found.files, found.directories, found.links, found.tombstones), (4, 6, 0, 3));
    assert_eq!((found.hives, found.utility_vm, found.bytes), (vec!["Software_Delta".to_owned()], true, 12));
}

#[test]
fn images_are_compared_entry_by_entry() {
    let scratch = Scratch::new();
    let folders = [folder(&scratch, "base", &base(), true), folder(&scratch, "upper", &upper(), false)];
    let (one, other) = (View::of(&folders[..1]).unwrap(), View::of(&folders).unwrap());
    assert!(differences(&other, &other).is_empty());
    let told: Vec<String> = differences(&one, &other).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "C Files (security)",
            "C Files/ProgramData/same (content)",
            "D Files/Users/größe 名.txt",
            "A Files/WINDOWS/new.txt",
            "D Files/Windows/read.me",
            "A Files/windows/tool2.exe",
            "A Hives/Software_Delta",
            "D UtilityVM/Files/EFI",
            "D UtilityVM/Files/EFI/BCD",
            "D UtilityVM/Files/EFI/BCD2",
        ]
    );
    let back = differences(&other, &one);
    assert!(
        back.iter()
            .any(|found| found.difference == Difference::Added && found.path == "Files/Windows/read.me")
    );
    assert!(back.iter().any(|found| found.difference == Difference::Modified(vec![Aspect::Content])));
}

#[test]
fn layers_that_do_not_belong_together_are_found_out() {
    let scratch = Scratch::new();
    let base = folder(&scratch, "base", &[M::directory("Files")], true);
    let upper = folder(&scratch, "upper", &upper(), false);
    let error = View::of(&[base, upper]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("Files/windows/tool2.exe"), "{error}");
}
