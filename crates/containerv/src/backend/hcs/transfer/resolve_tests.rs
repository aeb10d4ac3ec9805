//! Ways through made-up trees, compared with those that the kernel takes in real ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::backend::hcs::transfer::path;

/// A tree: what each directory, by its number, has under which name.
#[derive(Clone, Debug, Default)]
struct Model(Vec<BTreeMap<String, Entry>>);

#[derive(Clone, Debug)]
enum Entry {
    Directory(usize),
    File,
    Link(String),
}

impl Look for Model {
    type Directory = usize;
    type File = String;

    fn look(&self, directory: &usize, name: &Name) -> io::Result<Found<usize, String>> {
        let name = String::from_utf16(name).unwrap();
        Ok(match self.0[*directory].get(&name) {
            None => Found::Nothing,
            Some(Entry::Directory(number)) => Found::Directory(*number),
            Some(Entry::File) => Found::File(format!("{directory}/{name}")),
            Some(Entry::Link(text)) => {
                let text: Vec<u16> = text.replace('/', "\\").encode_utf16().collect();
                Found::Link(format!("{directory}/{name}"), path::target(&text, true, None))
            }
        })
    }
}

fn way(text: &str) -> Vec<Step> {
    let text: Vec<u16> = text.encode_utf16().collect();
    path::target(&text, true, None).unwrap().steps
}

fn end(model: &Model, text: &str, follow: bool) -> Result<String, Lost> {
    resolve(model, &0, way(text), follow).map(|place| {
        let current = place.directories.last().map_or(0, |(_, number)| *number);
        match place.last {
            Last::Directory => format!("{current}"),
            Last::File(_, file) | Last::Link(_, file) => file,
            Last::Missing(name) => format!("{current}/{}?", String::from_utf16_lossy(&name)),
        }
    })
}

fn model(entries: &[(usize, &str, Entry)]) -> Model {
    let mut model = Model::default();
    for (directory, name, entry) in entries {
        let top = match entry {
            Entry::Directory(number) => *directory.max(number),
            _ => *directory,
        };
        if model.0.len() <= top {
            model.0.resize(top + 1, BTreeMap::new());
        }
        model.0[*directory].insert((*name).to_owned(), entry.clone());
    }
    model
}

#[test]
fn links_are_followed_inside_and_never_out() {
    let link = |text: &str| Entry::Link(text.to_owned());
    let model = model(&[
        (0, "a", Entry::Directory(1)),
        (1, "b", Entry::Directory(2)),
        (2, "file", Entry::File),
        (0, "to-b", link("a/b")),
        (2, "up", link("../..")),
        (2, "out", link("../../../../../a")),
        (0, "root", link("/")),
        (0, "self", link("self")),
        (0, "one", link("two")),
        (0, "two", link("one")),
        (0, "device", link("nul")),
        (0, "new", link("a/new")),
    ]);
    for (text, expected) in [
        ("to-b\\file", "2/file"),
        ("a\\b\\up\\a", "1"),
        ("a\\b\\out\\b", "2"),
        ("root\\root\\a", "1"),
        ("to-b\\..", "1"),
        ("..\\..\\a", "1"),
        ("new", "1/new?"),
        ("a\\none", "1/none?"),
    ] {
        assert_eq!(end(&model, text, true).unwrap(), expected, "{text}");
    }
    assert_eq!(end(&model, "to-b", false).unwrap(), "0/to-b");
    assert_eq!(end(&model, "to-b\\up", false).unwrap(), "2/up");
    for text in ["self", "one\\x", "two"] {
        assert!(matches!(end(&model, text, true), Err(Lost { stop: Stop::Endless, .. })), "{text}");
    }
    let lost = end(&model, "a\\b\\none\\x", true).unwrap_err();
    assert!(matches!(lost.stop, Stop::Missing));
    assert_eq!(path::display(&lost.at), "a\\b\\none");
    assert!(matches!(end(&model, "a\\b\\file\\x", true), Err(Lost { stop: Stop::NotDirectory, .. })));
    assert!(matches!(end(&model, "device\\x", true), Err(Lost { stop: Stop::Link(_), .. })));
}

#[test]
fn a_way_that_links_make_long_ends() {
    let mut entries =
        vec![(0, "d".to_owned(), Entry::Directory(1)), (1, "l".to_owned(), Entry::Link("..\\d".to_owned()))];
    entries.push((0, "wide".to_owned(), Entry::Link("d\\..\\".repeat(2000) + "wide")));
    let entries: Vec<(usize, &str, Entry)> =
        entries.iter().map(|(at, name, entry)| (*at, &name[..], entry.clone())).collect();
    let model = model(&entries);
    assert!(matches!(end(&model, "wide", true), Err(Lost { stop: Stop::Endless, .. })));
}

/// Trees with few names, so that links meet them.
fn trees() -> impl Strategy<Value = Model> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let target = "(/)?((a|b|c|\\.\\.|\\.)/){0,4}(a|b|c|\\.\\.)";
    let entry = (0..6_usize, name, prop_oneof![Just(None), target.prop_map(Some)], any::<bool>());
    prop::collection::vec(entry, 1..14).prop_map(|entries| {
        let mut model = Model(vec![BTreeMap::new()]);
        for (directory, name, link, is_directory) in entries {
            let (at, next) = (directory % model.0.len(), model.0.len());
            let slot = &mut model.0[at];
            if slot.contains_key(name) {
                continue;
            }
            match link {
                Some(target) => _ = slot.insert(name.to_owned(), Entry::Link(target)),
                None if is_directory => {
                    slot.insert(name.to_owned(), Entry::Directory(next));
                    model.0.push(BTreeMap::new());
                }
                None => _ = slot.insert(name.to_owned(), Entry::File),
            }
        }
        model
    })
}

proptest! {
    #[test]
    fn every_way_ends(tree in trees(), text in "((a|b|c|\\.\\.)\\\\){0,6}(a|b|c)", follow in any::<bool>()) {
        let _ = end(&tree, &text, follow);
    }
}

/// The kernel of Linux resolves inside a root too; its way is the measure of ours.
#[cfg(target_os = "linux")]
mod beside_the_kernel {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::{Path, PathBuf};

    use rustix::fs::{Mode, OFlags, ResolveFlags};
    use rustix::io::Errno;

    use super::*;

    struct Real(PathBuf);

    impl Real {
        fn make(model: &Model) -> Self {
            let name = format!("containerv-resolve-{}-{:?}", std::process::id(), std::thread::current().id());
            let memory = Path::new("/dev/shm");
            let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            let real = Self(place.join(name));
            let _ = fs::remove_dir_all(&real.0);
            real.fill(model, 0, &real.0);
            real
        }

        fn fill(&self, model: &Model, number: usize, at: &Path) {
            fs::create_dir(at).unwrap();
            for (name, entry) in &model.0[number] {
                match entry {
                    Entry::Directory(below) => self.fill(model, *below, &at.join(name)),
                    Entry::File => fs::write(at.join(name), b"").unwrap(),
                    Entry::Link(target) => symlink(target, at.join(name)).unwrap(),
                }
            }
        }
    }

    impl Drop for Real {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The numbers of the files that the tree has, by how the model names them.
    fn inodes(model: &Model, number: usize, at: &Path, found: &mut BTreeMap<u64, String>) {
        let inode = |path: &Path| fs::symlink_metadata(path).unwrap().ino();
        found.insert(inode(at), number.to_string());
        for (name, entry) in &model.0[number] {
            match entry {
                Entry::Directory(below) => inodes(model, *below, &at.join(name), found),
                _ => _ = found.insert(inode(&at.join(name)), format!("{number}/{name}")),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn a_way_leads_where_the_kernel_says(
            tree in trees(),
            text in "((a|b|c|\\.\\.)\\\\){0,5}(a|b|c)",
            follow in any::<bool>(),
        ) {
            let real = Real::make(&tree);
            let root = fs::File::open(&real.0).unwrap();
            let flags = OFlags::PATH | OFlags::CLOEXEC | if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let path = text.replace('\\', "/");
            let opened = loop {
                match rustix::fs::openat2(root.as_fd(), &path, flags, Mode::empty(), resolve) {
                    // Something on the machine was renamed while `..` was followed.
                    Err(Errno::AGAIN) => {}
                    opened => break opened,
                }
            };
            let mut numbers = BTreeMap::new();
            inodes(&tree, 0, &real.0, &mut numbers);
            let ours = end(&tree, &text, follow);
            match opened {
                Ok(file) => {
                    let inode = rustix::fs::fstat(&file).unwrap().st_ino;
                    prop_assert_eq!(ours.ok(), numbers.get(&inode).cloned());
                }
                Err(Errno::NOENT) => match ours {
                    Ok(end) => prop_assert!(end.ends_with('?'), "{}", end),
                    Err(lost) => prop_assert!(matches!(lost.stop, Stop::Missing), "{:?}", lost),
                },
                Err(Errno::NOTDIR) => prop_assert!(matches!(ours, Err(Lost { stop: Stop::NotDirectory, .. })), "ENOTDIR"),
                // The kernel follows 40 links where Windows follows 63: a circle is one to both.
                Err(Errno::LOOP) => prop_assert!(matches!(ours, Err(Lost { stop: Stop::Endless, .. })), "ELOOP"),
                Err(errno) => prop_assert!(false, "{errno}"),
            }
        }
    }
}
