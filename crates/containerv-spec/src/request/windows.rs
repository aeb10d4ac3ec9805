//! What only Windows containers have.

use serde::{Deserialize, Serialize};

use crate::OsText;

/// A device of a Windows host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignedDevice {
    /// Every device of an interface class, by its GUID.
    Class(String),
    /// The device that is plugged in here, as `PCIROOT(0)#PCI(0100)`.
    Location(String),
}

/// Where the specification of a group managed service account is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialSpec {
    /// In a file: an absolute path, or a name in the directory `CredentialSpecs` of the data root.
    File(OsText),
    /// In the registry, by the name of the value.
    Registry(String),
    /// Here: a JSON document.
    Raw(String),
}
