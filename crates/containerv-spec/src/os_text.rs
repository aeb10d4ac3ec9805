//! Text as an operating system takes it: bytes that are usually, but not always, UTF-8.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// A path, argument or environment entry: any bytes without NUL.
///
/// Serialised as a string when it is UTF-8 and as `{"bytes": [..]}` when it is not, so that
/// stored documents stay readable and nothing is lost.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OsText(Vec<u8>);

impl OsText {
    /// Takes the bytes as they are; see [`OsText::contains_nul`].
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Says whether the text holds a NUL byte, which no system call can carry.
    pub fn contains_nul(&self) -> bool {
        self.0.contains(&0)
    }

    /// Says whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether the text begins with `/`.
    pub fn is_absolute(&self) -> bool {
        self.0.first() == Some(&b'/')
    }

    /// Appends `name` below this path, with exactly one `/` between them.
    pub fn join(&self, name: impl AsRef<[u8]>) -> Self {
        let mut bytes = self.0.clone();
        if bytes.last() != Some(&b'/') {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name.as_ref().strip_prefix(b"/").unwrap_or(name.as_ref()));
        Self(bytes)
    }
}

impl fmt::Display for OsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    c if c.is_control() => write!(f, "{}", c.escape_default())?,
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for OsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&str> for OsText {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for OsText {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl AsRef<[u8]> for OsText {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for OsText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => RawBytes { bytes: self.0.clone() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match TextOrBytes::deserialize(deserializer)? {
            TextOrBytes::Text(text) => Self::from(text),
            TextOrBytes::Raw(raw) => Self(raw.bytes),
        };
        if text.contains_nul() { Err(D::Error::custom("NUL byte in text")) } else { Ok(text) }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct RawBytes {
    bytes: Vec<u8>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum TextOrBytes {
    Text(String),
    Raw(RawBytes),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf8_survives_a_round_trip() {
        let text = OsText::from_bytes(*b"a\xffb");
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(json, r#"{"bytes":[97,255,98]}"#);
        assert_eq!(serde_json::from_str::<OsText>(&json).unwrap(), text);
        assert_eq!(text.to_string(), "a\\xffb");
    }

    #[test]
    fn control_characters_are_escaped_for_display() {
        assert_eq!(OsText::from("a\n\u{1b}[0m").to_string(), "a\\n\\u{1b}[0m");
    }

    #[test]
    fn nul_is_refused_when_read() {
        assert!(serde_json::from_str::<OsText>("\"a\\u0000b\"").is_err());
    }

    #[test]
    fn join_writes_one_slash() {
        assert_eq!(OsText::from("/a/").join("/b").to_string(), "/a/b");
        assert_eq!(OsText::from("/a").join("b").to_string(), "/a/b");
    }
}
