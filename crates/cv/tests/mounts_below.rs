//! The built-in image where directories of the machine have mounts below them, as in other containers.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it is skipped"
)]

mod support;

use std::process::Command;

use support::{Outcome, Place, words};

/// Calls `cv` as an ordinary user in a mount namespace where `prepare` was run. Returns `None` if
/// this process cannot make one whose mounts are locked for that user.
fn prepared(place: &Place, prepare: &str, line: &str) -> Option<Outcome> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root, whose mounts an ordinary user cannot take apart");
        return None;
    }
    let cv = place.command(words(line));
    let mut command = Command::new("unshare");
    let script = format!("set -e; {prepare}; exec \"$@\"");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.arg(cv.get_program()).args(cv.get_args()).current_dir(place.path()).env_clear();
    command.envs(cv.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(Outcome::of(command.output().unwrap()))
}

#[test]
fn files_of_etc_may_be_mounts() {
    let place = Place::ordinary();
    place.write("hosts", "10.9.8.7 outer");
    let prepare =
        "mount --bind hosts /etc/hosts; mount --bind hosts /etc/hostname; mount --bind hosts /etc/motd";
    for overlay in ["", "--overlay memory"] {
        let script = "cat /etc/motd; echo x >> /etc/passwd; tail -1 /etc/passwd; cat /etc/hostname; ls /etc/ssl | wc -l";
        let line = format!("run --name box -h box {overlay} host sh -c '{script}'");
        let Some(outcome) = prepared(&place, prepare, &line) else { return };
        let listed = std::fs::read_dir("/etc/ssl").map_or(0, Iterator::count);
        assert_eq!(outcome.ok(), format!("10.9.8.7 outerx\nbox\n{listed}"));
        // Here nothing is mounted any more; the container is started all the same.
        place.line("start -a box").ok();
        place.line("rm box").ok();
    }
    assert!(!std::fs::read_to_string("/etc/passwd").unwrap().ends_with("x\n"));
}

#[test]
fn changes_are_told_apart_from_the_copy() {
    let place = Place::ordinary();
    let prepare = "mount -t tmpfs none /usr/local; mount --bind /etc/passwd /etc/group";
    let script =
        "echo new > /etc/new; echo new > /usr/bin/new; rm /etc/group || rm /etc/passwd; ls /usr/local";
    let line = format!("run --name box host sh -c '{script}'");
    let Some(outcome) = prepared(&place, prepare, &line) else { return };
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (0, "", ""));
    assert_eq!(place.line("diff box").ok(), "D /etc/group\nA /etc/new\nA /usr/bin/new");
    assert_eq!(place.line("cp box:/usr/bin/new -").code, 0);
    assert!(!std::path::Path::new("/usr/bin/new").exists());
}

#[test]
fn a_plan_shows_the_copy_and_what_is_too_much_is_refused() {
    let place = Place::ordinary();
    let Some(outcome) = prepared(&place, "mount --bind /etc/passwd /etc/hosts", "plan run host true") else {
        return;
    };
    let plan = outcome.ok();
    assert!(plan.contains("note: the container has a copy of `/etc`: `/etc/hosts` is mounted"), "{plan}");
    let prepare = "truncate -s 80M large; mount --bind large /usr/lib/os-release";
    let outcome = prepared(&place, prepare, "run --rm host true").unwrap();
    outcome.fails(125, "over mounts the kernel lets an ordinary user lay no overlay");
    prepared(&place, "mount --bind /etc/passwd /etc/hosts", "run --rm --read-only host true").unwrap().ok();
}

/// Calls `cv` in a container.
fn nested(place: &Place, outer: &[&str], inner: &str) -> Outcome {
    let program = format!("{}:/cv", env!("CARGO_BIN_EXE_cv"));
    let words = words(inner);
    let inner = words.iter().map(String::as_str);
    place.run(
        ["run", "--rm", "-v", &program]
            .into_iter()
            .chain(outer.iter().copied())
            .chain(["host", "/cv"])
            .chain(inner),
    )
}

#[test]
fn containers_are_made_in_a_container_of_ours() {
    let place = Place::new();
    let allowed = ["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"];
    let script = "run --rm -h inner host sh -c 'cat /etc/hostname; touch /etc/new /usr/new && echo written'";
    assert_eq!(nested(&place, &allowed, script).ok(), "inner\nwritten");
    let outcome = nested(&place, &allowed[2..], "run --rm host true");
    outcome.fails(125, "hint: a system call filter forbids new namespaces");
    let outcome = nested(&place, &allowed[..2], "run --rm host true");
    outcome.fails(125, "hint: the kernel shows a new one only where the caller's own is fully visible");
}
