//! Every option of `run` does what it says, seen from inside.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it is skipped"
)]

mod support;

use support::Place;

/// Options, a command for the shell inside, and what that prints.
const FLAGS: &[(&str, &str, &str)] = &[
    ("-h box", "hostname", "box"),
    ("--domainname example", "cat /proc/sys/kernel/domainname", "example"),
    ("-w /srv/deep", "pwd", "/srv/deep"),
    ("-u 5:6", "id -u; id -g", "5\n6"),
    ("-u nobody", "id -un", "nobody"),
    ("-u 5 --group-add 7 --group-add tty", "id -G | tr ' ' '\\n' | grep -c -x -e 7 -e 5", "2"),
    ("--umask 0077", "umask", "0077"),
    ("-e A=1 -e A=2", "echo $A", "2"),
    ("--entrypoint /bin/echo", "", "-c"),
    ("--ulimit nofile=100:200 --ulimit core=0", "ulimit -Sn; ulimit -Hn; ulimit -c", "100\n200\n0"),
    ("--init", "cat /proc/1/comm | grep -c sh; test $$ != 1 && echo not first", "0\nnot first"),
    ("--add-host db:10.0.0.5", "grep db /etc/hosts | tr -s '\\t ' ' '", "10.0.0.5 db"),
    ("--shm-size 1m", "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", "1024"),
    (
        "--tmpfs /cache:size=1m,mode=700",
        "df -k /cache | tail -1 | tr -s ' ' | cut -d' ' -f2; stat -c %a /cache",
        "1024\n700",
    ),
    ("--tmpfs /cache", "cp /bin/true /cache/x; /cache/x 2>/dev/null || echo refused", "refused"),
    ("--tmpfs /cache:exec", "cp /bin/true /cache/x; /cache/x && echo allowed", "allowed"),
    ("-v ./shared:/mnt", "cat /mnt/file; touch /mnt/new && echo written", "content\nwritten"),
    ("-v ./shared:/mnt:ro", "touch /mnt/new2 2>/dev/null || echo refused", "refused"),
    ("--mount type=bind,source=./shared/file,target=/one,readonly", "cat /one", "content"),
    ("-v ./missing:/mnt", "ls -A /mnt; echo made", "made"),
    ("--read-only", "touch /tmp/x /usr/x 2>/dev/null || echo refused", "refused"),
    ("--overlay memory", "touch /usr/x && echo written", "written"),
    ("--cap-drop ALL", "grep CapEff /proc/self/status | cut -f2", "0000000000000000"),
    ("--cap-drop ALL --cap-add NET_RAW", "grep CapEff /proc/self/status | cut -f2", "0000000000002000"),
    ("", "grep -c 'NoNewPrivs:.1' /proc/self/status", "1"),
    ("--security-opt no-new-privileges=false", "grep -c 'NoNewPrivs:.0' /proc/self/status", "1"),
    ("", "grep Seccomp: /proc/self/status | cut -f2", "2"),
    ("--security-opt seccomp=unconfined", "grep Seccomp: /proc/self/status | cut -f2", "0"),
    ("--security-opt seccomp=profile.json", "mkdir /tmp/x 2>/dev/null || echo refused", "refused"),
    ("", "cat /proc/kcore 2>/dev/null | head -c 1 | wc -c", "0"),
    ("--network none", "ls /sys/class/net", "lo"),
    ("--uts host", "test $(hostname) = $OUTSIDE && echo same", "same"),
    ("--oom-score-adj 500", "cat /proc/self/oom_score_adj", "500"),
    ("--stop-signal USR1 --stop-timeout 3", "echo runs", "runs"),
    ("--sysctl kernel.msgmax=1234", "cat /proc/sys/kernel/msgmax", "1234"),
    ("--sysctl net.ipv4.ip_default_ttl=99", "cat /proc/sys/net/ipv4/ip_default_ttl", "99"),
    ("--time-offset boottime=10d", "test $(cut -d. -f1 /proc/uptime) -gt 864000 && echo shifted", "shifted"),
    ("--device /dev/fuse:/dev/other", "test -c /dev/other && echo there", "there"),
    ("--label a=1 --name named --no-healthcheck --pull never --restart no", "echo runs", "runs"),
    ("-m 64m", "echo runs", "runs"),
];

#[test]
fn each_option_takes_effect() {
    let place = Place::new();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mapping ids, devices and limits need root");
        return;
    }
    std::fs::create_dir(place.join("shared")).unwrap();
    place.write("shared/file", "content\n");
    let deny_mkdir = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    place.write("profile.json", deny_mkdir);
    let outside = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut wrong = Vec::new();
    for (options, script, expected) in FLAGS {
        let mut command = place.command(["run", "--rm", "-e", &format!("OUTSIDE={outside}")]);
        command.args(options.split(' ').filter(|word| !word.is_empty())).arg("host");
        match script.is_empty() {
            true => command.arg("-c"),
            false => command.args(["sh", "-c", script]),
        };
        let outcome = support::Outcome::of(command.output().unwrap());
        if outcome.stdout.trim_end() != *expected {
            wrong.push(format!("`{options}`: expected {expected:?}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(place.join("missing").is_dir(), "`-v` makes a missing directory");
}

#[test]
fn namespaces_of_other_containers_are_joined() {
    let place = Place::new();
    place.line("run -d --name web host sleep 1000").ok();
    place.line("exec web sh -c 'echo x > /dev/shm/mark'").ok();
    let links = "readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/pid";
    let inside = place.line(&format!("exec web sh -c '{links}'")).ok();
    let joined = place.line(&format!(
        "run --rm --network container:web --ipc container:web --pid container:web host sh -c '{links}'"
    ));
    assert_eq!(joined.ok(), inside);
}

#[test]
fn a_root_directory_is_used_in_place_or_below_a_layer() {
    let place = Place::new();
    // A root of two directories: programs are this machine's, bound into it.
    for directory in ["root-fs/usr", "root-fs/bin", "root-fs/lib", "root-fs/lib64", "root-fs/data"] {
        std::fs::create_dir_all(place.join(directory)).unwrap();
    }
    let binds = "-v /usr:/usr:ro -v /bin:/bin:ro -v /lib:/lib:ro -v /lib64:/lib64:ro";
    let run = |options: &str| {
        place.line(&format!(
            "run --rm --rootfs root-fs {binds} {options} sh -c 'echo x > /data/new && cat /data/new'"
        ))
    };
    for overlay in ["container", "memory"] {
        assert_eq!(run(&format!("--overlay {overlay}")).ok(), "x");
        assert!(!place.join("root-fs/data/new").exists(), "{overlay}");
    }
    assert_eq!(run("--overlay ./kept").ok(), "x");
    assert!(!place.join("root-fs/data/new").exists());
    assert_eq!(
        place.line(&format!("run --rm --rootfs root-fs {binds} --overlay ./kept cat /data/new")).ok(),
        "x"
    );
    assert_eq!(run("").ok(), "x");
    assert!(place.join("root-fs/data/new").exists());
    run("--read-only").fails(2, "Read-only file system");
    if rustix::process::geteuid().is_root() {
        let ids = "--uidmap 0:100000:1000 --gidmap 0:200000:1000 --read-only";
        let maps = "sh -c 'cat /proc/self/uid_map /proc/self/gid_map'";
        let printed = place.line(&format!("run --rm --rootfs root-fs {binds} {ids} {maps}")).ok();
        let numbers: Vec<&str> = printed.split_whitespace().collect();
        assert_eq!(numbers, ["0", "100000", "1000", "0", "200000", "1000"]);
    }
}
