//! An image that `cv` makes of Debian's packages, fetched from where the system of these tests came from.

use std::fs;

use super::Debian;

/// The archive in the system's own list of sources: `deb ADDRESS SUITE ..`.
fn archive(debian: &Debian) -> String {
    let list = fs::read_to_string(debian.tree.join("etc/apt/sources.list")).unwrap();
    let source = list.lines().find(|line| line.starts_with("deb ")).unwrap();
    source.split_whitespace().find(|word| word.contains("://")).unwrap().to_owned()
}

#[test]
fn an_image_of_packages_is_made_and_runs() {
    let Some(debian) = Debian::of_root() else { return };
    let mirror = archive(&debian);
    let id = debian.cv(&["image", "debootstrap", "--quiet", "--mirror", &mirror, "bookworm", "deb:test"]);
    assert!(id.starts_with("sha256:"), "{id}");
    let run = |words: &[&str]| debian.cv(&[&["run", "--rm", "deb:test"], words].concat());
    assert!(run(&["apt-get", "--version"]).starts_with("apt 2."));
    assert_eq!(
        run(&["sh", "-c", "cat /etc/machine-id; ls -A /var/lib/apt/lists /debootstrap 2>&1 | tail -1"])
            .lines()
            .count(),
        1
    );
    assert_eq!(
        run(&["stat", "-c", "%a %U:%G", "/usr/bin/passwd", "/etc/shadow"]),
        "4755 root:root\n640 root:shadow"
    );
    let staging = debian.bed.state().join("data/images/staging");
    assert_eq!(fs::read_dir(staging).unwrap().count(), 0, "nothing half made is left");
    debian.cv(&["rmi", "deb:test"]);
}
