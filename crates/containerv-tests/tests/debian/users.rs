//! Users and groups by the names that the system gives them.

use super::Debian;

#[test]
fn users_are_those_of_the_system() {
    let Some(debian) = Debian::of_root() else { return };
    for (options, expected) in [
        (&["-u", "www-data"][..], "33 www-data 33 /var/www"),
        (&["-u", "nobody:games"], "65534 nobody 60 /nonexistent"),
        (&["-u", "_apt", "--group-add", "audio"], "42 _apt 65534 29 /nonexistent"),
        (&["-u", "1234:5678"], "1234 1234 5678 /"),
        (&["-u", "man", "-e", "HOME=/tmp"], "6 man 12 /tmp"),
    ] {
        let script = "echo $(id -u) $(id -un 2>/dev/null || true) $(id -G) $HOME";
        assert_eq!(debian.run(&[options, &["sh", "-c", script]].concat()), expected, "{options:?}");
    }
    debian.background("box", &["-u", "games"]);
    assert_eq!(debian.cv(&["exec", "box", "id", "-un"]), "games");
    assert_eq!(
        debian.cv(&["exec", "-u", "root", "box", "su", "-s", "/bin/sh", "-c", "id -un", "backup"]),
        "backup"
    );
    let output = debian.call(["exec", "-u", "stranger", "box", "true"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("stranger"), "{error}");
    debian.cv(&["rm", "-f", "box"]);
}
