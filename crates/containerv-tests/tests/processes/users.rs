//! Users and groups, looked up in hostile files of the container.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use containerv::spec::request::{Process, Rlimit, RlimitResource};
use containerv::{Command, Container, Error, ErrorKind, ExecOptions, StdioSet};
use containerv_tests::machine::{own_memory_kib, run};
use containerv_tests::{Bed, shell};

use crate::text;

const IDS: &str =
    "id -u; id -g; grep Groups /proc/self/status | cut -f2 | tr ' ' '\\n' | sort -n | tr '\\n' ' '";

fn ids(container: &Container, user: &str) -> String {
    text(container.command("sh").args(["-c", IDS]).user(user)).trim_end().replace('\n', " ")
}

#[test]
fn users_are_found_by_name_and_number() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let found = |user| ids(&container, user);
    assert_eq!(found(""), "0 0");
    assert_eq!(found("root"), "0 0");
    assert_eq!(found("alice"), "1000 1000  29 100");
    assert_eq!(found("1000"), "1000 1000  29 100");
    assert_eq!(found("alice:audio"), "1000 29");
    assert_eq!(found("1000:100"), "1000 100");
    assert_eq!(found("alice:0"), "1000 0");
    assert_eq!(found("4711"), "4711 0");
    assert_eq!(found("4711:4712"), "4711 4712");
    assert_eq!(found("2147483647:2147483647"), "2147483647 2147483647");
    assert_eq!(found(":users"), "0 100");
}

#[test]
fn further_groups_are_added() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    let with = |groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let process = Process { user: "alice".into(), groups, ..shell(IDS) };
        let child = container.exec(&process, StdioSet::piped(), ExecOptions::default())?;
        let output = child.wait_with_output()?;
        Ok::<_, Error>(String::from_utf8(output.stdout).unwrap().trim_end().replace('\n', " "))
    };
    assert_eq!(with(&["nogroup", "5000", "audio"]).unwrap(), "1000 1000  29 100 5000 65534");
    let error = with(&["absent"]).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn a_further_command_is_the_user_of_the_containers_own_unless_told_otherwise() {
    let bed = Bed::new();
    let mut request = bed.request();
    let limit = Rlimit { resource: RlimitResource::Nofile, soft: 100, hard: 100 };
    request.process = Some(Process {
        user: "alice".into(),
        groups: vec!["5000".into()],
        cwd: "/tmp".into(),
        rlimits: vec![limit],
        umask: Some(0o27),
        ..shell("sleep 1000")
    });
    let container = Container::run_detached(bed.host(), request).unwrap();
    let script = format!("{IDS}; ulimit -n; umask; pwd");
    let seen = |command: Command<'_>| text(command.args(["-c", &script])).replace('\n', " ");
    assert_eq!(seen(container.command("sh")), "1000 1000  29 100 5000 100 0027 /tmp");
    assert_eq!(seen(container.command("sh").user("0:0").current_dir("/")), "0 0  5000 100 0027 /");
    container.delete(true).unwrap();
}

#[test]
fn cve_2024_40635_ids_that_wrap_are_refused() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    for user in
        ["4294967296", "4294967295", "2147483648", "-1", "0:4294967296", "0:-1", "99999999999999999999"]
    {
        let error = container.command("id").user(user).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{user}: {error}");
        assert!(error.to_string().contains(user.trim_start_matches("0:")), "{user}: {error}");
    }
    // The same from the container's own file.
    fs::write(
        bed.in_root("etc/passwd"),
        "wrap:x:4294967296:0::/:\nbig:x:2147483648:0::/:\nminus:x:-1:0::/:\nplus:x:+1:0::/:\nnone:x::0::/:\n",
    )
    .unwrap();
    for user in ["wrap", "big", "minus", "plus", "none"] {
        let error = container.command("id").user(user).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{user}: {error}");
    }
}

#[test]
fn an_unknown_user_is_named_in_the_error() {
    let bed = Bed::new();
    let container = bed.keeper(|_| {});
    for user in ["mallory", "alice:mallory", "Alice", "ali"] {
        let error = container.command("id").user(user).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{user}: {error}");
        assert!(error.to_string().contains(user), "{error}");
        assert!(error.hint().unwrap().contains("/etc/passwd"), "{error:?}");
    }
    for user in ["a:b:c", "a/b", "-x", "a\nb"] {
        let error = container.command("id").user(user).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{user}: {error}");
    }
}

#[test]
fn without_files_numbers_still_work() {
    let bed = Bed::new();
    fs::remove_file(bed.in_root("etc/passwd")).unwrap();
    fs::remove_file(bed.in_root("etc/group")).unwrap();
    let container = bed.keeper(|_| {});
    assert_eq!(ids(&container, "12:34"), "12 34");
    assert_eq!(ids(&container, ""), "0 0");
    assert_eq!(container.command("id").user("root").spawn().unwrap_err().kind(), ErrorKind::NotFound);
}

/// Expects the start of a process to fail soon, and without much memory.
fn refused_quickly(bed: &Bed, user: &str) -> Error {
    let (start, memory) = (Instant::now(), own_memory_kib());
    let container = bed.keeper(|_| {});
    let error = container.command("id").user(user).spawn().unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(own_memory_kib() < memory + 16 * 1024, "{memory} {}", own_memory_kib());
    container.delete(true).unwrap();
    error
}

#[test]
fn cve_2022_31030_files_without_end_are_refused() {
    let bed = Bed::new();
    for (name, user) in [("etc/group", "alice:mallory"), ("etc/passwd", "mallory")] {
        let path = bed.in_root(name);
        let before = fs::read(&path).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_len(1 << 30).unwrap();
        let error = refused_quickly(&bed, user);
        assert!(error.hint().unwrap().contains("larger than 8 MiB"), "{error:?}");
        fs::write(&path, before).unwrap();
    }
}

#[test]
fn a_line_of_100_megabytes_is_refused_and_a_long_one_is_passed_over() {
    let bed = Bed::new();
    let path = bed.in_root("etc/passwd");
    let mut file = fs::File::create(&path).unwrap();
    let megabyte = vec![b'a'; 1 << 20];
    for _ in 0..5 {
        file.write_all(&megabyte).unwrap();
    }
    file.write_all(b":x:0:0::/:\nlater:x:33:44::/:\n").unwrap();
    let container = bed.keeper(|_| {});
    assert_eq!(ids(&container, "later"), "33 44");
    for _ in 0..95 {
        file.write_all(&megabyte).unwrap();
    }
    let error = refused_quickly(&bed, "mallory");
    assert!(error.hint().unwrap().contains("larger than 8 MiB"), "{error:?}");
}

#[test]
fn files_that_are_none_are_refused_without_waiting() {
    let bed = Bed::new();
    let path = bed.in_root("etc/passwd");
    let text = path.to_str().unwrap();
    let kinds: [(&str, &dyn Fn()); 4] = [
        ("fifo", &|| drop(run("mkfifo", &[text]))),
        ("directory", &|| fs::create_dir(&path).unwrap()),
        ("link to a device", &|| symlink("/dev/zero", &path).unwrap()),
        ("magic link", &|| symlink("/proc/self/fd/0", &path).unwrap()),
    ];
    for (kind, make) in kinds {
        run("rm", &["-rf", text]);
        make();
        let error = refused_quickly(&bed, "alice");
        assert!(error.to_string().contains("alice"), "{kind}: {error}");
    }
}

#[test]
fn links_in_etc_lead_to_files_of_the_container_only() {
    let bed = Bed::new();
    fs::write(bed.path("outside"), "outsider:x:5:5::/:\n").unwrap();
    fs::write(bed.in_root("var/users"), "insider:x:6:6::/:\n").unwrap();
    let path = bed.in_root("etc/passwd");
    fs::remove_file(&path).unwrap();
    symlink("/var/users", &path).unwrap();
    let container = bed.keeper(|_| {});
    assert_eq!(ids(&container, "insider"), "6 6");
    for target in [bed.path("outside"), "../../../../../../../outside".into()] {
        fs::remove_file(&path).unwrap();
        symlink(&target, &path).unwrap();
        let error = container.command("id").user("outsider").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[test]
fn garbage_lines_are_passed_over() {
    let bed = Bed::new();
    let garbage: &[u8] = b"\n:::\n::::::::::\nalice\nalice:x\nalice:x:\nalice:x:1:\n#alice:x:3:3::/:\n\xff\xfe:x:1:1\n\0\0\0\n\
                           alice:x:77:78:::::\nalice:x:1:1::/:";
    fs::write(bed.in_root("etc/passwd"), garbage).unwrap();
    let container = bed.keeper(|_| {});
    assert!(ids(&container, "alice").starts_with("77 78"));
}

#[test]
fn more_groups_than_there_is_room_for_are_an_error() {
    let bed = Bed::new();
    let many: String = (0..300).map(|number| format!("g{number}:x:{}:alice\n", 10_000 + number)).collect();
    fs::write(bed.in_root("etc/group"), many).unwrap();
    let container = bed.keeper(|_| {});
    let error = container.command("id").user("alice").spawn().unwrap_err();
    assert!(error.to_string().contains("alice"), "{error}");
    assert_eq!(ids(&container, "alice:g1"), "1000 10001");
}
