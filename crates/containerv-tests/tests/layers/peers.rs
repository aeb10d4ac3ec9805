//! The same image, unpacked by us and by others: entry by entry the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use containerv::LoadOptions;
use containerv::spec::request::Root;
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, skip};

use crate::has;
use crate::listing::listing;
use crate::tricky::{UNTIMED, Without, image};

type Listing = BTreeMap<String, String>;

/// What our layers are, stacked by overlayfs.
fn ours(bed: &Bed, layout: &Path) -> Listing {
    let loaded = bed.host().images().load(layout, &LoadOptions::default()).unwrap();
    let Root::Layers(root) = loaded[0].root().unwrap() else { panic!("no layers") };
    let folders: Vec<&str> = root.folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    let at = bed.make_directory("merged");
    let options = format!("ro,lowerdir={}", folders.join(":"));
    let _mount = bed.mount(&["-t", "overlay", "overlay", "-o", &options], &at);
    listing(&at, UNTIMED)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn umoci(bed: &Bed, layout: &Path) -> Listing {
    let bundle = bed.path("bundle");
    run(Command::new("umoci")
        .args(["unpack", "--image", &format!("{}:tricky", layout.display())])
        .arg(&bundle));
    listing(&bundle.join("rootfs"), UNTIMED)
}

/// Its driver `vfs` needs no mount: each layer is unpacked over a copy of those below.
fn podman(bed: &Bed, layout: &Path) -> Listing {
    let at = |name: &str| bed.make_directory(name).display().to_string();
    let (root, runroot) = (at("podman"), at("podman-run"));
    let policy = bed.path("policy.json");
    std::fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    let podman = || {
        let mut command = Command::new("podman");
        command.args([
            "--root",
            &root,
            "--runroot",
            &runroot,
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
        ]);
        command
    };
    let source = format!("oci:{}:tricky", layout.display());
    run(podman().args(["pull", "--quiet", "--signature-policy", &policy.display().to_string(), &source]));
    let id = run(podman().args(["images", "--quiet", "--no-trunc"]));
    let tree = run(podman().args(["image", "mount", id.lines().next().unwrap()]));
    listing(Path::new(&tree), UNTIMED)
}

/// Says how two listings differ.
fn differences(ours: &Listing, theirs: &Listing) -> Vec<String> {
    let mut found = Vec::new();
    let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        if ours != theirs {
            found.push(format!("{name}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    found
}

#[test]
fn tricky_layers_are_what_umoci_and_podman_make_of_them() {
    if !is_root() {
        skip("needs root");
        return;
    }
    let bed = Bed::new();
    let layout = bed.make_directory("layout");
    image(Without::Nothing).put_layout(&layout, "tricky");
    let ours = ours(&bed, &layout);
    type Unpack = fn(&Bed, &Path) -> Listing;
    // What umoci 0.4 does not know, and podman 4.3 refuses.
    let peers: [(&str, Without, Unpack); 2] =
        [("umoci", Without::Global, umoci), ("podman", Without::Twice, podman)];
    for (name, without, unpack) in peers.into_iter().filter(|(name, ..)| has(name)) {
        let layout = bed.make_directory(&format!("layout-{name}"));
        image(without).put_layout(&layout, "tricky");
        let theirs = unpack(&bed, &layout);
        let found = differences(&ours, &theirs);
        assert!(found.is_empty(), "{name} differs:\n{}", found.join("\n"));
        println!("{name}: {} entries are the same", theirs.len());
    }
}
