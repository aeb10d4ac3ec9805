//! Backup streams (`WIN32_STREAM_ID`), as layers in transport format have them.
//!
//! A stream has a head of 20 bytes, its name in UTF-16, and content: `u32` what it is, `u32` attributes, `u64` size of
//! the content, `u32` bytes of the name.

use super::facts::Facts;
use crate::archive::Attribute;

pub(super) const DATA: u32 = 1;
pub(super) const EXTENDED: u32 = 2;
pub(super) const SECURITY: u32 = 3;
pub(super) const ALTERNATE: u32 = 4;
pub(super) const REPARSE: u32 = 8;

/// The head of a stream. `name` is that of an alternate stream of the file.
pub(super) fn head(what: u32, size: u64, name: Option<&str>) -> Vec<u8> {
    let name: Vec<u8> = match name {
        Some(name) => format!(":{name}:$DATA").encode_utf16().flat_map(u16::to_le_bytes).collect(),
        None => Vec::new(),
    };
    let mut head = what.to_le_bytes().to_vec();
    head.extend_from_slice(&[0; 4]);
    head.extend_from_slice(&size.to_le_bytes());
    head.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend_from_slice(&name);
    head
}

/// What a file in transport format begins with: its attributes, and the streams that come before its content.
pub(super) fn before_content(facts: &Facts, security: Option<&[u8]>, reparse: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = facts.attributes.to_le_bytes().to_vec();
    let extended = extended(&facts.extended);
    let extended = (!extended.is_empty()).then_some(&extended[..]);
    for (what, content) in [(SECURITY, security), (EXTENDED, extended), (REPARSE, reparse)] {
        if let Some(content) = content {
            bytes.extend_from_slice(&head(what, content.len() as u64, None));
            bytes.extend_from_slice(content);
        }
    }
    bytes
}

/// Extended attributes as a list of `FILE_FULL_EA_INFORMATION` ([MS-FSCC] 2.4.16).
pub(super) fn extended(attributes: &[Attribute]) -> Vec<u8> {
    let mut list = Vec::new();
    for (at, (name, value)) in attributes.iter().enumerate() {
        let start = list.len();
        let size = 8 + name.len() + 1 + value.len();
        // The next one begins at a multiple of four; the last one has none.
        let next = if at + 1 == attributes.len() { 0 } else { size.next_multiple_of(4) };
        list.extend_from_slice(&u32::try_from(next).unwrap_or(0).to_le_bytes());
        list.push(0);
        list.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        list.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        list.extend_from_slice(name);
        list.push(0);
        list.extend_from_slice(value);
        if next > 0 {
            list.resize(start + next, 0);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_written_as_documented() {
        let facts = Facts { attributes: 0x21, extended: vec![(b"A".to_vec(), vec![9])], ..Facts::default() };
        let bytes = before_content(&facts, Some(&[1; 20]), None);
        assert_eq!(&bytes[..4], &[0x21, 0, 0, 0]);
        assert_eq!(&bytes[4..24], &[3, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[44..48], &[2, 0, 0, 0]);
        assert_eq!(&bytes[64..], &[0, 0, 0, 0, 0, 1, 1, 0, b'A', 0, 9]);
        let head = head(ALTERNATE, 3, Some("s"));
        assert_eq!(head.len(), 20 + 2 * ":s:$DATA".len());
        assert_eq!((head[8], head[16]), (3, 16));
    }

    #[test]
    fn extended_attributes_are_a_list() {
        let list = extended(&[(b"AB".to_vec(), vec![1, 2, 3]), (b"C".to_vec(), vec![])]);
        assert_eq!(&list[..4], &[16, 0, 0, 0]);
        assert_eq!(list.len(), 16 + 10);
        assert_eq!(&list[16..20], &[0; 4]);
        assert!(extended(&[]).is_empty());
    }
}
