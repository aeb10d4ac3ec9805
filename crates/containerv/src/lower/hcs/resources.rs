//! Limits: processor, memory, disk.

use containerv_spec::hcs::system::Processor;
use containerv_spec::{Bound, ByteSize};

use super::Draft;
use crate::ErrorKind::{InvalidArgument, Unsupported};

/// Hundredths of a percent: all of it.
pub(super) const WHOLE: u32 = 10_000;
/// Disk of a writable layer unless it is made larger.
const USUAL_DISK: u64 = 20 << 30;
const MEBIBYTE: u64 = 1 << 20;

/// Rates of the container's disk, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) operations: Option<u64>,
    pub(super) bytes: Option<u64>,
}

impl Draft<'_> {
    /// Processor time: by count, maximum or weight, of which the service takes one.
    pub(super) fn processor(&mut self) -> Processor {
        let limits = &self.request.limits;
        let quota = match limits.cpu_quota {
            Some(Bound::At(quota)) => Some(quota),
            Some(Bound::Unlimited) | None => None,
        };
        let given: Vec<&str> = [
            (quota.is_some(), "--cpus"),
            (limits.cpu_count.is_some(), "--cpu-count"),
            (limits.cpu_percent.is_some(), "--cpu-percent"),
            (limits.cpu_shares.is_some(), "--cpu-shares"),
        ]
        .into_iter()
        .filter_map(|(given, option)| given.then_some(option))
        .collect();
        if let [first, second, ..] = given.as_slice() {
            self.problem(
                InvalidArgument,
                format!("`{first}` and `{second}`: Windows takes one limit of processor time"),
                "give one of `--cpus`, `--cpu-count`, `--cpu-percent` and `--cpu-shares`",
            );
        }
        if let Some(quota) = quota {
            return self.cpus(quota, limits.cpu_period.unwrap_or(100_000));
        }
        if let Some(count) = limits.cpu_count {
            return self.count(count.into(), "--cpu-count");
        }
        if let Some(percent) = limits.cpu_percent {
            if percent == 0 || percent > 100 {
                self.problem(
                    InvalidArgument,
                    format!("`--cpu-percent {percent}`: not from 1 to 100"),
                    "give a percentage",
                );
            }
            return Processor { maximum: Some(u32::from(percent) * 100), ..Processor::default() };
        }
        match limits.cpu_shares {
            Some(shares) => self.weight(shares),
            None => Processor::default(),
        }
    }

    /// `--cpus`: a count where it is whole, else a share of the host's processors.
    fn cpus(&mut self, quota: u64, period: u64) -> Processor {
        if period == 0 || quota == 0 {
            self.problem(InvalidArgument, "`--cpus`: not more than 0", "leave it out for no limit");
            return Processor::default();
        }
        if quota.is_multiple_of(period) {
            return self.count(quota / period, "--cpus");
        }
        let processors = self.machine.processors.max(1);
        if self.is_hyperv() {
            self.problem(
                Unsupported,
                "`--cpus`: a virtual machine has a whole number of processors",
                "give a whole number, or `--cpu-percent`",
            );
        }
        let share = u128::from(quota) * u128::from(WHOLE) / (u128::from(period) * u128::from(processors));
        if share > u128::from(WHOLE) {
            self.too_many("--cpus");
        }
        let maximum = u32::try_from(share).unwrap_or(WHOLE).clamp(1, WHOLE);
        self.notes.push(format!(
            "`--cpus` is no whole number: a maximum of {}.{:02} % of the {processors} processors",
            maximum / 100,
            maximum % 100
        ));
        Processor { maximum: Some(maximum), ..Processor::default() }
    }

    fn count(&mut self, count: u64, option: &str) -> Processor {
        let processors = self.machine.processors;
        match u32::try_from(count).ok().filter(|count| *count <= processors) {
            Some(0) => {
                self.problem(
                    InvalidArgument,
                    format!("`{option} 0`: not more than 0"),
                    "leave it out for no limit",
                );
            }
            Some(count) => return Processor { count: Some(count), ..Processor::default() },
            None => self.too_many(option),
        }
        Processor::default()
    }

    fn too_many(&mut self, option: &str) {
        let processors = self.machine.processors;
        self.problem(
            InvalidArgument,
            format!("`{option}`: more than the {processors} processors of the machine"),
            "give fewer",
        );
    }

    fn weight(&mut self, shares: u64) -> Processor {
        let Some(weight) = u32::try_from(shares).ok().filter(|shares| (1..=WHOLE).contains(shares)) else {
            self.problem(
                InvalidArgument,
                format!("`--cpu-shares {shares}`: not from 1 to 10000, as on Windows"),
                "give a number in this range; 5000 is the middle",
            );
            return Processor::default();
        };
        if !self.is_hyperv() {
            self.notes.push(format!(
                "a job has nine weights: `--cpu-shares {weight}` counts as {}",
                (weight / 1000).clamp(1, 9)
            ));
        }
        Processor { weight: Some(weight), ..Processor::default() }
    }

    /// Memory in mebibytes.
    pub(super) fn memory(&mut self) -> Option<u64> {
        let Some(Bound::At(bytes)) = self.request.limits.memory else { return None };
        let bytes = bytes.as_bytes();
        let mebibytes = bytes.div_ceil(MEBIBYTE);
        if mebibytes == 0 {
            self.problem(InvalidArgument, "`--memory 0`: not more than 0", "leave it out for no limit");
        }
        if !bytes.is_multiple_of(MEBIBYTE) {
            self.notes.push(format!("memory is counted in mebibytes: {mebibytes} MiB"));
        }
        Some(mebibytes)
    }

    /// Rates of the container's disk.
    pub(super) fn rates(&mut self) -> Rates {
        let limits = &self.request.limits;
        let rates = Rates { operations: limits.io_operations, bytes: limits.io_bytes };
        // The document of process isolation has signed numbers of 32 bits.
        let most = i32::MAX as u64;
        for (option, rate) in [("--io-maxiops", rates.operations), ("--io-maxbandwidth", rates.bytes)] {
            if rate.is_some_and(|rate| rate == 0 || rate > most) {
                self.problem(
                    InvalidArgument,
                    format!("`{option}`: not from 1 to {most} a second"),
                    "leave it out for no limit",
                );
            }
        }
        rates
    }

    /// Size of the container's disk, if it has to be made larger.
    pub(super) fn disk(&mut self) -> Option<u64> {
        let bytes = self.request.storage_bytes?;
        if bytes < USUAL_DISK {
            self.problem(
                InvalidArgument,
                format!(
                    "`--storage-opt size={}`: less than the {} that every layer's disk has",
                    ByteSize::bytes(bytes),
                    ByteSize::bytes(USUAL_DISK)
                ),
                "give more, or leave it out",
            );
        }
        (bytes > USUAL_DISK).then_some(bytes)
    }
}
