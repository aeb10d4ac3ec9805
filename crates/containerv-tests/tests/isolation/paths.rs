//! `/proc`, `/sys` and `/dev` as the container sees them.

use containerv::Container;
use containerv::spec::request::{Device, Request};
use containerv_tests::Bed;

/// Every masked path that this kernel has, and whether it is a directory.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

#[test]
fn masked_paths_are_empty() {
    let bed = Bed::new();
    let script = format!(
        "for p in {}; do if [ -d $p ]; then ls -A $p; elif [ -e $p ]; then head -c 100 $p; fi; done",
        MASKED.join(" ")
    );
    let output = bed.run(|_| {}, &script);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let there = MASKED.iter().filter(|path| std::path::Path::new(path).exists());
    assert!(there.count() > 3, "this kernel has too few of the paths for the test to mean anything");
}

#[test]
fn masks_hold_for_further_processes_and_against_root() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let output = container.command("sh").args(["-c", "cat /proc/kcore | wc -c; umount /proc/kcore"]).output();
    let output = output.unwrap();
    assert_eq!(output.stdout, b"0\n");
    assert!(!output.status.success());
}

#[test]
fn kernel_switches_cannot_be_opened_for_writing() {
    let bed = Bed::new();
    // Opening is enough to see it; nothing is written, should it succeed.
    let paths = [
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/drop_caches",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/mm/ksm/run",
        "/sys/class/net/lo/mtu",
    ];
    for path in paths {
        let output = bed.run(|_| {}, &format!("[ -e {path} ] && exec 3>>{path}"));
        assert!(!output.status.success(), "{path} can be written");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("Read-only") || !std::path::Path::new(path).exists(), "{path}: {error}");
    }
}

#[test]
fn nothing_under_sys_is_writable() {
    let bed = Bed::new();
    let options = bed.text(|_| {}, "awk '$5 ~ \"^/sys\" {print $6}' /proc/self/mountinfo | sort -u");
    assert!(!options.is_empty());
    for line in options.lines() {
        assert!(line.starts_with("ro,"), "{options}");
    }
}

#[test]
fn unmasked_is_unmasked() {
    let bed = Bed::new();
    let unmask = |request: &mut Request| request.security.unmask = true;
    let script = "grep -c -E ' /proc/(keys|sys) ' /proc/self/mountinfo";
    assert_eq!(String::from_utf8_lossy(&bed.run(unmask, script).stdout), "0\n");
    assert_eq!(bed.text(|_| {}, script), "2");
}

#[test]
fn devices_work() {
    let bed = Bed::new();
    let script = "echo x > /dev/null; wc -c < /dev/null; head -c 3 /dev/zero | wc -c; \
                  head -c 3 /dev/random | wc -c; head -c 3 /dev/urandom | wc -c; \
                  (echo x > /dev/full) 2>&1 | grep -o 'No space'; \
                  ls /dev | tr '\\n' ' '; for f in fd stdin stdout stderr ptmx; do readlink /dev/$f; done; \
                  for f in null zero full random urandom tty; do stat -c '%a %t:%T' /dev/$f; done";
    let expected = "0\n3\n3\n3\nNo space\n\
                    fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero \
                    /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n\
                    666 1:3\n666 1:5\n666 1:7\n666 1:8\n666 1:9\n666 5:0";
    assert_eq!(bed.text(|_| {}, script), expected);
}

#[test]
fn device_nodes_can_neither_be_made_nor_brought_along() {
    let bed = Bed::new();
    let output = bed.run(|_| {}, "mknod /tmp/zero c 1 5");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not permitted"), "{output:?}");
    containerv_tests::machine::run("mknod", &[bed.in_root("tmp/zero").to_str().unwrap(), "c", "1", "5"]);
    let output = bed.run(|_| {}, "head -c 1 /tmp/zero");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{output:?}");
}

fn device(access: &str) -> Device {
    let path = "/dev/extra/rnd".into();
    Device { host_path: "/dev/urandom".into(), path, access: access.into(), number: None, block: false }
}

#[test]
fn a_device_of_the_host_can_be_given() {
    let bed = Bed::new();
    let seen = bed.text(
        |request| request.devices.push(device("rw")),
        "stat -c %t:%T /dev/extra/rnd; head -c 5 /dev/extra/rnd | wc -c",
    );
    assert_eq!(seen, "1:9\n5");
}

#[test]
fn a_path_that_is_no_device_is_refused() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.devices.push(Device { host_path: "/etc/passwd".into(), ..device("rw") });
    let error = Container::create(bed.host(), request).unwrap_err();
    assert!(error.to_string().contains("`--device /etc/passwd`: not a device"), "{error}");
}

#[test]
fn a_privileged_container_sees_the_hosts_devices_and_nothing_is_masked() {
    let bed = Bed::new();
    let privileged = |request: &mut Request| request.security.privileged = true;
    let seen = bed.text(
        privileged,
        "ls -d /dev/kmsg /dev/mem 2>/dev/null | wc -l; grep -c ' /proc/kcore ' /proc/self/mountinfo; true",
    );
    assert!(!seen.starts_with('0'), "{seen}");
    assert!(seen.ends_with("\n0"), "{seen}");
}
