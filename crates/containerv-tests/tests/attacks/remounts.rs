//! Targets that lead elsewhere when a mount is added to a running container, or taken away from it.

use std::fs;
use std::os::unix::fs::symlink;

use containerv::{Container, ErrorKind};
use containerv_tests::{Bed, wait_until};

use crate::volumes::plant_links;
use crate::{Attacker, bind, canary, fingerprint};

/// Runs a shell script in the container, and returns what it prints.
fn script(container: &Container, script: &str) -> String {
    let output = container.command("sh").args(["-c", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn cve_2021_30465_targets_swapped_while_a_mount_comes_and_goes_stay_in_the_container() {
    const ROUNDS: usize = 100;
    let bed = Bed::new();
    let canary = canary(&bed);
    let before = fingerprint(&canary);
    let volume = bed.make_directory("volume");
    fs::create_dir_all(volume.join("target/sub")).unwrap();
    plant_links(&volume, &canary);
    fs::write(bed.make_directory("payload").join("file"), "of the request").unwrap();
    let container = bed.keeper(|request| request.mounts.push(bind(&bed, "volume", "/mnt")));
    let pairs = ["/mnt/target", "/mnt/climbing", "/mnt/target", "/mnt/absolute"];
    let swapper = Attacker::start(&bed, &container, &[&["swap"], &pairs[..]].concat());
    let mut made = 0;
    for round in 0..ROUNDS {
        let mut mount = bind(&bed, "payload", "/mnt/target/sub");
        mount.options.create_target = true;
        mount.options.strict_target = round % 3 == 0;
        mount.read_only = round % 2 == 0;
        if container.add_mount(&mount).is_err() {
            continue;
        }
        made += 1;
        // In the place of the target may be something else for a moment, which is not taken away.
        let removed = || container.remove_mount("/mnt/target/sub").is_ok();
        assert!(wait_until(std::time::Duration::from_secs(60), removed), "round {round}");
    }
    swapper.stop();
    println!("{made} of {ROUNDS} made");
    assert!(made > 0, "none was made");
    assert_eq!(fingerprint(&canary), before);
    assert_eq!(script(&container, "grep -c ' /mnt' /proc/self/mountinfo"), "1\n", "only the volume is left");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(bed.path("").to_str().unwrap()), "{mounts}");
}

#[test]
fn what_hides_the_host_is_not_taken_away_in_the_place_of_a_mount() {
    let bed = Bed::new();
    fs::write(bed.make_directory("data").join("file"), "of the request").unwrap();
    let container = bed.keeper(|request| {
        request.mounts.push(bind(&bed, "data/file", "/mnt/dir/keys"));
        request.mounts[0].options.create_target = true;
    });
    let before = container.request().mounts.clone();
    let hidden = || script(&container, "head -c 10 /proc/keys | wc -c");
    assert_eq!(hidden(), "0\n");
    script(&container, "mv /mnt/dir /mnt/moved && ln -s /proc /mnt/dir");
    for _ in 0..2 {
        let error = container.remove_mount("/mnt/dir/keys").unwrap_err();
        assert!(error.hint().unwrap().contains("stop the container"), "{error:?}");
    }
    assert_eq!(hidden(), "0\n");
    assert_eq!(bed.host().container(container.id().as_str()).unwrap().request().mounts, before);
    script(&container, "rm /mnt/dir && mv /mnt/moved /mnt/dir");
    container.remove_mount("/mnt/dir/keys").unwrap();
    assert_eq!(script(&container, "cat /mnt/dir/keys"), "");
}

#[test]
fn a_read_only_mount_is_not_taken_away_in_the_place_of_a_writable_one() {
    let bed = Bed::new();
    fs::write(bed.make_directory("data").join("file"), "").unwrap();
    let container = bed.keeper(|request| {
        for (target, read_only) in [("/mnt/a/x", true), ("/mnt/b/x", false)] {
            let mut mount = bind(&bed, "data", target);
            (mount.read_only, mount.options.create_target) = (read_only, true);
            request.mounts.push(mount);
        }
    });
    script(&container, "mv /mnt/a /mnt/c && mv /mnt/b /mnt/a && mv /mnt/c /mnt/b");
    for target in ["/mnt/a/x", "/mnt/b/x"] {
        container.remove_mount(target).unwrap_err();
    }
    assert_eq!(script(&container, "ls /mnt/a/x /mnt/b/x | grep -c file"), "2\n");
}

#[test]
fn cve_2023_28642_a_link_leads_no_mount_that_comes_into_proc() {
    let bed = Bed::new();
    fs::write(bed.make_directory("data").join("file"), "").unwrap();
    let container = bed.keeper(|_| {});
    for (name, target) in [("evil", "/proc"), ("mnt/evil", "../proc/sys"), ("mnt/version", "/proc/version")] {
        symlink(target, bed.in_root(name)).unwrap();
        let source = if name == "mnt/version" { "data/file" } else { "data" };
        let error = container.add_mount(&bind(&bed, source, &format!("/{name}"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{name}: {error}");
        assert!(error.hint().unwrap().contains("/proc"), "{error:?}");
    }
    assert_eq!(bed.host().container(container.id().as_str()).unwrap().request().mounts, []);
}

#[test]
fn cve_2024_45310_hostile_targets_of_mounts_that_come_make_nothing_on_the_host() {
    let bed = Bed::new();
    let canary = canary(&bed);
    let volume = bed.make_directory("volume");
    plant_links(&volume, &canary);
    fs::write(bed.make_directory("payload").join("file"), "").unwrap();
    let container = bed.keeper(|request| request.mounts.push(bind(&bed, "volume", "/mnt")));
    let outside = || {
        let entries = fs::read_dir(bed.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        (names, fingerprint(&canary), fingerprint(&bed.path("payload")))
    };
    let before = outside();
    for link in ["absolute", "climbing", "first", "descriptor", "hop"] {
        for (source, below) in [("payload", ""), ("payload", "/new"), ("payload/file", "/sub/new/deep")] {
            let mut mount = bind(&bed, source, &format!("/mnt/{link}{below}"));
            mount.options.create_target = true;
            // Whether it is possible is one thing; where it happens is another.
            let _ = container.add_mount(&mount);
            assert_eq!(outside(), before, "{link}{below} from {source}");
        }
    }
}
