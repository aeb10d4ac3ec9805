//! What a container has used so far.

use containerv_spec::OsText;
use containerv_spec::cgroup::{Controller, Group, GroupSet, GroupVersion};

use super::files::{self, read_number, value_of};

/// What a container has used. `None` where no group counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CgroupStats {
    /// CPU time in nanoseconds.
    pub(crate) cpu_total_ns: Option<u64>,
    /// Of it, in programs.
    pub(crate) cpu_user_ns: Option<u64>,
    /// Of it, in the kernel.
    pub(crate) cpu_system_ns: Option<u64>,
    /// Memory in bytes, file cache included.
    pub(crate) memory_usage: Option<u64>,
    /// Most memory so far, in bytes.
    pub(crate) memory_peak: Option<u64>,
    /// Limit in bytes; also `None` if there is none.
    pub(crate) memory_limit: Option<u64>,
    /// File cache in bytes.
    pub(crate) memory_cache: Option<u64>,
    /// File cache that reclaim takes first, in bytes; `docker stats` shows usage without it.
    pub(crate) memory_inactive_file: Option<u64>,
    /// Processes and threads.
    pub(crate) pids_current: Option<u64>,
    /// Limit; also `None` if there is none.
    pub(crate) pids_limit: Option<u64>,
    /// Bytes read from block devices.
    pub(crate) io_read_bytes: Option<u64>,
    /// Bytes written to block devices.
    pub(crate) io_write_bytes: Option<u64>,
    /// Reads from block devices.
    pub(crate) io_read_ops: Option<u64>,
    /// Writes to block devices.
    pub(crate) io_write_ops: Option<u64>,
    /// Processes that the kernel killed because memory ran out.
    pub(crate) oom_kills: Option<u64>,
}

/// Version 1 shows "no limit" as the largest number of whole pages; pages have up to 64 KiB.
const V1_UNLIMITED: u64 = i64::MAX as u64 - 0xffff;

/// Takes one snapshot.
pub(crate) fn stats(groups: &GroupSet) -> CgroupStats {
    let mut stats = CgroupStats::default();
    cpu(groups, &mut stats);
    if let Some(group) = groups.with(Controller::Memory) {
        memory(group, &mut stats);
    }
    if let Some(group) = groups.with(Controller::Pids) {
        stats.pids_current = read_number(&group.file("pids.current"));
        stats.pids_limit = read_number(&group.file("pids.max"));
    }
    if let Some(group) = groups.with(Controller::Io) {
        match group.version {
            GroupVersion::V1 => io_v1(group, &mut stats),
            GroupVersion::V2 => io_v2(&read(&group.file("io.stat")), &mut stats),
        }
    }
    stats.oom_kills = oom_kills(groups);
    stats
}

/// Returns how many processes the kernel has killed because memory ran out.
pub(crate) fn oom_kills(groups: &GroupSet) -> Option<u64> {
    oom_kills_in(&oom_file(groups)?)
}

/// Reads that from the file of [`oom_file`].
pub(crate) fn oom_kills_in(file: &OsText) -> Option<u64> {
    value_of(&read(file), "oom_kill")
}

/// Returns the file that counts them, if there is a memory group.
pub(crate) fn oom_file(groups: &GroupSet) -> Option<OsText> {
    let group = groups.with(Controller::Memory)?;
    Some(group.file(match group.version {
        GroupVersion::V1 => "memory.oom_control",
        GroupVersion::V2 => "memory.events",
    }))
}

fn read(path: &OsText) -> Vec<u8> {
    files::read(path).unwrap_or_default()
}

/// A group of version 2 counts CPU time whether or not it has the controller.
fn cpu(groups: &GroupSet, stats: &mut CgroupStats) {
    if let Some(group) = groups.v2() {
        let content = read(&group.file("cpu.stat"));
        let nanoseconds = |key| value_of(&content, key).map(|usec| usec.saturating_mul(1000));
        stats.cpu_total_ns = nanoseconds("usage_usec");
        stats.cpu_user_ns = nanoseconds("user_usec");
        stats.cpu_system_ns = nanoseconds("system_usec");
    } else if let Some(group) = groups.with(Controller::Cpuacct) {
        stats.cpu_total_ns = read_number(&group.file("cpuacct.usage"));
        stats.cpu_user_ns = read_number(&group.file("cpuacct.usage_user"));
        stats.cpu_system_ns = read_number(&group.file("cpuacct.usage_sys"));
    }
}

fn memory(group: &Group, stats: &mut CgroupStats) {
    let content = read(&group.file("memory.stat"));
    let number = |name: &str| read_number(&group.file(name));
    match group.version {
        GroupVersion::V1 => {
            stats.memory_usage = number("memory.usage_in_bytes");
            stats.memory_peak = number("memory.max_usage_in_bytes");
            stats.memory_limit = number("memory.limit_in_bytes").filter(|limit| *limit < V1_UNLIMITED);
            stats.memory_cache = value_of(&content, "total_cache");
            stats.memory_inactive_file = value_of(&content, "total_inactive_file");
        }
        GroupVersion::V2 => {
            stats.memory_usage = number("memory.current");
            stats.memory_peak = number("memory.peak");
            stats.memory_limit = number("memory.max");
            stats.memory_cache = value_of(&content, "file");
            stats.memory_inactive_file = value_of(&content, "inactive_file");
        }
    }
}

fn io_v1(group: &Group, stats: &mut CgroupStats) {
    // The recursive files came with kernel 4.10; the plain ones leave out groups below.
    let content = |name: &str| {
        files::read(&group.file(&format!("{name}_recursive"))).or_else(|_| files::read(&group.file(name)))
    };
    if let Ok(bytes) = content("blkio.throttle.io_service_bytes") {
        (stats.io_read_bytes, stats.io_write_bytes) = sums_v1(&bytes);
    }
    if let Ok(operations) = content("blkio.throttle.io_serviced") {
        (stats.io_read_ops, stats.io_write_ops) = sums_v1(&operations);
    }
}

/// Adds the lines `8:0 Read 4096` and `8:0 Write 0` of all devices.
pub(in super::super) fn sums_v1(content: &[u8]) -> (Option<u64>, Option<u64>) {
    let text = String::from_utf8_lossy(content);
    let (mut read, mut written) = (0u64, 0u64);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some(kind), Some(Ok(count))) = (words.next(), words.next().map(str::parse::<u64>)) else {
            continue;
        };
        match kind {
            "Read" => read = read.saturating_add(count),
            "Write" => written = written.saturating_add(count),
            _ => {}
        }
    }
    (Some(read), Some(written))
}

/// Adds the lines `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …` of all devices.
pub(in super::super) fn io_v2(content: &[u8], stats: &mut CgroupStats) {
    let text = String::from_utf8_lossy(content);
    let sum = |key: &str| {
        let values = text.split_ascii_whitespace().filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            (name == key).then(|| value.parse::<u64>().ok()).flatten()
        });
        Some(values.fold(0u64, u64::saturating_add))
    };
    stats.io_read_bytes = sum("rbytes");
    stats.io_write_bytes = sum("wbytes");
    stats.io_read_ops = sum("rios");
    stats.io_write_ops = sum("wios");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_counters_of_all_devices_are_added() {
        let content = b"8:0 Read 4096\n8:0 Write 100\n8:0 Sync 4\n8:0 Total 4196\n8:16 Read 4\nTotal 4200\nx\n8:0 Read x\n";
        assert_eq!(sums_v1(content), (Some(4100), Some(100)));
        assert_eq!(sums_v1(b"\xff\xfe"), (Some(0), Some(0)));
        assert_eq!(sums_v1(b"8:0 Read 18446744073709551615\n8:1 Read 5\n").0, Some(u64::MAX));
    }

    #[test]
    fn version_2_counters_of_all_devices_are_added() {
        let mut stats = CgroupStats::default();
        io_v2(
            b"8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=9 dios=9\n8:16 rbytes=5 wbytes= =3\n9:0\n",
            &mut stats,
        );
        assert_eq!((stats.io_read_bytes, stats.io_write_bytes), (Some(15), Some(20)));
        assert_eq!((stats.io_read_ops, stats.io_write_ops), (Some(1), Some(2)));
    }
}
