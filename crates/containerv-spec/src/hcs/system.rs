//! The compute system document of a process-isolated container, schema 2.1.

use serde::{Deserialize, Serialize};

use super::{Text, Version, is_default};

/// What `HcsCreateComputeSystem` of computecore.dll takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ComputeSystem {
    /// Who made it; enumerations can ask for it.
    pub owner: String,
    /// Version of the document.
    pub schema_version: Version,
    /// What is made. Exactly one of a container, a virtual machine and a hosted system; we make
    /// containers only.
    pub container: Container,
    /// End the system when the last handle to it is closed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub should_terminate_on_last_handle_closed: bool,
}

/// A Windows container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Container {
    /// The operating system inside. Without it, a container with a network namespace cannot be
    /// constructed (0x80070057).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_os: Option<GuestOs>,
    /// Layers and the writable volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Files and directories of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped_directories: Vec<MappedDirectory>,
    /// Named pipes of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped_pipes: Vec<MappedPipe>,
    /// Limit of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Limit of processor time. Always sent, if only as an empty object.
    #[serde(default)]
    pub processor: Processor,
    /// Network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networking: Option<Networking>,
    /// Credentials of a group managed service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_credential_guard: Option<CredentialGuard>,
    /// Changes of the container's registry before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_changes: Option<RegistryChanges>,
    /// Devices of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned_devices: Vec<Device>,
}

/// The operating system in a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GuestOs {
    /// Computer name.
    pub host_name: String,
}

/// The file system of a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Storage {
    /// Read-only layers, the topmost first, the base layer last.
    pub layers: Vec<Layer>,
    /// Volume of the writable layer: `\\?\Volume{GUID}\`, with the backslash. A folder is refused
    /// (0x80071126).
    pub path: Text,
    /// Limits of reads and writes.
    #[serde(rename = "QoS", default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<StorageQos>,
}

/// A read-only layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Layer {
    /// GUID that `NameToGuid` gives for the last component of the path.
    pub id: Text,
    /// Folder of the layer.
    pub path: String,
}

/// Limits of reads and writes of the writable volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct StorageQos {
    /// Operations a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iops_maximum: Option<u32>,
    /// Bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_maximum: Option<u32>,
}

/// A file or directory of the host that is seen in the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MappedDirectory {
    /// Path on the host. Symbolic links in it are not followed.
    pub host_path: Text,
    /// Path in the container, with its drive.
    pub container_path: String,
    /// Refuse writes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
}

/// A named pipe of the host that is seen in the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MappedPipe {
    /// Name in the container, without `\\.\pipe\`.
    pub container_pipe_name: String,
    /// Path on the host, with `\\.\pipe\`.
    pub host_path: String,
}

/// Limit of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Mebibytes.
    #[serde(rename = "SizeInMB")]
    pub size_in_mb: u64,
}

/// Limit of processor time: at most one of the three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Processor {
    /// Processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Hundredths of a percent of all processors of the host, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<u32>,
    /// Share under contention, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// Network of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Networking {
    /// Look names without a dot up as well.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_unqualified_dns_query: bool,
    /// Suffixes for names without a dot, joined by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_search_list: Option<String>,
    /// GUID of a network namespace: bare and in lower case, else it is not found (0x80070490).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Credentials of a container, as the credential service handed them out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CredentialGuard {
    /// Proof.
    pub cookie: Text,
    /// Where the service listens.
    pub rpc_endpoint: Text,
    /// How it is reached.
    pub transport: CredentialTransport,
    /// Credential specification: a JSON document.
    pub credential_spec: Text,
}

/// How a container reaches the credential service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialTransport {
    /// Local procedure calls; process isolation.
    #[serde(rename = "LRPC")]
    LocalCalls,
    /// Sockets of the hypervisor.
    HvSocket,
}

/// Changes of a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryChanges {
    /// Values that are set.
    pub add_values: Vec<RegistryValue>,
}

/// A value of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryValue {
    /// Where it is.
    pub key: RegistryKey,
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(rename = "Type")]
    pub kind: RegistryValueType,
    /// Text of a [`RegistryValueType::String`].
    pub string_value: String,
}

/// A key of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryKey {
    /// Part of the registry.
    pub hive: RegistryHive,
    /// Path below it.
    pub name: String,
}

/// Part of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryHive {
    /// Drivers, services and settings of the machine.
    System,
    /// Settings of programs.
    Software,
}

/// What a value of the registry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryValueType {
    /// A text.
    String,
}

/// A device of the host, or all of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Device {
    /// What the other fields name; a class unless given. Schema 2.2 and later.
    #[serde(rename = "Type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeviceType>,
    /// GUID of an interface class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_class_guid: Option<String>,
    /// Where one device is plugged in, as `PCIROOT(0)#PCI(0100)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_path: Option<String>,
}

/// What a [`Device`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceType {
    /// One device.
    DeviceInstance,
}
