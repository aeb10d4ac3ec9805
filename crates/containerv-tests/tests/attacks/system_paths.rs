//! Roots whose `/proc`, `/sys` and `/dev` are something else, or become it meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use containerv::spec::request::{Request, TerminalSize};
use containerv::{Container, StdioSet};
use containerv_tests::Bed;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{Stopper, canary, fingerprint};

const NAMES: [&str; 10] = [
    "dev",
    "dev/null",
    "dev/console",
    "dev/pts",
    "dev/pts/ptmx",
    "dev/shm",
    "proc",
    "sys",
    "sys/fs/cgroup",
    "etc/hostname",
];

/// Says whether everything is what it should be, as far as a command sees it.
const LOOK: &str = "[ $(stat -f -c %T /proc) = proc ] && [ $(stat -f -c %T /sys) = sysfs ] && \
    [ $(stat -c %t:%T /dev/null) = 1:3 ] && [ $(stat -f -c %T /dev/shm) = tmpfs ] && \
    ! (: >> /proc/sysrq-trigger) 2>/dev/null && ! (: >> /proc/sys/kernel/core_pattern) 2>/dev/null && \
    [ $(head -c 10 /proc/keys | wc -c) = 0 ]";

/// Puts something in the place of `path`. The last kind is nothing at all.
fn place(path: &Path, kind: usize, canary: &Path) {
    let name = path.file_name().unwrap();
    match kind {
        0 => symlink(canary, path).unwrap(),
        1 => symlink(canary.join(name), path).unwrap(),
        2 => symlink(Path::new(&"../".repeat(20)).join(canary.strip_prefix("/").unwrap()), path).unwrap(),
        3 => symlink("/proc/sysrq-trigger", path).unwrap(),
        4 => symlink("/proc/self/fd/3", path).unwrap(),
        5 => drop(containerv_tests::machine::run("mkfifo", &[path.to_str().unwrap()])),
        6 => fs::create_dir(path).unwrap(),
        7 => fs::write(path, "in the root").unwrap(),
        8 => symlink(name, path).unwrap(),
        _ => {}
    }
}

fn look(bed: &Bed, change: impl FnOnce(&mut Request)) -> Option<i32> {
    let mut request = bed.request();
    request.process = Some(containerv_tests::shell(LOOK));
    change(&mut request);
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).ok()?;
    let code = child.wait().unwrap().docker_code();
    container.delete(true).unwrap();
    Some(code)
}

#[test]
fn cve_2025_31133_system_paths_that_are_something_else_change_nothing_of_the_host() {
    let bed = Bed::new();
    let canary = canary(&bed);
    let before = fingerprint(&canary);
    let (mut ran, mut refused) = (0, 0);
    for name in NAMES {
        let path = bed.in_root(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for kind in 0..10 {
            containerv_tests::machine::run("rm", &["-rf", path.to_str().unwrap()]);
            place(&path, kind, &canary);
            let console = |request: &mut Request| {
                let size = TerminalSize { columns: 80, rows: 24 };
                request.process.as_mut().unwrap().terminal = Some(size);
            };
            let named = |request: &mut Request| request.extra_hosts.push(("x".into(), "10.0.0.1".into()));
            for code in [look(&bed, |_| {}), look(&bed, console), look(&bed, named)] {
                match code {
                    Some(code) => assert_eq!(code, 0, "{name} kind {kind}"),
                    None => refused += 1,
                }
                ran += 1;
            }
        }
        containerv_tests::machine::run("rm", &["-rf", path.to_str().unwrap()]);
        fs::create_dir_all(&path).unwrap();
    }
    println!("{refused} of {ran} refused");
    assert!(refused > 30 && refused < ran - 100, "{refused} of {ran}");
    assert_eq!(fingerprint(&canary), before);
}

/// The mounts below the new proc and sysfs of a container, as the kernel lists them for the host: what
/// they cover and how, whatever their names have become meanwhile. A control group has the container's id in its path.
fn protections(container: &Container) -> Vec<String> {
    let pid = container.state().unwrap().pid.unwrap();
    let table = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let table = table.replace(container.id().as_str(), "ID");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(' ').collect()).collect();
    let kind = |line: &[&str]| line.iter().skip_while(|word| **word != "-").nth(1).map(ToString::to_string);
    let tops = lines
        .iter()
        .filter(|line| line[3] == "/" && kind(line).is_some_and(|kind| kind == "proc" || kind == "sysfs"));
    let tops: Vec<&str> = tops.map(|line| line[0]).collect();
    let below = lines.iter().filter(|line| tops.contains(&line[1]));
    let mut found: Vec<String> =
        below.map(|line| format!("{} {} {:?}", line[3], line[5], kind(line))).collect();
    found.sort();
    found
}

#[test]
fn cve_2025_52881_swapping_system_paths_meanwhile_leaves_nothing_unprotected() {
    const ROUNDS: usize = 100;
    let bed = Bed::new();
    let canary = canary(&bed);
    let before = fingerprint(&canary);
    let decoys = [("proc", "decoy-proc"), ("sys", "decoy-sys"), ("dev", "decoy-dev")];
    for (index, (_, decoy)) in decoys.iter().enumerate() {
        place(&bed.in_root(decoy), if index == 0 { 6 } else { 0 }, &canary);
    }
    let expected = {
        let container = bed.keeper(|_| {});
        let found = protections(&container);
        container.delete(true).unwrap();
        found
    };
    assert!(expected.iter().filter(|line| line.contains("ro,")).count() >= 3, "{expected:?}");
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let made = std::thread::scope(|scope| {
        let _stopper = Stopper(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (name, decoy) in decoys {
                    let (one, two) = (bed.in_root(name), bed.in_root(decoy));
                    // There and back, and a while as it should be: most creations pass some of it.
                    for _ in 0..2 {
                        let done = renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE);
                        swaps.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
                        (0..10_000).for_each(|_| std::hint::spin_loop());
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let mut made = 0;
        for _ in 0..ROUNDS {
            let Ok(container) = Container::create(bed.host(), bed.request()) else { continue };
            let found = protections(&container);
            container.delete(true).unwrap();
            assert_eq!(found, expected);
            made += 1;
        }
        made
    });
    let swaps = swaps.load(Ordering::Relaxed);
    println!("{made} of {ROUNDS} made, {swaps} swaps");
    assert!(made > 0 && swaps > 100, "{made} of {ROUNDS} made, {swaps} swaps");
    assert_eq!(fingerprint(&canary), before);
}
