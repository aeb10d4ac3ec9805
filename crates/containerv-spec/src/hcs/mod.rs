//! Documents of the Host Compute Service, the Host Compute Network and the container storage of
//! Windows, as data.
//!
//! Only what this project sends or reads is here. What is sent is complete and refuses unknown
//! fields when it is read back; what is read as an answer ignores fields that it does not know,
//! because a newer Windows may add some. Names in JSON are those of the published schema.
//!
//! Beside them are the rules of Windows that are text as well: error codes, command lines, paths, signals.

pub mod build;
pub mod codes;
pub mod command_line;
pub mod exit;
pub mod machine;
pub mod network;
pub mod path;
pub mod process;
pub mod properties;
pub mod request;
pub mod result;
pub mod service;
pub mod signal;
pub mod storage;
pub mod system;
pub mod text;
pub mod v1;

pub use text::{Found, Text};

use serde::{Deserialize, Serialize};

/// Version of a document, by the table of the published schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Version {
    /// Generation: 1 or 2.
    pub major: u32,
    /// Step within the generation.
    pub minor: u32,
}

impl Version {
    /// What container documents use; Windows Server 2019 and later.
    pub const CONTAINER: Self = Self { major: 2, minor: 1 };
    /// What network documents use; Windows Server 2019 and later.
    pub const NETWORK: Self = Self { major: 2, minor: 0 };
}

/// Says whether a value is the default of its type, which the documents leave out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
