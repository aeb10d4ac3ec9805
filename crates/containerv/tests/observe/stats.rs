//! Statistics and processes.

use containerv::{Container, ErrorKind, Stdio};

use crate::place::{Place, can_run, now_unix_ns, wait_until};

#[test]
fn a_busy_container_shows_what_it_uses() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request = place.request(Some("dd if=/dev/zero of=/dev/null bs=1M & sleep 100; true"), |value| {
        value["limits"] = serde_json::json!({ "memory": { "at": 64 << 20 }, "pids": { "at": 20 } });
    });
    let container = Container::run_detached(&place.host, request).unwrap();
    let before = container.stats().unwrap();
    let after = wait_until("50 ms of CPU time", || {
        let stats = container.stats().unwrap();
        (stats.cpu_total_ns > before.cpu_total_ns + 50_000_000).then_some(stats)
    });
    assert!(after.timestamp_unix_ns > before.timestamp_unix_ns);
    assert!(after.memory_usage > 0 && after.memory_peak >= after.memory_usage, "{after:?}");
    assert_eq!((after.memory_limit, after.pids_limit), (Some(64 << 20), Some(20)));
    // The shell, dd and sleep; the monitor is not in the container.
    assert_eq!(after.pids_current, 3, "{:?}", container.processes().unwrap());
    assert_eq!(after.oom_kills, 0);
    assert_eq!(after.network.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["lo"]);
    let json = serde_json::to_value(&after).unwrap();
    assert_eq!(json["network"][0]["rx_bytes"], 0);
}

#[test]
fn the_containers_own_interface_is_counted() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.keeper();
    let script = "busybox ping -c 2 -i 1 127.0.0.1 >/dev/null";
    let pinged = container.command("/bin/sh").args(["-c", script]).output().unwrap();
    let stats = container.stats().unwrap();
    assert!(pinged.status.success(), "{pinged:?}");
    assert!(stats.network[0].tx_packets >= 4 && stats.network[0].rx_bytes > 0, "{stats:?}");
}

#[test]
fn a_host_network_is_not_the_containers() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request = place.request(Some("sleep 100"), |value| value["network"] = "host".into());
    let container = Container::run_detached(&place.host, request).unwrap();
    assert_eq!(container.stats().unwrap().network, []);
}

#[test]
fn an_ended_container_keeps_its_counters_and_has_no_processes() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    container.wait().unwrap();
    let stats = container.stats().unwrap();
    assert_eq!((stats.pids_current, stats.network.len()), (0, 0));
    assert!(stats.cpu_total_ns > 0, "{stats:?}");
    assert_eq!(container.processes().unwrap_err().kind(), ErrorKind::InvalidState);
    container.delete(false).unwrap();
    assert_eq!(container.stats().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_oom_kill_is_counted() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request = place.request(None, |value| {
        value["limits"] =
            serde_json::json!({ "memory": { "at": 16 << 20 }, "memory_and_swap": { "at": 16 << 20 } });
    });
    let container = Container::create(&place.host, request).unwrap();
    let hog = container.command("/bin/dd").args(["if=/dev/zero", "of=/dev/null", "bs=64M"]).output().unwrap();
    assert_eq!(hog.status.signal(), Some(9));
    assert!(container.stats().unwrap().oom_kills >= 1);
}

#[test]
fn processes_are_listed_with_both_numbers() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("sleep 1000 & wait");
    let spawned = container.command("/bin/sleep").arg("2000").user("1234:1234");
    let mut child = spawned.stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Null).spawn().unwrap();
    let processes = wait_until("three processes", || {
        let found = container.processes().unwrap();
        let sleeps = found.iter().filter(|it| it.name == "sleep" && it.state == 'S');
        (found.len() == 3 && sleeps.count() == 2).then_some(found)
    });
    let first = &processes[0];
    assert_eq!((first.pid_inside, Some(first.pid)), (1, container.state().unwrap().pid));
    assert_eq!(first.command.to_string(), "/bin/sh -c sleep 1000 & wait");
    assert_eq!((first.name.as_str(), first.uid, first.terminal.as_deref()), ("sh", 0, None));
    assert!(first.memory_bytes > 0 && first.threads == 1);
    assert!(now_unix_ns().abs_diff(first.started_unix_ns) < 20_000_000_000, "{first:?}");
    let sleep = processes.iter().find(|it| it.ppid == first.pid).unwrap();
    assert!(
        sleep.command.to_string().ends_with("sleep 1000 & wait") || sleep.command.to_string() == "sleep 1000"
    );
    let other = processes.iter().find(|it| it.pid == child.id()).unwrap();
    assert_eq!((other.uid, other.pid_inside), (1234, child.id_inside()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_terminal_is_named() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.keeper();
    let size = containerv::spec::request::TerminalSize { columns: 80, rows: 24 };
    let mut child = container.command("/bin/sleep").arg("1000").terminal(size).spawn().unwrap();
    let found = container.processes().unwrap();
    let sleep = found.iter().find(|it| it.pid == child.id()).unwrap();
    assert_eq!(sleep.terminal.as_deref(), Some("pts/0"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn processes_that_come_and_go_do_no_harm() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("while :; do true & /bin/true & done 2>/dev/null");
    for _ in 0..200 {
        let found = container.processes().unwrap();
        assert_eq!(found[0].pid_inside, 1);
        container.stats().unwrap();
    }
}
