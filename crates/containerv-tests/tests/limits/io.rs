//! Rates and weights of block devices.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Instant;

use containerv::spec::{DeviceNumber, DeviceRate, Limits, RateKind};
use containerv::{Container, ErrorKind};
use containerv_tests::{Bed, machine, skip};

use crate::{limits, need};

const BYTES_A_SECOND: u64 = 1 << 20;
const OPERATIONS_A_SECOND: u64 = 40;
/// How often is measured before the machine counts as too busy.
const TRIES: usize = 8;

/// A block device of the test's own, over a file. It goes with the last descriptor, however the
/// test ends.
struct Disk {
    path: String,
    _open: File,
}

impl Disk {
    /// Returns `None` where there is no loop device to be had.
    fn make(bed: &Bed, name: &str) -> Option<Self> {
        let file = bed.path(name);
        File::create(&file).unwrap().set_len(16 << 20).unwrap();
        let losetup = |words: &[&str]| Command::new("losetup").args(words).output().unwrap();
        // Somebody else may take the free one first.
        (0..20).find_map(|_| {
            let path = String::from_utf8(losetup(&["-f"]).stdout).unwrap().trim().to_owned();
            if path.is_empty() || !losetup(&[&path, file.to_str().unwrap()]).status.success() {
                return None;
            }
            let open = File::open(&path).unwrap();
            machine::run("losetup", &["-d", &path]);
            Some(Self { path, _open: open })
        })
    }

    fn number(&self) -> DeviceNumber {
        let number = std::fs::metadata(&self.path).unwrap().rdev();
        DeviceNumber { major: rustix::fs::major(number), minor: rustix::fs::minor(number) }
    }

    fn rate(&self, kind: RateKind, per_second: u64) -> DeviceRate {
        DeviceRate { path: self.path.as_str().into(), device: self.number(), kind, per_second }
    }
}

/// A measurement: what is limited, and a script whose reads or writes take two seconds then.
struct Case {
    kind: RateKind,
    limit: u64,
    script: String,
}

impl Case {
    fn new(kind: RateKind, disk: &Disk) -> Self {
        let (limit, block, count) = match kind {
            RateKind::ReadBytes | RateKind::WriteBytes => (BYTES_A_SECOND, "64k", (2 * BYTES_A_SECOND) >> 16),
            RateKind::ReadOperations | RateKind::WriteOperations => {
                (OPERATIONS_A_SECOND, "4k", 2 * OPERATIONS_A_SECOND)
            }
        };
        // Around the cache of files, which takes writes at any rate.
        let way = match kind {
            RateKind::ReadBytes | RateKind::ReadOperations => {
                format!("if={} of=/dev/null iflag=direct", disk.path)
            }
            _ => format!("if=/dev/zero of={} oflag=direct conv=notrunc", disk.path),
        };
        Self { kind, limit, script: format!("dd {way} bs={block} count={count}") }
    }

    /// What the container came to in a second.
    fn measure(&self, container: &Container) -> f64 {
        let begin = Instant::now();
        let output = container.command("sh").args(["-c", &self.script]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{}`: {errors}", self.script);
        2.0 * self.limit as f64 / begin.elapsed().as_secs_f64()
    }

    /// Fails unless the rate is reached and never exceeded.
    fn assert_held(&self, container: &Container) {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| *last < 0.8 * self.limit as f64) {
            assert!(seen.len() < TRIES, "{:?} of {}: {seen:?}", self.kind, self.limit);
            let rate = self.measure(container);
            seen.push(rate);
            // The kernel lets a tenth of a second go ahead.
            assert!(rate <= 1.15 * self.limit as f64, "{:?} of {}: {seen:?}", self.kind, self.limit);
        }
        println!("{:?} of {}: {seen:.1?}", self.kind, self.limit);
    }

    fn assert_lifted(&self, container: &Container) {
        let fast = (0..TRIES).any(|_| self.measure(container) > 2.0 * self.limit as f64);
        assert!(fast, "{:?} is still limited", self.kind);
    }
}

fn all(cases: &[Case], check: impl Fn(&Case) + Sync) {
    std::thread::scope(|scope| cases.iter().for_each(|case| drop(scope.spawn(|| check(case)))));
}

#[test]
fn rates_of_a_device_hold_and_are_lifted() {
    need!("io");
    let bed = Bed::new();
    let (Some(first), Some(second)) = (Disk::make(&bed, "first"), Disk::make(&bed, "second")) else {
        return skip("no loop device can be had here");
    };
    let bytes = |per_second| {
        [RateKind::ReadBytes, RateKind::WriteBytes].map(|kind| first.rate(kind, per_second)).to_vec()
    };
    let operations = |per_second| {
        let kinds = [RateKind::ReadOperations, RateKind::WriteOperations];
        kinds.map(|kind| second.rate(kind, per_second)).to_vec()
    };
    let change = |io_rates| Limits { io_rates, ..Limits::default() };
    let container = bed.keeper(|request| {
        request.limits = change(bytes(BYTES_A_SECOND));
        for disk in [&first, &second] {
            let device = serde_json::json!({ "host_path": disk.path, "path": disk.path, "access": "rwm" });
            request.devices.push(serde_json::from_value(device).unwrap());
        }
    });
    container.update(&change(operations(OPERATIONS_A_SECOND))).unwrap();
    let cases = [
        Case::new(RateKind::ReadBytes, &first),
        Case::new(RateKind::WriteBytes, &first),
        Case::new(RateKind::ReadOperations, &second),
        Case::new(RateKind::WriteOperations, &second),
    ];
    let before = container.stats().unwrap();
    all(&cases, |case| case.assert_held(&container));
    let after = container.stats().unwrap();
    assert!(after.io_read_bytes - before.io_read_bytes >= 2 * BYTES_A_SECOND, "{after:?}");
    assert!(after.io_write_ops - before.io_write_ops >= 2 * OPERATIONS_A_SECOND, "{after:?}");
    container.update(&change([bytes(0), operations(0)].concat())).unwrap();
    all(&cases, |case| case.assert_lifted(&container));
}

/// A rate that the kernel refuses.
pub(crate) fn no_disk() -> DeviceRate {
    let device = DeviceNumber { major: 1, minor: 3 };
    DeviceRate { path: "/dev/null".into(), device, kind: RateKind::WriteBytes, per_second: 1 }
}

#[test]
fn what_is_no_disk_has_no_rate() {
    need!("io");
    let bed = Bed::new();
    let mut request = bed.request();
    request.limits.io_rates = vec![no_disk()];
    let error = Container::create(bed.host(), request).unwrap_err();
    assert!(error.to_string().contains("`--device-write-bps`"), "{error}");
    assert!(error.hint().unwrap().contains("whole disk"), "{error:?}");
    bed.assert_nothing_left("after a limit that the kernel has refused");
}

#[test]
fn a_weight_is_taken_or_the_controller_is_named() {
    need!("io");
    let bed = Bed::new();
    let mut request = bed.request();
    request.limits = limits(serde_json::json!({ "io_weight": 300 }));
    match Container::create(bed.host(), request) {
        Ok(container) => {
            container.update(&limits(serde_json::json!({ "io_weight": 700 }))).unwrap();
        }
        Err(error) => {
            let message = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(message.contains("`--blkio-weight`") && message.contains("controller"), "{error}");
            assert!(error.hint().unwrap().contains("bfq"), "{error:?}");
        }
    }
}
