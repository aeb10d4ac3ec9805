//! Tests with real groups, below a parent that each test makes and removes.
//!
//! They run on the machine's own hierarchies, and again in mount namespaces that look like a
//! machine with version 1 or version 2 only.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use containerv_spec::cgroup::{
    CgroupPlan, CgroupStep, Controller, DeviceKind, DeviceRule, GroupSet, GroupVersion,
};
use containerv_spec::facts::{CgroupFacts, CgroupMode, GroupAccess};
use containerv_spec::{Bound, ByteSize, DeviceNumber, DeviceRate, Limits, OsText, RateKind};

use super::*;
use crate::lower::cgroup::{Wanted, plan, plan_update};
use crate::{Error, ErrorKind};

/// Which look a test process was given; absent on the machine as it is.
const LOOK: &str = "CONTAINERV_TEST_CGROUP_LOOK";

/// Says why real groups cannot be made here, if they cannot.
fn impossible() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root");
    }
    let facts = probe().unwrap();
    let below = |access: &GroupAccess| matches!(access, GroupAccess::Below(_));
    let any = facts.v1.iter().any(|it| below(&it.access)) || facts.v2.iter().any(|it| below(&it.access));
    (!any).then_some("no control group can be made here")
}

macro_rules! need_groups {
    () => {
        if let Some(reason) = impossible() {
            println!("skipped: {reason}");
            return;
        }
    };
}

macro_rules! need_controller {
    ($controller:expr) => {{
        let facts = probe().unwrap();
        let v1 = facts.v1.iter().any(|it| it.controllers.contains(&$controller));
        if !v1 && !facts.v2.iter().any(|it| it.controllers.contains(&$controller)) {
            println!("skipped: no `{:?}` controller here", $controller);
            return;
        }
    }};
}

/// A container's groups and processes, which go with it however the test ends.
struct Fixture {
    facts: CgroupFacts,
    plan: CgroupPlan,
    children: Vec<Child>,
}

impl Fixture {
    fn new(limits: &Limits) -> Self {
        Self::with(limits, None).unwrap()
    }

    fn with(limits: &Limits, devices: Option<&[DeviceRule]>) -> Result<Self, Error> {
        let mut random = [0u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).unwrap();
        let parent = OsText::from(format!("/containerv-test-{:016x}", u64::from_ne_bytes(random)));
        let facts = probe_for(limits).unwrap();
        let wanted = Wanted { limits, devices, parent: Some(&parent), name: "box" };
        let plan = plan(&facts, &wanted).map_err(|errors| Error::problems("cannot plan", errors))?;
        let fixture = Self { facts, plan, children: Vec::new() };
        fixture.plan.steps.iter().try_for_each(execute)?;
        Ok(fixture)
    }

    fn groups(&self) -> &GroupSet {
        &self.plan.groups
    }

    /// Starts a shell that waits, joins it to the groups and lets it go on with `script`.
    fn start(&mut self, script: &str) -> u32 {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("read go; {script}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        let mut stdin = child.stdin.take().unwrap();
        self.children.push(child);
        for file in self.groups().join_files() {
            files::write(&file, &pid.to_string()).unwrap_or_else(|errno| panic!("{file}: {errno}"));
        }
        stdin.write_all(b"\n").unwrap();
        pid
    }

    fn wait(&mut self) -> std::process::Output {
        self.children.pop().unwrap().wait_with_output().unwrap()
    }

    fn value(&self, controller: Controller, file: &str) -> String {
        let content = files::read(&self.groups().with(controller).unwrap().file(file)).unwrap();
        String::from_utf8(content).unwrap().trim().to_owned()
    }

    fn update(&self, current: &Limits, change: &Limits) -> Result<(), Error> {
        let steps = plan_update(&self.facts, self.groups(), current, change)
            .map_err(|errors| Error::problems("cannot update", errors))?;
        steps.iter().try_for_each(execute)
    }

    fn exists(&self) -> bool {
        self.groups().groups.iter().any(|group| std::path::Path::new(&group.path.to_string()).exists())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let killed = if self.exists() { kill(self.groups()) } else { Ok(()) };
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let removed = remove(self.groups());
        let parents = self.plan.steps.iter().filter_map(|step| match step {
            CgroupStep::MakeParent { path } => Some(path),
            _ => None,
        });
        let parents: Vec<_> = parents.map(remove_group).collect();
        if !std::thread::panicking() {
            killed.and(removed).unwrap();
            parents.into_iter().collect::<Result<(), Error>>().unwrap();
        }
    }
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// CPU time of a process in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn probe_finds_this_machine() {
    let facts = probe().unwrap();
    let expected = match std::env::var(LOOK).as_deref() {
        Ok("v1") => Some(CgroupMode::V1),
        Ok("v2") => Some(CgroupMode::V2),
        Ok("none") => Some(CgroupMode::None),
        _ => None,
    };
    if let Some(mode) = expected {
        assert_eq!(facts.mode(), mode);
    }
    let root = GroupAccess::Below("/".into());
    for hierarchy in &facts.v1 {
        assert!(std::path::Path::new(&hierarchy.mount.join("tasks").to_string()).exists());
        assert!(hierarchy.access == root || impossible().is_some());
    }
    if let Some(hierarchy) = &facts.v2 {
        assert!(std::path::Path::new(&hierarchy.mount.join("cgroup.subtree_control").to_string()).exists());
    }
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        probe().unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("probe of {}: median {:?}", facts.mode().describe(), times[100]);
    assert!(times[100] < Duration::from_millis(2), "median {:?}", times[100]);
}

#[test]
fn processes_join_are_listed_and_the_groups_go_after_them() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("exec sleep 1000");
    for group in &fixture.groups().groups {
        assert_eq!(kill::list(&group.path).unwrap(), [pid], "{group:?}");
    }
    assert_eq!(processes(fixture.groups()).unwrap(), [pid]);
    kill(fixture.groups()).unwrap();
    assert!(!fixture.wait().status.success());
    remove(fixture.groups()).unwrap();
    assert!(!fixture.exists());
    remove(fixture.groups()).unwrap();
}

#[test]
fn a_group_that_exists_is_not_taken_over() {
    need_groups!();
    let fixture = Fixture::new(&Limits::default());
    let make = fixture.plan.steps.iter().find(|step| step.undo().is_some()).unwrap();
    let error = execute(make).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.hint().unwrap().contains("repair"));
    let shared = fixture.plan.steps.iter().find(|step| matches!(step, CgroupStep::MakeParent { .. }));
    execute(shared.unwrap()).unwrap();
}

#[test]
fn join_files_and_the_clone_target_open() {
    need_groups!();
    let fixture = Fixture::new(&Limits::default());
    let v1 = fixture.groups().groups.iter().filter(|group| group.version == GroupVersion::V1).count();
    assert_eq!(open_join_files(fixture.groups()).unwrap().len(), v1);
    assert_eq!(open_clone_target(fixture.groups()).unwrap().is_some(), fixture.groups().v2().is_some());
}

#[test]
fn frozen_processes_stand_still_until_thawed() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("while :; do :; done");
    assert!(eventually(|| ticks(pid) > 1));
    assert!(!is_frozen(fixture.groups()).unwrap());
    freeze(fixture.groups()).unwrap();
    assert!(is_frozen(fixture.groups()).unwrap());
    let before = ticks(pid);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(pid), before);
    thaw(fixture.groups()).unwrap();
    assert!(!is_frozen(fixture.groups()).unwrap());
    assert!(eventually(|| ticks(pid) > before + 1));
}

#[test]
fn kill_ends_frozen_and_nested_processes() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let main = fixture.start("sleep 1000 & sleep 1000 & sleep 1000 & wait");
    assert!(eventually(|| processes(fixture.groups()).unwrap().len() == 4));
    let inner = fixture.start("exec sleep 1000");
    for group in &fixture.groups().groups {
        let nested = group.path.join("nested");
        execute(&CgroupStep::Make { path: nested.clone() }).unwrap();
        files::write(&nested.join("cgroup.procs"), &inner.to_string()).unwrap();
    }
    assert_eq!(processes(fixture.groups()).unwrap().len(), 5);
    freeze(fixture.groups()).unwrap();
    kill(fixture.groups()).unwrap();
    assert!(wait_until_empty(fixture.groups(), Duration::from_secs(5)).unwrap());
    use std::os::unix::process::ExitStatusExt;
    for _ in [inner, main] {
        assert_eq!(fixture.wait().status.signal(), Some(9));
    }
    remove(fixture.groups()).unwrap();
    assert!(!fixture.exists());
}

#[test]
fn waiting_for_the_end_takes_no_longer_than_allowed() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    fixture.start("exec sleep 1000");
    let start = Instant::now();
    assert!(!wait_until_empty(fixture.groups(), Duration::from_millis(50)).unwrap());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn groups_made_inside_are_removed_however_deep() {
    need_groups!();
    let fixture = Fixture::new(&Limits::default());
    let top = fixture.groups().groups.last().unwrap().path.clone();
    let name = "n".repeat(200);
    let mut path = top.clone();
    // Twelve names of 200 bytes are no path that one system call takes once more is added.
    for _ in 0..12 {
        path = path.join(&name);
        execute(&CgroupStep::Make { path: path.clone() }).unwrap();
        execute(&CgroupStep::Make { path: path.join("beside") }).unwrap();
    }
    remove(fixture.groups()).unwrap();
    assert!(!fixture.exists());
}

#[test]
fn a_group_with_processes_is_not_removed_and_names_them() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("exec sleep 1000");
    let start = Instant::now();
    let error = remove(fixture.groups()).unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(2) && start.elapsed() < Duration::from_secs(4));
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().ends_with(&format!("it still has processes: {pid}")), "{error}");
    assert!(fixture.exists());
}

#[test]
fn removal_waits_for_a_process_that_is_about_to_end() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    fixture.start("exec sleep 0.2");
    let start = Instant::now();
    remove(fixture.groups()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn statistics_count_what_processes_use() {
    need_groups!();
    let mut fixture = Fixture::new(&Limits::default());
    let pid = fixture.start("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; exec sleep 1000");
    assert!(eventually(|| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "sleep\n"));
    let taken = stats(fixture.groups());
    println!("{taken:?}");
    let cpu = taken.cpu_total_ns.unwrap();
    assert!((1_000_000..60_000_000_000).contains(&cpu), "{cpu}");
    assert!(taken.cpu_user_ns.unwrap() + taken.cpu_system_ns.unwrap() <= cpu + cpu / 2 + 20_000_000);
    if fixture.groups().with(Controller::Pids).is_some() {
        assert_eq!((taken.pids_current, taken.pids_limit), (Some(1), None));
    }
    if fixture.groups().with(Controller::Memory).is_some() {
        assert!((4096..256 << 20).contains(&taken.memory_usage.unwrap()));
        assert!(taken.memory_peak.unwrap() >= taken.memory_usage.unwrap());
        assert_eq!((taken.memory_limit, taken.oom_kills), (None, Some(0)));
        assert!(taken.memory_cache.is_some() && taken.memory_inactive_file.is_some());
    }
    if fixture.groups().with(Controller::Io).is_some() {
        assert!(taken.io_read_bytes.is_some() && taken.io_write_ops.is_some());
    }
}

#[test]
fn memory_limits_are_set_and_changed_in_the_order_that_the_kernel_takes() {
    need_groups!();
    need_controller!(Controller::Memory);
    let both = |memory, both| {
        limits(|limits| {
            limits.memory = Some(Bound::At(ByteSize::mib(memory)));
            limits.memory_and_swap = Some(Bound::At(ByteSize::mib(both)));
        })
    };
    let first = both(64, 96);
    let fixture = Fixture::new(&first);
    let v1 = fixture.groups().with(Controller::Memory).unwrap().version == GroupVersion::V1;
    let shown = |fixture: &Fixture| match v1 {
        true => (
            fixture.value(Controller::Memory, "memory.limit_in_bytes"),
            fixture.value(Controller::Memory, "memory.memsw.limit_in_bytes"),
        ),
        false => (
            fixture.value(Controller::Memory, "memory.max"),
            fixture.value(Controller::Memory, "memory.swap.max"),
        ),
    };
    let expected = |memory: u64, both: u64| {
        let second = if v1 { both } else { both - memory };
        ((memory << 20).to_string(), (second << 20).to_string())
    };
    assert_eq!(shown(&fixture), expected(64, 96));
    assert_eq!(stats(fixture.groups()).memory_limit, Some(64 << 20));
    fixture.update(&first, &both(128, 160)).unwrap();
    assert_eq!(shown(&fixture), expected(128, 160));
    fixture.update(&both(128, 160), &both(32, 32)).unwrap();
    assert_eq!(shown(&fixture), expected(32, 32));
    let lifted = limits(|limits| {
        limits.memory = Some(Bound::Unlimited);
        limits.memory_and_swap = Some(Bound::Unlimited);
    });
    fixture.update(&both(32, 32), &lifted).unwrap();
    assert_eq!(stats(fixture.groups()).memory_limit, None);
}

#[test]
fn a_hog_is_killed_and_counted() {
    need_groups!();
    need_controller!(Controller::Memory);
    let mut fixture = Fixture::new(&limits(|limits| {
        limits.memory = Some(Bound::At(ByteSize::mib(16)));
    }));
    assert_eq!(oom_kills(fixture.groups()), Some(0));
    // `tail` keeps all of an endless line in memory.
    let pid = fixture.start("exec tail /dev/zero");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(fixture.wait().status.signal(), Some(9), "process {pid}");
    assert_eq!(oom_kills(fixture.groups()), Some(1));
    assert_eq!(stats(fixture.groups()).oom_kills, Some(1));
}

#[test]
fn lowering_memory_below_what_is_used_is_refused_and_nobody_is_killed() {
    need_groups!();
    need_controller!(Controller::Memory);
    let first = limits(|limits| {
        limits.memory = Some(Bound::At(ByteSize::mib(64)));
        limits.memory_and_swap = Some(Bound::At(ByteSize::mib(64)));
    });
    let mut fixture = Fixture::new(&first);
    let pid = fixture.start("x=$(head -c 20000000 /dev/zero | tr '\\0' x); exec 1>&-; read never; echo $x");
    assert!(eventually(|| stats(fixture.groups()).memory_usage > Some(19 << 20)));
    let smaller = limits(|limits| {
        limits.memory = Some(Bound::At(ByteSize::mib(8)));
        limits.memory_and_swap = Some(Bound::At(ByteSize::mib(8)));
    });
    let error = fixture.update(&first, &smaller).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.hint().unwrap().contains("larger limit"), "{error:?}");
    assert_eq!(oom_kills(fixture.groups()), Some(0));
    let _ = pid;
}

#[test]
fn a_limit_of_processes_stops_forks() {
    need_groups!();
    need_controller!(Controller::Pids);
    let first = limits(|limits| limits.pids = Some(Bound::At(3)));
    let mut fixture = Fixture::new(&first);
    fixture.start("sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & echo unreachable; wait");
    assert!(eventually(|| fixture.value(Controller::Pids, "pids.events").as_str() != "max 0"));
    let taken = stats(fixture.groups());
    assert_eq!(taken.pids_limit, Some(3));
    assert!(taken.pids_current <= Some(3));
    fixture.update(&first, &limits(|limits| limits.pids = Some(Bound::Unlimited))).unwrap();
    assert_eq!(fixture.value(Controller::Pids, "pids.max"), "max");
}

#[test]
fn cpu_limits_are_set_and_changed() {
    need_groups!();
    need_controller!(Controller::Cpu);
    let first = limits(|limits| {
        limits.cpu_quota = Some(Bound::At(50_000));
        limits.cpu_shares = Some(512);
    });
    let fixture = Fixture::new(&first);
    let v1 = fixture.groups().with(Controller::Cpu).unwrap().version == GroupVersion::V1;
    let shown = |fixture: &Fixture| match v1 {
        true => {
            let value = |file| fixture.value(Controller::Cpu, file);
            let quota = value("cpu.cfs_quota_us").replace("-1", "max");
            format!("{quota} {}, {}", value("cpu.cfs_period_us"), value("cpu.shares"))
        }
        false => {
            let value = |file| fixture.value(Controller::Cpu, file);
            format!("{}, {}", value("cpu.max"), value("cpu.weight"))
        }
    };
    assert_eq!(shown(&fixture), if v1 { "50000 100000, 512" } else { "50000 100000, 50" });
    let change = limits(|limits| limits.cpu_period = Some(200_000));
    fixture.update(&first, &change).unwrap();
    assert_eq!(shown(&fixture), if v1 { "50000 200000, 512" } else { "50000 200000, 50" });
    let lifted = limits(|limits| limits.cpu_quota = Some(Bound::Unlimited));
    fixture.update(&first.changed_by(&change), &lifted).unwrap();
    assert_eq!(shown(&fixture), if v1 { "max 200000, 512" } else { "max 200000, 50" });
}

#[test]
fn a_cpu_quota_holds() {
    need_groups!();
    need_controller!(Controller::Cpu);
    let mut fixture = Fixture::new(&limits(|limits| {
        limits.cpu_quota = Some(Bound::At(10_000));
    }));
    fixture.start("while :; do :; done");
    let used = |fixture: &Fixture| stats(fixture.groups()).cpu_total_ns.unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let (start, before) = (Instant::now(), used(&fixture));
    std::thread::sleep(Duration::from_secs(1));
    let share = (used(&fixture) - before) as f64 / start.elapsed().as_nanos() as f64;
    assert!((0.02..0.15).contains(&share), "{share}");
}

#[test]
fn a_cpuset_holds() {
    need_groups!();
    need_controller!(Controller::Cpuset);
    let first = limits(|limits| {
        limits.cpuset_cpus = Some("0".to_owned());
        limits.cpuset_mems = Some("0".to_owned());
    });
    let mut fixture = Fixture::new(&first);
    let pid = fixture.start("exec sleep 1000");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("\nCpus_allowed_list:\t0\n"), "{status}");
    let absent = limits(|limits| limits.cpuset_cpus = Some("8000".to_owned()));
    let error = Fixture::with(&absent, None).err().unwrap();
    assert!(error.to_string().contains("8000 of `8000` is not among the CPUs"), "{error}");
}

/// A whole disk of this machine.
fn disk() -> Option<DeviceNumber> {
    let names = std::fs::read_dir("/sys/block").ok()?.flatten();
    let mut disks = names.filter(|entry| {
        let name = entry.file_name().into_string().unwrap();
        ["sd", "vd", "nvme", "xvd"].iter().any(|prefix| name.starts_with(prefix))
    });
    let text = std::fs::read_to_string(disks.next()?.path().join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

#[test]
fn block_rates_are_set_and_lifted() {
    need_groups!();
    need_controller!(Controller::Io);
    let Some(device) = disk() else {
        println!("skipped: no disk here");
        return;
    };
    let rates = |per_second| {
        let rate = |kind| DeviceRate { path: "/dev/disk".into(), device, kind, per_second };
        limits(|limits| limits.io_rates = vec![rate(RateKind::ReadBytes), rate(RateKind::WriteOperations)])
    };
    let fixture = Fixture::new(&rates(1 << 20));
    let v1 = fixture.groups().with(Controller::Io).unwrap().version == GroupVersion::V1;
    let shown = |fixture: &Fixture| match v1 {
        true => {
            let value = |file| fixture.value(Controller::Io, file);
            [value("blkio.throttle.read_bps_device"), value("blkio.throttle.write_iops_device")].join(" ")
        }
        false => fixture.value(Controller::Io, "io.max"),
    };
    assert_eq!(
        shown(&fixture),
        match v1 {
            true => format!("{device} 1048576 {device} 1048576"),
            false => format!("{device} rbps=1048576 wbps=max riops=max wiops=1048576"),
        }
    );
    fixture.update(&rates(1 << 20), &rates(0)).unwrap();
    assert_eq!(shown(&fixture).trim(), "");
    let nothing = DeviceNumber { major: 1, minor: 3 };
    let mut wrong = rates(5);
    wrong.io_rates[0].device = nothing;
    let error = fixture.update(&Limits::default(), &wrong).unwrap_err();
    assert!(error.to_string().contains("`--device-read-bps`"), "{error}");
    assert!(error.hint().unwrap().contains("whole disk"), "{error:?}");
}

#[test]
fn a_block_weight_is_set_or_the_controller_is_named() {
    need_groups!();
    need_controller!(Controller::Io);
    match Fixture::with(&limits(|limits| limits.io_weight = Some(300)), None) {
        Ok(fixture) => {
            let names = ["blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight"];
            let group = fixture.groups().with(Controller::Io).unwrap();
            let content = names.iter().find_map(|name| files::read(&group.file(name)).ok()).unwrap();
            let text = String::from_utf8(content).unwrap();
            assert!(["300", "default 300", "default 2930"].contains(&text.lines().next().unwrap()), "{text}");
        }
        Err(error) => assert!(error.to_string().contains("`blkio`") || error.to_string().contains("`io`")),
    }
}

#[test]
fn only_allowed_devices_open() {
    need_groups!();
    let null = DeviceRule {
        kind: DeviceKind::Character,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: true,
        make: false,
    };
    let mut fixture = Fixture::with(&Limits::default(), Some(&[null])).unwrap();
    fixture.start(
        "cat </dev/null && echo null; (head -c1 </dev/zero) || echo no zero; exec 3<>/dev/null && echo both",
    );
    let output = fixture.wait();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "null\nno zero\nboth\n");
}

/// Runs tests of this file again in a mount namespace that looks like another machine.
fn in_look(look: &str, prepare: &str, tests: &[&str]) {
    let names = tests.iter().map(|name| format!("{}::{name}", module_path!().split_once("::").unwrap().1));
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-ec", &format!("{prepare}; exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .args(names)
        .env(LOOK, look)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains(&format!("{} passed", tests.len())), "{text}\n{errors}");
    assert!(!text.contains("skipped"), "{text}");
    println!("{text}");
}

const EVERYWHERE: [&str; 10] = [
    "probe_finds_this_machine",
    "processes_join_are_listed_and_the_groups_go_after_them",
    "a_group_that_exists_is_not_taken_over",
    "join_files_and_the_clone_target_open",
    "frozen_processes_stand_still_until_thawed",
    "kill_ends_frozen_and_nested_processes",
    "waiting_for_the_end_takes_no_longer_than_allowed",
    "groups_made_inside_are_removed_however_deep",
    "removal_waits_for_a_process_that_is_about_to_end",
    "only_allowed_devices_open",
];

fn mode_is(mode: CgroupMode) -> bool {
    probe().unwrap().mode() == mode
}

#[test]
fn version_2_alone_works() {
    need_groups!();
    if mode_is(CgroupMode::V1) {
        println!("skipped: no version 2 hierarchy here");
        return;
    }
    in_look("v2", "mount -t cgroup2 none /sys/fs/cgroup", &EVERYWHERE);
}

#[test]
fn version_1_alone_works() {
    need_groups!();
    if !mode_is(CgroupMode::Hybrid) {
        println!("skipped: not a hybrid machine");
        return;
    }
    let mut tests = EVERYWHERE.to_vec();
    tests.extend(["statistics_count_what_processes_use", "a_hog_is_killed_and_counted"]);
    in_look("v1", "umount /sys/fs/cgroup/unified", &tests);
}

#[test]
fn a_machine_without_mounted_hierarchies_is_seen_as_such() {
    need_groups!();
    in_look("none", "mount -t tmpfs none /sys/fs/cgroup", &["probe_finds_this_machine"]);
}

#[test]
fn hierarchies_in_unusual_places_are_found() {
    need_groups!();
    let prepare = "mkdir -p \"${TMPDIR:=/tmp}\"; mount -t tmpfs none /mnt; mkdir '/mnt/a b'; \
        mount -t cgroup2 none '/mnt/a b'; mount -t tmpfs none /sys/fs/cgroup";
    in_look("v2", prepare, &EVERYWHERE[..5]);
}
