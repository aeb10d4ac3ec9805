//! CPU time, shares of it, and the choice of CPUs.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use containerv::Container;
use containerv::spec::Limits;
use containerv_tests::machine::{self, status_field};
use containerv_tests::{Bed, skip, wait_until};

use crate::io::no_disk;
use crate::{PATIENCE, detached, limits, need};

/// Busy on as many CPUs as there are, so that others on this machine leave enough of them.
const BUSY: &str = "for i in 1 2 3; do while :; do :; done & done; while :; do :; done";
/// How often is measured before the machine counts as too busy.
const WINDOWS: usize = 12;

/// A parent group that weighs more than everything else on this machine together, so that limits
/// are what holds containers back, and not other programs.
struct Favoured(String);

impl Favoured {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("/containerv-favoured-{}-{number}", std::process::id()))
    }

    /// Makes a busy container below the group.
    fn busy(&self, bed: &Bed, limits: Limits, script: &str) -> Container {
        let container = detached(
            bed,
            |request| {
                request.limits = limits;
                request.cgroup_parent = Some(self.0.as_str().into());
            },
            script,
        );
        let most = [("cpu.shares", "262144"), ("cpu.weight", "10000")];
        let set = |(file, value)| self.directories().any(|group| fs::write(group.join(file), value).is_ok());
        assert!(most.into_iter().any(set), "`{}` cannot be given a weight", self.0);
        container
    }

    fn directories(&self) -> impl Iterator<Item = PathBuf> {
        let name = self.0.trim_start_matches('/').to_owned();
        machine::hierarchies().into_iter().map(move |mount| mount.join(&name)).filter(|group| group.is_dir())
    }
}

impl Drop for Favoured {
    fn drop(&mut self) {
        for group in self.directories() {
            let removed = fs::remove_dir(&group);
            assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", group.display());
        }
    }
}

fn cpu_time(container: &Container) -> Duration {
    Duration::from_nanos(container.stats().unwrap().cpu_total_ns)
}

/// CPU time per time over a window of two seconds, in which a period more or less is 5 %.
fn share(container: &Container) -> f64 {
    let (begin, before) = (Instant::now(), cpu_time(container));
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_time(container) - before;
    used.as_secs_f64() / begin.elapsed().as_secs_f64()
}

/// Fails unless a share is measured that is within 10 % of `quota`. No window may have more than
/// 20 % above: that is a period and what a hypervisor takes in between.
fn assert_share(container: &Container, quota: f64) {
    // What was left of an earlier quota is used up by then.
    std::thread::sleep(Duration::from_millis(300));
    let mut seen = Vec::new();
    for _ in 0..WINDOWS {
        let share = share(container);
        seen.push(share);
        assert!(share <= quota * 1.2, "{quota}: {seen:?}");
        if (share - quota).abs() <= quota * 0.1 {
            println!("quota {quota}: measured {seen:.3?}");
            return;
        }
    }
    panic!("{quota}: {seen:?}");
}

#[test]
fn half_a_cpu_is_half_a_cpu() {
    need!("cpu");
    // Removed last, when it is empty.
    let parent = Favoured::new();
    let bed = Bed::new();
    let quota = |microseconds: u64| limits(serde_json::json!({ "cpu_quota": { "at": microseconds } }));
    let container = parent.busy(&bed, quota(50_000), BUSY);
    assert_share(&container, 0.5);
    container.update(&quota(20_000)).unwrap();
    assert_share(&container, 0.2);
    // A shorter period makes more of the same quota.
    container.update(&limits(serde_json::json!({ "cpu_period": 50_000 }))).unwrap();
    assert_share(&container, 0.4);
    container.update(&limits(serde_json::json!({ "cpu_quota": "unlimited" }))).unwrap();
    let most = (0..WINDOWS).map(|_| share(&container)).find(|share| *share > 0.5);
    assert!(most.is_some(), "still limited");
}

#[test]
fn shares_divide_a_cpu() {
    need!("cpu", "cpuset");
    let parent = Favoured::new();
    let bed = Bed::new();
    let busy = |shares: u64| {
        let wanted = serde_json::json!({ "cpu_shares": shares, "cpuset_cpus": "0" });
        parent.busy(&bed, limits(wanted), "while :; do :; done")
    };
    let (small, large) = (busy(256), busy(1024));
    let ratio = || {
        let before = (cpu_time(&small), cpu_time(&large));
        std::thread::sleep(Duration::from_secs(1));
        let used = (cpu_time(&small) - before.0, cpu_time(&large) - before.1);
        used.1.as_secs_f64() / used.0.as_secs_f64()
    };
    let measured = |wanted: std::ops::Range<f64>| {
        let ratios: Vec<f64> = (0..WINDOWS).map(|_| ratio()).take_while(|it| !wanted.contains(it)).collect();
        assert!(ratios.len() < WINDOWS, "{wanted:?}: {ratios:?}");
    };
    measured(2.8..5.6);
    small.update(&limits(serde_json::json!({ "cpu_shares": 4096 }))).unwrap();
    measured(0.18..0.36);
}

#[test]
fn processes_stay_on_the_cpus_that_were_chosen() {
    need!("cpuset");
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return skip("there is one CPU only");
    }
    let bed = Bed::new();
    let chosen = |list: &str| limits(serde_json::json!({ "cpuset_cpus": list }));
    let container = detached(&bed, |request| request.limits = chosen("1"), "while :; do :; done");
    let pid = container.state().unwrap().pid.unwrap();
    let count = |container: &Container| {
        String::from_utf8(container.command("nproc").output().unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(count(&container), "1");
    assert!(wait_until(PATIENCE, || runs_on(pid) == "1"));
    for (list, processors) in [("0", "1"), ("0-1", "2"), ("1", "1")] {
        container.update(&chosen(list)).unwrap();
        assert_eq!(status_field(pid, "Cpus_allowed_list"), list);
        assert_eq!(count(&container), processors);
        if processors == "1" {
            assert!(wait_until(PATIENCE, || runs_on(pid) == list), "{list}");
        }
    }
    let error = container.update(&chosen("0,4000")).unwrap_err();
    assert!(error.to_string().contains("--cpuset-cpus"), "{error}");
    assert_eq!(status_field(pid, "Cpus_allowed_list"), "1");
}

/// What may be run on, for each process of a container that is still there.
fn allowed(container: &Container) -> Vec<String> {
    let here = container.processes().unwrap().into_iter().filter(|process| process.state != 'Z');
    let lists = here.filter_map(|process| {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
        status.lines().find_map(|line| Some(line.strip_prefix("Cpus_allowed_list:")?.trim().to_owned()))
    });
    lists.collect()
}

/// Goes on making processes while it is moved.
const FORKING: &str = "sleep 1000 & while :; do (:); done";

#[test]
fn a_container_that_was_made_without_a_choice_of_cpus_gets_one() {
    need!("cpuset");
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return skip("there is one CPU only");
    }
    let bed = Bed::new();
    let chosen = |list: &str| limits(serde_json::json!({ "cpuset_cpus": list }));
    let container = detached(&bed, |_| {}, FORKING);
    assert!(wait_until(PATIENCE, || allowed(&container).len() > 1));
    for list in ["1", "0"] {
        container.update(&chosen(list)).unwrap();
        for _ in 0..20 {
            let allowed = allowed(&container);
            assert!(!allowed.is_empty() && allowed.iter().all(|one| one == list), "{list}: {allowed:?}");
        }
        assert_eq!(container.command("nproc").output().unwrap().stdout, b"1\n");
    }
    container.kill().unwrap();
    container.wait().unwrap();
    container.start().unwrap();
    assert_eq!(container.command("nproc").output().unwrap().stdout, b"1\n");
    container.delete(true).unwrap();
    bed.assert_nothing_left("after a container was given CPUs");
}

#[test]
fn a_choice_of_cpus_that_fails_leaves_no_trace() {
    need!("cpuset", "io");
    let bed = Bed::new();
    let container = detached(&bed, |_| {}, FORKING);
    let before = status_field(container.state().unwrap().pid.unwrap(), "Cpus_allowed_list");
    let groups =
        || bed.leftovers().into_iter().filter(|line| line.starts_with("control group")).collect::<Vec<_>>();
    let groups_before = groups();
    let mut change = limits(serde_json::json!({ "cpuset_cpus": "0" }));
    change.io_rates = vec![no_disk()];
    let error = container.update(&change).unwrap_err();
    assert!(error.to_string().contains("`--device-write-bps`"), "{error}");
    assert_eq!(groups(), groups_before);
    let after = allowed(&container);
    assert!(after.iter().all(|list| *list == before), "{before}: {after:?}");
    assert!(bed.host().repair(true).unwrap().is_empty());
    container.update(&limits(serde_json::json!({ "cpuset_cpus": "0" }))).unwrap();
    assert!(allowed(&container).iter().all(|list| list == "0"));
}

/// Its monitor removes what it was not told of when it began.
#[test]
fn a_container_that_removes_itself_takes_its_choice_of_cpus_along() {
    need!("cpuset");
    let bed = Bed::new();
    let container = detached(&bed, |request| request.auto_remove = true, "sleep 1000");
    container.update(&limits(serde_json::json!({ "cpuset_cpus": "0" }))).unwrap();
    container.kill().unwrap();
    bed.assert_nothing_left("after a container with a choice of CPUs has removed itself");
}

/// The CPU on which a process ran last.
fn runs_on(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1;
    fields.split_ascii_whitespace().nth(36).unwrap().to_owned()
}
