//! Archives that are unpacked in a container.

use std::cell::RefCell;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use containerv::fuzzing::{download_tar, remove_tree, upload_tar};
use containerv::{CopyOptions, CopySummary};
use containerv_spec::OsText;

use crate::invariant;
use crate::scratch::Scratch;

const BLOCK: usize = 512;

thread_local! {
    static CAGE: RefCell<Cage> = RefCell::new(Cage::new());
}

/// Nothing outside of the root changes, whatever the archive says; what it made can be packed, and
/// that can be unpacked. The archive is taken as it is, and once more with its checksums set right.
pub fn target(data: &[u8]) {
    CAGE.with_borrow(|cage| {
        cage.unpack(data);
        let mended = mended(data);
        if mended != data {
            cage.unpack(&mended);
        }
    });
}

/// Sets the checksum of each header, going from one to the next by the size in it.
pub(crate) fn mended(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        if header.iter().any(|byte| *byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let octal = |sum: usize, byte: &u8| sum << 3 | usize::from(byte.wrapping_sub(b'0') & 7);
        let size = header[124..135].iter().fold(0, octal);
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    archive
}

/// A root with links that lead out of it, in a directory with files that must not change.
struct Cage {
    scratch: Scratch,
    outside: Vec<String>,
}

impl Cage {
    fn new() -> Self {
        let scratch = Scratch::new("archive");
        let at = |below: &str| scratch.path().join(below);
        fs::create_dir_all(at("canary/deep")).expect("directories are made");
        for name in ["canary/file", "canary/deep/file", "file"] {
            fs::write(at(name), b"canary").expect("files are made");
        }
        fs::set_permissions(at("canary/file"), Permissions::from_mode(0o600)).expect("modes are set");
        let outside = outside(scratch.path());
        Self { scratch, outside }
    }

    fn at(&self, below: &str) -> PathBuf {
        self.scratch.path().join(below)
    }

    fn fresh_root(&self) -> File {
        self.clear();
        fs::create_dir_all(self.at("root/dest/dir")).expect("directories are made");
        fs::create_dir_all(self.at("root/etc")).expect("directories are made");
        fs::write(self.at("root/etc/passwd"), b"inside").expect("files are made");
        symlink("../../canary", self.at("root/dest/out")).expect("links are made");
        symlink(self.at("canary"), self.at("root/dest/absolute")).expect("links are made");
        File::open(self.at("root")).expect("the root is opened")
    }

    /// The library's own removal: trees may be deeper than the standard library's can go.
    fn clear(&self) {
        let directory = File::open(self.scratch.path()).expect("the directory is opened");
        if let Err(error) = remove_tree(directory.as_fd(), &"root".into()) {
            panic!("{error}");
        }
        assert!(fs::symlink_metadata(self.at("root")).is_err());
    }

    fn unpack(&self, archive: &[u8]) {
        let options = CopyOptions {
            keep_owner: archive.len().is_multiple_of(2),
            devices: !archive.len().is_multiple_of(3),
            ..CopyOptions::default()
        };
        let root = self.fresh_root();
        match upload_tar(root.as_fd(), archive, &"/dest".into(), &options) {
            Ok(_) if is_root() => self.pack_and_unpack(&root, &options),
            Ok(_) => {}
            Err(error) => invariant::error(&error),
        }
        assert_eq!(outside(self.scratch.path()), self.outside);
        drop(root);
        self.clear();
    }

    fn pack_and_unpack(&self, root: &File, options: &CopyOptions) {
        let from = OsText::from("/dest/.");
        let mut archive = Vec::new();
        let mut limited = Limited { archive: &mut archive, room: 8 << 20 };
        let packed = match download_tar(root.as_fd(), &from, &mut limited, options) {
            Ok(packed) => packed,
            // Files may be larger than what they were made of, where headers said so.
            Err(_) if limited.room == 0 => return,
            Err(error) => panic!("{error}"),
        };
        fs::create_dir(self.at("root/.again")).expect("a directory is made");
        let options = CopyOptions { devices: true, ..options.clone() };
        let unpacked = upload_tar(root.as_fd(), &archive[..], &"/.again".into(), &options);
        match unpacked {
            Ok(unpacked) => assert_eq!(counts(&unpacked), counts(&packed)),
            Err(error) => panic!("what was packed is unpacked: {error}"),
        }
    }
}

/// Files, links and others, and bytes. Directories differ by the top, which is there.
fn counts(summary: &CopySummary) -> [u64; 4] {
    [summary.files, summary.symlinks, summary.special, summary.bytes]
}

/// Takes so many bytes and no more.
struct Limited<'a> {
    archive: &'a mut Vec<u8>,
    room: usize,
}

impl io::Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            self.room = 0;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= bytes.len();
        self.archive.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Everything but the root and the scratch directory itself, whose times the root's making changes.
/// The time of the last change tells of every attribute.
pub(crate) fn outside(scratch: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![scratch.join("canary"), scratch.join("file")];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).expect("what is outside stays");
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("the directory is listed");
            pending.extend(entries.map(|entry| entry.expect("the directory is listed").path()));
        }
        let times = (metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec(), metadata.len());
        found.push(format!("{path:?} {:o} {} {times:?}", metadata.mode(), metadata.nlink()));
    }
    found.sort();
    found.push(format!("{}", fs::read_dir(scratch).map_or(0, |entries| entries.count().max(3))));
    found
}
