//! Validation of limits: every problem at once, each naming its option.

use containerv_spec::facts::CgroupFacts;
use containerv_spec::{Bound, ByteSize, DeviceRate, Limits, OsText, RateKind};

use crate::{Error, ErrorKind};

/// Least memory of a container, as Docker has it: below, even starting a process fails.
const MIN_MEMORY: ByteSize = ByteSize::mib(6);
/// Range of a CPU period in microseconds (`kernel/sched/core.c`).
const PERIOD: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// Range of a CPU quota in microseconds; the kernel keeps 44 bits.
const QUOTA: std::ops::RangeInclusive<u64> = 1_000..=(1 << 44) - 1;
/// Range of CPU shares: the kernel's `MIN_SHARES` and `MAX_SHARES`.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;
/// Range of an I/O weight on Docker's scale.
const IO_WEIGHT: std::ops::RangeInclusive<u16> = 10..=1_000;
/// Highest number of processes: the kernel's `PID_MAX_LIMIT`.
const MAX_PIDS: u64 = 1 << 22;
/// Highest CPU or node number that a list may hold; the kernel's largest `NR_CPUS`.
const MAX_CPU: u32 = 8_191;

/// Returns everything that is wrong with these limits.
pub(super) fn limits(limits: &Limits, facts: &CgroupFacts) -> Vec<Error> {
    let mut problems = memory(limits);
    problems.extend(cpu(limits));
    problems.extend(cpuset("--cpuset-cpus", limits.cpuset_cpus.as_deref(), facts.cpus.as_deref(), "CPUs"));
    let nodes = facts.memory_nodes.as_deref();
    problems.extend(cpuset("--cpuset-mems", limits.cpuset_mems.as_deref(), nodes, "memory nodes"));
    problems.extend(pids(limits));
    problems.extend(io(limits));
    problems.extend(foreign(limits));
    problems
}

/// Limits that only Windows has.
fn foreign(limits: &Limits) -> Vec<Error> {
    let asked = [
        (limits.cpu_count.is_some(), "--cpu-count", "use `--cpus`"),
        (limits.cpu_percent.is_some(), "--cpu-percent", "use `--cpus`"),
        (
            limits.io_operations.is_some(),
            "--io-maxiops",
            "use `--device-read-iops` and `--device-write-iops`",
        ),
        (limits.io_bytes.is_some(), "--io-maxbandwidth", "use `--device-read-bps` and `--device-write-bps`"),
    ];
    let refused = asked.into_iter().filter(|entry| entry.0).map(|(_, option, hint)| {
        Error::new(ErrorKind::Unsupported, format!("`{option}`: a limit that only Windows has"))
            .with_hint(hint)
    });
    refused.collect()
}

fn wrong(option: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{option}`: {what}"))
}

fn memory(limits: &Limits) -> Vec<Error> {
    let mut problems = Vec::new();
    let too_small = |size: ByteSize| size < MIN_MEMORY;
    let memory = match limits.memory {
        Some(Bound::At(size)) => Some(size),
        _ => None,
    };
    if let Some(size) = memory.filter(|size| too_small(*size)) {
        problems.push(wrong("--memory", format_args!("{size} is less than the minimum of {MIN_MEMORY}")));
    }
    if let Some(size) = limits.memory_reservation.filter(|size| too_small(*size)) {
        let what = format_args!("{size} is less than the minimum of {MIN_MEMORY}").to_string();
        problems.push(wrong("--memory-reservation", what));
    }
    if let (Some(size), Some(reserved)) = (memory, limits.memory_reservation)
        && reserved > size
    {
        let what = format!("{reserved} is more than the memory limit of {size}");
        problems
            .push(wrong("--memory-reservation", what).with_hint("reserve at most what `--memory` allows"));
    }
    problems.extend(swap(limits, memory));
    let given = [
        ("--memory", memory),
        ("--memory-reservation", limits.memory_reservation),
        ("--memory-swap", swap_size(limits)),
    ];
    let too_large =
        given.into_iter().filter(|(_, size)| size.is_some_and(|it| it.as_bytes() > i64::MAX as u64));
    problems.extend(too_large.map(|(option, _)| wrong(option, "the kernel counts at most 2^63 - 1 bytes")));
    problems
}

fn swap_size(limits: &Limits) -> Option<ByteSize> {
    match limits.memory_and_swap {
        Some(Bound::At(size)) => Some(size),
        _ => None,
    }
}

fn swap(limits: &Limits, memory: Option<ByteSize>) -> Option<Error> {
    let both = swap_size(limits)?;
    match memory {
        None => Some(
            wrong("--memory-swap", "needs a memory limit, because it counts memory and swap together")
                .with_hint("give `--memory` as well"),
        ),
        Some(size) if both < size => {
            let what = format!("{both} is less than the memory limit of {size}");
            Some(wrong("--memory-swap", what).with_hint(
                "`--memory-swap` counts memory and swap together: give at least the memory limit, which means no swap",
            ))
        }
        Some(_) => None,
    }
}

fn cpu(limits: &Limits) -> Vec<Error> {
    let mut problems = Vec::new();
    if let Some(period) = limits.cpu_period.filter(|period| !PERIOD.contains(period)) {
        problems.push(wrong(
            "--cpu-period",
            format_args!("{period} is not between 1000 and 1000000 microseconds"),
        ));
    }
    if let Some(Bound::At(quota)) = limits.cpu_quota
        && !QUOTA.contains(&quota)
    {
        let what = format!("{quota} is not between 1000 and {} microseconds", QUOTA.end());
        let error = wrong("--cpu-quota", what);
        problems.push(error.with_hint("`--cpus 0.01` is the least: 1000 of 100000 microseconds"));
    }
    if let Some(shares) = limits.cpu_shares.filter(|shares| !SHARES.contains(shares)) {
        problems.push(wrong("--cpu-shares", format_args!("{shares} is not between 2 and 262144")));
    }
    problems
}

fn cpuset(option: &str, list: Option<&str>, online: Option<&str>, what: &str) -> Option<Error> {
    let list = list?;
    let wanted = match parse_list(list) {
        Ok(ranges) => ranges,
        Err(reason) => {
            return Some(
                wrong(option, format_args!("`{list}` is not a list of {what}: {reason}"))
                    .with_hint("write numbers and ranges, as in `0-2,5`"),
            );
        }
    };
    let online = parse_list(online?).ok()?;
    let covered = |number: u32| online.iter().any(|range| range.contains(&number));
    let missing = wanted.into_iter().flatten().find(|number| !covered(*number))?;
    let have = list_text(&online);
    Some(
        wrong(option, format_args!("{missing} of `{list}` is not among the {what} that containers may use"))
            .with_hint(format!("this machine offers `{have}`")),
    )
}

fn list_text(ranges: &[std::ops::RangeInclusive<u32>]) -> String {
    let text = |range: &std::ops::RangeInclusive<u32>| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Reads a kernel list of numbers and ranges; see cpuset(7), "List format".
pub(crate) fn parse_list(list: &str) -> Result<Vec<std::ops::RangeInclusive<u32>>, String> {
    let number = |text: &str| match text.parse::<u32>() {
        Ok(number) if number <= MAX_CPU && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        Ok(number) if number > MAX_CPU => Err(format!("{number} is more than {MAX_CPU}")),
        _ => Err(format!("`{text}` is not a number")),
    };
    let range = |item: &str| match item.split_once('-') {
        None => number(item).map(|number| number..=number),
        Some((first, last)) => match (number(first)?, number(last)?) {
            (first, last) if first > last => Err(format!("`{item}` runs backwards")),
            (first, last) => Ok(first..=last),
        },
    };
    if list.is_empty() {
        return Err("it is empty".to_owned());
    }
    list.split(',').map(range).collect()
}

fn pids(limits: &Limits) -> Option<Error> {
    match limits.pids {
        Some(Bound::At(0)) => Some(wrong("--pids-limit", "0 leaves no room for the container's own command")),
        Some(Bound::At(count)) if count > MAX_PIDS => {
            Some(wrong("--pids-limit", format_args!("{count} is more than the kernel's {MAX_PIDS}")))
        }
        _ => None,
    }
}

fn io(limits: &Limits) -> Vec<Error> {
    let mut problems = Vec::new();
    if let Some(weight) = limits.io_weight.filter(|weight| !IO_WEIGHT.contains(weight)) {
        problems.push(wrong("--blkio-weight", format_args!("{weight} is not between 10 and 1000")));
    }
    for (index, rate) in limits.io_rates.iter().enumerate() {
        problems.extend(io_rate(rate));
        if limits.io_rates[..index].iter().any(|earlier| earlier.same_kind(rate)) {
            let what = format!("`{}` (device {}) is given twice", rate.path, rate.device);
            problems.push(wrong(rate_option(rate.kind), what));
        }
    }
    problems
}

fn io_rate(rate: &DeviceRate) -> Option<Error> {
    let operations = matches!(rate.kind, RateKind::ReadOperations | RateKind::WriteOperations);
    let most = if operations { u64::from(u32::MAX) } else { i64::MAX as u64 };
    let what = format!("{} a second for `{}` is more than the kernel's {most}", rate.per_second, rate.path);
    (rate.per_second > most).then(|| wrong(rate_option(rate.kind), what))
}

/// Returns the option that sets a rate of this kind.
pub(super) fn rate_option(kind: RateKind) -> &'static str {
    match kind {
        RateKind::ReadBytes => "--device-read-bps",
        RateKind::WriteBytes => "--device-write-bps",
        RateKind::ReadOperations => "--device-read-iops",
        RateKind::WriteOperations => "--device-write-iops",
    }
}

/// Checks the name of a container's own group, which becomes a directory name.
pub(super) fn name(name: &str) -> Option<Error> {
    let reason = bad_name(name.as_bytes())?;
    Some(Error::new(ErrorKind::InvalidArgument, format!("`{name}` cannot name a control group: {reason}")))
}

/// Checks a parent group given by the caller.
pub(super) fn parent(parent: &OsText) -> Option<Error> {
    let names = || parent.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let reason = match names().next() {
        None => "it names no group",
        Some(_) => names().find_map(bad_name)?,
    };
    Some(
        wrong("--cgroup-parent", format_args!("`{parent}`: {reason}"))
            .with_hint("give a path below the root of the hierarchies, as in `/jobs/night`"),
    )
}

fn bad_name(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("it is empty"),
        b"." | b".." => Some("`.` and `..` are not names"),
        _ if name.len() > 255 => Some("a name has at most 255 bytes"),
        _ if name.iter().any(|byte| matches!(byte, b'/' | b'\n' | 0)) => {
            Some("a name has no slash, line break or NUL")
        }
        _ => None,
    }
}
