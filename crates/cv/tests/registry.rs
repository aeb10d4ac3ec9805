//! `login`, `logout` and `search`, against a registry in this process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use containerv_tests::registry::{Access, PASSWORD, Registry, USER};
use support::{Outcome, Place};

fn run(place: &Place, words: &[&str], input: &str) -> Outcome {
    let mut command = place.command(words);
    command.env("DOCKER_CONFIG", place.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that reads no input may have ended.
    _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Outcome::of(child.wait_with_output().unwrap())
}

#[test]
fn a_login_is_kept_until_the_logout() {
    let (place, registry) = (Place::new(), Registry::start());
    let name = registry.name();
    registry.require(Access::Basic);
    let login = ["login", "--username", USER, "--password-stdin", &name];
    run(&place, &login, "wrong\n").fails(1, "401 Unauthorized");
    assert!(!place.join("config.json").exists());
    assert_eq!(run(&place, &login, &format!("{PASSWORD}\r\n")).ok(), "Login Succeeded");
    let kept = fs::read_to_string(place.join("config.json")).unwrap();
    assert!(kept.contains(&name) && !kept.contains(PASSWORD), "{kept}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(place.join("config.json")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    registry.put_blob("team/app", b"x");
    registry.put_blob("team/tool", b"x");
    let found = run(&place, &["search", "--format", "{{.Name}}", &format!("{name}/APP")], "");
    assert_eq!(found.ok(), format!("{name}/team/app"));
    let logout = ["logout", &name];
    assert_eq!(run(&place, &logout, "").ok(), format!("Removing login credentials for {name}"));
    assert_eq!(run(&place, &logout, "").ok(), format!("Not logged in to {name}"));
    run(&place, &["search", &format!("{name}/app")], "").fails(1, "cv login");
}

#[test]
fn a_password_on_the_command_line_is_warned_of() {
    let (place, registry) = (Place::new(), Registry::start());
    registry.require(Access::PrivateToken(String::new()));
    let outcome = run(&place, &["login", "-u", USER, "-p", PASSWORD, &registry.name()], "");
    assert!(outcome.stderr.contains("--password-stdin"), "{outcome:?}");
    assert_eq!(outcome.ok(), "Login Succeeded");
    assert!(fs::read_to_string(place.join("config.json")).unwrap().contains("identitytoken"));
}
