//! The built-in image `host`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use containerv::spec::request::{Overlay, Request, Root};
use containerv_tests::Bed;

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
