//! What a container uses, from what the services count.

use containerv_spec::Bound;
use containerv_spec::hcs::properties::{NetworkStats, Statistics};
use containerv_spec::request::Request;

use crate::stats::{InterfaceStats, Stats};

const MEBIBYTE: u64 = 1 << 20;

/// What was found out about a container; what nobody knows is `None`.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) statistics: Option<Statistics>,
    /// Number of processes.
    pub(super) processes: Option<usize>,
    /// One for each endpoint, under the name that it is shown by.
    pub(super) network: Option<Vec<InterfaceStats>>,
}

impl Counted {
    /// Of a container that does not run. Nothing that it has used is known any more: its system is gone.
    pub(super) fn nothing() -> Self {
        Self { statistics: None, processes: Some(0), network: Some(Vec::new()) }
    }
}

/// The counters of one endpoint.
pub(super) fn interface(name: &str, counted: &NetworkStats) -> InterfaceStats {
    InterfaceStats {
        name: name.to_owned(),
        rx_bytes: counted.bytes_received,
        rx_packets: counted.packets_received,
        rx_errors: 0,
        rx_dropped: counted.dropped_packets_incoming,
        tx_bytes: counted.bytes_sent,
        tx_packets: counted.packets_sent,
        tx_errors: 0,
        tx_dropped: counted.dropped_packets_outgoing,
    }
}

pub(super) fn snapshot(timestamp_unix_ns: u64, counted: Counted, request: &Request) -> Stats {
    let mut not_counted = Vec::new();
    let mut take = |name: &'static str, number: Option<u64>| {
        if number.is_none() {
            not_counted.push(name);
        }
        number.unwrap_or(0)
    };
    let statistics = counted.statistics.unwrap_or_default();
    let (processor, memory, storage) = (statistics.processor, statistics.memory, statistics.storage);
    let time = |hundreds: u64| hundreds.saturating_mul(100);
    let mut stats = Stats {
        timestamp_unix_ns,
        cpu_total_ns: take("cpu_total_ns", processor.map(|it| time(it.total_runtime100ns))),
        cpu_user_ns: take("cpu_user_ns", processor.map(|it| time(it.runtime_user100ns))),
        cpu_system_ns: take("cpu_system_ns", processor.map(|it| time(it.runtime_kernel100ns))),
        memory_usage: take("memory_usage", memory.map(|it| it.memory_usage_commit_bytes)),
        memory_peak: take("memory_peak", memory.map(|it| it.memory_usage_commit_peak_bytes)),
        memory_limit: memory_limit(request),
        memory_cache: take("memory_cache", None),
        memory_inactive_file: take("memory_inactive_file", None),
        pids_current: take("pids_current", counted.processes.map(|number| number as u64)),
        pids_limit: None,
        io_read_bytes: take("io_read_bytes", storage.map(|it| it.read_size_bytes)),
        io_write_bytes: take("io_write_bytes", storage.map(|it| it.write_size_bytes)),
        io_read_ops: take("io_read_ops", storage.map(|it| it.read_count_normalized)),
        io_write_ops: take("io_write_ops", storage.map(|it| it.write_count_normalized)),
        network: Vec::new(),
        oom_kills: take("oom_kills", None),
        not_counted: Vec::new(),
    };
    match &counted.network {
        None => not_counted.push("network"),
        Some(network) if network.is_empty() => {}
        Some(_) => not_counted.extend(["rx_errors", "tx_errors"]),
    }
    stats.network = counted.network.unwrap_or_default();
    stats.not_counted = not_counted;
    stats
}

/// The limit as the service has it.
fn memory_limit(request: &Request) -> Option<u64> {
    match request.limits.memory? {
        Bound::Unlimited => None,
        Bound::At(size) => Some(size.as_bytes().div_ceil(MEBIBYTE).saturating_mul(MEBIBYTE)),
    }
}

#[cfg(test)]
mod tests {
    use containerv_spec::ByteSize;

    use super::*;

    fn request() -> Request {
        let request =
            serde_json::json!({"id": "ab".repeat(32), "root": {"layers": {"folders": [r"C:\base"]}}});
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn what_is_counted_has_our_units() {
        let statistics = serde_json::json!({
            "Processor": {"TotalRuntime100ns": 30, "RuntimeUser100ns": 10, "RuntimeKernel100ns": 20},
            "Memory": {"MemoryUsageCommitBytes": 5, "MemoryUsageCommitPeakBytes": 6,
                "MemoryUsagePrivateWorkingSetBytes": 4},
            "Storage": {"ReadCountNormalized": 1, "ReadSizeBytes": 2, "WriteCountNormalized": 3, "WriteSizeBytes": 4}
        });
        let traffic = serde_json::json!({"BytesReceived": 1, "BytesSent": 2, "PacketsReceived": 3, "PacketsSent": 4,
            "DroppedPacketsIncoming": 5, "DroppedPacketsOutgoing": 6});
        let counted = Counted {
            statistics: Some(serde_json::from_value(statistics).unwrap()),
            processes: Some(7),
            network: Some(vec![interface("nat", &serde_json::from_value(traffic).unwrap())]),
        };
        let mut request = request();
        request.limits.memory = Some(Bound::At(ByteSize::bytes(MEBIBYTE + 1)));
        let stats = snapshot(9, counted, &request);
        assert_eq!((stats.cpu_total_ns, stats.cpu_user_ns, stats.cpu_system_ns), (3000, 1000, 2000));
        assert_eq!((stats.memory_usage, stats.memory_peak), (5, 6));
        assert_eq!((stats.memory_limit, stats.pids_current), (Some(2 * MEBIBYTE), 7));
        assert_eq!(
            (stats.io_read_ops, stats.io_read_bytes, stats.io_write_ops, stats.io_write_bytes),
            (1, 2, 3, 4)
        );
        let nat = &stats.network[0];
        assert_eq!((nat.name.as_str(), nat.rx_bytes, nat.rx_packets, nat.rx_dropped), ("nat", 1, 3, 5));
        assert_eq!((nat.tx_bytes, nat.tx_packets, nat.tx_dropped), (2, 4, 6));
        let missing = ["memory_cache", "memory_inactive_file", "oom_kills", "rx_errors", "tx_errors"];
        assert_eq!(stats.not_counted, missing);
    }

    #[test]
    fn what_a_part_of_windows_does_not_count_is_named() {
        let statistics = serde_json::json!({"Memory": {"MemoryUsageCommitBytes": 5}});
        let counted =
            Counted { statistics: Some(serde_json::from_value(statistics).unwrap()), ..Counted::default() };
        let stats = snapshot(9, counted, &request());
        assert_eq!((stats.memory_usage, stats.memory_limit), (5, None));
        for name in
            ["cpu_total_ns", "cpu_user_ns", "io_read_bytes", "io_write_ops", "pids_current", "network"]
        {
            assert!(stats.not_counted.contains(&name), "{name}");
        }
        assert!(!stats.not_counted.contains(&"memory_usage"));
    }

    #[test]
    fn nothing_of_a_container_that_has_ended_is_guessed() {
        let stats = snapshot(9, Counted::nothing(), &request());
        assert!(stats.network.is_empty() && stats.pids_current == 0);
        assert!(!stats.not_counted.contains(&"pids_current") && stats.not_counted.contains(&"cpu_total_ns"));
    }
}
