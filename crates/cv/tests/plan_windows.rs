//! `cv plan --backend hcs`: plans for Windows, printed on any system. The snapshots are the same for all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use containerv_spec::plan::Plan;
use support::Place;

const ID: &str = "0b30557a9fc4e90e33587da2c7ec11365b80a5caef14395e83a8cdf2173c6186";

/// Options, image and command of a container on Windows.
const HYPERV: &[&str] = &[
    "run",
    "--isolation",
    "hyperv",
    "--memory",
    "2g",
    "--cpus",
    "2",
    "--publish",
    "8080:80",
    "--mount",
    r"type=bind,source=C:\data,target=C:\data,readonly",
    "--platform",
    "windows(10.0.20348.2527)/amd64",
    r"C:\layers\nanoserver",
    "cmd",
    "/c",
    "ver",
];

fn plan(place: &Place, options: &[&str], planned: &[&str]) -> String {
    let arguments = [&["plan", "--backend", "hcs", "--id", ID], options, planned].concat();
    let outcome = place.run(arguments);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    outcome.stdout
}

#[test]
fn a_plan_for_windows_prints_all_calls_and_documents() {
    let place = Place::new();
    let text = plan(&place, &[], HYPERV);
    insta::assert_snapshot!(text);
    let json = plan(&place, &["--format", "json"], HYPERV);
    let read: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(read.to_string(), text);
}

/// One by one in a list, so that every kind of step is seen on each system.
#[test]
fn plans_are_the_same_on_every_system() {
    let place = Place::new();
    let mut printed = String::new();
    for line in include_str!("plans.txt").lines().filter(|line| !line.starts_with('#')) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = plan(&place, &[], &words);
        let json = plan(&place, &["--format", "json"], &words);
        assert!(!text.contains('\r') && !json.contains('\r'), "lines end as on Linux");
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap().to_string(), text);
        printed += &format!("$ cv plan --backend hcs --id ID {line}\n{text}\n");
    }
    insta::assert_snapshot!(printed);
}

/// Splits a line into words; `"` keeps spaces together, and `\"` is a quotation mark.
fn words(line: &str) -> Vec<String> {
    let marked = line.replace("\\\"", "\u{1}");
    let mut words = vec![(String::new(), false)];
    let mut quoted = false;
    for character in marked.chars() {
        let (word, begun) = words.last_mut().unwrap();
        match character {
            '"' => (quoted, *begun) = (!quoted, true),
            ' ' if !quoted => words.push((String::new(), false)),
            character => word.push(if character == '\u{1}' { '"' } else { character }),
        }
    }
    words.into_iter().filter(|(word, begun)| *begun || !word.is_empty()).map(|(word, _)| word).collect()
}

/// Neither the place, nor the environment, nor the moment goes into it.
#[test]
fn the_same_words_give_the_same_plan() {
    let words = &["run", "-it", "--network", "lan", r"C:\layers\nanoserver", "cmd"];
    let machine = &["--machine", "build=26100,product=server,processors=8,network=lan:Transparent"];
    let (one, other) = (Place::new(), Place::new());
    let first = plan(&one, machine, words);
    let mut command =
        other.command([&["plan", "--backend", "hcs", "--id", ID], &machine[..], words].concat());
    let second = command.env("COLUMNS", "40").env("PATH", "/elsewhere:/usr/bin").output().unwrap();
    assert_eq!(first, String::from_utf8(second.stdout).unwrap());
    assert!(std::fs::read_dir(one.path()).unwrap().next().is_none(), "nothing is made");
}

#[test]
fn what_windows_has_not_is_refused_by_name() {
    let place = Place::new();
    let mut said = String::new();
    let image = r"C:\layers\nanoserver";
    for words in [
        &["run", "--cap-add", "NET_ADMIN", "--userns", "host", "--init", "--read-only", image, "cmd"][..],
        &["run", "--security-opt", "seccomp=unconfined", "-v", "/a:/b", "--device", "/dev/kvm", image, "cmd"],
        &["run", "-v", r"C:\a\..\b:C:\NUL", "-w", "app", "--hostname", "a_b", image, "cmd"],
        &["run", "--isolation", "process", "--platform", "windows(10.0.17763.1)/amd64", image, "cmd"],
        &["run", "--network", "lan", "-p", "80", image, "cmd"],
        &["run", "--network", "container:web", image, "cmd"],
        &["run", "host", "sh"],
        &["run", image],
        &["ps"],
    ] {
        let outcome = place.run([&["plan", "--backend", "hcs", "--id", ID], words].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (125, ""), "{words:?}");
        said += &format!("$ cv plan --backend hcs {}\n{}\n", words.join(" "), outcome.stderr);
    }
    for options in [
        &["--backend", "wsl"][..],
        &["--backend", "linux", "--machine", "build=20348"],
        &["--backend", "hcs", "--machine", "build=x"],
        &["--backend", "hcs", "--machine", "network=nat"],
        &["--backend", "hcs", "--machine", "frob=1"],
        &["--backend", "hcs", "--id", "12"],
    ] {
        let outcome = place.run([&["plan"], options, &["run", image, "cmd"]].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (125, ""), "{options:?}");
        said += &format!("$ cv plan {}\n{}\n", options.join(" "), outcome.stderr);
    }
    insta::assert_snapshot!(said);
}
