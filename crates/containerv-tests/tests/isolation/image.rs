//! The built-in image `host`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use containerv::spec::request::{Mount, MountOptions, MountSource, Overlay, Request, Root};
use containerv_tests::{Bed, machine, programs, skip};

fn host(request: &mut Request) {
    request.root = Root::Host;
}

fn read_only_host(request: &mut Request) {
    host(request);
    request.read_only = true;
}

fn host_in_memory(request: &mut Request) {
    host(request);
    request.overlay = Overlay::Memory;
}

const EACH: [fn(&mut Request); 3] = [host, read_only_host, host_in_memory];

fn read_only_host_with_layers(request: &mut Request) {
    read_only_host(request);
    request.overlay = Overlay::Container;
}

/// Files of `/etc` that others may not read, and that are not empty.
fn secrets() -> Vec<String> {
    let secret = |path: &Path| {
        fs::metadata(path)
            .is_ok_and(|data| data.is_file() && data.len() > 0 && data.permissions().mode() & 0o004 == 0)
    };
    let entries = fs::read_dir("/etc").unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| secret(path)).map(|path| path.to_str().unwrap().to_owned()).collect()
}

#[test]
fn programs_of_the_machine_run_in_it() {
    let bed = Bed::new();
    for request in EACH {
        assert_eq!(
            bed.text(request, "id -u; ls -d /usr/bin /bin /etc; cat /etc/os-release | wc -l").lines().next(),
            Some("0")
        );
    }
}

#[test]
fn read_only_is_read_only_with_layers_too() {
    let bed = Bed::new();
    let script = "for f in /x /etc/x /usr/x /usr/bin/x /root/x /var/x; do (: >> $f) 2>&1 | grep -o Read-only; done; \
                  if (: >> /etc/passwd) 2> /dev/null; then echo written; fi; \
                  echo y > /tmp/x; cat /tmp/x; echo y > /run/x; cat /run/x; grep -c localhost /etc/hosts";
    let expected = format!("{}y\ny\n2", "Read-only\n".repeat(6));
    for request in [read_only_host, read_only_host_with_layers] {
        assert_eq!(bed.text(request, script), expected);
    }
    let with_mount = |request: &mut Request| {
        read_only_host_with_layers(request);
        request.mounts.push(memory_at("/etc/containerv-test"));
    };
    let script = "echo y > /etc/containerv-test/x && cat /etc/containerv-test/x; (: > /etc/x) 2>&1 | grep -o Read-only";
    assert_eq!(bed.text(with_mount, script), "y\nRead-only");
}

fn memory_at(target: &str) -> Mount {
    let source = MountSource::Tmpfs { size: None, mode: None };
    let options = MountOptions { create_target: true, ..MountOptions::default() };
    Mount { source, target: target.into(), read_only: false, options }
}

/// A mount point that the machine does not have is made in a layer of the container's own.
#[test]
fn a_read_only_host_image_has_what_is_mounted_where_the_machine_has_nothing() {
    let bed = Bed::new();
    let request = |request: &mut Request| {
        read_only_host(request);
        request.mounts.push(memory_at("/etc/containerv-test"));
    };
    assert_eq!(
        bed.text(request, "ls -A /etc/containerv-test; (: > /etc/x) 2>&1 | grep -o Read-only"),
        "Read-only"
    );
    assert!(!Path::new("/etc/containerv-test").exists());
}

#[test]
fn a_read_only_host_image_has_the_hosts_file_that_the_machine_has_not() {
    if !machine::is_root() {
        return skip("needs root to hide `/etc/hosts`");
    }
    let Some(cv) = programs::cv() else { return skip("`CONTAINERV_CV` names no `cv`") };
    let bed = Bed::new();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-ec", "mount -t tmpfs none /etc; exec \"$0\" \"$@\""])
        .arg(cv)
        .arg("--root")
        .arg(bed.state())
        .args(["run", "--rm", "--read-only", "host", "sh", "-c"])
        .arg("grep -c localhost /etc/hosts; (: > /etc/x) 2>&1 | grep -o Read-only")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\nRead-only\n", "{output:?}");
    bed.assert_nothing_left("after a container without the machine's `/etc`");
}

#[test]
fn private_directories_are_empty() {
    let bed = Bed::new();
    for request in EACH {
        let listed = bed.text(request, "ls -A /root /home /tmp /mnt /srv /run /var/tmp");
        let expected = "/home:\n\n/mnt:\n\n/root:\n\n/run:\n\n/srv:\n\n/tmp:\n\n/var/tmp:";
        assert_eq!(listed, expected);
        assert_eq!(bed.text(request, "ls -A /var"), "tmp");
        assert_eq!(bed.text(request, "stat -c %a /root /tmp /home"), "700\n1777\n755");
    }
}

#[test]
fn nothing_else_of_the_machine_is_there() {
    let bed = Bed::new();
    for request in EACH {
        let listed = bed.text(request, "ls -A /");
        for name in listed.lines() {
            let known = [
                "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "root", "home", "var", "mnt",
                "srv", "proc", "sys", "dev", "run", "tmp",
            ];
            assert!(known.contains(&name), "{name}");
        }
    }
}

#[test]
fn secrets_of_etc_are_hidden_even_from_root() {
    let bed = Bed::new();
    let secrets = secrets();
    assert!(secrets.iter().any(|path| path == "/etc/shadow"), "{secrets:?}");
    let script = format!("cat {} | wc -c; ls -A /etc/ssl/private 2>/dev/null | wc -l", secrets.join(" "));
    for request in EACH {
        assert_eq!(bed.text(request, &script), "0\n0");
    }
    let container = bed.keeper(host);
    let output = container.command("cat").args(&secrets).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    // What is hidden cannot be dug out again.
    let output = bed.run(host, "umount /etc/shadow; rm -f /etc/shadow; cat /etc/shadow | wc -c");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
}

#[test]
fn writes_stay_in_the_container() {
    let bed = Bed::new();
    let name = format!("containerv-test-{}", std::process::id());
    let script = format!(
        "echo x > /usr/{name}; echo x > /etc/{name}; echo x > /{name}; cat /usr/{name} /etc/{name} /{name} | wc -l"
    );
    for request in [host, host_in_memory] {
        assert_eq!(bed.text(request, &script), "3");
    }
    for top in ["/usr", "/etc", "/"] {
        assert!(!Path::new(top).join(&name).exists());
    }
}

#[test]
fn an_empty_directory_named_like_a_mount_point_is_a_change() {
    let bed = Bed::new();
    let container = bed.keeper(host);
    let made = container.command("/bin/sh").args(["-c", "mkdir /etc/proc && echo made"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&made.stdout), "made\n");
    let changes: Vec<_> = container.changes().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["A /etc/proc"]);
    container.delete(true).unwrap();
}

#[test]
fn a_read_only_host_is_read_only_except_for_private_memory() {
    let bed = Bed::new();
    let script = "for d in / /usr /etc /root /var /home; do (: > $d/x) 2>&1 | grep -o Read-only; done; \
                  echo y > /tmp/x && echo y > /run/x && echo y > /var/tmp/x && echo written";
    let expected = "Read-only\n".repeat(6) + "written";
    assert_eq!(bed.text(read_only_host, script), expected);
}

#[test]
fn it_has_its_own_hosts_file() {
    let bed = Bed::new();
    for request in EACH {
        let text = bed.text(
            |r| {
                request(r);
                r.hostname = Some("walnut".into());
                r.extra_hosts.push(("db".into(), "10.1.2.3".into()));
            },
            "cat /etc/hostname /etc/hosts",
        );
        assert!(text.starts_with("walnut\n127.0.0.1\tlocalhost\n"), "{text}");
        assert!(text.ends_with("127.0.0.1\twalnut\n10.1.2.3\tdb"), "{text}");
    }
}

#[test]
fn it_can_be_run_again() {
    let bed = Bed::new();
    let mut request = bed.request();
    host(&mut request);
    request.process = Some(containerv_tests::shell("echo x >> /usr/count; exit $(wc -l < /usr/count)"));
    let container = containerv::Container::run_detached(bed.host(), request).unwrap();
    assert_eq!(container.wait().unwrap().code, 1);
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 2);
}

#[test]
fn set_uid_programs_of_the_machine_raise_nothing() {
    let bed = Bed::new();
    let script = "grep NoNewPrivs /proc/self/status; su root -c id 2>&1 | head -1";
    let text = bed.text(
        |request| {
            host(request);
            request.process.as_mut().unwrap().user = "nobody".into();
        },
        script,
    );
    assert!(text.starts_with("NoNewPrivs:\t1"), "{text}");
    assert!(!text.contains("uid=0"), "{text}");
}
