//! Texts of documents that only an earlier step of a plan can find.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is known when a plan is made, or that one of its steps will find.
///
/// In JSON a text to be found is `${NAME}`. Fields of this type hold GUIDs, absolute paths and JSON documents,
/// none of which looks so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Known now.
    Known(String),
    /// Found by a step.
    Found(Found),
}

/// What a step finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// Identifier of a read-only layer, counted from the topmost: a GUID.
    LayerId(u16),
    /// Where the source of a mount really is, without links, counted in the order of the mounts.
    MountSource(u16),
    /// The volume of the mounted writable layer, with a backslash at its end.
    ScratchVolume,
    /// Identifier of the network of the wanted name: a GUID.
    Network,
    /// A credential specification: a JSON document.
    CredentialSpec,
    /// What proves to the credential service that a container may use its credentials.
    CredentialCookie,
    /// Where the credential service listens for the container.
    CredentialEndpoint,
}

impl Found {
    /// Reads the name inside `${..}`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "scratch-volume" => Self::ScratchVolume,
            "network" => Self::Network,
            "credential-spec" => Self::CredentialSpec,
            "credential-cookie" => Self::CredentialCookie,
            "credential-endpoint" => Self::CredentialEndpoint,
            _ => match name.strip_prefix("layer-") {
                Some(number) => Self::LayerId(counted(number)?),
                None => Self::MountSource(counted(name.strip_prefix("mount-")?)?),
            },
        })
    }
}

fn counted(number: &str) -> Option<u16> {
    let canonical = !number.starts_with(['+', '0']) || number == "0";
    number.parse().ok().filter(|_| canonical)
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LayerId(number) => write!(f, "${{layer-{number}}}"),
            Self::MountSource(number) => write!(f, "${{mount-{number}}}"),
            Self::ScratchVolume => f.write_str("${scratch-volume}"),
            Self::Network => f.write_str("${network}"),
            Self::CredentialSpec => f.write_str("${credential-spec}"),
            Self::CredentialCookie => f.write_str("${credential-cookie}"),
            Self::CredentialEndpoint => f.write_str("${credential-endpoint}"),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(text) => f.write_str(text),
            Self::Found(found) => found.fmt(f),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Known(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Known(text)
    }
}

impl From<Found> for Text {
    fn from(found: Found) -> Self {
        Self::Found(found)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(text) => serializer.serialize_str(text),
            Self::Found(found) => serializer.collect_str(found),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        Ok(match name.and_then(Found::from_name) {
            Some(found) => Self::Found(found),
            None => Self::Known(text),
        })
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Text::deserialize(deserializer)? {
            Text::Found(found) => Ok(found),
            Text::Known(_) => Err(serde::de::Error::custom("not the name of something that a step finds")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_survives_being_written() {
        let all = [
            Found::LayerId(0),
            Found::LayerId(u16::MAX),
            Found::MountSource(7),
            Found::ScratchVolume,
            Found::Network,
            Found::CredentialSpec,
            Found::CredentialCookie,
            Found::CredentialEndpoint,
        ];
        for found in all {
            let json = serde_json::to_string(&Text::from(found)).unwrap();
            assert_eq!(json, format!("\"{found}\""));
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), Text::Found(found));
            assert_eq!(serde_json::from_str::<Found>(&json).unwrap(), found);
        }
    }

    #[test]
    fn other_texts_are_known() {
        for text in
            ["", "${", "${}", "${layer-}", "${layer-01}", "${layer-+1}", "${layer-65536}", "x${network}"]
        {
            let read: Text = serde_json::from_value(text.into()).unwrap();
            assert_eq!(read, Text::from(text));
            assert!(serde_json::from_value::<Found>(text.into()).is_err());
        }
    }
}
