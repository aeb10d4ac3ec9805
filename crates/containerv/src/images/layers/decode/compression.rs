//! How a layer is compressed, by its media type and by its first bytes.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// Bytes that show how a stream is compressed.
pub(super) const MAGIC: usize = 6;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Reads the end of a layer's media type, as image-spec (`+gzip`, `+zstd`) and Docker (`.gzip`) write it.
    ///
    /// # Errors
    ///
    /// `Unsupported` for what is no tar archive, or is compressed or encrypted otherwise.
    pub(crate) fn of_media_type(media_type: &str) -> Result<Self> {
        let unknown = || {
            Error::new(ErrorKind::Unsupported, format!("a layer of media type `{media_type}`"))
                .with_hint("layers are tar archives, plain or compressed with gzip or zstd")
        };
        let (_, end) = media_type.rsplit_once("tar").ok_or_else(unknown)?;
        match end {
            "" => Ok(Self::None),
            "+gzip" | ".gzip" => Ok(Self::Gzip),
            "+zstd" | ".zstd" => Ok(Self::Zstd),
            _ => Err(unknown()),
        }
    }

    /// Looks at the first bytes of a stream: RFC 1952 for gzip, RFC 8878 for zstd, whose streams may begin
    /// with a frame to skip.
    pub(crate) fn detect(first: &[u8], expected: Option<Self>) -> Result<Self> {
        let found = match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => return Err(foreign("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return Err(foreign("xz")),
            _ => Self::None,
        };
        match expected {
            Some(expected) if expected != found => {
                let message = format!("the layer is said to be {expected}, and its first bytes are {found}");
                Err(Error::new(ErrorKind::Corrupt, message).with_hint(
                    "the image is damaged, or its manifest has the wrong media type; build it again",
                ))
            }
            _ => Ok(found),
        }
    }

    /// The end of an OCI media type.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }
}

fn foreign(name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the layer is compressed with {name}"))
        .with_hint("layers of images are plain, or compressed with gzip or zstd")
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "a plain tar archive",
            Self::Gzip => "compressed with gzip",
            Self::Zstd => "compressed with zstd",
        })
    }
}
