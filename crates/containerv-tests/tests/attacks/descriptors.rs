//! Descriptors of the library and the stage: none leads to the host, none is left open.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use containerv::spec::request::{Process, Request, Seccomp, Share, TerminalSize};
use containerv::{Child, Container, Error, ExecOptions, StdioSet};
use containerv_tests::{Bed, shell, wait_until};

use crate::process;

/// What a descriptor's number may be at most while a container is made.
const NUMBERS: std::ops::RangeInclusive<u32> = 3..=64;

fn attached(bed: &Bed, process: Process) -> Result<i32, Error> {
    let mut request = bed.request();
    request.process = Some(process);
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null())?;
    let code = child.wait()?.docker_code();
    container.delete(true)?;
    Ok(code)
}

fn detached(bed: &Bed, process: Process) -> Result<i32, Error> {
    let mut request = bed.request();
    request.process = Some(process);
    let container = Container::run_detached(bed.host(), request)?;
    let code = container.wait()?.code;
    container.delete(true)?;
    Ok(code)
}

fn further(container: &Container, process: &Process) -> Result<i32, Error> {
    Ok(container.exec(process, StdioSet::null(), ExecOptions::default())?.wait()?.docker_code())
}

#[test]
fn cve_2024_21626_no_working_directory_leads_through_a_descriptor() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    for number in NUMBERS {
        let link = format!("/mnt/work{number}");
        symlink(format!("/proc/self/fd/{number}"), bed.in_root(&link)).unwrap();
        let directories = [
            format!("/proc/self/fd/{number}"),
            format!("/proc/self/fd/{number}/../../.."),
            format!("/proc/thread-self/fd/{number}/."),
            format!("/proc/1/fd/{number}"),
            link,
        ];
        for (index, directory) in directories.iter().enumerate() {
            let process =
                Process { cwd: directory.as_str().into(), create_cwd: index == 1, ..shell("exit 42") };
            let error = further(&container, &process).unwrap_err();
            assert!(error.to_string().contains(directory.as_str()), "{error}");
            if index % 2 == 0 {
                let error = attached(&bed, process).unwrap_err();
                assert!(error.to_string().contains(directory.as_str()), "{error}");
            }
        }
        let process = Process { cwd: directories[1].as_str().into(), ..shell("exit 42") };
        assert!(detached(&bed, process).is_err_and(|error| error.to_string().contains("enter directory")));
    }
}

#[test]
fn cve_2024_21626_the_working_directory_is_inside_the_root() {
    let bed = Bed::new();
    symlink(bed.path("canary"), bed.in_root("mnt/away")).unwrap();
    symlink("../../../../../../../etc", bed.in_root("mnt/up")).unwrap();
    fs::create_dir(bed.path("canary")).unwrap();
    let container = bed.keeper(|_| {});
    let text = |directory: &str| {
        let output = container.command("pwd").current_dir(directory).output()?;
        Ok::<_, Error>(String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(text("/mnt/up").unwrap(), "/etc\n");
    assert_eq!(text("/../../tmp/../..").unwrap(), "/\n");
    assert!(text("/mnt/away").is_err());
    let own = container.command("readlink").args(["/proc/self/cwd"]).current_dir("/proc/1/root").output();
    assert!(own.is_err(), "a magic link");
}

/// A program of the host that tells by its exit code that it was executed, by a path that leads
/// there from any descriptor of a directory of the host.
fn program_of_the_host(bed: &Bed) -> String {
    let path = bed.path("program");
    fs::write(&path, "#!/bin/sh\nexit 42\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}{}", "/..".repeat(16), path.display())
}

#[test]
fn cve_2024_21626_no_program_is_executed_through_a_descriptor() {
    let bed = Bed::new();
    let program = program_of_the_host(&bed);
    let container = bed.keeper(|_| {});
    let escaped = |result: Result<i32, Error>| result.is_ok_and(|code| code == 42);
    for number in NUMBERS {
        // What the image says, not the caller.
        let link = bed.in_root(&format!("bin/entry{number}"));
        symlink(format!("/proc/self/fd/{number}{program}"), &link).unwrap();
        let script = bed.in_root(&format!("bin/script{number}"));
        fs::write(&script, format!("#!/proc/self/fd/{number}{program}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        for name in [format!("entry{number}"), format!("script{number}")] {
            let process = process(&[name.as_str()]);
            assert!(!escaped(further(&container, &process)), "exec {name}");
            assert!(!escaped(attached(&bed, process.clone())), "attached {name}");
            assert!(!escaped(detached(&bed, process)), "detached {name}");
        }
        let mut with_terminal = process(&[format!("entry{number}").as_str()]);
        with_terminal.terminal = Some(TerminalSize { columns: 80, rows: 24 });
        assert!(!escaped(further(&container, &with_terminal)), "exec with a terminal {number}");
        assert!(!escaped(attached(&bed, with_terminal)), "with a terminal {number}");
    }
}

/// Returns the numbers and targets of a process's descriptors above the standard ones.
fn further_descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let described = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse::<u32>().ok()?;
        (number > 2).then(|| format!("{number} {:?}", fs::read_link(entry.path())))
    });
    described.collect()
}

/// Fails unless the process comes to execute its program and then has no further descriptor.
fn assert_standard_only(pid: u32, what: &str) {
    let ready = || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"));
    assert!(wait_until(Duration::from_secs(30), ready), "{what}");
    assert_eq!(further_descriptors(pid), Vec::<String>::new(), "{what}");
}

/// Waits until a process has a child.
fn only_child(pid: u32) -> u32 {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let mut child = None;
    wait_until(Duration::from_secs(30), || {
        child = fs::read_to_string(&children).unwrap().trim().parse().ok();
        child.is_some()
    });
    child.unwrap()
}

/// Fails unless an init comes to have nothing but a descriptor of signals, and its command nothing at all.
fn assert_init_has_none(init: u32) {
    assert_standard_only(only_child(init), "started below an init");
    let only_signals = || {
        let held = further_descriptors(init);
        held.iter().all(|entry| entry.contains("signalfd")) && held.len() <= 1
    };
    assert!(wait_until(Duration::from_secs(30), only_signals), "{:?}", further_descriptors(init));
}

/// A filter under which descriptors can be closed one by one only.
fn without_close_range(request: &mut Request) {
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["close_range"], "action": "SCMP_ACT_ERRNO"}],
    });
    request.security.seccomp = Seccomp::Profile(serde_json::from_value(profile).unwrap());
}

#[test]
fn cve_2024_21626_only_the_standard_descriptors_are_open_whatever_the_filter_allows() {
    let bed = Bed::new();
    let usual: fn(&mut Request) = |_| {};
    for change in [usual, without_close_range, |request| request.security.allow_new_privileges = true] {
        let prepared = |terminal: bool, init: bool| {
            let mut request = bed.request();
            let size = TerminalSize { columns: 80, rows: 24 };
            let sleep = process(&["sleep", "1000"]);
            request.process = Some(Process { terminal: terminal.then_some(size), ..sleep });
            request.init = init;
            change(&mut request);
            request
        };
        let end = |mut child: Child, container: Container| {
            child.kill().unwrap();
            child.wait().unwrap();
            container.delete(true).unwrap();
        };
        for terminal in [false, true] {
            let (container, child) =
                Container::run_attached(bed.host(), prepared(terminal, false), StdioSet::null()).unwrap();
            assert_standard_only(child.id(), "attached");
            end(child, container);
            let container = Container::run_detached(bed.host(), prepared(terminal, false)).unwrap();
            assert_standard_only(container.state().unwrap().pid.unwrap(), "detached");
            let asked = prepared(terminal, false).process.unwrap();
            let child = container.exec(&asked, StdioSet::null(), ExecOptions::default()).unwrap();
            assert_standard_only(child.id(), "further");
            end(child, container);
        }
        let container = Container::create(bed.host(), prepared(false, true)).unwrap();
        container.start().unwrap();
        assert_init_has_none(container.state().unwrap().pid.unwrap());
        container.delete(true).unwrap();
        let mut request = prepared(false, true);
        request.lifetime = containerv::spec::request::Lifetime::OwnerBound;
        let (container, child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
        assert_standard_only(only_child(child.id()), "below an init");
        end(child, container);
    }
}

#[test]
fn cve_2016_9962_a_process_that_waits_for_its_start_holds_nothing_of_the_host() {
    let bed = Bed::new();
    let neighbour = bed.keeper(|_| {});
    let mut request = bed.request();
    request.namespaces.pid = Share::Container(neighbour.id().clone());
    request.process = Some(process(&["sleep", "1000"]));
    let waiting = Container::create(bed.host(), request).unwrap();
    let pid = waiting.state().unwrap().pid.unwrap();
    // What its neighbour sees of it, and what it has.
    let script = "for p in /proc/[0-9]*; do ls -l $p/fd; done 2>/dev/null | grep -c containerv-test; true";
    let output = neighbour.command("sh").args(["-c", script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    let held = further_descriptors(pid);
    assert!(held.iter().all(|entry| entry.contains("socket:")), "{held:?}");
    waiting.start().unwrap();
    assert_standard_only(pid, "started");
}
