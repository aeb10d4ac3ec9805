//! Questions about systems, and their answers.

use serde::{Deserialize, Serialize};

/// What `HcsGetComputeSystemProperties` takes. Without a type, the basic properties are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PropertyQuery {
    /// What is wanted besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub property_types: Vec<PropertyType>,
}

/// A group of properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PropertyType {
    /// Use of processor, memory and storage.
    Statistics,
    /// The processes inside.
    ProcessList,
}

/// What `HcsEnumerateComputeSystems` takes: each list that is not empty narrows the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemQuery {
    /// Identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<SystemType>,
    /// Who made them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

/// What a system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemType {
    /// A container.
    Container,
    /// A virtual machine.
    VirtualMachine,
}

/// The answer about one system. Texts of sets that may grow are kept as texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Properties {
    /// Identifier.
    pub id: String,
    /// `Container` or `VirtualMachine`.
    pub system_type: String,
    /// `Windows` or `Linux`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_os_type: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Identifier that sockets of the hypervisor use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<String>,
    /// `Created`, `Running`, `Paused`, `Stopped`; missing if it was never started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// It has stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<bool>,
    /// How it stopped, as [`SystemExitStatus::exit_type`](super::result::SystemExitStatus).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_type: Option<String>,
    /// The answer to [`PropertyType::Statistics`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
    /// The answer to [`PropertyType::ProcessList`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_list: Option<Vec<ProcessDetails>>,
}

/// What a system has used. Times are in units of 100 nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Statistics {
    /// When this was read, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// When the system was started, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_start_time: Option<String>,
    /// How long it runs.
    pub uptime100ns: u64,
    /// Processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<ProcessorStats>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStats>,
    /// Reads and writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageStats>,
    /// Traffic; schema 1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkStats>,
}

/// Processor time in units of 100 nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProcessorStats {
    /// All of it.
    pub total_runtime100ns: u64,
    /// In programs.
    pub runtime_user100ns: u64,
    /// In the kernel.
    pub runtime_kernel100ns: u64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MemoryStats {
    /// Promised to the processes.
    pub memory_usage_commit_bytes: u64,
    /// The most that was promised.
    pub memory_usage_commit_peak_bytes: u64,
    /// In use and not shared.
    pub memory_usage_private_working_set_bytes: u64,
}

/// Reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StorageStats {
    /// Reads, in units of 8 KiB.
    pub read_count_normalized: u64,
    /// Bytes read.
    pub read_size_bytes: u64,
    /// Writes, in units of 8 KiB.
    pub write_count_normalized: u64,
    /// Bytes written.
    pub write_size_bytes: u64,
}

/// Traffic of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkStats {
    /// The endpoint's GUID.
    pub endpoint_id: String,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Packets received.
    pub packets_received: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets lost on their way in.
    pub dropped_packets_incoming: u64,
    /// Packets lost on their way out.
    pub dropped_packets_outgoing: u64,
}

/// A process in a system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProcessDetails {
    /// Number in the container.
    pub process_id: u32,
    /// File name of the program.
    pub image_name: String,
    /// When it was started, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_timestamp: Option<String>,
    /// Time in the program, in units of 100 nanoseconds.
    pub user_time100ns: u64,
    /// Time in the kernel, likewise.
    pub kernel_time100ns: u64,
    /// Memory promised to it.
    pub memory_commit_bytes: u64,
    /// Memory in use and not shared.
    pub memory_working_set_private_bytes: u64,
    /// Memory in use and shared.
    pub memory_working_set_shared_bytes: u64,
}
