//! Documents of computestorage.dll.

use serde::{Deserialize, Serialize};

use super::Version;
use super::system::Layer;

/// The parents of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LayerData {
    /// Version of the document.
    pub schema_version: Version,
    /// The immediate parent first, the base layer last.
    pub layers: Vec<Layer>,
}

/// What `HcsExportLayer` takes besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExportOptions {
    /// The layer is a writable one.
    pub is_writable_layer: bool,
}

/// What `HcsSetupBaseOSLayer` takes besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct BaseLayerOptions {
    /// What the disk is for.
    #[serde(rename = "Type")]
    pub kind: BaseLayerType,
}

/// What a base layer's disk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BaseLayerType {
    /// A container.
    Container,
    /// A utility machine.
    Vm,
}
