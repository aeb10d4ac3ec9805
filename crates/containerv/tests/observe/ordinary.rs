//! Looking at containers of an ordinary user, who has no control groups here.

use std::os::unix::process::CommandExt;

use containerv::LogOptions;

use crate::place::{Place, can_run, copy_program, wait_until};

/// Set for the copy of this program that runs as an ordinary user.
const ROLE: &str = "CONTAINERV_TEST_ORDINARY_USER";
const NOBODY: u32 = 65534;

#[test]
fn an_ordinary_user_sees_processes_usage_logs_and_events() {
    if std::env::var_os(ROLE).is_some() {
        look_as_ordinary_user();
        return;
    }
    if !can_run() {
        return;
    }
    // The program may be in a directory that others cannot enter.
    let copy = std::env::temp_dir().join(format!("containerv-observe-user-{}", std::process::id()));
    copy_program(&std::env::current_exe().unwrap(), &copy);
    let output = std::process::Command::new(&copy)
        .args(["--exact", "ordinary::an_ordinary_user_sees_processes_usage_logs_and_events"])
        .env_clear()
        .env(ROLE, "1")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    std::fs::remove_file(&copy).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn look_as_ordinary_user() {
    let place = Place::new();
    let container = place.detached("echo hello; sleep 1000 & exec sleep 2000");
    let mut other = container.command("/bin/sleep").arg("3000").spawn().unwrap();
    let found = wait_until("three processes", || {
        let found = container.processes().unwrap();
        let sleeps = found.iter().filter(|it| it.name == "sleep").count();
        (sleeps == 3).then_some(found)
    });
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!((found[0].pid_inside, found[0].uid), (1, NOBODY));
    assert!(found.iter().any(|it| it.pid == other.id() && it.pid_inside == other.id_inside()));
    let stats = container.stats().unwrap();
    if stats.not_counted.contains(&"memory_peak") {
        assert!(stats.pids_current == 3 && stats.memory_usage > 0, "{stats:?}");
        assert!(!stats.not_counted.contains(&"cpu_total_ns"), "{stats:?}");
    }
    other.kill().unwrap();
    other.wait().unwrap();
    container.kill().unwrap();
    assert_eq!(container.wait().unwrap().signal, Some(9));
    let logged: Vec<_> = container.logs(LogOptions::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(logged[0].data, b"hello\n");
    let events = place.host.events(Some(std::time::UNIX_EPOCH), false).unwrap();
    let actions: Vec<String> = events.map(|event| event.unwrap().action).collect();
    assert_eq!(actions, ["create", "start", "kill", "die"]);
    let failed = place.host.diagnose().into_iter().filter(|it| it.status == containerv::CheckStatus::Failed);
    assert_eq!(failed.count(), 0);
}
