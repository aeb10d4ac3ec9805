//! Archives, hostile ones among them.

use super::*;
use crate::archive::{Entry, Kind as Member, Metadata, Output};

/// One member, written as it is.
#[derive(Clone)]
struct Raw {
    kind: Member,
    name: String,
    link: String,
    content: Vec<u8>,
    foreign: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Raw {
    fn new(kind: Member, name: &str, link: &str) -> Self {
        let content = if kind == Member::File { b"written".to_vec() } else { Vec::new() };
        Self { kind, name: name.into(), link: link.into(), content, foreign: Vec::new() }
    }

    fn file(name: &str) -> Self {
        Self::new(Member::File, name, "")
    }

    fn with(mut self, keyword: &str, value: &str) -> Self {
        self.foreign.push((keyword.into(), value.into()));
        self
    }
}

fn archive(members: &[Raw]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut output = Output::new(&mut bytes);
    for member in members {
        let metadata = Metadata {
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: member.content.len() as u64,
            device: (1, 3),
            accessed: (0, 0),
            modified: (1_234_567_890, 123_456_700),
        };
        let entry = Entry {
            name: member.name.as_bytes(),
            link: member.link.as_bytes(),
            kind: member.kind,
            metadata: &metadata,
            attributes: &[],
            foreign: &member.foreign,
            sparse: None,
        };
        output.header(&entry).unwrap();
        output.content(&member.content).unwrap();
        output.pad(member.content.len() as u64).unwrap();
    }
    output.finish().unwrap();
    bytes
}

fn unpack(scratch: &Scratch, members: &[Raw]) -> Result<CopySummary> {
    scratch.dir("root/dest");
    upload_tar(&scratch.root(), &archive(members)[..], &"/dest".into(), &plain())
}

#[test]
fn a_tree_is_packed_and_unpacked_unchanged() {
    let scratch = Scratch::new();
    scratch.file("root/tree/a", b"first");
    scratch.file("root/tree/Deep/zé𝄞", &vec![3; 2 << 20]);
    scratch.file(&format!("root/tree/{}", "long ".repeat(40) + "name"), b"");
    scratch.dir("root/tree/nothing");
    fs::hard_link(scratch.path("root/tree/a"), scratch.path("root/tree/Deep/b")).unwrap();
    mark(&scratch.path("root/tree/a"), relative::READ_ONLY);
    for name in ["Deep/zé𝄞", "nothing", "Deep"] {
        mark(&scratch.path("root/tree").join(name), 2);
    }
    let root = scratch.root();
    let mut bytes = Vec::new();
    let packed = download_tar(&root, &"/tree".into(), &mut bytes, &plain()).unwrap();
    assert_eq!((packed.files, packed.directories, packed.bytes), (4, 3, (2 << 20) + 5));
    scratch.dir("root/again");
    let unpacked = upload_tar(&root, &bytes[..], &"C:\\again".into(), &plain()).unwrap();
    assert_eq!((unpacked.files, unpacked.directories, unpacked.bytes), (4, 3, (2 << 20) + 5));
    let (mut there, here) =
        (fingerprint(&scratch.path("root/tree")), fingerprint(&scratch.path("root/again/tree")));
    assert_eq!(there, here);
    // The content alone, and one file alone.
    let mut bytes = Vec::new();
    download_tar(&root, &"/tree/.".into(), &mut bytes, &plain()).unwrap();
    scratch.dir("root/content");
    upload_tar(&root, &bytes[..], &"/content".into(), &plain()).unwrap();
    assert_eq!(fingerprint(&scratch.path("root/content")), here);
    let mut bytes = Vec::new();
    download_tar(&root, &"/tree/a".into(), &mut bytes, &plain()).unwrap();
    scratch.dir("root/one");
    upload_tar(&root, &bytes[..], &"/one".into(), &plain()).unwrap();
    there.retain(|name, _| name == "a");
    assert_eq!(fingerprint(&scratch.path("root/one")), there);
}

#[test]
fn names_that_windows_reads_as_something_else_are_refused() {
    let scratch = Scratch::new();
    scratch.file("root/outside", b"canary");
    scratch.file("canary", b"canary");
    scratch.dir("root/dest");
    let before = fingerprint(&scratch.path(""));
    for (name, words) in [
        ("../outside", "a path with `..`"),
        ("a/../../outside", "a path with `..`"),
        ("..\\outside", "a backslash"),
        ("a\\..\\..\\outside", "a backslash"),
        ("C:/outside", "a colon"),
        ("C:outside", "a colon"),
        ("x:stream", "a colon"),
        ("x/y::$DATA", "a colon"),
        ("NUL", "the name of a device"),
        ("con.txt/x", "the name of a device"),
        ("x/COM1", "the name of a device"),
        ("trailing.", "dot or blank"),
        ("trailing /x", "dot or blank"),
        ("...", "dot or blank"),
        ("a*", "a character"),
        ("a\u{1}", "a character"),
        ("\\\\?\\C:\\x", "a backslash"),
    ] {
        for kind in [Member::File, Member::Directory, Member::HardLink] {
            let error = unpack(&scratch, &[Raw::new(kind, name, "x")]).unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        let error = unpack(&scratch, &[Raw::new(Member::HardLink, "link", name)]).unwrap_err();
        assert!(error.to_string().contains("link"), "{name}: {error}");
    }
    assert_eq!(fingerprint(&scratch.path("")), before);
    // Leading slashes are cut off, as elsewhere.
    unpack(&scratch, &[Raw::file("/absolute"), Raw::file("//server/share")]).unwrap();
    assert!(scratch.path("root/dest/absolute").is_file() && scratch.path("root/dest/server/share").is_file());
}

#[test]
fn members_that_differ_in_case_alone_are_refused() {
    let scratch = Scratch::new();
    for members in [
        [Raw::file("name"), Raw::file("NAME")],
        [Raw::file("d/name"), Raw::file("D/Name")],
        [Raw::new(Member::Directory, "d", ""), Raw::new(Member::Directory, "D", "")],
    ] {
        let error = unpack(&scratch, &members).unwrap_err();
        assert!(error.to_string().contains("upper and lower case"), "{error}");
        fs::remove_dir_all(scratch.path("root/dest")).unwrap();
    }
    // The same name twice: the last one counts.
    let mut last = Raw::file("name");
    last.content = b"last".to_vec();
    unpack(&scratch, &[Raw::file("name"), last]).unwrap();
    assert_eq!(fs::read(scratch.path("root/dest/name")).unwrap(), b"last");
}

#[test]
fn hard_links_are_below_the_destination() {
    let scratch = Scratch::new();
    scratch.file("root/outside", b"canary");
    let members = [
        Raw::file("a/file"),
        Raw::new(Member::HardLink, "b", "/a/file"),
        Raw::new(Member::HardLink, "b", "./b"),
    ];
    assert_eq!(unpack(&scratch, &members).unwrap().files, 3);
    fs::write(scratch.path("root/dest/a/file"), b"changed").unwrap();
    assert_eq!(fs::read(scratch.path("root/dest/b")).unwrap(), b"changed");
    for (target, words) in
        [("outside", "not there"), ("/outside", "not there"), ("a", "a directory"), ("../outside", "`..`")]
    {
        let error =
            unpack(&scratch, &[Raw::file("a/x"), Raw::new(Member::HardLink, "l", target)]).unwrap_err();
        assert!(error.to_string().contains(words), "{target}: {error}");
    }
    assert_eq!(fs::read(scratch.path("root/outside")).unwrap(), b"canary");
}

#[test]
fn what_windows_does_not_have_is_told() {
    let scratch = Scratch::new();
    let device = Raw::new(Member::CharacterDevice, "null", "");
    let summary = unpack(&scratch, &[device.clone(), Raw::file("file")]).unwrap();
    assert_eq!((summary.files, summary.skipped[0].reason), (1, SkipReason::Device));
    let options = CopyOptions { devices: true, ..plain() };
    let error = upload_tar(&scratch.root(), &archive(&[device])[..], &"/dest".into(), &options).unwrap_err();
    assert!(error.to_string().contains("device node, which Windows does not have"), "{error}");
    let error = unpack(&scratch, &[Raw::new(Member::Fifo, "fifo", "")]).unwrap_err();
    assert!(error.to_string().contains("FIFO"), "{error}");
    for target in ["//server/share", "C:x", "a:b", "a*"] {
        let error = unpack(&scratch, &[Raw::new(Member::Symlink, "l", target)]).unwrap_err();
        assert!(error.to_string().contains("a link target that Windows reads"), "{target}: {error}");
    }
}

#[test]
fn records_of_windows_are_kept_and_damaged_ones_refused() {
    let scratch = Scratch::new();
    let hidden =
        Raw::file("hidden").with("MSWINDOWS.fileattr", "34").with("LIBARCHIVE.creationtime", "1500000000.5");
    let unknown = Raw::file("other").with("MSWINDOWS.sd", "O:BA");
    unpack(&scratch, &[hidden, unknown]).unwrap();
    let metadata = fs::metadata(scratch.path("root/dest/hidden")).unwrap();
    assert_eq!(metadata.file_attributes() & 2, 2);
    assert_eq!(metadata.last_write_time(), 128_790_414_901_234_567);
    for (keyword, value) in
        [("MSWINDOWS.fileattr", "x"), ("LIBARCHIVE.creationtime", "now"), ("LIBARCHIVE.creationtime", "1.x")]
    {
        let error = unpack(&scratch, &[Raw::file("file").with(keyword, value)]).unwrap_err();
        assert!(error.to_string().contains(keyword), "{error}");
    }
}

#[test]
fn damaged_archives_are_refused() {
    let scratch = Scratch::new();
    scratch.dir("root/dest");
    let root = scratch.root();
    let error = upload_tar(&root, &[b'x'; 2048][..], &"/dest".into(), &plain()).unwrap_err();
    assert!(error.to_string().contains("wrong checksum"), "{error}");
    let bytes = archive(&[Raw::file("file")]);
    let error = upload_tar(&root, &bytes[..515], &"/dest".into(), &plain()).unwrap_err();
    assert!(error.to_string().contains("ends in the middle"), "{error}");
    assert_eq!(fs::read_dir(scratch.path("root/dest")).unwrap().count(), 0);
    let error = upload_tar(&root, &bytes[..], &"/none".into(), &plain()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let mut end = Limited(700);
    let error = download_tar(&scratch.root(), &"/".into(), &mut end, &plain()).unwrap_err();
    assert!(error.to_string().contains("write the archive"), "{error}");
}

/// Takes so many bytes and no more.
struct Limited(usize);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_comes_out_of_a_container_is_not_trusted() {
    let scratch = Scratch::new();
    scratch.file("canary", b"canary");
    let out = scratch.dir("out");
    let arrival = |name: &str, is_directory| Arrival { name: name.into(), is_directory };
    let receive = |members: &[Raw], arrival: &Arrival, to: &Path| {
        receive_on_host(&archive(members)[..], arrival, to, &plain())
    };
    for name in ["./../canary", "../canary", "./a/../../canary", "./nul", "./x:y", "./a\\..\\..\\canary"] {
        receive(&[Raw::file(name)], &arrival("tree", true), &out).unwrap_err();
        let link = [Raw::file("./x"), Raw::new(Member::HardLink, "./y", name)];
        receive(&link, &arrival("tree", true), &out).unwrap_err();
    }
    assert_eq!(fs::read(scratch.path("canary")).unwrap(), b"canary");
    // Whatever is sent as one entry goes below its name.
    let members = [Raw::new(Member::Directory, "./", ""), Raw::file("./other"), Raw::file("./a/b")];
    receive(&members, &arrival("entry", false), &out).unwrap();
    assert!(scratch.path("out/entry/other").is_file() && scratch.path("out/entry/a/b").is_file());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    // What passes through is checked as well, and stays what it was.
    let good = archive(&[
        Raw::new(Member::Directory, "d", ""),
        Raw::file("d/file").with("MSWINDOWS.fileattr", "32"),
    ]);
    let mut passed = Vec::new();
    let summary = relay(&good[..], &mut passed, true, &plain()).unwrap();
    assert_eq!((summary.files, summary.directories, summary.bytes), (1, 1, 7));
    assert_eq!(passed, good);
    for name in ["../x", "a\\b", "CON"] {
        let error = relay(&archive(&[Raw::file(name)])[..], io::sink(), true, &plain()).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
        relay(&archive(&[Raw::file(name)])[..], io::sink(), false, &plain()).unwrap();
    }
}
