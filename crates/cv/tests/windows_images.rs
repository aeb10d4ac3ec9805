//! Images of Windows at the command line, from a registry: on Windows containers run in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use containerv_tests::registry::Registry;
use containerv_tests::windows_image::WindowsImage;
use support::Place;

/// A file of the registry with the key `ControlSet002\Services\x`.
const HIVE: &[u8] = include_bytes!("../../../fuzz/seeds/windows_hive/delta");

#[test]
fn an_image_of_windows_is_pulled_changed_pushed_and_run() {
    let (place, registry) = (Place::new(), Registry::start());
    let (old, new) =
        (WindowsImage::base("10.0.20348.1", "old", HIVE), WindowsImage::base("10.0.20348.2", "new", HIVE));
    old.publish(&registry, "base", "old");
    new.publish(&registry, "base", "new");
    old.with_app().publish(&registry, "app", "1");
    let name = |rest: &str| format!("{}/{rest}", registry.name());
    let [base, newer, app, edited, rebased] = ["base:old", "base:new", "app:1", "app:2", "app:3"].map(name);
    let run = |words: &[&str]| {
        let outcome = place.run(words);
        assert_eq!(outcome.code, 0, "{words:?}: {}", outcome.stderr);
        outcome.stdout.replace("\r\n", "\n")
    };
    for image in [&base, &newer, &app] {
        run(&["pull", "--quiet", "--platform", "windows/amd64", image]);
    }
    let inspected = run(&["image", "inspect", "--layers", &app]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected[0]["OsVersion"], "10.0.20348.1");
    assert_eq!(inspected[0]["WindowsLayers"][1]["Tombstones"], 1);
    let file = place.write("new.txt", "from here");
    let add = format!(r"C:\app\new.txt={}", file.display());
    let value = r"HKLM\SYSTEM\ControlSet002\Services\app\Start=dword:2";
    let id = run(&[
        "image",
        "edit",
        "--add",
        &add,
        "--remove",
        r"C:\app\app.txt",
        "--registry",
        value,
        "--env",
        "APP=1",
        "--cmd",
        r#"["cmd","/c","type C:\\app\\new.txt"]"#,
        &app,
        &edited,
    ]);
    assert!(id.starts_with("sha256:"), "{id}");
    assert_eq!(
        run(&["image", "diff", &app, &edited]),
        "D Files/app/app.txt\nA Files/app/new.txt\nA Hives/System_Delta\n"
    );
    run(&["image", "rebase", "--from", &base, "--onto", &newer, &edited, &rebased]);
    run(&["push", "--quiet", &rebased]);
    let id = run(&["images", "--quiet", "--no-trunc", &rebased]);
    for image in [&edited, &rebased] {
        run(&["rmi", "--force", image]);
    }
    run(&["pull", "--quiet", "--platform", "windows/amd64", &rebased]);
    assert_eq!(run(&["images", "--quiet", "--no-trunc", &rebased]), id);
    if cfg!(windows) {
        // The command of the image, and another one in its place.
        assert_eq!(run(&["run", "--rm", &rebased]).trim(), "from here");
        assert_eq!(run(&["run", "--rm", &rebased, "cmd", "/c", r"type C:\Base\mark.txt"]).trim(), "new");
    }
    let refused = place.run(["image", "rebase", "--from", &newer, "--onto", &base, &app, &edited]);
    assert!(refused.stderr.contains("not made on this base"), "{}", refused.stderr);
}
