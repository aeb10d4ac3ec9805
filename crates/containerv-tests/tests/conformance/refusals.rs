//! Requests that cannot be honoured are refused by the name of the option, with what to do instead, and
//! leave nothing.

use containerv::spec::request::{Mount, MountOptions, MountSource, NamedNetwork, Network, Process};
use containerv::spec::{OsText, Request};
use containerv::{Container, ErrorKind};
use containerv_tests::Bed;
use containerv_tests::inside::{self, doing};

fn bind(source: &str, target: &str) -> Mount {
    let source = MountSource::Bind { path: source.into(), recursive: true };
    Mount { source, target: target.into(), read_only: false, options: MountOptions::default() }
}

/// What is asked for, and what of it the message repeats.
type Case = (&'static str, fn(&mut Request), &'static str);

const REFUSED: &[Case] = &[
    ("a name", |request| request.name = Some("no/name".into()), "`--name no/name`"),
    ("an empty label", |request| drop(request.labels.insert(String::new(), "x".into())), "`--label`"),
    ("a host name", |request| request.hostname = Some("not a name".into()), "--hostname"),
    ("no command", |request| request.process = Some(Process::new(Vec::new())), "command"),
    (
        "a directory",
        |request| with(request, |process| process.cwd = "relative".into()),
        "`--workdir relative`",
    ),
    (
        "a variable",
        |request| with(request, |process| process.env = vec![OsText::from("oops")]),
        "`--env oops`",
    ),
    ("a user", |request| with(request, |process| process.user = "a:b:c".into()), "--user"),
    ("a mount's target", |request| request.mounts.push(bind(&inside::path("x"), "relative")), "relative"),
    ("a mount's source", |request| request.mounts.push(bind("relative", &inside::path("x"))), "relative"),
    ("a log", |request| request.log.max_files = 1000, "max-file"),
    (
        "a network",
        |request| request.network = Network::Named(NamedNetwork::new("no-such-network")),
        "`--network no-such-network`",
    ),
    ("a processor", |request| request.limits.cpuset_cpus = Some("no".into()), "--cpuset-cpus"),
    ("a setting", |request| drop(request.sysctls.insert("kernel.panic".into(), "1".into())), "--sysctl"),
    ("a percentage", |request| request.limits.cpu_percent = Some(200), "--cpu-percent"),
];

fn with(request: &mut Request, change: impl FnOnce(&mut Process)) {
    let mut process = doing("exit 0");
    change(&mut process);
    request.process = Some(process);
}

#[test]
fn each_is_named_with_what_to_do() {
    let bed = Bed::with_program();
    for (what, change, named) in REFUSED {
        let mut request = bed.request();
        change(&mut request);
        for attached in [true, false] {
            let planned = bed.host().plan(&request, attached).unwrap_err();
            assert!(planned.to_string().contains(named), "{what}: {planned}");
        }
        let error = Container::create(bed.host(), request.clone()).unwrap_err();
        assert!(error.to_string().contains(named), "{what}: {error}");
        let kinds = [ErrorKind::InvalidArgument, ErrorKind::Unsupported, ErrorKind::NotFound];
        assert!(kinds.contains(&error.kind()), "{what}: {error:?}");
        let problems = error.all_problems();
        assert!(problems.iter().all(|problem| problem.hint().is_some()), "{what}: no hint: {error:?}");
        assert_eq!(bed.host().container(request.id.as_str()).unwrap_err().kind(), ErrorKind::NotFound);
    }
    bed.assert_nothing_left("after what was refused");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let bed = Bed::with_program();
    let mut request = bed.request();
    request.hostname = Some("not a name".into());
    request.sysctls.insert("kernel.panic".into(), "1".into());
    request.process = Some(Process {
        args: Vec::new(),
        cwd: "relative".into(),
        user: "a:b:c".into(),
        env: vec![OsText::from("oops")],
        ..doing("exit 0")
    });
    let error = Container::run_detached(bed.host(), request).unwrap_err();
    let text = error.to_string();
    for option in ["--hostname", "--sysctl", "--workdir", "--user", "--env", "command"] {
        assert!(text.contains(option), "{option}: {text}");
    }
    assert_eq!(error.all_problems().len(), 6, "{text}");
    bed.assert_nothing_left("after a refused request");
}
