//! Limits that hold, are changed and are refused.

use containerv_spec::{DeviceNumber, DeviceRate, RateKind};

use super::*;

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
    // `tail` keeps what it will print until its input ends.
    fixture.start("(head -c 20000000 /dev/zero; sleep 1000) | tail -c 20000000");
    assert!(eventually(|| stats(fixture.groups()).memory_usage > Some(19 << 20)));
    let smaller = limits(|limits| {
        limits.memory = Some(Bound::At(ByteSize::mib(8)));
        limits.memory_and_swap = Some(Bound::At(ByteSize::mib(8)));
    });
    let error = fixture.update(&first, &smaller).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.hint().unwrap().contains("larger limit"), "{error:?}");
    assert_eq!(oom_kills(fixture.groups()), Some(0));
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
