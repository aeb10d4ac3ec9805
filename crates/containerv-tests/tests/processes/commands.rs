//! Arguments, environment, directory and limits of a command.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use containerv::spec::request::{Process, Rlimit, RlimitResource};
use containerv::{Container, ErrorKind, ExecOptions, StdioSet};
use containerv_tests::{Bed, shell};

use crate::text;

#[test]
fn the_environment_is_exactly_what_was_given() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(text(container.command("env")), format!("{path}\nHOME=/root"));
    assert_eq!(text(container.command("/bin/env").env_clear()), "");
    let odd = OsStr::from_bytes(b"a=\xff\x01 b");
    let output = container.command("/bin/env").env_clear().env("ODD", odd).env("EMPTY", "").output().unwrap();
    assert_eq!(output.stdout, b"ODD=a=\xff\x01 b\nEMPTY=\n");
    let twice = container.command("/bin/env").env_clear().env("A", "1").env("B", "2").env("A", "3");
    assert_eq!(text(twice), "B=2\nA=3");
}

#[test]
fn home_comes_from_the_containers_own_user() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    assert_eq!(text(container.command("sh").args(["-c", "echo $HOME"]).user("alice")), "/home/alice");
    assert_eq!(text(container.command("sh").args(["-c", "echo $HOME"]).user("4711")), "/");
    assert_eq!(text(container.command("sh").args(["-c", "echo $HOME"]).env("HOME", "/x")), "/x");
}

#[test]
fn variables_that_are_none_are_refused() {
    let bed = Bed::new();
    for entry in ["NAME", "=value", ""] {
        let mut request = bed.request();
        request.process = Some(Process { env: vec![entry.into()], ..shell("true") });
        let error = Container::run_detached(bed.host(), request).unwrap_err();
        assert!(error.to_string().contains(&format!("`--env {entry}`")), "{error}");
    }
    let container = bed.keeper(|_| {});
    let nul = container.command("echo").arg(OsStr::from_bytes(b"a\0b")).spawn().unwrap_err();
    assert!(nul.to_string().contains("NUL"), "{nul}");
}

#[test]
fn arguments_arrive_as_they_are() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let odd: [&[u8]; 6] = [b"", b" ", b"$HOME", b"a\nb", b"\xff\xfe", b"'\"\\"];
    let command = container.command("printf").arg("[%s]").args(odd.map(OsStr::from_bytes));
    assert_eq!(command.output().unwrap().stdout, b"[][ ][$HOME][a\nb][\xff\xfe]['\"\\]");
}

#[test]
fn the_program_may_differ_from_the_first_argument() {
    let bed = Bed::new();
    let process =
        Process { args: vec!["echo".into(), "x".into()], program: Some("/bin/busybox".into()), ..shell("") };
    let mut request = bed.request();
    request.process = Some(process);
    let (_container, child) = Container::run_attached(bed.host(), request, StdioSet::piped()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"x\n");
}

#[test]
fn programs_are_looked_up_in_the_commands_own_path() {
    let bed = Bed::new();
    std::fs::create_dir_all(bed.in_root("opt/one")).unwrap();
    std::fs::create_dir_all(bed.in_root("opt/two")).unwrap();
    for (directory, mode) in [("one", "644"), ("two", "755")] {
        let file = bed.in_root(&format!("opt/{directory}/tool"));
        std::fs::write(&file, format!("#!/bin/sh\necho {directory}\n")).unwrap();
        containerv_tests::machine::run("chmod", &[mode, file.to_str().unwrap()]);
    }
    let container = bed.keeper(|_| {});
    let command = || container.command("tool");
    assert_eq!(text(command().env("PATH", "/absent:/opt/one:/opt/two")), "two");
    // A file that is found and not executable is not "not found".
    let error = command().env("PATH", "/opt/one").spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotExecutable);
    // An empty entry does not mean the working directory.
    let error = command().env("PATH", ":").current_dir("/opt/two").spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotFound);
}

#[test]
fn the_working_directory_is_entered_or_named_in_the_error() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    assert_eq!(text(container.command("pwd").current_dir("/var")), "/var");
    let error = container.command("pwd").current_dir("/absent").spawn().unwrap_err();
    assert!(error.to_string().contains("`/absent`"), "{error}");
    assert!(error.hint().unwrap().contains("make `/absent`"), "{error:?}");
    let error = container.command("pwd").current_dir("relative").spawn().unwrap_err();
    assert!(error.to_string().contains("`--workdir relative`"), "{error}");
    let error = container.command("pwd").current_dir("/etc/passwd").spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let process = Process { cwd: "/new/deep".into(), create_cwd: true, ..shell("pwd; stat -c %a /new") };
    let child = container.exec(&process, StdioSet::piped(), ExecOptions::default()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"/new/deep\n755\n");
}

#[test]
fn a_further_process_starts_in_the_commands_directory() {
    let bed = Bed::new();
    let mut request = bed.request();
    request.process = Some(Process { cwd: "/var".into(), user: "alice".into(), ..shell("sleep 100") });
    let container = Container::run_detached(bed.host(), request).unwrap();
    assert_eq!(text(container.command("sh").args(["-c", "pwd; id -un"])), "/var\nalice");
}

#[test]
fn limits_of_a_process_and_its_mask_are_set() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let limits = vec![
        Rlimit { resource: RlimitResource::Nofile, soft: 100, hard: 200 },
        Rlimit { resource: RlimitResource::Core, soft: 0, hard: 0 },
    ];
    let script = "grep -E 'open files|core file' /proc/self/limits; umask; touch /tmp/m; stat -c %a /tmp/m";
    let process = Process { rlimits: limits, umask: Some(0o077), ..shell(script) };
    let child = container.exec(&process, StdioSet::piped(), ExecOptions::default()).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let words: Vec<&str> = output.split_whitespace().collect();
    assert_eq!(
        words,
        "Max core file size 0 0 bytes Max open files 100 200 files 0077 600".split(' ').collect::<Vec<_>>()
    );
    assert_eq!(text(container.command("sh").args(["-c", "umask"])), "0022");
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let with = |soft, hard| {
        let process = Process {
            rlimits: vec![Rlimit { resource: RlimitResource::Nofile, soft, hard }],
            ..shell("true")
        };
        container.exec(&process, StdioSet::null(), ExecOptions::default()).unwrap_err()
    };
    assert!(with(10, 5).to_string().contains("`--ulimit nofile`"));
    let error = with(u64::MAX, u64::MAX);
    assert!(error.to_string().contains("`--ulimit nofile"), "{error}");
}

#[test]
fn a_command_line_that_the_kernel_refuses_is_an_error_that_says_so() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    // One string may have 128 KiB, all together a quarter of the stack's limit.
    let fits = "x".repeat(120 * 1024);
    assert_eq!(text(container.command("sh").args(["-c", "echo ${#1}", "sh", &fits])), "122880");
    let error = container.command("true").arg("x".repeat(200 * 1024)).spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotExecutable);
    assert!(error.to_string().contains("E2BIG"), "{error}");
    assert!(error.hint().unwrap().contains("larger than the kernel takes"), "{error:?}");
    let many = vec!["y".repeat(100 * 1024); 200];
    let error = container.command("true").args(&many).spawn().unwrap_err();
    assert!(error.to_string().contains("E2BIG"), "{error}");
    let mut command = container.command("true");
    for number in 0..200 {
        command = command.env(format!("V{number}"), &many[0]);
    }
    let error = command.spawn().unwrap_err();
    assert!(error.to_string().contains("E2BIG"), "{error}");
    assert_eq!(text(container.command("echo").arg("fine")), "fine");
}

#[test]
fn a_thousand_arguments_and_variables_arrive() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let mut command = container.command("sh").args(["-c", "echo $#; env | grep -c ^V", "sh"]);
    for number in 0..1000 {
        command = command.arg(format!("{number:0100}")).env(format!("V{number}"), "v");
    }
    assert_eq!(text(command), "1000\n1000");
}

#[test]
fn signals_are_neither_ignored_nor_blocked() {
    let bed = Bed::new();
    // The test program ignores SIGPIPE, as every Rust program does.
    let state = "grep -E 'Sig(Blk|Ign|Cgt)|ShdPnd' /proc/self/status | cut -f2 | sort -u";
    let container = bed.keeper(|_| {});
    let output = container.command("cat").arg("/proc/self/status").output().unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    for field in ["SigBlk", "SigIgn", "SigCgt", "ShdPnd"] {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    assert!(!bed.text(|_| {}, state).is_empty());
    assert_eq!(text(container.command("sh").args(["-c", "yes | head -1; kill -l $((128 + 13))"])), "y\nPIPE");
}
