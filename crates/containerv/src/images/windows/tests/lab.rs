//! The layer lab: archives that want out of the layer's folder, or want to be taken for others (CVE-2018-8115).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::unpack;
use super::{M, Scratch, archive};
use crate::ErrorKind;
use crate::archive::Kind;

const BLOCK: usize = 512;

/// What is outside of the layer's folder and must stay as it is.
fn listing(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "layer" {
            found.insert(name.clone(), Vec::new());
            found.extend(
                listing(&path).into_iter().map(|(below, content)| (format!("{name}/{below}"), content)),
            );
        } else if path.is_file() {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

/// Unpacks below canaries; says what was refused. Nothing outside changes, and inside only the form's own names are.
fn taken(bytes: &[u8], base: bool) -> Result<(), String> {
    let scratch = Scratch::new();
    for name in ["canary", "Files", "x"] {
        fs::write(scratch.0.join(name), b"canary").unwrap();
    }
    let outside = scratch.directory("outside");
    fs::write(outside.join("x"), b"canary").unwrap();
    let before = listing(&scratch.0);
    let layer = scratch.directory("layer");
    let result = unpack(bytes, &layer, base);
    assert_eq!(listing(&scratch.0), before);
    for name in listing(&layer).keys() {
        let own = name == "entries.gz" || name.split('/').next() == Some("content");
        assert!(own && !name.contains(".."), "{name}");
    }
    result.map(drop).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        format!("{error:#}")
    })
}

fn tree() -> Vec<M> {
    vec![
        M::directory("Files"),
        M::directory("Files/d"),
        M::file("Files/d/f", b"f"),
        M::link("Files/d/link", "C:/"),
        M::link("Files/d/junction", "//?/C:/").with("MSWINDOWS.mountpoint", b"1"),
        M::directory("Hives"),
        M::directory("UtilityVM"),
        M::directory("UtilityVM/Files"),
    ]
}

/// Each member is refused behind that tree, by its name.
#[test]
fn members_that_want_out_are_refused_by_name() {
    let mut cases: Vec<M> = Vec::new();
    for name in [
        "Files/..\\..\\x",
        "Files\\..\\..\\x",
        "Files/../x",
        "Files/d/../../x",
        "../x",
        "/x",
        "C:x",
        "C:/x",
        "Files/C:x",
        "//server/share/x",
        "\\\\?\\C:\\x",
        "Files/a.",
        "Files/a ",
        "Files/CON",
        "Files/NUL.txt",
        "Files/AUX",
        "Files/f::$DATA",
        "FILES/x",
        "Files/d/.wh...",
        "Files/.wh..wh..opq",
        "Files/.wh...\\x",
        ".wh.canary",
        "Hives/..",
        "Hives/a/b",
        "Hives/../../x",
        "Hives/CON",
        "UtilityVM/x",
        "UtilityVM/../x",
        "outside/x",
        "tombstones.txt",
        "layerchain.json",
        "sandbox.vhdx",
        // Below what is no directory, and below none.
        "Files/d/f/x",
        "Files/d/link/x",
        "Files/d/junction/x",
        "Files/none/x",
        // Again, in another letter case too.
        "Files/d/f",
        "Files/D/F",
        "Files/d",
        "Files/D",
    ] {
        cases.push(M::file(name, b""));
        cases.push(M::directory(name));
        cases.push(M::link(name, "x"));
        cases.push(M::hard(name, "Files/d/f"));
    }
    for target in [
        "../x",
        "Files/../../x",
        "/x",
        "C:/x",
        "\\\\?\\C:\\x",
        "Files\\d\\f",
        "Files",
        "Files/d",
        "Files/f:s",
        "Hives",
        "canary",
        "UtilityVM/Files/x",
        "Files/.wh.f",
        "Files/CON",
        "FILES/d/f",
    ] {
        cases.push(M::hard("Files/hard", target));
    }
    cases.push(M::hard("Hives/hard", "Files/d/f"));
    cases.push(M::hard("UtilityVM/Files/hard", "Files/d/f"));
    for target in ["", "C:x", "c:"] {
        cases.push(M::link("Files/link", target));
    }
    cases.push(M::link("Files/junction", "relative").with("MSWINDOWS.mountpoint", b"1"));
    cases.push(M::link("Hives/System_Delta", "C:/"));
    cases.push(M::link("Files", "C:/"));
    // Streams of nothing, of something else, twice, or in a way that Windows reads as another one.
    for name in ["Files/none:s", "Files/d/f:s", "Hives:s", "Hives/h:s", "Files:s", "UtilityVM:s"] {
        cases.push(M::file(name, b"s"));
    }
    for kind in [Kind::Fifo, Kind::CharacterDevice, Kind::BlockDevice] {
        cases.push(M::new(kind, "Files/device"));
    }
    cases.push(M::file("Files/.wh.f", b"content"));
    cases.push(M::directory("Files/.wh.d"));
    cases.push(M::link("Files/.wh.l", "x"));
    // Records that lie.
    for (keyword, value) in [
        ("MSWINDOWS.fileattr", &b"-1"[..]),
        ("MSWINDOWS.fileattr", b"16"),
        ("MSWINDOWS.fileattr", b"4294967296"),
        ("MSWINDOWS.rawsd", b"AQAAgP////8AAAAAAAAAAAAAAAA="),
        ("MSWINDOWS.rawsd", b"not base 64"),
        ("MSWINDOWS.mountpoint", b"1"),
        ("MSWINDOWS.xattr.A", b"!"),
        ("LIBARCHIVE.creationtime", b"soon"),
    ] {
        cases.push(M::new(Kind::File, "Files/new").with(keyword, value));
    }
    cases.push(M::file("Files/new", b"").with("MSWINDOWS.fileattr", b"32"));
    cases.push(M::new(Kind::Directory, "Files/new").with("MSWINDOWS.fileattr", b"32"));
    assert!(cases.len() > 180, "{}", cases.len());
    taken(&archive(&tree()), false).unwrap();
    for case in cases {
        let name = case.name.clone();
        let bytes = archive(&[tree(), vec![case.clone()]].concat());
        match taken(&bytes, false) {
            Ok(()) => panic!("taken: {case:?}"),
            // A name may be cut off at what no name has, and is told without what cannot be printed.
            Err(message) => {
                assert!(message.contains(name.split('\0').next().unwrap_or_default()), "{message}")
            }
        }
    }
}

#[test]
fn a_base_layer_has_nothing_below() {
    for member in [M::gone("Files/d/.wh.gone"), M::hard("Files/hard", "Files/below")] {
        let bytes = archive(&[tree(), vec![member]].concat());
        assert!(taken(&bytes, true).is_err());
        taken(&bytes, false).unwrap();
    }
}

#[test]
fn streams_follow_their_file_and_differ() {
    let with = |names: &[&str]| {
        let streams: Vec<M> = names.iter().map(|name| M::file(name, b"s")).collect();
        taken(&archive(&[tree(), vec![M::file("Files/f", b"")], streams].concat()), false)
    };
    with(&["Files/f:a", "Files/f:b", "Files/F:c"]).unwrap();
    assert!(with(&["Files/f:a", "Files/f:A"]).is_err());
    assert!(with(&["Files/f:a", "Files/g", "Files/f:b"]).is_err());
    assert!(with(&["Files/f:"]).is_err());
    let many: Vec<String> = (0..8193).map(|number| format!("Files/f:{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    with(&many[..8192]).unwrap();
    assert!(with(&many).unwrap_err().contains("behind 8192 streams"));
}

#[test]
fn what_is_gone_is_marked_once() {
    let gone = |names: &[&str]| {
        let marks: Vec<M> = names.iter().map(|name| M::gone(name)).collect();
        taken(&archive(&[tree(), marks].concat()), false)
    };
    gone(&["Files/d/.wh.a", "Files/d/.wh.b", "Files/.wh.a"]).unwrap();
    assert!(gone(&["Files/d/.wh.a", "Files/D/.wh.A"]).unwrap_err().contains("marks the same"));
}

/// Sizes that lie: the content that follows is not taken for headers, nor headers for content.
#[test]
fn sizes_that_lie_are_refused_quickly() {
    let bytes = archive(&[M::directory("Files"), M::new(Kind::File, "Files/f")]);
    let header = bytes.len() - 3 * BLOCK;
    assert_eq!(&bytes[header..header + 7], b"Files/f");
    let with_size = |text: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[header + 124..header + 124 + text.len()].copy_from_slice(text);
        let header = &mut bytes[header..header + BLOCK];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        taken(&bytes, false)
    };
    with_size(b"00000000000\0").unwrap();
    for size in [
        &b"00000003000\0"[..],
        b"77777777777\0",
        b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"zzzzzzzzzzz\0",
    ] {
        assert!(with_size(size).is_err(), "{}", size.escape_ascii());
    }
}

#[test]
fn headers_that_speak_for_all_are_refused() {
    let mut record = Vec::new();
    crate::archive::write_record(&mut record, b"MSWINDOWS.fileattr", b"2");
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XGlobalHeader);
    header.set_size(record.len() as u64);
    header.set_cksum();
    record.resize(BLOCK, 0);
    let bytes = [header.as_bytes(), &record[..], &archive(&tree())].concat();
    assert!(taken(&bytes, false).unwrap_err().contains("Files"));
}
