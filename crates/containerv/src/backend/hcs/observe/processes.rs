//! The processes of a container.

use containerv_spec::hcs::properties::ProcessDetails;
use containerv_spec::time;

use crate::stats::ProcessInfo;

/// What the service tells of processes, the container's own command first and then the oldest.
pub(super) fn list(details: Vec<ProcessDetails>, first: Option<u32>) -> Vec<ProcessInfo> {
    let mut processes: Vec<ProcessInfo> = details.into_iter().map(describe).collect();
    processes.sort_by_key(|process| (Some(process.pid) != first, process.started_unix_ns, process.pid));
    processes
}

/// There are no arguments in the list, no parents and no users.
fn describe(details: ProcessDetails) -> ProcessInfo {
    let time = details.user_time100ns.saturating_add(details.kernel_time100ns);
    let memory =
        details.memory_working_set_private_bytes.saturating_add(details.memory_working_set_shared_bytes);
    ProcessInfo {
        pid: details.process_id,
        pid_inside: details.process_id,
        ppid: 0,
        uid: 0,
        state: '?',
        command: details.image_name.clone().into(),
        name: details.image_name,
        cpu_ns: time.saturating_mul(100),
        memory_bytes: memory,
        threads: 0,
        started_unix_ns: details.create_timestamp.as_deref().and_then(time::from_rfc3339).unwrap_or(0),
        terminal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(process_id: u32, image_name: &str, created: Option<&str>) -> ProcessDetails {
        let create_timestamp = created.map(str::to_owned);
        let image_name = image_name.to_owned();
        ProcessDetails { process_id, image_name, create_timestamp, ..ProcessDetails::default() }
    }

    #[test]
    fn the_command_is_first_and_then_the_oldest() {
        let processes = vec![
            details(90, "svchost.exe", Some("2026-10-02T08:59:02.5Z")),
            details(12, "smss.exe", Some("2026-10-02T08:59:00.1Z")),
            details(44, "web.exe", Some("2026-10-02T09:00:00Z")),
            details(13, "new.exe", None),
        ];
        let pids = |first| -> Vec<u32> {
            list(processes.clone(), first).iter().map(|process| process.pid).collect()
        };
        assert_eq!(pids(Some(44)), [44, 13, 12, 90]);
        assert_eq!(pids(None), [13, 12, 90, 44]);
    }

    #[test]
    fn numbers_have_our_units() {
        let mut told = details(12, "smss.exe", Some("1970-01-01T00:00:01.5Z"));
        (told.user_time100ns, told.kernel_time100ns) = (1, 2);
        (told.memory_working_set_private_bytes, told.memory_working_set_shared_bytes) = (10, 20);
        let process = list(vec![told], None).remove(0);
        assert_eq!((process.cpu_ns, process.memory_bytes), (300, 30));
        assert_eq!((process.started_unix_ns, process.command.to_str()), (1_500_000_000, Some("smss.exe")));
    }
}
