//! Completion scripts in the shells themselves.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it is skipped"
)]

mod support;

use std::process::Command;

use containerv_tests::image::Image;
use support::Place;

/// Runs a shell's script if the shell is there.
fn shell(place: &Place, shell: &str, arguments: &[&str]) -> Option<String> {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_cv"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut command = Command::new(shell);
    command.args(arguments).env_clear().env("PATH", path).env("HOME", place.path()).current_dir(place.path());
    match command.env("CONTAINERV_ROOT", place.join("root")).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(error) => {
            println!("skipped: {shell}: {error}");
            None
        }
    }
}

fn bash(place: &Place, line: &str) -> Option<Vec<String>> {
    let script = r#"
        source <(cv completion bash)
        COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; COMP_WORDS=(cv)
        _cv
        printf '%s\n' "${COMPREPLY[@]}""#;
    let printed = shell(place, "bash", &["--norc", "-c", script, "bash", line])?;
    Some(printed.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_verbs_options_values_and_names() {
    let place = Place::new();
    place.line("create --name web host true").ok();
    place.write("some.file", "");
    let layout = place.join("layout");
    Image::default().layer(&[("file", b"")]).put_layout(&layout, "r.example:5000/team/app:1.2");
    place.line("load -i layout").ok();
    for (line, expected) in [
        ("cv unp", vec!["unpause"]),
        ("cv run --cpuset", vec!["--cpuset-cpus", "--cpuset-mems"]),
        ("cv run --network ho", vec!["host"]),
        ("cv run --network=ho", vec!["host"]),
        ("cv rm ", vec!["web"]),
        ("cv container inspect w", vec!["web"]),
        ("cv run --env-file some", vec!["some.file"]),
        ("cv cp we", vec!["web:"]),
        ("cv run r.ex", vec!["r.example:5000/team/app:1.2"]),
        ("cv rmi r.example:5000/team/app:", vec!["1.2"]),
        ("cv frob ", vec![""]),
    ] {
        let Some(words) = bash(&place, line) else { return };
        assert_eq!(words, expected, "{line}");
    }
}

#[test]
fn fish_completes_with_explanations() {
    let place = Place::new();
    place.line("create --name web host true").ok();
    let script = "cv completion fish | source; complete -C 'cv unp'; complete -C 'cv rm w'";
    let Some(printed) = shell(&place, "fish", &["--no-config", "-c", script]) else { return };
    assert_eq!(printed, "unpause\tLet a frozen container go on\nweb\tcontainer\n");
}

#[test]
fn zsh_reads_its_script() {
    let place = Place::new();
    let script = "autoload -Uz compinit && compinit -D && source <(cv completion zsh) && print ${_comps[cv]}";
    let Some(printed) = shell(&place, "zsh", &["-f", "-c", script]) else { return };
    assert_eq!(printed, "_cv\n");
}
