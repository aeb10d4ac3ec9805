//! Images of Windows from a registry: pulled, looked at, changed, put on another base, pushed and pulled again, on any
//! system; on Windows containers run in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use containerv::images::ImageEdit;
use containerv::images::registry::Settings;
use containerv::images::windows::{LayerChange, RegistryChange, RegistryValue};
use containerv::{Host, Image, Images, PullOptions, PushOptions};
use containerv_tests::registry::Registry;
use containerv_tests::windows_image::WindowsImage;

/// A file of the registry with the key `ControlSet002\Services\x`.
const HIVE: &[u8] = include_bytes!("../../../fuzz/seeds/windows_hive/delta");
const OLD: &str = "10.0.20348.1";
const NEW: &str = "10.0.20348.2";

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("containerv-windows-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn host(&self, name: &str) -> Host {
        Host::open_at(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn registry() -> Registry {
    let registry = Registry::start();
    let (old, new) = (WindowsImage::base(OLD, "old", HIVE), WindowsImage::base(NEW, "new", HIVE));
    old.publish(&registry, "base", "old");
    new.publish(&registry, "base", "new");
    old.with_app().publish(&registry, "app", "1");
    registry
}

fn images(host: &Host) -> Images {
    host.images().with_registries(Settings::default())
}

fn pull(images: &Images, registry: &Registry, name: &str) -> Image {
    let platform = Some("windows/amd64".parse().unwrap());
    let options = PullOptions { platform, ..PullOptions::default() };
    images.pull(&format!("{}/{name}", registry.name()), &options).unwrap()
}

fn edit() -> ImageEdit {
    let mut edit =
        ImageEdit { comment: "edited".into(), time: "2026-01-01T00:00:00Z".into(), ..ImageEdit::default() };
    edit.time_unix_ns = 1_767_225_600_000_000_000;
    edit.config.env = vec![("APP".into(), Some("1".into()))];
    edit.config.entrypoint = Some(vec![r"C:\app\new.exe".into()]);
    edit.changes = vec![
        LayerChange::Write { to: r"C:\app\new.txt".into(), content: b"new".to_vec() },
        LayerChange::Remove { path: r"C:\APP\app.txt".into() },
        LayerChange::SetValue(RegistryChange {
            key: r"HKLM\SYSTEM\ControlSet002\Services\app".into(),
            value: RegistryValue::of_text("Start", "dword", "2").unwrap(),
        }),
    ];
    edit
}

#[test]
fn a_windows_image_is_edited_rebased_and_comes_back_from_a_registry_the_same() {
    let (scratch, registry) = (Scratch::new(), registry());
    let host = scratch.host("one");
    let images = images(&host);
    let [old, new, app] = ["base:old", "base:new", "app:1"].map(|name| pull(&images, &registry, name));
    let layers = app.windows_layers().unwrap();
    assert_eq!((layers.len(), layers[0].utility_vm, layers[1].tombstones), (2, true, 1));
    let told = |one: &Image, other: &Image| -> Vec<String> {
        images.differences(one, other).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        told(&old, &app),
        [
            "C Files (security)",
            "A Files/app",
            "A Files/app/app.txt",
            "A Files/app/linked.dll",
            "D Files/Base/gone.txt",
            "A Hives",
        ]
    );
    let name = |tag: &str| format!("{}/app:{tag}", registry.name());
    let edited = images.edit(&app, &edit(), &name("2")).unwrap();
    assert_eq!(told(&app, &edited), ["D Files/app/app.txt", "A Files/app/new.txt", "A Hives/System_Delta"]);
    let rebased = images.rebase(&edited, &old, &new, &name("3")).unwrap();
    assert!(rebased.conflicts.is_empty(), "{:?}", rebased.conflicts);
    let rebased = rebased.image;
    assert_eq!(rebased.config().os_version.as_deref(), Some(NEW));
    assert_eq!(rebased.config().config.env, [format!("BASE={NEW}"), "APP=1".to_owned()]);
    assert_eq!(
        told(&edited, &rebased),
        ["C Files/Base/mark.txt (content)", "C UtilityVM/Files/boot.txt (content)"]
    );
    assert_eq!(rebased.manifest().layers[1..], edited.manifest().layers[1..]);
    for tag in ["2", "3"] {
        images.push(&name(tag), &PushOptions::default()).unwrap();
    }
    // Elsewhere, from the registry alone.
    let elsewhere = scratch.host("two");
    let there = self::images(&elsewhere);
    for (tag, here) in [("app:2", &edited), ("app:3", &rebased)] {
        let pulled = pull(&there, &registry, tag);
        assert_eq!((pulled.id(), pulled.digest()), (here.id(), here.digest()), "{tag}");
        assert_eq!(pulled.windows_layers().unwrap(), here.windows_layers().unwrap());
    }
    // What is made in the same way is the same.
    let again = images.edit(&app, &edit(), "again:1").unwrap();
    assert_eq!(again.id(), edited.id());
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let (scratch, registry) = (Scratch::new(), registry());
    let host = scratch.host("one");
    let images = images(&host);
    let [old, new, app] = ["base:old", "base:new", "app:1"].map(|name| pull(&images, &registry, name));
    let before = images.list().unwrap().len();
    images.rebase(&app, &new, &old, "x:1").unwrap_err();
    let mut wrong = edit();
    wrong.changes.push(LayerChange::Remove { path: "none".into() });
    images.edit(&app, &wrong, "x:1").unwrap_err();
    images.edit(&app, &edit(), "X:1").unwrap_err();
    assert_eq!(images.list().unwrap().len(), before);
    let staging = std::fs::read_dir(scratch.0.join("one")).unwrap().flatten();
    let staging =
        staging.map(|entry| entry.path().join("images/staging")).find(|path| path.is_dir()).unwrap();
    let left: Vec<_> = std::fs::read_dir(staging).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(windows)]
#[test]
fn containers_run_in_pulled_edited_and_rebased_images() {
    use std::time::Duration;

    use containerv::spec::request::Isolation;
    use containerv::{Container, MakeOptions};

    let (scratch, registry) = (Scratch::new(), registry());
    let host = scratch.host("one");
    let images = images(&host);
    let [old, new, app] = ["base:old", "base:new", "app:1"].map(|name| pull(&images, &registry, name));
    let edited = images.edit(&app, &edit(), "app:2").unwrap();
    let rebased = images.rebase(&edited, &old, &new, "app:3").unwrap().image;
    let isolation = match std::env::var("CONTAINERV_TEST_ISOLATION").as_deref() {
        Ok("hyperv") => Isolation::Vm,
        _ => Isolation::Process,
    };
    for (image, mark, app_file) in [
        (&app, "old", r"C:\app\app.txt"),
        (&edited, "old", r"C:\app\new.txt"),
        (&rebased, "new", r"C:\app\new.txt"),
    ] {
        let container = Container::builder(image.root().unwrap()).isolation(isolation).create(&host).unwrap();
        let container = container.delete_on_drop();
        let run = |line: &str| {
            let output = container.command("cmd").args(["/c", line]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        assert_eq!(run(r"type C:\Base\mark.txt"), mark);
        assert!(!run(&format!("type {app_file}")).is_empty(), "{app_file}");
        assert_eq!(run(r"if exist C:\Base\gone.txt (echo there) else (echo gone)"), "gone");
        assert_eq!(run(r"for %f in (C:\app\linked.dll) do @echo %~zf"), "70000");
    }
    // What a container has changed, as a layer of its own.
    let container = Container::builder(app.root().unwrap()).isolation(isolation).create(&host).unwrap();
    let run = |container: &Container, line: &str| {
        let output = container.command("cmd").args(["/c", line]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    run(&container, r"echo changed>C:\app\made.txt & del C:\app\app.txt & mkdir C:\app\made");
    container.stop(Some(Duration::from_secs(10))).unwrap();
    let options = MakeOptions { reference: Some("app:4".into()), ..MakeOptions::default() };
    let committed = images.commit(&container, &options).unwrap();
    container.delete(true).unwrap();
    let told: Vec<String> =
        images.differences(&app, &committed).unwrap().iter().map(ToString::to_string).collect();
    for line in ["A Files/app/made", "A Files/app/made.txt", "D Files/app/app.txt"] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
    }
    let container = Container::builder(committed.root().unwrap()).isolation(isolation).create(&host).unwrap();
    assert_eq!(run(&container, r"type C:\app\made.txt"), "changed");
    assert_eq!(run(&container, r"if exist C:\app\app.txt (echo there) else (echo gone)"), "gone");
    container.delete(true).unwrap();
    assert!(host.containers().unwrap().is_empty());
}

/// The stand-ins' machine is Windows Server 2022.
#[cfg(windows)]
#[test]
fn whether_an_image_runs_here_is_told_before_a_layer_is_asked_for() {
    use containerv::Fit;
    use containerv_tests::image::Image;
    use serde_json::json;

    let (scratch, registry) = (Scratch::new(), Registry::start());
    let images = images(&scratch.host("check"));
    for (name, os, architecture, version, fit) in [
        ("matching", "windows", "amd64", Some("10.0.20348.2527"), Fit::Process),
        ("older", "windows", "amd64", Some("10.0.17763.5000"), Fit::Vm),
        ("newer", "windows", "amd64", Some("10.0.26100.1"), Fit::No),
        ("linux", "linux", "amd64", None, Fit::No),
        ("arm", "windows", "arm64", Some("10.0.20348.2527"), Fit::No),
    ] {
        let mut platform = json!({ "os": os, "architecture": architecture });
        if let Some(version) = version {
            platform["os.version"] = json!(version);
        }
        let layer = vec![0; 100_000];
        Image::default().layer(&[("file", &layer)]).platform(platform).put(&registry, name, Some("1"));
        let answer = images.check(&format!("{}/{name}:1", registry.name()), None).unwrap();
        assert_eq!(answer.fit, fit, "{name}: {}", answer.reason);
        println!("{name}: {:?}: {}", answer.fit, answer.reason);
    }
    assert!(registry.asked("GET", "/blobs/").iter().all(|line| line.sent < 1000));
}
