//! Archives that were made to do harm: nothing outside the root changes, and what is refused is named.
//!
//! No test here or beside it names a file that a machine has: one that fails does no harm either.

use std::io::Read;

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;

/// One member with everything as given, however wrong.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) content: Vec<u8>,
    pub(crate) pax: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Raw {
    pub(crate) fn new(kind: EntryType, name: &[u8], link: &[u8]) -> Self {
        let content = if kind == EntryType::Regular { b"written".to_vec() } else { Vec::new() };
        let size = content.len() as u64;
        Self {
            kind: kind.as_byte(),
            name: name.to_vec(),
            link: link.to_vec(),
            size,
            content,
            pax: Vec::new(),
        }
    }

    pub(crate) fn file(name: &str) -> Self {
        Self::new(EntryType::Regular, name.as_bytes(), b"")
    }

    pub(crate) fn with(mut self, keyword: &str, value: &str) -> Self {
        self.pax.push((keyword.into(), value.into()));
        self
    }

    fn append(&self, archive: &mut Vec<u8>) {
        if !self.pax.is_empty() {
            let mut records = Vec::new();
            for (keyword, value) in &self.pax {
                crate::archive::write_record(&mut records, keyword, value);
            }
            let size = records.len() as u64;
            let pax = Vec::new();
            Raw { kind: b'x', name: b"pax".to_vec(), link: Vec::new(), size, content: records, pax }
                .append(archive);
        }
        let mut header = Header::new_ustar();
        let old = header.as_old_mut();
        for (field, bytes) in [(&mut old.name, &self.name), (&mut old.linkname, &self.link)] {
            let length = bytes.len().min(field.len());
            field[..length].copy_from_slice(&bytes[..length]);
        }
        old.linkflag = [self.kind];
        header.set_mode(0o4777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        header.set_size(self.size);
        let _ = (header.set_device_major(8), header.set_device_minor(0));
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(&self.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
}

pub(crate) fn pack(members: &[Raw]) -> Vec<u8> {
    let mut archive = Vec::new();
    members.iter().for_each(|member| member.append(&mut archive));
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// A root with links that lead out of it, in a directory with canaries.
struct Cage(Scratch, BTreeMap<Vec<u8>, String>);

impl Cage {
    fn new() -> Self {
        let scratch = Scratch::quick("hostile");
        scratch.file("canary/file", b"canary");
        scratch.file("canary/deep/file", b"canary");
        scratch.file("file", b"canary");
        fs::set_permissions(scratch.path("canary/file"), fs::Permissions::from_mode(0o600)).unwrap();
        let cage = Self(scratch, BTreeMap::new());
        let before = cage.outside();
        Self(cage.0, before)
    }

    fn fresh_root(&self) -> Opened {
        let root = self.0.path("root");
        let _ = fs::remove_dir_all(&root);
        self.0.file("root/box/config", b"inside");
        self.0.dir("root/dest/dir");
        std::os::unix::fs::symlink("../../canary", self.0.path("root/dest/out")).unwrap();
        std::os::unix::fs::symlink(self.0.path("canary"), self.0.path("root/dest/absolute")).unwrap();
        Opened::at(&root)
    }

    fn outside(&self) -> BTreeMap<Vec<u8>, String> {
        let mut all = fingerprint(&self.0.path("canary"));
        all.insert(b"../file".to_vec(), describe(&self.0.path("file")));
        all
    }

    fn unpack(&self, archive_bytes: &[u8]) -> Result<CopySummary> {
        let root = self.fresh_root();
        let result = upload_tar(&root.root(), archive_bytes, &text("/dest"), &archive());
        assert_eq!(self.outside(), self.1, "{result:?}");
        result
    }
}

pub(crate) fn links_and_names() -> (Vec<Vec<u8>>, Vec<EntryType>) {
    let names = [
        "../canary/file",
        "../../canary/file",
        "/box/config",
        "a/../../../canary/file",
        "a/../b",
        "..",
        ".",
        "/",
        "",
        "out/file",
        "absolute/file",
        "hop/file",
        "hop2/file",
        "hop3/file",
        "dir",
        "dir/file",
        "dir/.wh.file",
        "dir/.wh..wh..opq",
        "file",
        "./file",
        "//file",
        "hop",
        "dir/hop",
    ];
    let kinds = [
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Regular,
        EntryType::Block,
        EntryType::Fifo,
    ];
    (names.iter().map(|name| name.as_bytes().to_vec()).collect(), kinds.to_vec())
}

/// Chains of links that a check of names alone does not see through.
fn chains() -> Vec<Vec<Raw>> {
    let link = |name: &str, target: &str| Raw::new(EntryType::Symlink, name.as_bytes(), target.as_bytes());
    vec![
        vec![],
        vec![link("hop", "../../canary"), link("hop2", "hop"), link("hop3", "dir/../hop2")],
        vec![link("hop", "/"), link("hop2", "hop/../../canary"), link("hop3", "hop2/deep")],
        vec![
            link("dir/up", ".."),
            link("hop", "dir/up/../.."),
            link("hop2", "hop/canary"),
            link("hop3", "hop2"),
        ],
        vec![Raw::new(EntryType::Link, b"hop", b"out"), Raw::new(EntryType::Link, b"hop2", b"absolute")],
    ]
}

/// Hands over archives of hostile members, and the name of each: behind every chain of links a member of every kind, of
/// links one to each target.
pub(crate) fn each_archive(
    names: &[Vec<u8>],
    kinds: &[EntryType],
    targets: &[&str],
    mut take: impl FnMut(&[u8], Vec<u8>),
) {
    let cases = chains().into_iter().flat_map(|chain| kinds.iter().map(move |kind| (chain.clone(), *kind)));
    for ((chain, kind), name) in cases.flat_map(|case| names.iter().map(move |name| (case.clone(), name))) {
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        for target in if is_link { targets } else { &[""] } {
            let member = Raw::new(kind, name, target.as_bytes());
            // Whatever became of the member, a file through it or in its place, and a mode.
            let after = Raw::new(EntryType::Regular, name, b"");
            let below = Raw::new(EntryType::Regular, &[name, &b"/file"[..]].concat(), b"");
            for last in [after, below] {
                take(name, pack(&[&chain[..], &[member.clone(), last]].concat()));
            }
        }
    }
}

#[test]
fn no_pair_of_hostile_members_reaches_outside() {
    let cage = Cage::new();
    let (names, kinds) = links_and_names();
    let targets = ["../../canary/file", "/box/config", "hop/file", "out/file", "absolute", "hop3"];
    let mut accepted = 0;
    each_archive(&names, &kinds, &targets, |_, archive| {
        accepted += usize::from(cage.unpack(&archive).is_ok());
    });
    assert!(accepted > 100, "{accepted}: the corpus is refused for another reason");
}

#[test]
fn what_is_refused_is_named_with_its_reason() {
    let cases: Vec<(Raw, &str)> = vec![
        (Raw::file("../x"), "member `../x` has a path with `..`"),
        (Raw::file("a/../b"), "member `a/../b` has a path with `..`"),
        (Raw::new(EntryType::Link, b"l", b"../../file"), "member `l` has as link target a path with `..`"),
        (Raw::new(EntryType::Link, b"l", b""), "member `l` has a link without a target"),
        (Raw::new(EntryType::Link, b"l", b"absent"), "find the target of the link, member `l`"),
        (Raw::new(EntryType::Link, b"l", b"dir"), "member `l` has a hard link to a directory"),
        (Raw::new(EntryType::Symlink, b"l", b""), "member `l` has a link without a target"),
        (Raw { size: 9, content: vec![0; 9], ..Raw::new(EntryType::Directory, b"d", b"") }, "no content"),
        (Raw { kind: b'M', ..Raw::file("multi") }, "member `multi` has a member of type `M`"),
        (
            Raw::file("dir"),
            "cannot overwrite directory `/dest/dir` in the container with non-directory member `dir`",
        ),
        (
            Raw::file("x").with("size", "3"),
            "member `x` has two headers that give it a different size (7 and 3)",
        ),
        (Raw::file("x").with("size", "99999999999999999999999"), "`size` of"),
        (Raw::file("x").with("size", "18446744073709551615"), "larger than a file can be"),
        (Raw::file("x").with("uid", "4294967296"), "member `x` has a user id of 4294967296"),
        (Raw::file("x").with("gid", "4294967295"), "member `x` has a group id of 4294967295"),
        (Raw::file("x").with("path", "a\0b"), "NUL byte"),
        (Raw::file("x").with("path", &"/n".repeat(40_000)), "a name of 80000 bytes"),
        (Raw::file("x").with("GNU.sparse.major", "1").with("GNU.sparse.minor", "7"), "version 1.7"),
        (
            Raw::file("x").with("GNU.sparse.size", "4").with("GNU.sparse.map", "0,7"),
            "a map of a sparse file that leaves the file",
        ),
        (
            Raw::file("x").with("GNU.sparse.size", "9223372036854775808").with("GNU.sparse.map", "0,7"),
            "a sparse file larger than a file can be",
        ),
        (Raw { kind: b'L', size: 1 << 40, ..Raw::file("x") }, "extended headers of more than 1048576 bytes"),
        (Raw { kind: b'x', size: 1 << 33, ..Raw::file("x") }, "extended headers of more than 1048576 bytes"),
        (
            Raw { kind: b'g', content: b"9 path=x\n".to_vec(), size: 9, ..Raw::file("x") },
            "a global pax header",
        ),
        (
            Raw { kind: b'L', content: b"n\0".to_vec(), size: 2, ..Raw::file("x") },
            "an extended header without",
        ),
    ];
    let cage = Cage::new();
    for (member, words) in cases {
        let error = cage.unpack(&pack(std::slice::from_ref(&member))).expect_err(words);
        assert!(error.to_string().contains(words), "wanted {words}\n   got {error}");
    }
    let error = cage.unpack(&[b'x'; 2048]).unwrap_err();
    assert!(error.to_string().contains("wrong checksum"), "{error}");
    let error = cage.unpack(&pack(&[Raw { size: 1 << 32, ..Raw::file("short") }])).unwrap_err();
    assert!(error.to_string().contains("ends in the middle"), "{error}");
    for twice in [b'L', b'K', b'x'] {
        let content = if twice == b'x' { b"10 uid=77\n".to_vec() } else { b"n".to_vec() };
        let header = Raw { kind: twice, size: content.len() as u64, content, ..Raw::file("h") };
        let error = cage.unpack(&pack(&[header.clone(), header, Raw::file("x")])).unwrap_err();
        assert!(error.to_string().contains("two extended headers"), "{error}");
    }
}

#[test]
fn absolute_hard_links_inside_the_root_work() {
    let cage = Cage::new();
    let members = [Raw::file("/a/file"), Raw::new(EntryType::Link, b"/b", b"/a/file")];
    assert_eq!(cage.unpack(&pack(&members)).unwrap().files, 2);
    let ids = ["a/file", "b"].map(|name| fs::metadata(cage.0.path("root/dest").join(name)).unwrap().ino());
    assert_eq!(ids[0], ids[1]);
    // A link to itself is not a reason to lose the file.
    let members = [Raw::file("file"), Raw::new(EntryType::Link, b"file", b"./file")];
    cage.unpack(&pack(&members)).unwrap();
    assert_eq!(fs::read(cage.0.path("root/dest/file")).unwrap(), b"written");
}

#[test]
fn a_hard_link_gives_no_attributes_to_what_it_names() {
    let cage = Cage::new();
    let root = cage.fresh_root();
    fs::set_permissions(cage.0.path("root/box/config"), fs::Permissions::from_mode(0o600)).unwrap();
    let link = Raw::new(EntryType::Link, b"new", b"box/config");
    upload_tar(&root.root(), &pack(&[link])[..], &text("/"), &archive()).unwrap();
    let after = fs::metadata(cage.0.path("root/box/config")).unwrap();
    assert_eq!((after.mode() & 0o7777, after.nlink()), (0o600, 2));
}

#[test]
fn a_link_of_the_container_among_the_parents_stays_inside() {
    let cage = Cage::new();
    let root = cage.fresh_root();
    std::os::unix::fs::symlink("/box", cage.0.path("root/dest/config")).unwrap();
    let members = pack(&[Raw::file("config/new"), Raw::file("config/sub/new")]);
    upload_tar(&root.root(), &members[..], &text("/dest"), &archive()).unwrap();
    assert_eq!(fs::read(cage.0.path("root/box/new")).unwrap(), b"written");
    assert_eq!(fs::read(cage.0.path("root/box/sub/new")).unwrap(), b"written");
    // `out` climbs, and what it names does not exist inside.
    cage.unpack(&pack(&[Raw::file("out/file")])).unwrap_err();
    cage.unpack(&pack(&[Raw::file("absolute/file")])).unwrap_err();
}

#[test]
fn a_size_only_in_the_pax_header_hides_no_members() {
    // The content is an archive; a reader that believes the ustar size of 0 would unpack it.
    let inner = pack(&[Raw::file("hidden")]);
    let mut outer = Raw { size: 0, content: inner.clone(), ..Raw::file("outer") };
    outer = outer.with("size", &inner.len().to_string());
    let bytes = pack(&[outer, Raw::file("last")]);
    let cage = Cage::new();
    assert_eq!(cage.unpack(&bytes).unwrap().files, 2);
    assert_eq!(fs::read(cage.0.path("root/dest/outer")).unwrap(), inner);
    let path = cage.0.file("archive.tar", &bytes);
    let listed = Command::new("tar").arg("-tf").arg(path).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "outer\nlast\n");
}

#[test]
fn memory_stays_bounded_whatever_is_announced() {
    let cage = Cage::new();
    let endless = std::io::repeat(0).take(100 << 20);
    let start = pack(&[Raw { size: 1 << 60, content: Vec::new(), ..Raw::file("huge") }]);
    let root = cage.fresh_root();
    let before = peak_memory();
    let stream = (&start[..512]).chain(endless);
    upload_tar(&root.root(), stream, &text("/dest"), &archive()).unwrap_err();
    let runs = (1u64 << 40).to_string();
    let map = Raw::file("x").with("GNU.sparse.major", "1").with("GNU.sparse.minor", "0");
    let mut map = map.with("GNU.sparse.realsize", "5").with("GNU.sparse.name", "y");
    map.content = format!("{runs}\n").into_bytes();
    map.content.resize(512, 0);
    map.size = 512;
    let error = cage.unpack(&pack(&[map])).unwrap_err();
    assert!(error.to_string().contains("runs of data"), "{error}");
    assert!(peak_memory() - before < 64 << 20);
}

pub(crate) fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes changed anywhere, checksums repaired: refused or confined, and never a panic.
    #[test]
    fn a_damaged_archive_is_refused_or_confined(
        changes in prop::collection::vec((0usize..8192, any::<u8>()), 1..6),
        repair in any::<bool>(),
    ) {
        let sparse = Raw::file("sparse").with("GNU.sparse.size", "100").with("GNU.sparse.map", "3,7");
        let mut bytes = pack(&[
            Raw::new(EntryType::Directory, b"dir/", b""),
            Raw::file("x").with("path", "dir/file").with("mtime", "1.5"),
            Raw::new(EntryType::Symlink, b"out/link", b"../../canary"),
            Raw::new(EntryType::Link, b"hard", b"dir/file"),
            sparse,
        ]);
        let length = bytes.len();
        for (at, value) in changes {
            bytes[at % length] = value;
        }
        if repair {
            for block in bytes.chunks_exact_mut(512) {
                if block[257..262] == *b"ustar" {
                    let mut header = Header::from_byte_slice(block).clone();
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
        }
        let _ = Cage::new().unpack(&bytes);
    }
}
