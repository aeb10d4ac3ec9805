//! Options that limit resources; `update` has them too.

use containerv::Error;
use containerv_spec::{Bound, DeviceRate, OsText, RateKind};

use crate::draft::Draft;
use crate::platform;
use crate::syntax::{Flag, Section};
use crate::value::{self, not_offered, quote, wrong};

/// Limits that can be changed while a container runs.
pub static RESOURCES: Section = Section {
    title: "Resources",
    flags: &[
        Flag::value("memory", "BYTES", "Most memory, as `512m`; more ends with an out-of-memory kill")
            .short('m')
            .sets(memory),
        Flag::value("memory-swap", "BYTES", "Most memory and swap together; -1 for no limit")
            .sets(memory_swap),
        Flag::value("memory-reservation", "BYTES", "Memory that is spared while others have more to give")
            .sets(memory_reservation),
        Flag::value("cpus", "NUMBER", "Most CPU time, in CPUs, as `1.5`").sets(cpus),
        Flag::value(
            "cpu-shares",
            "WEIGHT",
            "Share of CPU time under contention, 2 to 262144 (default: 1024)",
        )
        .short('c')
        .sets(cpu_shares),
        Flag::value("cpu-quota", "MICROSECONDS", "CPU time in each period; -1 for no limit").sets(cpu_quota),
        Flag::value("cpu-period", "MICROSECONDS", "Length of a period, 1000 to 1000000 (default: 100000)")
            .sets(cpu_period),
        Flag::value("cpuset-cpus", "LIST", "Use only these CPUs, as `0-2,5`").sets(cpuset_cpus),
        Flag::value("cpuset-mems", "LIST", "Use only these memory nodes, as `0,1`").sets(cpuset_mems),
        Flag::value("pids-limit", "NUMBER", "Most processes and threads; -1 for no limit").sets(pids_limit),
        Flag::value("blkio-weight", "WEIGHT", "Share of block I/O, 10 to 1000").sets(blkio_weight),
    ],
};

/// Limits that are given at creation.
pub static DEVICE_RATES: Section = Section {
    title: "Resources",
    flags: &[
        Flag::value("device-read-bps", "DEVICE:BYTES", "Most bytes read a second, as `/dev/sda:10m`")
            .sets(read_bps),
        Flag::value("device-write-bps", "DEVICE:BYTES", "Most bytes written a second").sets(write_bps),
        Flag::value("device-read-iops", "DEVICE:NUMBER", "Most reads a second").sets(read_iops),
        Flag::value("device-write-iops", "DEVICE:NUMBER", "Most writes a second").sets(write_iops),
        Flag::value("cgroup-parent", "PATH", "Make the container's control group below this one")
            .sets(cgroup_parent),
        Flag::value(
            "oom-score-adj",
            "NUMBER",
            "Be ended sooner (up to 1000) or later (down to -1000) when memory runs out",
        )
        .sets(oom_score_adj),
        Flag::value("shm-size", "BYTES", "Size of /dev/shm (default: 64m)").sets(shm_size),
    ],
};

fn memory(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.memory = Some(value::size_or_unlimited(value::utf8(text)?)?);
    Ok(())
}

fn memory_swap(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.memory_and_swap = Some(value::size_or_unlimited(value::utf8(text)?)?);
    Ok(())
}

fn memory_reservation(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.memory_reservation = Some(value::size(value::utf8(text)?)?);
    Ok(())
}

fn cpus(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let millionths = value::millionths(value::utf8(text)?)?;
    if millionths == 0 {
        return Err(wrong("must be more than 0"));
    }
    draft.cpus = Some(millionths);
    Ok(())
}

fn cpu_shares(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_shares = Some(value::number(value::utf8(text)?, 2, 262_144)?);
    Ok(())
}

fn cpu_quota(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_quota = Some(match value::utf8(text)? {
        "-1" => Bound::Unlimited,
        text => Bound::At(value::number(text, 1000, i64::MAX as u64)?),
    });
    Ok(())
}

fn cpu_period(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_period = Some(value::number(value::utf8(text)?, 1000, 1_000_000)?);
    Ok(())
}

fn cpuset_cpus(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpuset_cpus = Some(number_list(value::utf8(text)?)?);
    Ok(())
}

fn cpuset_mems(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpuset_mems = Some(number_list(value::utf8(text)?)?);
    Ok(())
}

/// Checks a list such as `0-2,5`, which the kernel then reads itself.
fn number_list(text: &str) -> Result<String, Error> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (value::number(first, 0u32, 8191).ok()?, value::number(last, 0u32, 8191).ok()?);
        (first <= last).then_some(())
    };
    match text.split(',').all(|part| range(part).is_some()) {
        true => Ok(text.to_owned()),
        false => Err(wrong("expected numbers and ranges, as `0-2,5`")),
    }
}

fn pids_limit(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.pids = Some(match value::utf8(text)? {
        // Docker takes 0 for no limit as well.
        "-1" | "0" => Bound::Unlimited,
        text => Bound::At(value::number(text, 1, u64::from(u32::MAX))?),
    });
    Ok(())
}

fn blkio_weight(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.io_weight = Some(value::number(value::utf8(text)?, 10, 1000)?);
    Ok(())
}

fn read_bps(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    device_rate(draft, text, RateKind::ReadBytes)
}

fn write_bps(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    device_rate(draft, text, RateKind::WriteBytes)
}

fn read_iops(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    device_rate(draft, text, RateKind::ReadOperations)
}

fn write_iops(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    device_rate(draft, text, RateKind::WriteOperations)
}

fn device_rate(draft: &mut Draft, text: &OsText, kind: RateKind) -> Result<(), Error> {
    let (path, per_second) = split_rate(text, kind)?;
    let (device, true) = platform::device(&path)? else {
        return Err(wrong(format!("{} is not a block device", quote(&path)))
            .with_hint("`lsblk -p` lists them; rates are set on whole disks"));
    };
    draft.request.limits.io_rates.push(DeviceRate { path, device, kind, per_second });
    Ok(())
}

/// Splits `PATH:RATE` at the last colon.
fn split_rate(text: &OsText, kind: RateKind) -> Result<(OsText, u64), Error> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().rposition(|byte| *byte == b':').filter(|at| *at > 0);
    let colon = colon.ok_or_else(|| wrong("expected `DEVICE:RATE`, as `/dev/sda:10m`"))?;
    let path = OsText::from_bytes(&bytes[..colon]);
    let rate = OsText::from_bytes(&bytes[colon + 1..]);
    let rate = value::utf8(&rate)?;
    let per_second = match kind {
        RateKind::ReadBytes | RateKind::WriteBytes => value::size(rate)?.as_bytes(),
        RateKind::ReadOperations | RateKind::WriteOperations => value::number(rate, 1, u64::from(u32::MAX))?,
    };
    if per_second == 0 {
        return Err(wrong("the rate must be more than 0"));
    }
    Ok((path, per_second))
}

fn cgroup_parent(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    if text.as_bytes().ends_with(b".slice") {
        return Err(not_offered(format!(
            "{} is a systemd slice, and control groups are made without systemd",
            quote(text)
        ))
        .with_hint("give a path below /sys/fs/cgroup, as `/jobs`"));
    }
    if text.is_empty() || text.as_bytes().split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(wrong("expected a path below the control groups' root without `..`"));
    }
    draft.request.cgroup_parent = Some(text.clone());
    Ok(())
}

fn oom_score_adj(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.security.oom_score_adj = Some(value::number(value::utf8(text)?, -1000, 1000)?);
    Ok(())
}

fn shm_size(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    match value::size(value::utf8(text)?)?.as_bytes() {
        0 => Err(wrong("must be more than 0")),
        bytes => {
            draft.request.shm_bytes = Some(bytes);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_split_at_the_last_colon() {
        let (path, rate) = split_rate(&"/dev/disk/by-id/a:b:10m".into(), RateKind::ReadBytes).unwrap();
        assert_eq!((path.to_string(), rate), ("/dev/disk/by-id/a:b".to_owned(), 10 << 20));
        for text in ["/dev/sda", ":1", "/dev/sda:", "/dev/sda:0", "/dev/sda:-1"] {
            assert!(split_rate(&text.into(), RateKind::ReadBytes).is_err(), "{text}");
            assert!(split_rate(&text.into(), RateKind::WriteOperations).is_err(), "{text}");
        }
        assert!(split_rate(&"/dev/sda:10m".into(), RateKind::ReadOperations).is_err());
    }

    #[test]
    fn number_lists_are_the_kernels() {
        for text in ["0", "0-2,5", "8191"] {
            assert_eq!(number_list(text).unwrap(), text);
        }
        for text in ["", ",", "a", "2-1", "1-", "-1", "0,,1", "0-1-2", "9000"] {
            assert!(number_list(text).is_err(), "{text}");
        }
    }
}
