//! Capabilities, hidden paths and control groups, as first and as further processes see them.

use std::collections::BTreeMap;

use containerv::spec::CapabilitySet;
use containerv::spec::request::{Process, Request};
use containerv::{Container, ExecOptions, StdioSet};
use containerv_tests::{Bed, shell};
use rustix::thread::{CapabilitySet as Own, CapabilitySets};

/// Prints the capability sets of the shell that runs it.
const SETS: &str = "grep ^Cap /proc/self/status";

fn sets(output: containerv::Output) -> BTreeMap<String, u64> {
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().map(|line| line.split_once(":\t").unwrap());
    pairs.map(|(name, value)| (name.to_owned(), u64::from_str_radix(value, 16).unwrap())).collect()
}

fn further(container: &Container, process: &Process, privileged: bool) -> containerv::Output {
    let stdio = StdioSet { stdin: containerv::Stdio::Null, ..StdioSet::piped() };
    let child = container.exec(process, stdio, ExecOptions { privileged, ..ExecOptions::default() });
    child.unwrap().wait_with_output().unwrap()
}

/// Gives the calling thread inheritable and ambient capabilities, as far as it may have them.
fn inherit_capabilities() -> Own {
    let own = rustix::thread::capabilities(None).unwrap();
    let inheritable = own.permitted;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable, ..own }).unwrap();
    for number in 0..41 {
        let one = Own::from_bits_retain(1 << number);
        if inheritable.contains(one) {
            rustix::thread::configure_capability_in_ambient_set(one, true).unwrap();
        }
    }
    inheritable
}

#[test]
fn cve_2022_29162_no_process_has_inheritable_or_ambient_capabilities() {
    let bed = Bed::new();
    // The thread ends with the test, and its capabilities with it.
    let inherited = inherit_capabilities();
    println!("the caller's own: {inherited:?}");
    let default = CapabilitySet::DEFAULT.bits();
    let container = bed.keeper(|_| {});
    let alice = Process { user: "alice".into(), ..shell(SETS) };
    let as_alice = |request: &mut Request| request.process.as_mut().unwrap().user = "alice".into();
    let cases = [
        ("first", sets(bed.run(|_| {}, SETS)), default),
        ("below an init", sets(bed.run(|request| request.init = true, SETS)), default),
        ("further", sets(further(&container, &shell(SETS), false)), default),
        ("a user", sets(bed.run(as_alice, SETS)), 0),
        ("a further user", sets(further(&container, &alice, false)), 0),
    ];
    for (what, found, effective) in cases {
        let expected =
            [("CapAmb", 0), ("CapBnd", default), ("CapEff", effective), ("CapInh", 0), ("CapPrm", effective)];
        let expected: BTreeMap<String, u64> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(found, expected, "{what}");
    }
    let few = |request: &mut Request| {
        let one = CapabilitySet::EMPTY.with(containerv::spec::Capability::CHOWN);
        request.security.capabilities = containerv::spec::request::Capabilities(one);
    };
    let narrow = bed.keeper(few);
    assert_eq!(sets(further(&narrow, &shell(SETS), false))["CapBnd"], 1);
    for found in [sets(further(&narrow, &shell(SETS), true)), sets(further(&narrow, &alice, true))] {
        assert_eq!((found["CapInh"], found["CapAmb"]), (0, 0), "privileged");
    }
}

#[test]
fn cve_2025_31133_masks_and_read_only_paths_hold_for_every_further_process() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    // Reads what is hidden, opens what is protected for writing, and tries to uncover both.
    let script = "for p in /proc/interrupts /proc/keys /proc/timer_list /proc/kcore /proc/acpi /proc/scsi \
                  /sys/firmware /sys/devices/virtual/powercap; do \
                  if [ -d $p ]; then ls -A $p; elif [ -e $p ]; then head -c 20 $p; fi; \
                  umount $p 2>/dev/null && echo uncovered $p; done; \
                  for p in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/irq/default_smp_affinity; do \
                  (: >> $p) 2>/dev/null && echo opened $p; \
                  mount -o remount,rw,bind $p 2>/dev/null && echo writable $p; done; true";
    for user in ["", "alice", "1000:0"] {
        for terminal in [false, true] {
            let size = containerv::spec::request::TerminalSize { columns: 80, rows: 24 };
            let mut process = Process { user: user.into(), ..shell(script) };
            // With a terminal the output goes there; a file takes it instead.
            if terminal {
                process = Process {
                    terminal: Some(size),
                    args: ["sh", "-c", &format!("({script}) > /tmp/seen-{user}")].map(Into::into).to_vec(),
                    ..process
                };
            }
            let output = further(&container, &process, false);
            assert!(output.status.success(), "{user}: {output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{user}");
            if terminal {
                assert_eq!(std::fs::read_to_string(bed.in_root(&format!("tmp/seen-{user}"))).unwrap(), "");
            }
        }
    }
}

#[test]
fn cve_2023_25809_no_file_of_a_control_group_or_of_sys_can_be_opened_for_writing() {
    let bed = Bed::new();
    // Opening is enough to see it; nothing is written, should it succeed.
    let script = "tried=0; for f in $(busybox find /sys -xdev -type f -perm /222 | head -n 400) \
                  $(busybox find /sys/fs/cgroup -type f | head -n 400); do tried=$((tried + 1)); \
                  (: >> $f) 2>/dev/null && echo opened $f; done; \
                  mkdir /sys/fs/cgroup/new 2>/dev/null && echo made; \
                  mount -o remount,rw /sys 2>/dev/null && echo writable; \
                  [ $tried -gt 20 ] && echo tried; true";
    assert_eq!(bed.text(|_| {}, script), "tried");
    let container = bed.keeper(|_| {});
    let output = further(&container, &shell(script), false);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "tried\n");
    let shared = |request: &mut Request| {
        request.namespaces.cgroup = containerv::spec::request::Share::Host;
        request.network = containerv::spec::request::Network::Host;
    };
    assert_eq!(bed.text(shared, script), "tried");
}
