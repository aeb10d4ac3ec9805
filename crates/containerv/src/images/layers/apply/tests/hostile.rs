//! Layers that were made to do harm: nothing outside changes, what is refused is named, nothing is left.

use proptest::prelude::*;
use tar::Header;

use super::*;
use crate::backend::linux::transfer::tests::hostile::{each_archive, links_and_names, peak_memory};

/// Members of every kind under names that climb, lead through links, mark removals or are none.
#[test]
fn no_pair_of_hostile_members_of_a_layer_reaches_outside() {
    let mut bed = Bed::new();
    bed.add(&pack(&[file("box/config"), file("dir/file"), file("canary/file"), directory("d/")])).unwrap();
    let (mut names, mut kinds) = links_and_names();
    names.extend(
        [&b".wh.hop"[..], b".wh...", b".wh./x", b"hop/.wh.file", b"hop/.wh..wh..opq", b".wh..wh..opq"]
            .map(<[u8]>::to_vec),
    );
    kinds.push(EntryType::Char);
    let (mut accepted, mut refused) = (0, 0);
    let targets = ["../../canary/file", "/box/config", "hop/file", "a/../b", "hop3"];
    each_archive(&names, &kinds, &targets, |name, archive| match bed.add(&archive) {
        Ok(_) => {
            accepted += 1;
            fs::remove_dir_all(bed.layers.remove(0)).unwrap();
        }
        Err(error) => {
            refused += 1;
            let unnamed = [&b""[..], b".", b"/"].contains(&name);
            assert!(unnamed || error.to_string().contains('`'), "no name: {error}");
        }
    });
    println!("{accepted} archives were accepted, {refused} refused");
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}

#[test]
fn what_is_refused_of_a_layer_is_named_with_its_reason() {
    let huge = Raw { size: 1 << 60, content: Vec::new(), ..file("huge") };
    let cases: Vec<(Vec<Raw>, &str)> = vec![
        (vec![file("../x")], "its member `../x` has a path with `..`"),
        (vec![file(".wh...")], "its member `.wh...` has a removal of what is no entry"),
        (vec![file("a/.wh.")], "its member `a/.wh.` has a removal of what is no entry"),
        (
            vec![file(".wh.a/b")],
            "its member `.wh.a/b` has a directory among its parents whose name stands for",
        ),
        (vec![link("l", "../../file")], "its member `l` has as link target a path with `..`"),
        (
            vec![link("l", "/canary/file")],
            "its member `l` has as link target what is neither in this layer nor",
        ),
        (vec![link("l", ".wh.x")], "its member `l` has as link target what is no file"),
        (vec![link("l", "/")], "its member `l` has as link target what is no file"),
        (vec![file("f"), file("f/x")], "its member `f/x` has a parent that is no directory"),
        (
            vec![file("x").with("path", &("n/".repeat(3000) + "n"))],
            "a name of 6001 bytes, more than the 4095 of a path",
        ),
        (vec![file(&"n".repeat(99)).with("path", &"n".repeat(256))], "create `nnn"),
        (vec![symlink("./", "x")], "its member `./` has no name and is not a directory"),
        (vec![huge], "`huge` of the layer has 1152921504606846976 bytes, and "),
        (
            vec![file("x").with("GNU.sparse.size", "9223372036854775807").with("GNU.sparse.map", "0,7")],
            "its member `x` has a size of 9223372036854775807 bytes, more than",
        ),
        (
            vec![file("x").with("size", "3")],
            "its member `x` has two headers that give it a different size (7 and 3)",
        ),
    ];
    let mut bed = Bed::new();
    for (members, words) in cases {
        let members = [&[file("before")][..], &members].concat();
        let error = bed.add(&pack(&members)).expect_err(words).to_string();
        assert!(error.contains(words), "wanted {words}\n   got {error}");
    }
    let mut twice = pack(&[file("a")]);
    twice.truncate(twice.len() - 512);
    twice.extend(pack(&[file("hidden")]));
    let error = bed.add(&twice).unwrap_err().to_string();
    assert!(error.contains("something behind a single empty block"), "{error}");
}

#[test]
fn counts_and_sizes_have_limits() {
    let mut bed = Bed::new();
    let many: Vec<_> = (0..100).map(|number| file(&format!("d{number}/f"))).collect();
    let limits = |entries, size| Limits { entries, size };
    bed.add_within(&pack(&many), limits(200, 1 << 20)).unwrap();
    let error = bed.add_within(&pack(&many), limits(199, 1 << 20)).unwrap_err().to_string();
    assert!(error.contains("its member `d99/f` has too many members before it"), "{error}");
    let error = bed.add_within(&pack(&many), limits(200, 50_000)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::ResourceExhausted, "{error}");
}

/// Bombs of 4 GiB, of very many and very long names, and of a map without end.
#[test]
fn memory_stays_bounded() {
    let mut bed = Bed::new();
    let before = peak_memory();
    let mut bomb = pack(&[Raw { size: 4 << 30, content: Vec::new(), ..file("bomb") }]);
    bomb.truncate(512);
    let zeros = zstd::stream::encode_all(&vec![0; 1 << 20][..], 3).unwrap();
    let packed = [zstd::stream::encode_all(&bomb[..], 3).unwrap(), zeros.repeat(4096)].concat();
    let path = bed.scratch.dir("bomb");
    let target = fs::File::open(&path).unwrap();
    let limits = Limits { size: 64 << 20, ..Limits::default() };
    let error =
        unpack(&packed[..], Some(Compression::Zstd), target.as_fd(), Parents::at(&[]), limits, None, None)
            .unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::ResourceExhausted, "{error}");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    let long = "n/".repeat(1500);
    let names: Vec<_> = (0..20).map(|number| file("x").with("path", &format!("{number}/{long}x"))).collect();
    let error = bed.add_within(&pack(&names), Limits { entries: 20_000, ..Limits::default() }).unwrap_err();
    assert!(error.to_string().contains("too many members"), "{error}");
    let grown = peak_memory().saturating_sub(before);
    println!("peak memory grew by {} MiB", grown >> 20);
    assert!(grown < 256 << 20, "{grown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Bytes changed anywhere, checksums repaired: refused or confined, and never a panic.
    #[test]
    fn a_damaged_layer_is_refused_or_confined(
        changes in prop::collection::vec((0usize..8192, any::<u8>()), 1..6),
        repair in any::<bool>(),
    ) {
        let mut bytes = pack(&[
            directory("dir/"),
            file("x").with("path", "dir/file").with("mtime", "1.5"),
            symlink("out", "../../canary"),
            file("out/.wh.file"),
            link("hard", "low"),
            file("dir/.wh..wh..opq"),
            file("sparse").with("GNU.sparse.size", "100").with("GNU.sparse.map", "3,7"),
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
        let mut bed = Bed::new();
        bed.add(&pack(&[file("low"), file("dir/low")])).unwrap();
        let _ = bed.add(&bytes);
    }
}
