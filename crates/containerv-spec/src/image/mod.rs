//! Images: references, digests, platforms, and the documents of image-spec 1.1 and Docker's schema 2.
//!
//! Documents are read from the bytes that came and never written again to be digested: keep the bytes.

pub mod config;
pub mod digest;
pub mod document;
pub mod platform;
pub mod reference;

pub use config::{ImageConfig, RunConfig};
pub use digest::Digest;
pub use document::{Descriptor, Document, Index, Manifest};
pub use platform::Platform;
pub use reference::Reference;

/// What identifies each layer together with all below it (image-spec, `config.md`, "Layer ChainID"): the
/// first is the lowest layer's diff ID, each other the SHA-256 of `CHAINID DIFFID`.
///
/// In the order of `diff_ids`: the lowest layer first.
pub fn chain_id(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

/// Reads `null` as nothing: Go writes it for empty lists and maps.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    use serde::Deserialize as _;
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pair = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(pair).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_hashed_from_below() {
        let layers: Vec<Digest> = [b"one", b"two", b"333"].map(|bytes| Digest::of(bytes)).to_vec();
        let chain = chain_id(&layers);
        assert_eq!(chain[0], layers[0]);
        assert_eq!(chain[1], Digest::of(format!("{} {}", layers[0], layers[1]).as_bytes()));
        assert_eq!(chain[2], Digest::of(format!("{} {}", chain[1], layers[2]).as_bytes()));
        assert_eq!(chain_id(&[]), []);
    }
}
