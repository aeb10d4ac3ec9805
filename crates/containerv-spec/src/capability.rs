//! Linux capabilities by name and number; see capabilities(7).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A capability's number, 0 to 40.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability(u8);

/// Names by number, without `CAP_`; the order is the kernel's (`linux/capability.h`).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

macro_rules! named {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl Capability {
            $(#[doc = concat!("`CAP_", stringify!($name), "`")] pub const $name: Self = Self($number);)*
        }
    };
}

named! {
    CHOWN = 0, DAC_OVERRIDE = 1, FOWNER = 3, FSETID = 4, KILL = 5, SETGID = 6, SETUID = 7, SETPCAP = 8,
    NET_BIND_SERVICE = 10, NET_ADMIN = 12, NET_RAW = 13, SYS_MODULE = 16, SYS_CHROOT = 18, SYS_PTRACE = 19,
    SYS_ADMIN = 21, SYS_RESOURCE = 24, MKNOD = 27, AUDIT_WRITE = 29, SETFCAP = 31, BPF = 39,
}

impl Capability {
    /// Number of the last capability known here.
    pub const LAST: u8 = NAMES.len() as u8 - 1;

    /// Returns the capability of this number, if it is known.
    pub fn from_number(number: u8) -> Option<Self> {
        (number <= Self::LAST).then_some(Self(number))
    }

    /// Returns the kernel's number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Returns the name without `CAP_`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", self.name())
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Reads a name in any case, with or without `CAP_`.
    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        match NAMES.iter().position(|known| *known == name) {
            Some(index) => Ok(Self(index as u8)),
            None => Err(UnknownCapability(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Capability {
    type Error = UnknownCapability;

    fn try_from(text: String) -> Result<Self, UnknownCapability> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.to_string()
    }
}

/// A name that is no capability's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCapability(String);

impl fmt::Display for UnknownCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a capability; capabilities(7) lists them", self.0)
    }
}

impl std::error::Error for UnknownCapability {}

/// A set of capabilities, as the kernel keeps it: bit `n` is capability `n`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: Self = Self(0);
    /// Every capability known here.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);
    /// What a container has unless asked otherwise: Docker's set less `MKNOD`.
    ///
    /// Without `MKNOD` no device node can be made inside, which is why the default needs no
    /// device filter.
    pub const DEFAULT: Self = Self(
        1 << Capability::CHOWN.0
            | 1 << Capability::DAC_OVERRIDE.0
            | 1 << Capability::FOWNER.0
            | 1 << Capability::FSETID.0
            | 1 << Capability::KILL.0
            | 1 << Capability::SETGID.0
            | 1 << Capability::SETUID.0
            | 1 << Capability::SETPCAP.0
            | 1 << Capability::NET_BIND_SERVICE.0
            | 1 << Capability::NET_RAW.0
            | 1 << Capability::SYS_CHROOT.0
            | 1 << Capability::AUDIT_WRITE.0
            | 1 << Capability::SETFCAP.0,
    );

    /// Takes the kernel's bits, unknown ones included.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the kernel's bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Says whether the set holds `capability`.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.0) != 0
    }

    /// Returns the set with `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability.0)
    }

    /// Returns the set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability.0))
    }

    /// Returns what both sets hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Iterates over the known members by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..=Capability::LAST).map(Capability).filter(move |capability| self.contains(*capability))
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for CapabilitySet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for CapabilitySet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Vec::<Capability>::deserialize(deserializer)?;
        Ok(members.into_iter().fold(Self::EMPTY, Self::with))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_carry_the_kernels_numbers() {
        for (capability, name) in [
            (Capability::CHOWN, "CAP_CHOWN"),
            (Capability::SETPCAP, "CAP_SETPCAP"),
            (Capability::NET_RAW, "CAP_NET_RAW"),
            (Capability::SYS_ADMIN, "CAP_SYS_ADMIN"),
            (Capability::MKNOD, "CAP_MKNOD"),
            (Capability::SETFCAP, "CAP_SETFCAP"),
            (Capability::BPF, "CAP_BPF"),
        ] {
            assert_eq!(capability.to_string(), name);
            assert_eq!(name.parse(), Ok(capability));
        }
        assert_eq!(Capability::LAST, 40);
    }

    #[test]
    fn names_are_read_in_any_case_with_or_without_prefix() {
        for text in ["net_raw", "NET_RAW", "cap_net_raw", "CAP_NET_RAW"] {
            assert_eq!(text.parse(), Ok(Capability::NET_RAW));
        }
        assert!("NET_RAWX".parse::<Capability>().is_err());
    }

    #[test]
    fn the_default_set_has_no_mknod_and_no_admin() {
        assert!(!CapabilitySet::DEFAULT.contains(Capability::MKNOD));
        assert!(!CapabilitySet::DEFAULT.contains(Capability::SYS_ADMIN));
        assert_eq!(CapabilitySet::DEFAULT.iter().count(), 13);
    }

    #[test]
    fn sets_round_trip_through_json() {
        let json = serde_json::to_string(&CapabilitySet::DEFAULT).unwrap();
        assert_eq!(serde_json::from_str::<CapabilitySet>(&json).unwrap(), CapabilitySet::DEFAULT);
    }
}
