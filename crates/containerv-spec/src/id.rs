//! Container identifiers and names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Length of a full identifier in hexadecimal digits: 256 random bits.
pub const ID_DIGITS: usize = 64;
/// Length of the short form that people see.
pub const SHORT_ID_DIGITS: usize = 12;
/// Longest container name in bytes; a name also becomes a file name.
pub const MAX_NAME_BYTES: usize = 128;

/// A container's identifier: 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// Makes an identifier of 32 random bytes, which the caller takes from the system's source.
    pub fn from_random(bytes: [u8; ID_DIGITS / 2]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(ID_DIGITS);
        for byte in bytes {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Self(text)
    }

    /// Returns all 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first 12 digits.
    pub fn short(&self) -> &str {
        &self.0[..SHORT_ID_DIGITS]
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl TryFrom<String> for ContainerId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == ID_DIGITS && text.bytes().all(digit) { Ok(Self(text)) } else { Err(InvalidId) }
    }
}

impl FromStr for ContainerId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::try_from(text.to_owned())
    }
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a container id is 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidId {}

/// Says whether `name` may name a container: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, at most 128 bytes.
pub fn is_valid_name(name: &str) -> bool {
    let follows = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (2..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_lower_case_digits() {
        let id = ContainerId::from_random([0xa5; 32]);
        assert_eq!(id.as_str(), "a5".repeat(32));
        assert_eq!(id.short(), "a5a5a5a5a5a5");
        assert!(id.as_str().parse::<ContainerId>().is_ok());
        for wrong in ["", "a5", &"A5".repeat(32), &"g5".repeat(32), &"a5".repeat(33), "../../../etc"] {
            assert_eq!(wrong.parse::<ContainerId>(), Err(InvalidId), "{wrong}");
        }
    }

    #[test]
    fn names_follow_docker() {
        for name in ["web", "a.b-c_d", "0x", &"n".repeat(128)] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in ["", "a", "-web", ".hidden", "a/b", "a b", "naïve", "a\n", &"n".repeat(129)] {
            assert!(!is_valid_name(name), "{name}");
        }
    }
}
