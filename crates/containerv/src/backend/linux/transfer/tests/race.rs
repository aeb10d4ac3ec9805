//! A process in the container that swaps directories and files for links while we copy.

use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicBool;

use super::*;

const ROUNDS: usize = 1000;
const SECRET: &[u8] = b"secret of the host";

/// Swaps `name` between a directory and a link, and `file` in it between a file and a link, until
/// told to stop. Returns how often.
fn swap(top: &Path, stop: &AtomicBool) -> u64 {
    let (name, real, link) = (top.join("victim"), top.join("real"), top.join("link"));
    let file_link = top.join("file-link");
    // The swapper itself must not follow a link, as it could not in a container.
    let exchange = |directory: &Path, entry: &str, other: &Path| {
        let Ok(directory) = rustix::fs::open(directory, LOOK | OFlags::NOFOLLOW, Mode::empty()) else {
            return 0;
        };
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        u64::from(rustix::fs::renameat_with(&directory, entry, CWD, other, flags).is_ok())
    };
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        swaps += exchange(top, "victim", &link);
        swaps += exchange(&real, "file", &file_link);
        swaps += exchange(top, "victim", &link);
        swaps += exchange(&name, "sub", &link);
        swaps += exchange(&name, "sub", &link);
        swaps += u64::from(fs::rename(&name, &real).is_ok());
        swaps += u64::from(fs::rename(&real, &name).is_ok());
        swaps += exchange(&name, "file", &file_link);
    }
    swaps
}

fn stage() -> (Scratch, BTreeMap<Vec<u8>, String>) {
    let scratch = Scratch::new("race");
    scratch.file("outside/file", SECRET);
    scratch.file("outside/sub/file", SECRET);
    scratch.dir("root");
    scratch.file("source/file", b"uploaded");
    scratch.file("source/sub/file", b"uploaded");
    let canary = fingerprint(&scratch.path("outside"));
    (scratch, canary)
}

/// Puts an unharmed directory in the place of what the swapper left of the last.
fn refresh(scratch: &Scratch) {
    scratch.file("root/fresh/victim/file", b"harmless");
    scratch.file("root/fresh/victim/sub/file", b"harmless");
    let (fresh, outside) = (scratch.path("root/fresh"), scratch.path("outside"));
    symlink(&outside, fresh.join("link")).unwrap();
    symlink(outside.join("file"), fresh.join("file-link")).unwrap();
    // The swapper may make removing fail as often as it likes.
    let top = scratch.path("root/top");
    while fs::rename(&fresh, &top).is_err() {
        let _ = fs::remove_dir_all(&top);
    }
}

/// Ends the swapper also when a copy panics; the scope waits for it.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Copies while the swapper runs; returns how many copies succeeded and how often it swapped.
fn contest(scratch: &Scratch, mut copy: impl FnMut(usize) -> bool) -> (usize, u64) {
    let top = scratch.path("root/top");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| swap(&top, &stop));
        let stopper = Stopper(&stop);
        let successes = (0..ROUNDS).filter(|&round| {
            if round % 10 == 0 {
                refresh(scratch);
            }
            copy(round)
        });
        let successes = successes.count();
        drop(stopper);
        (successes, swapper.join().unwrap())
    })
}

#[test]
fn a_thousand_uploads_against_a_swapper_never_write_outside() {
    let (scratch, canary) = stage();
    let root = Opened::at(&scratch.path("root"));
    let options = CopyOptions::default();
    let (successes, swaps) = contest(&scratch, |round| {
        let (from, to) = match round % 4 {
            0 => ("source/.", "/top/victim"),
            1 => ("source/file", "/top/victim/file"),
            2 => ("source/file", "/top/victim/sub/../file"),
            _ => ("source/sub", "/top/victim"),
        };
        let plain = CopyOptions { plain: round % 8 == 1, ..options.clone() };
        upload(&root.root(), &scratch.path("").join(from), &text(to), &plain).is_ok()
    });
    println!("{successes} of {ROUNDS} uploads, {swaps} swaps");
    assert!(successes > 0 && swaps > 1000);
    assert_eq!(fingerprint(&scratch.path("outside")), canary);
}

#[test]
fn a_thousand_downloads_against_a_swapper_never_read_outside() {
    let (scratch, canary) = stage();
    let root = Opened::at(&scratch.path("root"));
    let target = scratch.dir("target");
    let (successes, swaps) = contest(&scratch, |round| {
        let (from, plain) = match round % 4 {
            0 => ("/top/victim", false),
            1 => ("/top/victim/file", true),
            2 => ("/top/victim/sub/../sub/file", false),
            _ => ("/top/.", false),
        };
        let options = CopyOptions { plain, follow_links: round % 3 == 0, ..CopyOptions::default() };
        let done = download(&root.root(), &text(from), &target.join("got"), &options).is_ok();
        assert_no_secret(&target);
        let _ = fs::remove_dir_all(target.join("got")).or_else(|_| fs::remove_file(target.join("got")));
        done
    });
    println!("{successes} of {ROUNDS} downloads, {swaps} swaps");
    assert!(successes > 0 && swaps > 1000);
    assert_eq!(fingerprint(&scratch.path("outside")), canary);
}

#[test]
fn archives_against_a_swapper_stay_inside() {
    let (scratch, canary) = stage();
    let root = Opened::at(&scratch.path("root"));
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["victim/new/file", "victim/file", "victim/sub/file"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(8);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &b"uploaded"[..]).unwrap();
    }
    let bytes = builder.into_inner().unwrap();
    let (successes, swaps) = contest(&scratch, |round| {
        if round % 2 == 0 {
            let to = if round % 4 == 0 { "/top" } else { "/top/victim/../../top" };
            return upload_tar(&root.root(), &bytes[..], &text(to), &CopyOptions::default()).is_ok();
        }
        let mut packed = Vec::new();
        let done = download_tar(&root.root(), &text("/top"), &mut packed, &CopyOptions::default()).is_ok();
        assert!(!packed.windows(SECRET.len()).any(|window| window == SECRET));
        done
    });
    println!("{successes} of {ROUNDS} archives, {swaps} swaps");
    assert!(successes > 0 && swaps > 1000);
    assert_eq!(fingerprint(&scratch.path("outside")), canary);
}

#[test]
fn removing_against_a_swapper_stays_inside() {
    let (scratch, canary) = stage();
    let root = Opened::at(&scratch.path("root"));
    let (successes, swaps) = contest(&scratch, |_| {
        let removed = remove_tree(root.root().directory, &text("top")).is_ok();
        refresh(&scratch);
        removed
    });
    println!("{successes} of {ROUNDS} removals, {swaps} swaps");
    assert!(successes > 0 && swaps > 1000);
    assert_eq!(fingerprint(&scratch.path("outside")), canary);
}

fn assert_no_secret(top: &Path) {
    let mut pending = vec![top.to_path_buf()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            assert_ne!(fs::read(&path).unwrap(), SECRET, "{path:?}");
        }
    }
}
