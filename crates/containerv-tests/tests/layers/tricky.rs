//! An image whose layers have what unpackers get wrong.

use containerv_tests::image::Image;
use tar::{EntryType, Header};

/// cap_net_bind_service+ep in version 2 of struct vfs_cap_data, linux/capability.h.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The directory that a layer needs and does not name, and the top, whose time umoci leaves as it comes.
pub(crate) const UNTIMED: &[&str] = &["", "odd"];

/// Writes members with everything as given.
#[derive(Default)]
struct Layer(Vec<u8>);

/// A member's attributes.
#[derive(Clone, Copy)]
struct Look {
    mode: u32,
    owner: (u64, u64),
    time: u64,
}

const PLAIN: Look = Look { mode: 0o644, owner: (0, 0), time: 1_000_000_000 };
const DIRECTORY: Look = Look { mode: 0o755, ..PLAIN };

impl Layer {
    fn records(&mut self, kind: EntryType, records: &[(&str, &[u8])]) {
        let mut bytes = Vec::new();
        for (keyword, value) in records {
            let rest = keyword.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            bytes.extend(format!("{length} {keyword}=").as_bytes());
            bytes.extend([*value, b"\n"].concat());
        }
        self.add(kind, b"pax", b"", PLAIN, &bytes);
    }

    fn add(&mut self, kind: EntryType, name: &[u8], link: &[u8], look: Look, content: &[u8]) {
        let mut header = Header::new_ustar();
        let old = header.as_old_mut();
        for (field, bytes) in [(&mut old.name, name), (&mut old.linkname, link)] {
            let length = bytes.len().min(field.len());
            field[..length].copy_from_slice(&bytes[..length]);
        }
        header.set_entry_type(kind);
        header.set_mode(look.mode);
        header.set_uid(look.owner.0);
        header.set_gid(look.owner.1);
        header.set_mtime(look.time);
        header.set_size(content.len() as u64);
        if kind == EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn file(&mut self, name: &str, content: &str) {
        self.add(EntryType::Regular, name.as_bytes(), b"", PLAIN, content.as_bytes());
    }

    fn directory(&mut self, name: &str) {
        self.add(EntryType::Directory, name.as_bytes(), b"", DIRECTORY, b"");
    }

    fn symlink(&mut self, name: &str, target: &str) {
        self.add(EntryType::Symlink, name.as_bytes(), target.as_bytes(), PLAIN, b"");
    }

    fn link(&mut self, name: &str, target: &str) {
        self.add(EntryType::Link, name.as_bytes(), target.as_bytes(), PLAIN, b"");
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// What others refuse, and makes no difference to the result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    /// A pax header for all members.
    Global,
    /// A name that comes twice.
    Twice,
}

/// The image, the base first.
pub(crate) fn image(without: Without) -> Image {
    Image::default().archive(&base(without)).archive(&second()).archive(&third())
}

fn base(without: Without) -> Vec<u8> {
    let mut layer = Layer::default();
    if without != Without::Global {
        layer.records(EntryType::XGlobalHeader, &[("comment", b"of all that follows")]);
    }
    layer.add(EntryType::Directory, b"./", b"", Look { time: 5, ..DIRECTORY }, b"");
    layer.directory("etc/");
    if without != Without::Twice {
        layer.file("etc/passwd", "first");
    }
    layer.file("etc/passwd", "second: a name that comes twice");
    let setuid = Look { mode: 0o4755, owner: (0, 44), time: 7 };
    layer.add(EntryType::Regular, b"etc/setuid", b"", setuid, b"x");
    layer.add(
        EntryType::Regular,
        b"etc/owned",
        b"",
        Look { mode: 0o640, owner: (1234, 5678), time: 8 },
        b"x",
    );
    // podman gives the file what the link's header says.
    layer.add(EntryType::Link, b"etc/same", b"etc/setuid", setuid, b"");
    layer.link("etc/absolute", "/etc/passwd");
    layer.symlink("etc/relative", "passwd");
    layer.symlink("etc/up", "../../../outside");
    layer.symlink("dangling", "no/where");
    layer.add(EntryType::Fifo, b"etc/fifo", b"", Look { mode: 0o600, ..PLAIN }, b"");
    layer.add(EntryType::Char, b"etc/null", b"", Look { mode: 0o666, ..PLAIN }, b"");
    layer.add(EntryType::Directory, b"sticky/", b"", Look { mode: 0o1777, owner: (3, 4), time: 9 }, b"");
    layer.records(
        EntryType::XHeader,
        &[("SCHILY.xattr.security.capability", CAPABILITY), ("mtime", b"1500000000.5")],
    );
    layer.add(EntryType::Regular, b"able", b"", Look { mode: 0o755, ..PLAIN }, b"program");
    layer.records(EntryType::XHeader, &[("SCHILY.xattr.user.note", b"kept\0too")]);
    layer.file("noted", "x");
    layer.records(EntryType::XHeader, &[("path", b"odd/non-utf8 \xff\xfe name"), ("uid", b"4000000000")]);
    layer.file("short", "odd");
    let long = format!("odd/{}", "long".repeat(60));
    layer.add(EntryType::GNULongName, b"././@LongLink", b"", PLAIN, format!("{long}\0").as_bytes());
    layer.file("cut", "a long name");
    layer.records(EntryType::XHeader, &[("linkpath", "t/".repeat(80).as_bytes())]);
    layer.symlink("odd/far", "cut");
    for name in ["removed", "kept", "emptied", "again", "turned"] {
        layer.directory(&format!("{name}/"));
        layer.file(&format!("{name}/low"), name);
    }
    layer.directory("kept/inner/");
    layer.file("kept/inner/low", "x");
    layer.file("file", "becomes a directory");
    layer.file("gone", "x");
    layer.finish()
}

fn second() -> Vec<u8> {
    let mut layer = Layer::default();
    layer.file(".wh.removed", "");
    layer.file(".wh.gone", "");
    layer.directory("kept/");
    layer.file("kept/.wh.low", "");
    layer.directory("kept/inner/");
    layer.file("kept/inner/high", "x");
    layer.directory("emptied/");
    layer.file("emptied/.wh..wh..opq", "");
    layer.file("emptied/high", "x");
    layer.file("turned", "a file now");
    layer.directory("file/");
    layer.file("file/inside", "x");
    layer.symlink("dangling", "etc");
    layer.add(EntryType::Directory, b"sticky/", b"", Look { mode: 0o700, owner: (5, 6), time: 11 }, b"");
    layer.finish()
}

fn third() -> Vec<u8> {
    let mut layer = Layer::default();
    layer.directory("removed/");
    layer.file("removed/new", "made again");
    layer.directory("real/");
    layer.symlink("way", "real");
    layer.file("way/through", "a link of this layer among the parents");
    layer.link("way/linked", "way/through");
    layer.file("gone", "made again");
    layer.directory("etc/");
    layer.add(EntryType::Regular, b"etc/setuid", b"", Look { mode: 0o755, time: 12, ..PLAIN }, b"replaced");
    layer.finish()
}
