//! Whose the things are that containers have outside of their directory: of which data root.
//!
//! Several data roots on one machine know nothing of each other. So that what a crash has left can be found
//! and removed without touching what others have, every compute system, endpoint and network namespace
//! carries a tag that follows from the root: the one in its owner, the others in their GUIDs.

use containerv_spec::ContainerId;
use containerv_spec::plan::hcs::HcsIsolation;

use super::OWNER;

/// The mark of a data root: 48 bits of its path, as 12 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

/// What a container has of the network service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Namespace,
    Endpoint,
}

impl Tag {
    /// The tag of a root; the same for each spelling in upper and lower case.
    pub(crate) fn of_root(root: &str) -> Self {
        // FNV-1a of 64 bits, folded: two roots of one machine do not meet in 48 bits.
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        let path = root.trim_end_matches('\\').to_lowercase();
        let hash = path.bytes().fold(0xCBF2_9CE4_8422_2325, fold);
        Self(format!("{:012x}", (hash ^ hash >> 48) & 0xFFFF_FFFF_FFFF))
    }

    /// The owner of compute systems. It tells the generations apart, each of which opens its own.
    pub(crate) fn owner(&self, isolation: HcsIsolation) -> String {
        let suffix = match isolation {
            HcsIsolation::Process => "",
            HcsIsolation::Hyperv => "-vm",
        };
        format!("{OWNER}-{}{suffix}", self.0)
    }

    /// The name of an endpoint, for people who list them.
    pub(super) fn endpoint_name(&self, id: &ContainerId) -> String {
        format!("{OWNER}-{}-{}", self.0, id.short())
    }

    /// The GUID of what a container has, bare and in lower case. It follows from root and identifier, so
    /// that it is known before the object exists, and a crash in between leaves nothing that nobody knows.
    ///
    /// It is of version 8 (RFC 9562: made by a method of one's own); the first 48 bits are the tag, 74 are of
    /// the identifier: of its first half for the one kind, of its second for the other.
    pub(crate) fn guid(&self, id: &ContainerId, of: Owned) -> String {
        let digits = match of {
            Owned::Namespace => &id.as_str()[..32],
            Owned::Endpoint => &id.as_str()[32..],
        };
        // The variant's two bits take the place of the highest two of the 17th digit.
        let variant = ["8", "9", "a", "b"][usize::from(digits.as_bytes()[16] % 4)];
        let (first, second) = self.0.split_at(8);
        format!("{first}-{second}-8{}-{variant}{}-{}", &digits[13..16], &digits[17..20], &digits[20..])
    }

    /// Says whether a GUID, bare and in any case, is one of this root's.
    #[cfg(any(windows, test))]
    pub(crate) fn has_guid(&self, guid: &str) -> bool {
        let guid = guid.to_ascii_lowercase();
        let (first, second) = self.0.split_at(8);
        guid.strip_prefix(first)
            .and_then(|rest| rest.strip_prefix('-')?.strip_prefix(second))
            .is_some_and(|rest| rest.starts_with("-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_have_tags_of_their_own_however_they_are_written() {
        let tag = Tag::of_root(r"C:\ProgramData\containerv");
        assert_eq!(tag, Tag::of_root(r"c:\programdata\CONTAINERV\"));
        assert_eq!(tag.0.len(), 12);
        for other in [r"C:\ProgramData\containerv2", r"D:\ProgramData\containerv", ""] {
            assert_ne!(tag, Tag::of_root(other));
        }
        assert_eq!(tag.owner(HcsIsolation::Process), format!("containerv-{}", tag.0));
        assert_ne!(tag.owner(HcsIsolation::Process), tag.owner(HcsIsolation::Hyperv));
    }

    #[test]
    fn a_guid_is_known_by_its_tag() {
        let (tag, other) = (Tag::of_root(r"C:\a"), Tag::of_root(r"C:\b"));
        let id = ContainerId::from_random(std::array::from_fn(|at| at as u8));
        for of in [Owned::Namespace, Owned::Endpoint] {
            let guid = tag.guid(&id, of);
            assert!(
                tag.has_guid(&guid) && tag.has_guid(&guid.to_uppercase()) && !other.has_guid(&guid),
                "{guid}"
            );
            assert_ne!(guid, tag.guid(&ContainerId::from_random([9; 32]), of));
        }
        assert!(!tag.has_guid("") && !tag.has_guid(&tag.guid(&id, Owned::Endpoint).replacen("-8", "-4", 1)));
    }
}
