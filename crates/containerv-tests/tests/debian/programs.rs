//! Programs that are nothing special, and must not notice that they run in a container.

use super::files::listing;
use super::{Debian, feed, text};

/// Commands that succeed in a container that Docker makes by default, and what they write, or a part
/// of it.
const COMMANDS: &[(&str, &str)] = &[
    ("apt-get --version", "apt 2.6"),
    ("apt-cache policy bash", "Installed: 5.2"),
    ("apt-get --simulate --no-download remove python3-minimal", "Remv python3-minimal"),
    ("dpkg -l python3-minimal", "ii  python3-minimal"),
    ("dpkg --print-architecture", "amd64"),
    ("dpkg --audit", ""),
    ("dpkg --verify", ""),
    ("dpkg-query -S /usr/bin/python3", "python3-minimal"),
    ("perl -MPOSIX -MFcntl -e 'print +(uname())[0], \" \", getppid()'", "Linux 0"),
    ("bash -c 'coproc cat; echo through >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x'", "through"),
    ("bash -c 'diff <(seq 3) <(seq 4) || echo differ'", "differ"),
    ("find / -xdev -name os-release -type f", "/usr/lib/os-release"),
    ("tar -czf /tmp/etc.tar.gz /etc 2>/dev/null && tar -tzf /tmp/etc.tar.gz | grep passwd", "etc/passwd\n"),
    ("tar -C /srv -xpf /tmp/etc.tar.gz && diff -r --no-dereference /etc /srv/etc && echo same", "same"),
    ("gzip -dc /usr/share/doc/bash/changelog.Debian.gz | head -1", "bash ("),
    ("sha256sum /dev/null", "e3b0c44298fc1c14"),
    ("ldconfig -p | grep -c libc.so.6", "1"),
    ("ldconfig && ldd /bin/bash", "libc.so.6 => /lib/x86_64-linux-gnu"),
    ("iconv -f latin1 -t utf8 /dev/null && locale -a", "C.utf8"),
    ("getent passwd www-data", "www-data:x:33:33"),
    (
        "useradd --create-home --shell /bin/bash worker && su - worker -c 'id -un; pwd'",
        "worker\n/home/worker",
    ),
    ("groupadd crew && usermod -aG crew worker && id -Gn worker", "worker crew"),
    ("echo worker:secret | chpasswd && passwd --status worker", "worker P"),
    ("userdel --remove worker && ls /home", ""),
    ("update-alternatives --query awk", "Value: /usr/bin/mawk"),
    ("chroot / /bin/echo inside", "inside"),
    ("setpriv --reuid 33 --regid 33 --clear-groups id -u", "33"),
    ("runuser -u nobody -- id -un", "nobody"),
    (
        "chown www-data: /srv && install -o games -g adm -m 4755 /bin/true /srv/t && stat -c %U:%G:%a /srv/t",
        "games:adm:4755",
    ),
    ("mknod /tmp/pipe p && (echo passed > /tmp/pipe & cat /tmp/pipe)", "passed"),
    ("flock /tmp/lock true && fallocate -l 1M /tmp/full && stat -c %s /tmp/full", "1048576"),
    ("ipcmk -M 65536 -S 3 -Q && ipcs -m | grep -c 0x", "1"),
    ("ipcrm --all && ipcs -q | grep -c 0x || true", "0"),
    ("taskset -c 0 ionice -c 3 true && renice -n 19 $$ >/dev/null && nice", "19"),
    ("prlimit --nofile=100 bash -c 'ulimit -n'", "100"),
    ("timeout -s INT 0.1 sleep 100; echo $?", "124"),
    ("setsid -w nohup echo alone", "alone"),
    ("script -qec 'tty && stty size' /dev/null", "/dev/pts/"),
    ("findmnt -no FSTYPE /", "overlay"),
    ("lscpu | head -1", "Architecture: "),
    ("df --output=target / | tail -1", "/"),
    ("hostname", "box"),
    ("ps -o comm= 1 2>/dev/null || cat /proc/1/comm", "sleep"),
    ("date +%Z; touch -d 2001-02-03 /tmp/old && date -r /tmp/old +%F", "2001-02-03"),
    ("debconf-show debconf | head -1; deb-systemd-helper --help >/dev/null 2>&1; echo asked", "asked"),
    ("mktemp -d -p /dev/shm", "/dev/shm/tmp."),
    ("echo 1000 > /proc/self/oom_score_adj && cat /proc/self/oom_score_adj", "1000"),
];

/// What a container may not do, and what Docker's may not either.
const REFUSED: &[(&str, &str)] = &[
    ("mount -t tmpfs none /mnt", "permission denied"),
    ("unshare --user true", "not permitted"),
    ("date -s 2001-02-03", "not permitted"),
    ("hostname other", "must be root"),
    ("mknod /tmp/disk b 8 0", "not permitted"),
    ("dmesg", "not permitted"),
    ("echo 1 > /proc/sys/kernel/panic", "Read-only file system"),
    ("nice -n -5 true", "Permission denied"),
];

#[test]
fn everyday_programs_work() {
    let Some(debian) = Debian::of_root() else { return };
    debian.background("box", &["--hostname", "box"]);
    for (command, expected) in COMMANDS {
        let output = debian.call(["exec", "box", "bash", "-c", command]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let fits = if expected.is_empty() { out.is_empty() } else { out.contains(expected) };
        assert!(output.status.success() && fits, "`{command}`: {}: {out}\n{err}", output.status);
    }
    debian.cv(&["rm", "-f", "box"]);
}

#[test]
fn what_only_a_host_may_do_is_refused() {
    let Some(debian) = Debian::of_root() else { return };
    debian.background("box", &[]);
    for (command, expected) in REFUSED {
        let output = debian.call(["exec", "box", "bash", "-c", command]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "`{command}`: {}: {error}", output.status);
    }
    debian.cv(&["rm", "-f", "box"]);
}

#[test]
fn a_python_program_has_threads_processes_sockets_and_signals() {
    let Some(debian) = Debian::find() else { return };
    let program = include_str!("program.py");
    let mut call = debian.run_call(&["--rm", "-i", "--overlay", "container", "python3", "-", "an argument"]);
    let output = feed(&mut call, program.as_bytes());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((out.as_ref(), err.as_ref(), output.status.code()), ("everything works\n", "", Some(21)));
}

#[test]
fn the_system_is_used_in_place_and_under_each_overlay() {
    let Some(debian) = Debian::find() else { return };
    let layer = debian.bed.path("layer");
    let before = listing(&debian.tree);
    for overlay in ["none", "container", "memory", super::utf8(&layer)] {
        if overlay.starts_with('/') && !containerv_tests::machine::is_root() {
            continue;
        }
        let call =
            |words: &[&str]| text(&mut debian.run_call(&[&["--rm", "--overlay", overlay], words].concat()));
        assert!(call(&["apt-get", "--version"]).starts_with("apt 2.6"), "{overlay}");
        assert_eq!(call(&["python3", "-c", "print(6 * 7)"]), "42", "{overlay}");
        assert!(call(&["dpkg-query", "-W", "bash"]).starts_with("bash\t5.2"), "{overlay}");
    }
    assert_eq!(listing(&debian.tree), before, "these programs write nothing, and neither does `cv`");
}
