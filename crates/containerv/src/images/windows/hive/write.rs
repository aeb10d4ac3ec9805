//! Writing a small hive with what differs from the layers below.

use std::collections::HashMap;

use super::{
    BASE_BLOCK, LARGEST_DATA, LONGEST_KEY_NAME, LONGEST_VALUE_NAME, NOWHERE, PIECE, RegistryValue, checksum,
    hash, key_flags, layered, value_flags,
};
use crate::images::windows::path::folded;

/// Bytes of a bin's head.
const BIN_HEAD: usize = 32;
const PAGE: usize = 4096;
/// The most keys in one list; larger ones would have to be divided.
const MOST_KEYS: usize = 500;
/// The most values of a key.
const MOST_VALUES: usize = 4000;

/// A key to write. It lies over the key of the same name of the layers below, whose keys and values are seen with its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    /// A self-relative security descriptor.
    pub(crate) security: Vec<u8>,
    /// Its class is that of the layers below.
    pub(crate) inherit_class: bool,
    pub(crate) keys: Vec<NewKey>,
    pub(crate) values: Vec<RegistryValue>,
}

/// Writes a hive; `name` is for those who debug it.
///
/// # Errors
///
/// What no hive can hold, in words.
pub(crate) fn write(root: &NewKey, name: &str) -> Result<Vec<u8>, String> {
    let mut cells = Cells::default();
    let root = cells.key(root, NOWHERE, true)?;
    cells.finish_security();
    let bins = cells.finish();
    let mut base = vec![0; BASE_BLOCK];
    base[..4].copy_from_slice(b"regf");
    let mut put = |at: usize, number: u32| base[at..at + 4].copy_from_slice(&number.to_le_bytes());
    let size = u32::try_from(bins.len()).map_err(|_| "the hive is too large")?;
    // Sequence numbers, version 1.6, direct memory load, root, size, sectors of 512 bytes, layered keys.
    for (at, number) in [(4, 1), (8, 1), (20, 1), (24, 6), (32, 1), (36, root), (40, size), (44, 1), (144, 2)]
    {
        put(at, number);
    }
    for (at, unit) in name.encode_utf16().take(31).enumerate() {
        base[48 + 2 * at..50 + 2 * at].copy_from_slice(&unit.to_le_bytes());
    }
    let sum = checksum(&base);
    base[508..512].copy_from_slice(&sum.to_le_bytes());
    base.extend_from_slice(&bins);
    Ok(base)
}

/// Bins with cells in them.
#[derive(Default)]
struct Cells {
    bins: Vec<u8>,
    /// Where the next cell of the last bin begins.
    used: usize,
    /// Cells of security descriptors, and how often each is used.
    security: Vec<(u32, u32)>,
    known: HashMap<Vec<u8>, usize>,
}

impl Cells {
    /// Makes a cell for content of this size; returns its offset.
    fn make(&mut self, size: usize) -> u32 {
        let size = (size + 4).next_multiple_of(8).max(16);
        if self.bins.len() - self.used < size {
            self.end_bin();
            let start = self.bins.len();
            let length = (BIN_HEAD + size).next_multiple_of(PAGE);
            self.bins.resize(start + length, 0);
            self.bins[start..start + 4].copy_from_slice(b"hbin");
            self.put(start + 4, start as u32);
            self.put(start + 8, length as u32);
            self.used = start + BIN_HEAD;
        }
        let at = self.used;
        self.used += size;
        self.put(at, (size as u32).wrapping_neg());
        at as u32
    }

    /// What is left of the last bin is a free cell.
    fn end_bin(&mut self) {
        let left = self.bins.len() - self.used;
        if left > 0 {
            self.put(self.used, left as u32);
        }
        self.used = self.bins.len();
    }

    fn put(&mut self, at: usize, number: u32) {
        self.bins[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    fn fill(&mut self, cell: u32, content: &[u8]) {
        let at = cell as usize + 4;
        self.bins[at..at + content.len()].copy_from_slice(content);
    }

    fn cell(&mut self, content: &[u8]) -> u32 {
        let cell = self.make(content.len());
        self.fill(cell, content);
        cell
    }

    fn finish(mut self) -> Vec<u8> {
        self.end_bin();
        self.bins
    }

    fn key(&mut self, key: &NewKey, parent: u32, root: bool) -> Result<u32, String> {
        let (name, compressed) = encoded(&key.name);
        if key.name.is_empty()
            || key.name.contains(['\\', '\0'])
            || key.name.encode_utf16().count() > LONGEST_KEY_NAME
        {
            return Err(format!("`{}` is no name of a key", key.name.escape_debug()));
        }
        let offset = self.make(76 + name.len());
        let security = self.security(&key.security);
        let keys = self.keys(key, offset)?;
        let values = self.values(key)?;
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0) as u32;
        let utf16 = |text: &str| text.encode_utf16().count() * 2;
        let mut flags = if compressed { key_flags::COMPRESSED_NAME } else { 0 };
        if root {
            flags |= key_flags::ROOT | key_flags::NO_DELETE;
        }
        let layer = if key.inherit_class { layered::INHERIT_CLASS } else { 0 };
        let mut node = b"nk".to_vec();
        node.extend_from_slice(&flags.to_le_bytes());
        node.extend_from_slice(&[0; 8]);
        node.extend_from_slice(&[0, layer, 0, 0]);
        for number in [
            parent,
            key.keys.len() as u32,
            0,
            keys,
            NOWHERE,
            key.values.len() as u32,
            values,
            security,
            NOWHERE,
            longest(&mut key.keys.iter().map(|key| utf16(&key.name))),
            0,
            longest(&mut key.values.iter().map(|value| utf16(&value.name))),
            longest(&mut key.values.iter().map(|value| value.data.len())),
            0,
        ] {
            node.extend_from_slice(&number.to_le_bytes());
        }
        node.extend_from_slice(&(name.len() as u16).to_le_bytes());
        node.extend_from_slice(&[0, 0]);
        node.extend_from_slice(&name);
        self.fill(offset, &node);
        Ok(offset)
    }

    fn keys(&mut self, key: &NewKey, offset: u32) -> Result<u32, String> {
        if key.keys.is_empty() {
            return Ok(NOWHERE);
        }
        if key.keys.len() > MOST_KEYS {
            return Err(format!("`{}` has more than {MOST_KEYS} keys that change", key.name));
        }
        let mut below: Vec<&NewKey> = key.keys.iter().collect();
        below.sort_by_cached_key(|key| folded(&key.name));
        if let Some(twins) = below.windows(2).find(|two| folded(&two[0].name) == folded(&two[1].name)) {
            return Err(format!("`{}` is there twice", twins[0].name));
        }
        let mut list = b"lh".to_vec();
        list.extend_from_slice(&(below.len() as u16).to_le_bytes());
        for below in below {
            let cell = self.key(below, offset, false)?;
            list.extend_from_slice(&cell.to_le_bytes());
            list.extend_from_slice(&hash(&below.name).to_le_bytes());
        }
        Ok(self.cell(&list))
    }

    fn values(&mut self, key: &NewKey) -> Result<u32, String> {
        if key.values.is_empty() {
            return Ok(NOWHERE);
        }
        if key.values.len() > MOST_VALUES {
            return Err(format!("`{}` has more than {MOST_VALUES} values that change", key.name));
        }
        let mut list = Vec::new();
        for value in &key.values {
            list.extend_from_slice(&self.value(value)?.to_le_bytes());
        }
        Ok(self.cell(&list))
    }

    fn value(&mut self, value: &RegistryValue) -> Result<u32, String> {
        const INLINE: u32 = 1 << 31;
        let (name, compressed) = encoded(&value.name);
        if value.name.contains('\0') || value.name.encode_utf16().count() > LONGEST_VALUE_NAME {
            return Err(format!("`{}` is no name of a value", value.name.escape_debug()));
        }
        if value.data.len() > LARGEST_DATA {
            return Err(format!("the value `{}` has more than {LARGEST_DATA} bytes", value.name));
        }
        let size = value.data.len() as u32;
        let (size, data) = match value.data.len() {
            0..=4 => {
                let mut data = [0; 4];
                data[..value.data.len()].copy_from_slice(&value.data);
                (size | INLINE, u32::from_le_bytes(data))
            }
            length if length <= PIECE => (size, self.cell(&value.data)),
            _ => (size, self.pieces(&value.data)),
        };
        let flags = if compressed { value_flags::COMPRESSED_NAME } else { 0 };
        let mut record = b"vk".to_vec();
        record.extend_from_slice(&(name.len() as u16).to_le_bytes());
        for number in [size, data, value.kind] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        record.extend_from_slice(&flags.to_le_bytes());
        record.extend_from_slice(&[0, 0]);
        record.extend_from_slice(&name);
        Ok(self.cell(&record))
    }

    fn pieces(&mut self, data: &[u8]) -> u32 {
        let mut list = Vec::new();
        for piece in data.chunks(PIECE) {
            list.extend_from_slice(&self.cell(piece).to_le_bytes());
        }
        let count = (list.len() / 4) as u16;
        let list = self.cell(&list);
        let mut record = b"db".to_vec();
        record.extend_from_slice(&count.to_le_bytes());
        record.extend_from_slice(&list.to_le_bytes());
        self.cell(&record)
    }

    /// The cell of a security descriptor; equal ones share it.
    fn security(&mut self, descriptor: &[u8]) -> u32 {
        if let Some(&known) = self.known.get(descriptor) {
            self.security[known].1 += 1;
            return self.security[known].0;
        }
        let mut record = b"sk\0\0".to_vec();
        record.extend_from_slice(&[0; 12]);
        record.extend_from_slice(&(descriptor.len() as u32).to_le_bytes());
        record.extend_from_slice(descriptor);
        let cell = self.cell(&record);
        self.known.insert(descriptor.to_vec(), self.security.len());
        self.security.push((cell, 1));
        cell
    }

    /// Security descriptors are a ring, each with how many keys use it.
    fn finish_security(&mut self) {
        let all = self.security.clone();
        for (at, &(cell, uses)) in all.iter().enumerate() {
            let next = all[(at + 1) % all.len()].0;
            let before = all[(at + all.len() - 1) % all.len()].0;
            let start = cell as usize + 4;
            self.put(start + 4, next);
            self.put(start + 8, before);
            self.put(start + 12, uses);
        }
    }
}

/// A name of one byte for each character where that is enough.
fn encoded(name: &str) -> (Vec<u8>, bool) {
    match name.chars().map(|character| u8::try_from(u32::from(character))).collect::<Result<Vec<u8>, _>>() {
        Ok(bytes) => (bytes, true),
        Err(_) => (name.encode_utf16().flat_map(u16::to_le_bytes).collect(), false),
    }
}
