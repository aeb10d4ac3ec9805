//! The container document of schema 1, which vmcompute.dll takes, and with which the service
//! hosts a Hyper-V isolated container all by itself.

use serde::{Deserialize, Serialize};

use super::{Text, is_default};

/// What `HcsCreateComputeSystem` of vmcompute.dll takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerConfig {
    /// What is made.
    pub system_type: SystemType,
    /// Its name; the identifier once more.
    pub name: String,
    /// Who made it.
    pub owner: String,
    /// Do not wait for the disk while the guest starts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_flushes_during_boot: bool,
    /// Folder of the writable layer, which must not be activated on the host: the virtual machine
    /// opens its disk (else 0x80070020).
    pub layer_folder_path: String,
    /// Read-only layers, the topmost first, the base layer last.
    pub layers: Vec<Layer>,
    /// Credential specification: a JSON document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Text>,
    /// Virtual processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_count: Option<u32>,
    /// Share under contention, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_weight: Option<u32>,
    /// Hundredths of a percent, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_maximum: Option<u32>,
    /// Operations a second of the writable layer.
    #[serde(rename = "StorageIOPSMaximum", default, skip_serializing_if = "Option::is_none")]
    pub storage_iops_maximum: Option<u64>,
    /// Bytes a second of the writable layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bandwidth_maximum: Option<u64>,
    /// Memory of the virtual machine in mebibytes.
    #[serde(rename = "MemoryMaximumInMB", default, skip_serializing_if = "Option::is_none")]
    pub memory_maximum_in_mb: Option<u64>,
    /// Computer name.
    pub host_name: String,
    /// Files and directories of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped_directories: Vec<MappedDirectory>,
    /// Named pipes of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped_pipes: Vec<MappedPipe>,
    /// In a virtual machine of its own.
    pub hv_partition: bool,
    /// GUIDs of network endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoint_list: Vec<String>,
    /// What the virtual machine starts from.
    pub hv_runtime: HvRuntime,
    /// Look names without a dot up as well.
    #[serde(rename = "AllowUnqualifiedDNSQuery", default, skip_serializing_if = "is_default")]
    pub allow_unqualified_dns_query: bool,
    /// Suffixes for names without a dot, joined by commas.
    #[serde(rename = "DNSSearchList", default, skip_serializing_if = "Option::is_none")]
    pub dns_search_list: Option<String>,
    /// End the system when the last handle to it is closed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub terminate_on_last_handle_closed: bool,
}

/// What a system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemType {
    /// A container.
    Container,
}

/// A read-only layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// GUID that `NameToGuid` gives for the last component of the path. Both letters are capitals here.
    #[serde(rename = "ID")]
    pub id: Text,
    /// Folder of the layer.
    #[serde(rename = "Path")]
    pub path: String,
}

/// A file or directory of the host that is seen in the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MappedDirectory {
    /// Path on the host.
    pub host_path: Text,
    /// Path in the container, with its drive.
    pub container_path: String,
    /// Refuse writes.
    pub read_only: bool,
    /// Bytes a second; 0 for no limit.
    pub bandwidth_maximum: u64,
    /// Operations a second; 0 for no limit.
    #[serde(rename = "IOPSMaximum")]
    pub iops_maximum: u64,
    /// For the utility machine and not the container.
    #[serde(rename = "CreateInUtilityVM")]
    pub create_in_utility_vm: bool,
}

/// A named pipe of the host that is seen in the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MappedPipe {
    /// Path on the host, with `\\.\pipe\`.
    pub host_path: String,
    /// Name in the container, without `\\.\pipe\`.
    pub container_pipe_name: String,
}

/// What a utility machine starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HvRuntime {
    /// The folder `UtilityVM` of the base layer.
    pub image_path: String,
}
