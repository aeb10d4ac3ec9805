//! An image goes to a real registry, podman runs it and sends another back.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use containerv::images::registry::Credential;
use containerv::{Container, Images, MakeOptions, PullOptions, PushOptions};
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, image, skip};

use super::real::{Kind, PASSWORD, Real};
use super::{Client, Settings};

/// podman, with all that it keeps in a directory of the test.
struct Podman {
    directory: PathBuf,
    registry: Vec<String>,
    /// Control groups that it makes and leaves.
    groups: Vec<PathBuf>,
}

impl Podman {
    fn new(bed: &Bed, real: &Real, kind: Kind) -> Self {
        let directory = bed.make_directory("podman");
        fs::write(directory.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)
            .unwrap();
        let mut registry =
            vec!["--signature-policy".to_owned(), directory.join("policy.json").display().to_string()];
        if kind == Kind::Plain {
            registry.push("--tls-verify=false".into());
        } else {
            fs::create_dir(directory.join("certificates")).unwrap();
            fs::copy(real.directory.0.join("ca.pem"), directory.join("certificates/ca.crt")).unwrap();
            registry.push(format!("--cert-dir={}", directory.join("certificates").display()));
            registry.push(format!("--creds=user:{PASSWORD}"));
        }
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
        let groups =
            hierarchies.map(|path| path.join("libpod_parent")).filter(|path| !path.exists()).collect();
        Self { directory, registry, groups }
    }

    /// Runs podman, which must succeed; returns what it said.
    #[track_caller]
    fn call(&self, verb: &str, words: &[&str]) -> String {
        let mut command = Command::new("podman");
        for (option, name) in [("--root", "root"), ("--runroot", "run")] {
            command.arg(option).arg(self.directory.join(name));
        }
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc", verb]);
        if ["pull", "push"].contains(&verb) {
            command.args(&self.registry);
        }
        if verb == "run" {
            // The usual ones may be more than this process may give.
            command.args([
                "--network",
                "none",
                "--ulimit",
                "nofile=1024:1024",
                "--ulimit",
                "nproc=1024:1024",
            ]);
        }
        let output = command.args(words).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb} {words:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for group in &self.groups {
            let below = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
            below.chain([group.clone()]).for_each(|path| _ = fs::remove_dir(path));
        }
    }
}

/// Runs a script in a container of an image; returns what it said, and the container.
fn run(images: &Images, bed: &Bed, name: &str, script: &str) -> (String, Container) {
    let (status, said, container) = image::run(bed, &images.get(name).unwrap(), &["sh", "-c", script]);
    assert!(status.success());
    (said, container)
}

fn there_and_back(kind: Kind) {
    if !is_root() {
        return skip("needs root, as podman does here");
    }
    if let Some(missing) =
        ["podman", "runc"].iter().find(|name| Command::new(name).arg("--version").output().is_err())
    {
        return skip(&format!("there is no {missing}"));
    }
    let Some(real) = Real::start(if kind == Kind::Plain { "there" } else { "back" }, kind) else { return };
    let bed = Bed::new();
    let settings = match kind {
        Kind::Plain => super::settings(),
        _ => {
            let settings = Settings { credentials: real.directory.credentials(), ..real.trusting() };
            let user = Credential::Basic { user: "user".into(), password: PASSWORD.into() };
            Client::new(settings.clone()).login(&real.name, user).unwrap();
            settings
        }
    };
    let images = bed.host().images().with_registries(settings);
    let names = ["app:1", "app:2", "back:1"].map(|rest| format!("{}/team/{rest}", real.name));
    let root = bed.in_root("/");
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "-C"]).arg(root).args(["-cf", "-", "."]);
    let archive = tar.output().unwrap().stdout;
    let changes = vec!["ENV PATH=/bin".to_owned()];
    let options = MakeOptions { reference: Some(names[0].clone()), changes, ..MakeOptions::default() };
    images.import(&archive[..], &options).unwrap();
    images.push(&names[0], &PushOptions::default()).unwrap();

    // Pulled, run, changed, pushed.
    images.remove(&names[0], true).unwrap();
    images.pull(&names[0], &PullOptions::default()).unwrap();
    let (_, container) = run(&images, &bed, &names[0], "echo by us > /made && rm /etc/group");
    let options = MakeOptions { reference: Some(names[1].clone()), ..MakeOptions::default() };
    images.commit(&container, &options).unwrap();
    container.delete(true).unwrap();
    images.push(&names[1], &PushOptions::default()).unwrap();

    // podman runs it, and sends one back.
    let podman = Podman::new(&bed, &real, kind);
    podman.call("pull", &["--quiet", &names[1]]);
    let script = "cat /made; ls /etc/group 2>/dev/null; echo by podman > /made; rm /etc/passwd";
    assert_eq!(podman.call("run", &["--name", "one", &names[1], "sh", "-c", script]), "by us\n");
    podman.call("commit", &["--quiet", "one", &names[2]]);
    podman.call("push", &["--quiet", &names[2]]);
    podman.call("rm", &["one"]);

    images.pull(&names[2], &PullOptions::default()).unwrap();
    let (said, container) =
        run(&images, &bed, &names[2], "cat /made; ls /etc/group /etc/passwd 2>/dev/null; true");
    assert_eq!(said, "by podman\n");
    container.delete(true).unwrap();
}

#[test]
fn there_and_back_through_a_registry_without_tls() {
    there_and_back(Kind::Plain);
}

#[test]
fn there_and_back_through_a_registry_with_tls_and_a_password() {
    there_and_back(Kind::Password);
}
