//! Resource limits, in the units that people use; backends convert.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ByteSize, OsText};

/// A limit that may also be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound<T> {
    /// No limit (`max`, or `-1` in Docker's notation).
    Unlimited,
    /// At most this.
    At(T),
}

/// What a container may use. `None` leaves a resource as the parent control group has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of all processes together; more makes the kernel kill one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bound<ByteSize>>,
    /// Memory and swap together, as Docker counts: equal to `memory` means no swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_and_swap: Option<Bound<ByteSize>>,
    /// Memory that reclaim spares while others have more to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<ByteSize>,
    /// CPU time in microseconds for each period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<Bound<u64>>,
    /// Length of a period in microseconds, 1,000 to 1,000,000; 100,000 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<u64>,
    /// Relative share of CPU time under contention, Docker's scale 2 to 262,144; 1024 is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// CPUs as a kernel list: `0-2,5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes as a kernel list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
    /// Processes and threads together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Bound<u64>>,
    /// Relative share of block I/O, 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<u16>,
    /// Rates for single block devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_rates: Vec<DeviceRate>,
}

impl Limits {
    /// Says whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A block device by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// Driver number.
    pub major: u32,
    /// Unit of the driver.
    pub minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One rate of one block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The path as it was given, for messages.
    pub path: OsText,
    /// What the path stood for when the request was made.
    pub device: DeviceNumber,
    /// What is counted.
    pub kind: RateKind,
    /// Bytes or operations a second.
    pub per_second: u64,
}

/// What a [`DeviceRate`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateKind {
    /// Bytes read.
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Read operations.
    ReadOperations,
    /// Write operations.
    WriteOperations,
}
