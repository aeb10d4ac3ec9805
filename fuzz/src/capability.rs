//! Names of capabilities, and sets of them.

use containerv_spec::{Capability, CapabilitySet};

use crate::invariant::document;

/// A name in any case is that of the number it is read as; sets hold what they list.
pub fn target(data: &[u8]) {
    if let Some(set) = document::<CapabilitySet>(data) {
        assert_eq!(set.intersection(CapabilitySet::ALL), set);
    }
    if let Some(bits) = data.first_chunk() {
        members(CapabilitySet::from_bits(u64::from_le_bytes(*bits)));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(capability) = text.parse::<Capability>() {
        let upper = text.to_ascii_uppercase();
        assert_eq!(upper.strip_prefix("CAP_").unwrap_or(&upper), capability.name());
        assert_eq!(capability.to_string().parse(), Ok(capability));
    }
}

fn members(set: CapabilitySet) {
    let built = set.iter().fold(CapabilitySet::EMPTY, CapabilitySet::with);
    assert_eq!(built, set.intersection(CapabilitySet::ALL));
    assert!(set.iter().all(|member| set.contains(member) && !set.without(member).contains(member)));
}
