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
    /// Processors; Windows only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<u32>,
    /// Percent of all processors, 1 to 100; Windows only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u8>,
    /// Operations a second on the container's own disk; Windows only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_operations: Option<u64>,
    /// Bytes a second on the container's own disk; Windows only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_bytes: Option<u64>,
}

impl Limits {
    /// Says whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns these limits with what `change` gives in place of their own.
    ///
    /// A rate replaces the one of the same device and kind.
    #[must_use]
    pub fn changed_by(&self, change: &Self) -> Self {
        let mut io_rates = self.io_rates.clone();
        io_rates.retain(|old| !change.io_rates.iter().any(|new| new.same_kind(old)));
        io_rates.extend(change.io_rates.iter().cloned());
        Self {
            memory: change.memory.or(self.memory),
            memory_and_swap: change.memory_and_swap.or(self.memory_and_swap),
            memory_reservation: change.memory_reservation.or(self.memory_reservation),
            cpu_quota: change.cpu_quota.or(self.cpu_quota),
            cpu_period: change.cpu_period.or(self.cpu_period),
            cpu_shares: change.cpu_shares.or(self.cpu_shares),
            cpuset_cpus: change.cpuset_cpus.clone().or_else(|| self.cpuset_cpus.clone()),
            cpuset_mems: change.cpuset_mems.clone().or_else(|| self.cpuset_mems.clone()),
            pids: change.pids.or(self.pids),
            io_weight: change.io_weight.or(self.io_weight),
            io_rates,
            cpu_count: change.cpu_count.or(self.cpu_count),
            cpu_percent: change.cpu_percent.or(self.cpu_percent),
            io_operations: change.io_operations.or(self.io_operations),
            io_bytes: change.io_bytes.or(self.io_bytes),
        }
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
    /// Bytes or operations a second; 0 lifts the limit.
    pub per_second: u64,
}

impl DeviceRate {
    /// Says whether both limit the same of the same device.
    pub fn same_kind(&self, other: &Self) -> bool {
        self.device == other.device && self.kind == other.kind
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(minor: u32, kind: RateKind, per_second: u64) -> DeviceRate {
        DeviceRate { path: "/dev/sda".into(), device: DeviceNumber { major: 8, minor }, kind, per_second }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let old = Limits {
            memory: Some(Bound::At(ByteSize::mib(64))),
            pids: Some(Bound::At(10)),
            io_rates: vec![rate(0, RateKind::ReadBytes, 1), rate(0, RateKind::WriteBytes, 2)],
            ..Limits::default()
        };
        let change = Limits {
            pids: Some(Bound::Unlimited),
            io_rates: vec![rate(0, RateKind::WriteBytes, 3), rate(16, RateKind::WriteBytes, 4)],
            ..Limits::default()
        };
        let new = old.changed_by(&change);
        assert_eq!(new.memory, old.memory);
        assert_eq!(new.pids, Some(Bound::Unlimited));
        let rates: Vec<_> = new.io_rates.iter().map(|rate| rate.per_second).collect();
        assert_eq!(rates, [1, 3, 4]);
    }
}
