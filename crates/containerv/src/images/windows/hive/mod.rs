//! Files of the registry (hives), of which layers above the base have only what differs.
//!
//! The format is not published by its maker. What is read and written here follows the description by M. Suhanov
//! ("Windows registry file format specification") and that of libregf; a layer's differences are a hive of
//! version 1.6 with layered keys. What is written has been read by others' programs, but no Windows has seen it.

mod changes;
mod read;
mod write;

pub use changes::RegistryChange;
pub(super) use changes::delta_hives;

pub use read::HiveSummary;
use read::{Key, Read};
use write::{NewKey, write};

/// Bytes before the bins.
const BASE_BLOCK: usize = 4096;
/// What a missing offset is.
const NOWHERE: u32 = u32::MAX;
/// The longest name of a key, in UTF-16 units.
const LONGEST_KEY_NAME: usize = 255;
/// The longest name of a value.
const LONGEST_VALUE_NAME: usize = 16_383;
/// The largest data of a value that is written.
const LARGEST_DATA: usize = 1 << 20;
/// Larger data is cut into pieces of this size.
const PIECE: usize = 16_344;

/// Flags of a key.
mod key_flags {
    pub(super) const ROOT: u16 = 0x0004;
    pub(super) const NO_DELETE: u16 = 0x0008;
    pub(super) const LINK: u16 = 0x0010;
    pub(super) const COMPRESSED_NAME: u16 = 0x0020;
}

/// Bits of a layered key.
mod layered {
    /// The class is that of the layers below.
    pub(super) const INHERIT_CLASS: u8 = 0x80;
    /// How it lies over those of the layers below.
    pub(super) const SEMANTICS: u8 = 0x03;
    /// It is gone.
    pub(super) const TOMBSTONE: u8 = 0x01;
}

/// Flags of a value.
mod value_flags {
    pub(super) const COMPRESSED_NAME: u16 = 0x0001;
    pub(super) const TOMBSTONE: u16 = 0x0002;
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryValue {
    /// Its name; empty for the default value.
    pub name: String,
    /// `REG_...`.
    pub kind: u32,
    /// Its data, as it is stored.
    pub data: Vec<u8>,
}

/// Counts what is in a hive, and looks at all of it.
pub(super) fn count(bytes: &[u8]) -> Result<HiveSummary, &'static str> {
    Read::new(bytes)?.count()
}

/// Two names that differ in letter case alone are one.
fn same_name(one: &str, other: &str) -> bool {
    super::path::folded(one) == super::path::folded(other)
}

/// The hash by which keys are found.
fn hash(name: &str) -> u32 {
    let upper = super::path::folded(name);
    upper.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(37).wrapping_add(u32::from(unit)))
}

/// XOR of the first 127 numbers of the base block.
fn checksum(base: &[u8]) -> u32 {
    let numbers = base[..508].chunks_exact(4);
    let sum =
        numbers.fold(0, |sum, bytes| sum ^ u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    match sum {
        // What these two would mean has been replaced.
        u32::MAX => u32::MAX - 1,
        0 => 1,
        sum => sum,
    }
}

#[cfg(test)]
pub(in crate::images::windows) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(name: &str, data: &[u8]) -> RegistryValue {
        RegistryValue { name: name.into(), kind: 3, data: data.to_vec() }
    }

    fn key(name: &str, keys: Vec<NewKey>, values: Vec<RegistryValue>) -> NewKey {
        NewKey { name: name.into(), security: vec![name.len() as u8; 40], inherit_class: true, keys, values }
    }

    /// Everything below a key, as a listing.
    fn listed(key: &Key<'_>, at: &str, to: &mut Vec<String>) {
        for value in key.values().unwrap() {
            to.push(format!("{at}@{}={}:{}", value.name, value.kind, value.data.len()));
        }
        for below in key.keys().unwrap() {
            let at = format!("{at}/{}", below.name);
            to.push(at.clone());
            listed(&below, &at, to);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let large: Vec<u8> = (0..40_000_u32).map(|number| number as u8).collect();
        let many = (0..300).rev().map(|number| key(&format!("key {number}"), vec![], vec![])).collect();
        let tree = key(
            "ROOT",
            vec![
                key("Größe", vec![], vec![value("名", b"")]),
                key("app", many, vec![value("", b"abcd"), value("five", b"12345"), value("large", &large)]),
            ],
            vec![],
        );
        let bytes = write(&tree, "Software_Delta").unwrap();
        assert_eq!(&bytes[..4], b"regf");
        assert!(bytes.len().is_multiple_of(4096));
        let hive = Read::new(&bytes).unwrap();
        let mut found = Vec::new();
        listed(&hive.root().unwrap(), "", &mut found);
        assert_eq!(found[0..4], ["/app", "/app@=3:4", "/app@five=3:5", "/app@large=3:40000"]);
        assert_eq!(found.len(), 1 + 3 + 300 + 2);
        let app = hive.find(&["APP"]).unwrap().unwrap();
        assert_eq!(app.values().unwrap()[2].data, large);
        assert_eq!(app.security().unwrap(), [3; 40]);
        assert!(!app.is_gone && !app.is_link);
        assert!(hive.find(&["app", "KEY 299"]).unwrap().is_some());
        assert!(hive.find(&["größe"]).unwrap().is_some());
        assert!(hive.find(&["app", "none"]).unwrap().is_none());
    }

    #[test]
    fn what_no_hive_can_hold_is_refused() {
        let long = "x".repeat(256);
        for tree in [
            key("ROOT", vec![key(&long, vec![], vec![])], vec![]),
            key("ROOT", vec![key("a\\b", vec![], vec![])], vec![]),
            key("ROOT", vec![key("", vec![], vec![])], vec![]),
            key("ROOT", vec![], vec![value("v", &vec![0; LARGEST_DATA + 1])]),
            key("ROOT", vec![key("a", vec![], vec![]), key("A", vec![], vec![])], vec![]),
        ] {
            assert!(write(&tree, "x").is_err());
        }
    }

    /// A hive with one way of keys, and a value at its end.
    pub(in crate::images::windows) fn hive_file(names: &[&str], value: Option<RegistryValue>) -> Vec<u8> {
        let mut inner = key(names[names.len() - 1], vec![], value.into_iter().collect());
        for name in names[..names.len() - 1].iter().rev() {
            inner = key(name, vec![inner], vec![]);
        }
        write(&key("ROOT", vec![inner], vec![]), "x").unwrap()
    }

    /// A value of a hive: kind and data.
    pub(in crate::images::windows) fn value_of(
        bytes: &[u8],
        names: &[&str],
        name: &str,
    ) -> Option<(u32, Vec<u8>)> {
        let key = Read::new(bytes).unwrap().find(names).unwrap()?;
        let value = key.values().unwrap().into_iter().find(|value| value.name == name)?;
        Some((value.kind, value.data))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_bytes_are_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let tree = key("ROOT", vec![key("app", vec![key("b", vec![], vec![value("v", &[0; 20_000])])], vec![value("x", b"12345")])], vec![]);
            let mut bytes = write(&tree, "x").unwrap();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(hive) = Read::new(&bytes) {
                let _ = hive.count();
                let _ = hive.find(&["app", "b"]);
            }
        }
    }
}
