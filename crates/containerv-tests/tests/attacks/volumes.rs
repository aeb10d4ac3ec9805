//! Mount targets that lead elsewhere, or come to while the mount is made.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use containerv::{Container, ErrorKind, StdioSet};
use containerv_tests::{Bed, shell};

use crate::{Attacker, bind, canary, fingerprint, tmpfs};

/// Links to the canary in every manner, by name.
pub(crate) fn plant_links(directory: &Path, canary: &Path) {
    let climbing = Path::new(&"../".repeat(20)).join(canary.strip_prefix("/").unwrap());
    let targets = [
        ("absolute", canary.to_owned()),
        ("climbing", climbing),
        ("first", format!("/proc/1/root{}", canary.display()).into()),
        ("descriptor", format!("/proc/self/fd/3{}{}", "/..".repeat(16), canary.display()).into()),
        ("hop", "absolute/sub".into()),
    ];
    for (name, target) in targets {
        symlink(target, directory.join(name)).unwrap();
    }
}

#[test]
fn cve_2021_30465_targets_swapped_while_mounting_stay_in_the_container() {
    const ROUNDS: usize = 300;
    let bed = Bed::new();
    let canary = canary(&bed);
    let before = fingerprint(&canary);
    let volume = bed.make_directory("volume");
    fs::create_dir_all(volume.join("target/sub")).unwrap();
    plant_links(&volume, &canary);
    let secret = bed.make_directory("payload");
    fs::write(secret.join("file"), "of the request").unwrap();
    // One container swaps what another one mounts at.
    let volumes = |request: &mut containerv::spec::Request| request.mounts.push(bind(&bed, "volume", "/mnt"));
    let first = bed.keeper(volumes);
    let pairs = ["/mnt/target", "/mnt/climbing", "/mnt/target", "/mnt/absolute"];
    let swapper = Attacker::start(&bed, &first, &[&["swap"], &pairs[..]].concat());
    let mut made = 0;
    for round in 0..ROUNDS {
        let mut request = bed.request();
        volumes(&mut request);
        let mut inner = bind(&bed, "payload", "/mnt/target/sub");
        inner.options.create_target = true;
        inner.options.strict_target = round % 3 == 0;
        inner.read_only = round % 2 == 0;
        request.mounts.extend([tmpfs("/mnt/target"), inner]);
        if let Ok(container) = Container::create(bed.host(), request) {
            container.delete(true).unwrap();
            made += 1;
        }
    }
    swapper.stop();
    println!("{made} of {ROUNDS} made");
    assert!(made > 0, "none was made");
    assert_eq!(fingerprint(&canary), before);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(bed.path("").to_str().unwrap()), "{mounts}");
}

#[test]
fn cve_2024_45310_hostile_targets_make_nothing_on_the_host() {
    let bed = Bed::new();
    let canary = canary(&bed);
    let volume = bed.make_directory("volume");
    plant_links(&volume, &canary);
    bed.make_directory("payload");
    fs::write(bed.path("payload/file"), "").unwrap();
    // Everything in the test's directory but the state, the root and the volume itself.
    let outside = || {
        let entries = fs::read_dir(bed.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        (names, fingerprint(&canary), fingerprint(&bed.path("payload")))
    };
    bed.keeper(|_| {}).delete(true).unwrap();
    let before = outside();
    for link in ["absolute", "climbing", "first", "descriptor", "hop"] {
        for below in ["", "/new", "/sub/new/deep", "/file"] {
            for source in ["payload", "payload/file"] {
                let mut request = bed.request();
                request.mounts.push(bind(&bed, "volume", "/mnt"));
                let mut inner = bind(&bed, source, &format!("/mnt/{link}{below}"));
                inner.options.create_target = true;
                request.mounts.push(inner);
                if let Ok(container) = Container::create(bed.host(), request) {
                    container.delete(true).unwrap();
                }
                assert_eq!(outside(), before, "{link}{below} from {source}");
            }
        }
    }
}

#[test]
fn cve_2023_28642_a_link_of_the_image_leads_no_mount_into_proc() {
    let bed = Bed::new();
    fs::write(bed.make_directory("data").join("file"), "").unwrap();
    let links = [
        ("evil", "/proc"),
        ("mnt/evil", "../proc/sys"),
        ("mnt/self", "/proc/self/attr"),
        ("mnt/version", "/proc/version"),
    ];
    for (name, target) in links {
        symlink(target, bed.in_root(name)).unwrap();
        let data = if name == "mnt/version" { "data/file" } else { "data" };
        for mut source in [bind(&bed, data, &format!("/{name}")), tmpfs(&format!("/{name}"))] {
            source.options.create_target = true;
            let mut request = bed.request();
            request.mounts.push(source);
            let error = Container::create(bed.host(), request).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{name}: {error}");
            assert!(error.to_string().contains(&format!("`/{name}`")), "{error}");
            assert!(error.hint().unwrap().contains("/proc"), "{error:?}");
        }
    }
    bed.assert_nothing_left("after refused creations");
}

#[test]
fn cve_2019_16884_a_proc_that_is_a_link_is_refused_and_protection_is_in_effect_beside_volumes() {
    let bed = Bed::new();
    bed.make_directory("data");
    let script = "head -c 10 /proc/keys | wc -c; ls /sys/firmware 2>/dev/null | wc -l; \
                  (: >> /proc/sys/kernel/core_pattern) 2>/dev/null && echo opened; true";
    for target in ["/sys", "/dev", "/sys/firmware", "/etc"] {
        for source in [bind(&bed, "data", target), tmpfs(target)] {
            let Ok(container) = Container::create(bed.host(), {
                let mut request = bed.request();
                request.mounts.push(source);
                request
            }) else {
                // With its control groups shown below `/sys`, a container needs that.
                assert_eq!(target, "/sys");
                continue;
            };
            let output = container.command("sh").args(["-c", script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n", "{target}");
            container.delete(true).unwrap();
        }
    }
    fs::remove_dir(bed.in_root("proc")).unwrap();
    fs::create_dir(bed.in_root("evil")).unwrap();
    for target in ["/evil", "evil", "sys", "/proc"] {
        symlink(target, bed.in_root("proc")).unwrap();
        let mut request = bed.request();
        request.process = Some(shell("true"));
        let error = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap_err();
        assert!(error.to_string().contains("attach proc at `/proc`"), "{target}: {error}");
        fs::remove_file(bed.in_root("proc")).unwrap();
    }
}
