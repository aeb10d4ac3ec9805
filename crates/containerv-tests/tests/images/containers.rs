//! Containers of images.

use containerv::{Container, ExitStatus, PushOptions, StdioSet};
use containerv_tests::Bed;
use containerv_tests::image::{self, Image};
use containerv_tests::registry::Registry;
use serde_json::json;

use super::{images, pull, registry_with};

/// An image with a shell, and its registry.
fn with_shell(bed: &Bed) -> Image {
    Image::default().tree(&bed.in_root("/")).config(json!({
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ["echo from the image"],
        "Env": ["WHO=image", "PATH=/bin"],
        "WorkingDir": "/srv/app",
        "User": "alice",
        "StopSignal": "SIGINT",
        "Labels": { "team": "blue" },
        "ExposedPorts": { "80/tcp": {} },
        "Healthcheck": { "Test": ["CMD", "true"] },
    }))
}

fn output(bed: &Bed, name: &str, script: Option<&str>) -> (ExitStatus, String) {
    let image = images(bed).get(name).unwrap();
    let (status, said, container) = image::run(bed, &image, script.as_slice());
    container.delete(true).unwrap();
    (status, said)
}

#[test]
fn a_container_is_as_its_image_says() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&with_shell(&bed).layer(&[("srv/app/file", b"content")]));
    let image = pull(&bed, &name).unwrap();
    assert_eq!(output(&bed, &name, None).1, "from the image\n");
    let script = "echo $WHO; pwd; id -u; cat file; echo new > /tmp/written";
    let (_, said) = output(&bed, &name, Some(script));
    assert_eq!(said, "image\n/srv/app\n1000\ncontent");
    // What one container writes is not the next one's.
    assert_eq!(output(&bed, &name, Some("ls /tmp")).1, "");
    let request = Container::builder_of(&image).unwrap().command([""; 0]).request(bed.host()).unwrap();
    assert_eq!((request.stop.signal, request.labels["team"].as_str()), (2, "blue"));
    let containerv::spec::request::Root::Layers(root) = request.root else { panic!() };
    let record = root.image.unwrap();
    assert_eq!((record.reference, record.exposed_ports), (name, vec!["80/tcp".to_owned()]));
    assert!(record.healthcheck.is_some());
}

#[test]
fn later_layers_hide_and_remove_what_earlier_have() {
    let bed = Bed::new();
    let image = with_shell(&bed)
        .layer(&[("srv/a", b"1"), ("srv/b", b"1"), ("srv/d/x", b"1")])
        .layer(&[("srv/b", b"2"), ("srv/.wh.a", b""), ("srv/d/.wh..wh..opq", b""), ("srv/d/y", b"2")])
        .layer(&[("srv/app/file", b"3")]);
    let (_registry, name) = registry_with(&image);
    pull(&bed, &name).unwrap();
    let (_, said) = output(&bed, &name, Some("cd /srv; ls; cat b; ls d"));
    assert_eq!(said, "app\nb\nd\n2y\n");
}

#[test]
fn an_image_of_128_layers_runs() {
    let bed = Bed::new();
    let mut image = with_shell(&bed);
    for number in 1..128 {
        image = image.layer(&[(format!("srv/app/{number}").as_str(), b"x")]);
    }
    let (_registry, name) = registry_with(&image);
    pull(&bed, &name).unwrap();
    assert_eq!(output(&bed, &name, Some("ls | wc -l")).1, "127\n");
}

#[test]
fn changes_of_a_container_are_against_all_layers() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&with_shell(&bed).layer(&[("srv/app/old", b"1")]));
    let image = pull(&bed, &name).unwrap();
    let script = "rm /srv/app/old; echo > /tmp/new";
    let request = Container::builder_of(&image).unwrap().command([script]).with_process(|process| {
        process.user = "0".to_owned();
    });
    let (container, mut child) = request.run(bed.host(), StdioSet::null()).unwrap();
    child.wait().unwrap();
    let changes: Vec<String> = container
        .changes()
        .unwrap()
        .iter()
        .map(|change| format!("{:?} {}", change.kind, change.path))
        .collect();
    assert!(changes.contains(&"Deleted /srv/app/old".to_owned()), "{changes:?}");
    assert!(changes.contains(&"Added /tmp/new".to_owned()), "{changes:?}");
    container.delete(true).unwrap();
}

#[test]
fn what_is_pushed_is_pulled_from_another_registry() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&with_shell(&bed));
    let pulled = pull(&bed, &name).unwrap();
    let other = Registry::start();
    let pushed_name = format!("{}/copies/app:2", other.name());
    images(&bed).tag(&name, &pushed_name).unwrap();
    let digest = images(&bed).push(&pushed_name, &PushOptions::default()).unwrap();
    assert_eq!(digest, pulled.manifest_descriptor().digest);
    // Nothing is sent twice, and what another repository has is taken from there.
    let sent = other.asked("PATCH", "/uploads/").len() + other.asked("PUT", "/uploads/").len();
    images(&bed).push(&pushed_name, &PushOptions::default()).unwrap();
    let moved = format!("{}/more/app:3", other.name());
    images(&bed).tag(&name, &moved).unwrap();
    images(&bed).push(&moved, &PushOptions::default()).unwrap();
    assert_eq!(other.asked("PATCH", "/uploads/").len() + other.asked("PUT", "/uploads/").len(), sent);
    let elsewhere = Bed::new();
    let again = pull(&elsewhere, &pushed_name).unwrap();
    assert_eq!(again.id(), pulled.id());
    assert_eq!(output(&elsewhere, &pushed_name, None).1, "from the image\n");
}
