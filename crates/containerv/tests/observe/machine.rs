//! The capability document and the doctor, compared with what really works.

use containerv::{CheckStatus, Container, Host, StdioSet};

use crate::place::{Place, can_run};

fn feature(host: &Host, name: &str) -> bool {
    let features = host.features();
    let found = features.iter().find(|it| it.backend == "linux" && it.name == name);
    found.unwrap_or_else(|| panic!("no feature `{name}`")).available
}

#[test]
fn limits_that_are_offered_are_taken_and_others_are_refused() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let limits = [
        ("limit-memory", r#"{ "memory": { "at": 67108864 } }"#),
        ("limit-memory-swap", r#"{ "memory": { "at": 67108864 }, "memory_and_swap": { "at": 67108864 } }"#),
        ("limit-cpus", r#"{ "cpu_quota": { "at": 50000 } }"#),
        ("limit-cpu-weight", r#"{ "cpu_shares": 512 }"#),
        ("limit-cpuset", r#"{ "cpuset_cpus": "0" }"#),
        ("limit-pids", r#"{ "pids": { "at": 100 } }"#),
        ("limit-io-weight", r#"{ "io_weight": 500 }"#),
    ];
    for (name, limit) in limits {
        let request =
            place.request(Some("true"), |value| value["limits"] = serde_json::from_str(limit).unwrap());
        let run = Container::run_attached(&place.host, request, StdioSet::null());
        let works = run.is_ok_and(|(_, mut child)| child.wait().is_ok_and(|status| status.success()));
        assert_eq!(feature(&place.host, name), works, "{name}");
    }
}

#[test]
fn namespaces_overlays_and_pause_are_as_told() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let samples = [
        ("overlay", r#"{ "overlay": "container" }"#),
        ("overlay-memory", r#"{ "overlay": "memory" }"#),
        (
            "namespace-time",
            r#"{ "namespaces": { "time": { "offsets": { "monotonic_seconds": 9, "boottime_seconds": 9 } } } }"#,
        ),
        ("namespace-user", r#"{ "namespaces": { "user": { "single": { "uid": 0, "gid": 0 } } } }"#),
    ];
    for (name, sample) in samples {
        let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
        let request = place.request(Some("true"), |value| {
            for (key, part) in sample.as_object().unwrap() {
                value[key] = part.clone();
            }
        });
        let run = Container::run_attached(&place.host, request, StdioSet::null());
        let works = run.as_ref().is_ok();
        assert_eq!(feature(&place.host, name), works, "{name}: {:?}", run.err());
    }
    let keeper = place.keeper();
    assert_eq!(feature(&place.host, "pause"), keeper.pause().is_ok());
    let _ = keeper.resume();
}

#[test]
fn a_machine_that_runs_containers_has_no_failed_check() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("true");
    assert_eq!(container.wait().unwrap().code, 0);
    let failed: Vec<_> =
        place.host.diagnose().into_iter().filter(|check| check.status == CheckStatus::Failed).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_state_root_of_somebody_else_is_told() {
    if !can_run() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let data = place.host.roots().1;
    std::fs::create_dir_all(data).unwrap();
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o777)).unwrap();
    let checks = place.host.diagnose();
    let root = checks.iter().find(|check| check.name == "state root").unwrap();
    assert!(root.status == CheckStatus::Failed && root.fix.contains("chmod 700"), "{root:?}");
}
