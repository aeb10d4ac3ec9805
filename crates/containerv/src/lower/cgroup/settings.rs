//! Which values go into which files.

use containerv_spec::cgroup::{CgroupStep, Controller, DeviceRule, Group, GroupSet, GroupVersion, Setting};
use containerv_spec::{Bound, ByteSize, DeviceNumber, DeviceRate, Limits, RateKind};

use super::check::rate_option;

/// Length of a CPU period unless given, in microseconds; the kernel's own default.
const DEFAULT_PERIOD: u64 = 100_000;

/// Controllers whose limits can be changed while processes run.
pub(super) const CHANGEABLE: [Controller; 5] =
    [Controller::Memory, Controller::Cpu, Controller::Cpuset, Controller::Pids, Controller::Io];

/// When the values are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the first process joins.
    Creation,
    /// While processes run in the group.
    Running,
}

/// Returns the controllers that these limits need, each with the first option that does.
pub(super) fn needs(limits: &Limits) -> Vec<(Controller, &'static str)> {
    let rate = limits.io_rates.first().map(|rate| rate_option(rate.kind));
    let asked = [
        (Controller::Memory, limits.memory.map(|_| "--memory")),
        (Controller::Memory, limits.memory_and_swap.map(|_| "--memory-swap")),
        (Controller::Memory, limits.memory_reservation.map(|_| "--memory-reservation")),
        (Controller::Cpu, limits.cpu_quota.map(|_| "--cpu-quota")),
        (Controller::Cpu, limits.cpu_period.map(|_| "--cpu-period")),
        (Controller::Cpu, limits.cpu_shares.map(|_| "--cpu-shares")),
        (Controller::Cpuset, limits.cpuset_cpus.as_ref().map(|_| "--cpuset-cpus")),
        (Controller::Cpuset, limits.cpuset_mems.as_ref().map(|_| "--cpuset-mems")),
        (Controller::Pids, limits.pids.map(|_| "--pids-limit")),
        (Controller::Io, limits.io_weight.map(|_| "--blkio-weight")),
        (Controller::Io, rate),
    ];
    let mut needs: Vec<(Controller, &'static str)> = Vec::new();
    for (controller, option) in asked.into_iter().filter_map(|(it, option)| Some((it, option?))) {
        if needs.iter().all(|(known, _)| *known != controller) {
            needs.push((controller, option));
        }
    }
    needs
}

/// Returns the steps that set what `change` names, in groups that exist.
///
/// `whole` is the limits after the change: files that hold two limits need both.
pub(super) fn steps(groups: &GroupSet, change: &Limits, whole: &Limits, moment: Moment) -> Vec<CgroupStep> {
    let mut steps = Vec::new();
    let mut each = |controller, lower: &dyn Fn(&Group) -> Vec<CgroupStep>| {
        steps.extend(groups.with(controller).map(lower).unwrap_or_default());
    };
    each(Controller::Cpuset, &|group| cpuset(group, change));
    each(Controller::Memory, &|group| match group.version {
        GroupVersion::V1 => memory_v1(group, change),
        GroupVersion::V2 => memory_v2(group, change, whole, moment),
    });
    each(Controller::Cpu, &|group| match group.version {
        GroupVersion::V1 => cpu_v1(group, change),
        GroupVersion::V2 => cpu_v2(group, change, whole),
    });
    each(Controller::Pids, &|group| pids(group, change));
    each(Controller::Io, &|group| io_weight(group, change.io_weight));
    each(Controller::Io, &|group| match group.version {
        GroupVersion::V1 => io_rates_v1(group, &change.io_rates),
        GroupVersion::V2 => io_rates_v2(group, &change.io_rates),
    });
    steps
}

fn set(group: &Group, option: &str, file: &str, value: impl ToString) -> CgroupStep {
    CgroupStep::Set(setting(group, option, file, value))
}

fn setting(group: &Group, option: &str, file: &str, value: impl ToString) -> Setting {
    Setting {
        path: group.path.clone(),
        file: file.to_owned(),
        value: value.to_string(),
        option: option.to_owned(),
    }
}

fn max_or<T: ToString>(bound: Bound<T>) -> String {
    match bound {
        Bound::Unlimited => "max".to_owned(),
        Bound::At(value) => value.to_string(),
    }
}

fn bytes(bound: Bound<ByteSize>) -> Bound<u64> {
    match bound {
        Bound::Unlimited => Bound::Unlimited,
        Bound::At(size) => Bound::At(size.as_bytes()),
    }
}

fn memory_v1(group: &Group, change: &Limits) -> Vec<CgroupStep> {
    let (memory, memory_and_swap) = (change.memory, change.memory_and_swap);
    let path = group.path.clone();
    let limit = (memory.is_some() || memory_and_swap.is_some()).then_some(CgroupStep::SetMemoryV1 {
        path,
        memory,
        memory_and_swap,
    });
    let reservation = change
        .memory_reservation
        .map(|size| set(group, "--memory-reservation", "memory.soft_limit_in_bytes", size.as_bytes()));
    limit.into_iter().chain(reservation).collect()
}

fn memory_v2(group: &Group, change: &Limits, whole: &Limits, moment: Moment) -> Vec<CgroupStep> {
    let memory = change.memory.map(|memory| match moment {
        Moment::Creation => set(group, "--memory", "memory.max", max_or(bytes(memory))),
        Moment::Running => CgroupStep::SetMemoryV2 { path: group.path.clone(), memory },
    });
    // Version 2 limits swap alone, so a new memory limit moves the swap limit as well.
    let swap_changes = change.memory_and_swap.is_some() || change.memory.is_some();
    let swap = whole
        .memory_and_swap
        .filter(|_| swap_changes)
        .map(|both| set(group, "--memory-swap", "memory.swap.max", max_or(swap_alone(both, whole.memory))));
    let reservation = change
        .memory_reservation
        .map(|size| set(group, "--memory-reservation", "memory.low", size.as_bytes()));
    memory.into_iter().chain(swap).chain(reservation).collect()
}

/// Converts memory and swap together to swap alone.
pub(super) fn swap_alone(both: Bound<ByteSize>, memory: Option<Bound<ByteSize>>) -> Bound<u64> {
    match (both, memory) {
        (Bound::At(both), Some(Bound::At(memory))) => {
            Bound::At(both.as_bytes().saturating_sub(memory.as_bytes()))
        }
        _ => Bound::Unlimited,
    }
}

fn cpu_v1(group: &Group, change: &Limits) -> Vec<CgroupStep> {
    let period = change.cpu_period.map(|period| set(group, "--cpu-period", "cpu.cfs_period_us", period));
    let quota = change.cpu_quota.map(|quota| {
        let value = match quota {
            Bound::Unlimited => "-1".to_owned(),
            Bound::At(quota) => quota.to_string(),
        };
        set(group, "--cpu-quota", "cpu.cfs_quota_us", value)
    });
    let shares = change.cpu_shares.map(|shares| set(group, "--cpu-shares", "cpu.shares", shares));
    period.into_iter().chain(quota).chain(shares).collect()
}

fn cpu_v2(group: &Group, change: &Limits, whole: &Limits) -> Vec<CgroupStep> {
    let changes = change.cpu_quota.is_some() || change.cpu_period.is_some();
    let max = changes.then(|| {
        let option = if change.cpu_quota.is_some() { "--cpu-quota" } else { "--cpu-period" };
        let quota = max_or(whole.cpu_quota.unwrap_or(Bound::Unlimited));
        let period = whole.cpu_period.unwrap_or(DEFAULT_PERIOD);
        set(group, option, "cpu.max", format!("{quota} {period}"))
    });
    let weight = change.cpu_shares.map(|shares| set(group, "--cpu-shares", "cpu.weight", cpu_weight(shares)));
    max.into_iter().chain(weight).collect()
}

/// Converts shares of version 1 to a weight of version 2, as the kernel itself does
/// (`sched_weight_to_cgroup`): both defaults, 1024 and 100, stand for the same share.
pub(super) fn cpu_weight(shares: u64) -> u64 {
    (shares.saturating_mul(100).saturating_add(512) / 1024).clamp(1, 10_000)
}

fn cpuset(group: &Group, change: &Limits) -> Vec<CgroupStep> {
    let cpus = change.cpuset_cpus.as_ref().map(|list| set(group, "--cpuset-cpus", "cpuset.cpus", list));
    let nodes = change.cpuset_mems.as_ref().map(|list| set(group, "--cpuset-mems", "cpuset.mems", list));
    cpus.into_iter().chain(nodes).collect()
}

fn pids(group: &Group, change: &Limits) -> Vec<CgroupStep> {
    change.pids.map(|count| set(group, "--pids-limit", "pids.max", max_or(count))).into_iter().collect()
}

/// BFQ and the cost model each bring a file of their own, and a kernel may have either.
fn io_weight(group: &Group, weight: Option<u16>) -> Vec<CgroupStep> {
    let Some(weight) = weight else { return Vec::new() };
    let choice = |file: &str, value: u64| setting(group, "--blkio-weight", file, value);
    let same = u64::from(weight);
    let choices = match group.version {
        GroupVersion::V1 => vec![choice("blkio.bfq.weight", same), choice("blkio.weight", same)],
        GroupVersion::V2 => {
            vec![choice("io.bfq.weight", same), choice("io.weight", io_cost_weight(weight))]
        }
    };
    vec![CgroupStep::SetFirst { choices }]
}

/// Stretches Docker's 10 to 1000 over the 1 to 10,000 of `io.weight`.
pub(super) fn io_cost_weight(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(10)) * 9_999 / 990
}

fn io_rates_v1(group: &Group, rates: &[DeviceRate]) -> Vec<CgroupStep> {
    let file = |kind| match kind {
        RateKind::ReadBytes => "blkio.throttle.read_bps_device",
        RateKind::WriteBytes => "blkio.throttle.write_bps_device",
        RateKind::ReadOperations => "blkio.throttle.read_iops_device",
        RateKind::WriteOperations => "blkio.throttle.write_iops_device",
    };
    let lower = |rate: &DeviceRate| {
        let value = format!("{} {}", rate.device, rate.per_second);
        set(group, rate_option(rate.kind), file(rate.kind), value)
    };
    rates.iter().map(lower).collect()
}

fn io_rates_v2(group: &Group, rates: &[DeviceRate]) -> Vec<CgroupStep> {
    let mut devices: Vec<DeviceNumber> = Vec::new();
    for rate in rates {
        if !devices.contains(&rate.device) {
            devices.push(rate.device);
        }
    }
    let lower = |device: DeviceNumber| {
        let own: Vec<&DeviceRate> = rates.iter().filter(|rate| rate.device == device).collect();
        let values: String = own.iter().map(|rate| format!(" {}", io_max_entry(rate))).collect();
        set(group, rate_option(own[0].kind), "io.max", format!("{device}{values}"))
    };
    devices.into_iter().map(lower).collect()
}

fn io_max_entry(rate: &DeviceRate) -> String {
    let key = match rate.kind {
        RateKind::ReadBytes => "rbps",
        RateKind::WriteBytes => "wbps",
        RateKind::ReadOperations => "riops",
        RateKind::WriteOperations => "wiops",
    };
    match rate.per_second {
        0 => format!("{key}=max"),
        count => format!("{key}={count}"),
    }
}

/// Returns the steps that refuse all devices but these.
pub(super) fn devices(groups: &GroupSet, allowed: &[DeviceRule]) -> Vec<CgroupStep> {
    if let Some(group) = groups.with(Controller::Devices) {
        let deny = set(group, "--device", "devices.deny", "a");
        let allow = allowed.iter().map(|rule| set(group, "--device", "devices.allow", rule));
        return std::iter::once(deny).chain(allow).collect();
    }
    let filter =
        |group: &Group| CgroupStep::FilterDevices { path: group.path.clone(), allowed: allowed.to_vec() };
    groups.v2().map(filter).into_iter().collect()
}

/// Returns what the reader of a plan should know about these values.
pub(super) fn notes(groups: &GroupSet, limits: &Limits) -> Vec<String> {
    let v2 = groups.with(Controller::Cpu).is_some_and(|group| group.version == GroupVersion::V2);
    let beyond = limits.cpu_shares.filter(|shares| v2 && !(10..=102_400).contains(shares));
    let note = |shares| {
        format!(
            "`--cpu-shares {shares}` becomes a weight of {}, the end of the scale of control groups v2",
            cpu_weight(shares)
        )
    };
    beyond.map(note).into_iter().collect()
}
