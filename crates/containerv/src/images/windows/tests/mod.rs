//! Layers of made-up images.

mod compose;
mod lab;
mod rebase;
mod round;
mod view;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::archive::{Attribute, Entry, Kind, Metadata, Output};
use crate::base64;

/// An empty directory that is removed with it.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("containerv-layers-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// An empty directory in it.
    pub(super) fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A member to write.
#[derive(Clone, Debug)]
pub(super) struct M {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) link: String,
    pub(super) records: Vec<Attribute>,
    pub(super) content: Vec<u8>,
}

impl M {
    pub(super) fn new(kind: Kind, name: &str) -> Self {
        let (link, records, content) = (String::new(), Vec::new(), Vec::new());
        Self { name: name.into(), kind, link, records, content }
    }

    pub(super) fn directory(name: &str) -> Self {
        Self::new(Kind::Directory, name).with("MSWINDOWS.fileattr", b"16")
    }

    pub(super) fn file(name: &str, content: &[u8]) -> Self {
        Self { content: content.to_vec(), ..Self::new(Kind::File, name) }.with("MSWINDOWS.fileattr", b"32")
    }

    pub(super) fn link(name: &str, target: &str) -> Self {
        Self { link: target.into(), ..Self::new(Kind::Symlink, name) }.with("MSWINDOWS.fileattr", b"1024")
    }

    pub(super) fn hard(name: &str, target: &str) -> Self {
        Self { link: target.into(), ..Self::new(Kind::HardLink, name) }
    }

    pub(super) fn gone(name: &str) -> Self {
        Self::new(Kind::File, name)
    }

    pub(super) fn with(mut self, keyword: &str, value: &[u8]) -> Self {
        self.records.push((keyword.as_bytes().to_vec(), value.to_vec()));
        self
    }

    pub(super) fn secured(self, descriptor: &[u8]) -> Self {
        let text = base64::encode(descriptor);
        self.with("MSWINDOWS.rawsd", text.as_bytes())
    }
}

/// The archive of members.
pub(super) fn archive(members: &[M]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut output = Output::new(&mut bytes);
    for member in members {
        let size = member.content.len() as u64;
        let metadata = Metadata {
            mode: 0o644,
            uid: 0,
            gid: 0,
            size,
            device: (0, 0),
            accessed: (1_600_000_000, 0),
            modified: (1_600_000_000, 123_456_700),
        };
        let entry = Entry {
            name: member.name.as_bytes(),
            link: member.link.as_bytes(),
            kind: member.kind,
            metadata: &metadata,
            attributes: &[],
            foreign: &member.records,
            sparse: None,
        };
        output.header(&entry).unwrap();
        output.content(&member.content).unwrap();
        output.pad(size).unwrap();
    }
    output.finish().unwrap();
    bytes
}

/// A base layer with something of everything.
pub(super) fn base() -> Vec<M> {
    let descriptor = super::facts::usual_descriptor(false);
    let created = "1500000000.1234567";
    vec![
        M::directory("Files").secured(&super::facts::usual_descriptor(true)),
        M::directory("Files/Windows").with("LIBARCHIVE.creationtime", created.as_bytes()),
        M::directory("Files/Windows/System32"),
        M::file("Files/Windows/System32/tool.exe", b"MZ tool").secured(&descriptor),
        M::hard("Files/Windows/tool.exe", "Files/Windows/System32/tool.exe"),
        M::file("Files/Windows/System32/big.dll", &vec![7; 200_001])
            .with("MSWINDOWS.xattr.$CI.CATALOGHINT", b"AQABAA=="),
        M::file("Files/Windows/read.me", b"hello").with("LIBARCHIVE.creationtime", created.as_bytes()),
        M::file("Files/Windows/read.me:Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n"),
        M::file("Files/Windows/read.me:other", b""),
        M::directory("Files/ProgramData"),
        M::file("Files/ProgramData/same", b"hello"),
        M::link("Files/Documents and Settings", "C:/Users").with("MSWINDOWS.mountpoint", b"1"),
        M::link("Files/ProgramData/Desktop", "../Users/Public"),
        M::directory("Files/Users"),
        M::file("Files/Users/größe 名.txt", "inhalt".as_bytes()),
        M::file("Files/PROGRA~1", b"a name of the short form"),
        M::directory("Hives"),
        M::file("Hives/System_Base", b"regf"),
        M::directory("UtilityVM"),
        M::directory("UtilityVM/Files"),
        M::directory("UtilityVM/Files/EFI"),
        M::file("UtilityVM/Files/EFI/BCD", b"bcd"),
        M::hard("UtilityVM/Files/EFI/BCD2", "UtilityVM/Files/EFI/BCD"),
    ]
}

/// A layer above it.
pub(super) fn upper() -> Vec<M> {
    vec![
        M::directory("Files"),
        M::directory("Files/windows"),
        M::gone("Files/windows/.wh.read.me"),
        M::gone("Files/Users/.wh.größe 名.txt"),
        M::file("Files/WINDOWS/new.txt", b"new"),
        M::hard("Files/windows/tool2.exe", "Files/Windows/System32/tool.exe"),
        M::directory("Files/ProgramData"),
        M::file("Files/ProgramData/same", b"other"),
        M::directory("Hives"),
        M::file("Hives/Software_Delta", b"regf"),
        M::directory("UtilityVM"),
        M::directory("UtilityVM/Files"),
        M::gone("UtilityVM/Files/.wh.EFI"),
    ]
}
