//! The same image, unpacked by us and by others: entry by entry the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use containerv::LoadOptions;
use containerv::spec::request::Root;
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, skip, wait_until};

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

/// containerd of the test's own, ended with it.
struct Containerd {
    process: Child,
    address: PathBuf,
}

impl Containerd {
    fn start(bed: &Bed) -> Self {
        let at = bed.make_directory("containerd");
        let (address, config) = (at.join("socket"), at.join("config.toml"));
        // Only what stores and unpacks images: the others look at the machine's networks and runtimes.
        let plugins = ["cri", "btrfs", "devmapper", "zfs", "aufs"].map(|name| match name {
            "cri" => "\"io.containerd.grpc.v1.cri\"".to_owned(),
            name => format!("\"io.containerd.snapshotter.v1.{name}\""),
        });
        std::fs::write(&config, format!("version = 2\ndisabled_plugins = [{}]\n", plugins.join(", ")))
            .unwrap();
        let log = std::fs::File::create(at.join("log")).unwrap();
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&config).arg("--address").arg(&address);
        command.arg("--root").arg(at.join("root")).arg("--state").arg(at.join("state"));
        let process =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let started = Self { process, address };
        let answers = || started.ctr().arg("version").output().is_ok_and(|output| output.status.success());
        assert!(wait_until(Duration::from_secs(60), answers), "containerd does not answer");
        started
    }

    fn ctr(&self) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.address).args(["--namespace", "test"]);
        command
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// It stacks layers by overlayfs, too.
fn containerd(bed: &Bed, layout: &Path) -> Listing {
    let archive = bed.path("layout.tar");
    run(Command::new("tar").arg("-C").arg(layout).arg("-cf").arg(&archive).arg("."));
    let daemon = Containerd::start(bed);
    let import = ["image", "import", "--base-name", "localhost/peer"];
    run(daemon.ctr().args(import).arg(&archive));
    let at = bed.make_directory("containerd-view");
    run(daemon.ctr().args(["image", "mount", "localhost/peer:tricky"]).arg(&at));
    let found = listing(&at, UNTIMED);
    run(Command::new("umount").arg(&at));
    found
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
fn tricky_layers_are_what_others_make_of_them() {
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
    let peers: [(&str, Without, Unpack); 3] = [
        ("umoci", Without::Global, umoci),
        ("podman", Without::Twice, podman),
        ("containerd", Without::Nothing, containerd),
    ];
    for (name, without, unpack) in peers.into_iter().filter(|(name, ..)| has(name)) {
        let layout = bed.make_directory(&format!("layout-{name}"));
        image(without).put_layout(&layout, "tricky");
        let theirs = unpack(&bed, &layout);
        let found = differences(&ours, &theirs);
        assert!(found.is_empty(), "{name} differs:\n{}", found.join("\n"));
        println!("{name}: {} entries are the same", theirs.len());
    }
}
