//! Verbs on real containers of the built-in image.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it is skipped"
)]

mod support;

use std::time::{Duration, Instant};

use support::{Outcome, Place, eventually};

#[test]
fn a_command_has_its_own_world() {
    let place = Place::new();
    let printed = place
        .line("run --rm -h box host sh -c 'hostname; echo $$; ls /sys/class/net; touch /usr/x; echo $?'")
        .ok();
    assert_eq!(printed, "box\n1\nlo\n0");
    assert!(!std::path::Path::new("/usr/x").exists());
    place.line("run --rm --read-only host touch /usr/x").fails(1, "Read-only file system");
}

#[test]
fn exit_codes_pass_through_and_ours_are_dockers() {
    let place = Place::new();
    assert_eq!(place.line("run --rm host sh -c 'exit 42'").code, 42);
    assert_eq!(place.line("run --rm --init host sh -c 'kill -TERM $$'").code, 128 + 15);
    place.line("run --rm host nosuchprogram").fails(127, "nosuchprogram");
    place.line("run --rm host /etc/passwd").fails(126, "/etc/passwd");
    place.line("run --rm --network container:nobody host true").fails(125, "no container `nobody`");
    assert_eq!(place.line("ps -aq").ok(), "");
}

#[test]
fn input_output_and_environment_go_through() {
    let place = Place::new();
    place.write("env", "# a file\nFROM_FILE=1\nBOTH=file\n");
    assert_eq!(place.with_input("run -i --rm host cat", b"\x00\xffbytes").stdout, "\u{0}\u{fffd}bytes");
    assert_eq!(place.line("run --rm host cat").ok(), "", "without -i there is no input");
    let outcome = place.line("run --rm host sh -c 'echo out; echo err >&2'");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
    let outcome = place.line("run --rm -a stderr host sh -c 'echo out; echo err >&2'");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", "err\n"));
    let mut command =
        place.command(["run", "--rm", "--env-file", "env", "-e", "BOTH=flag", "-e", "OURS", "-e", "NOTSET"]);
    let output = command.args(["host", "env"]).env("OURS", "from here").output().unwrap();
    let printed = Outcome::of(output).ok();
    for line in ["FROM_FILE=1", "BOTH=flag", "OURS=from here", "HOME=/root"] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(!printed.contains("NOTSET") && !printed.contains("CONTAINERV_ROOT"), "{printed}");
}

#[test]
fn proxies_of_the_users_file_are_the_containers_unless_told_otherwise() {
    let place = Place::new();
    std::fs::create_dir(place.join(".docker")).unwrap();
    let config = place.write(
        ".docker/config.json",
        r#"{ "proxies": { "default": { "httpsProxy": "http://proxy:3128", "noProxy": "a,b" } } }"#,
    );
    let proxies = |line: &str| {
        let printed = place.line(line).ok();
        let mut found: Vec<String> = printed
            .lines()
            .filter(|line| line.to_lowercase().contains("_proxy="))
            .map(str::to_owned)
            .collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(
        proxies("run --rm host env"),
        "HTTPS_PROXY=http://proxy:3128 NO_PROXY=a,b https_proxy=http://proxy:3128 no_proxy=a,b"
    );
    assert_eq!(
        proxies("run --rm -e NO_PROXY=c -e no_proxy -e HTTPS_PROXY= host env"),
        "HTTPS_PROXY= NO_PROXY=c https_proxy=http://proxy:3128",
        "what is given counts, also when it is nothing"
    );
    assert_eq!(proxies("run --rm --http-proxy=false host env"), "");
    std::fs::write(config, "{").unwrap();
    let outcome = place.line("run --rm host true");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("warning: the container gets no proxies: cannot read"),
        "{}",
        outcome.stderr
    );
    assert_eq!(place.line("run --rm --http-proxy=false host true").stderr, "");
}

#[test]
fn words_that_are_not_utf8_arrive_as_they_are() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let words = [&b"run"[..], b"--rm", b"-e", b"X=\xfe", b"host", b"sh", b"-c", b"printf %s%s $X \xff"];
    let output = place.command(words.map(OsStr::from_bytes)).output().unwrap();
    assert_eq!(output.stdout, b"\xfe\xff");
}

#[test]
fn a_container_lives_its_life() {
    let place = Place::new();
    let state = |name: &str| place.line(&format!("inspect -f {{{{.State.Status}}}} {name}")).ok();
    let id = place.line("create --name web --label tier=front host sleep 1000").ok();
    assert_eq!((id.len(), state("web").as_str()), (64, "created"));
    assert_eq!(place.line("start web").ok(), "web");
    assert_eq!(state(&id[..12]), "running");
    assert_eq!(place.line("exec web sh -c 'echo $((6*7)); exit 3'").code, 3);
    assert_eq!(place.line("pause web").ok(), "web");
    assert_eq!(state("web"), "paused");
    assert_eq!(place.line("unpause web").ok(), "web");
    place.line("rename web db").ok();
    place.line("inspect web").fails(1, "no container `web`");
    place.line("rm db").fails(1, "running");
    let before = Instant::now();
    assert_eq!(place.line("stop -t 1 db").ok(), "db");
    assert!(before.elapsed() < Duration::from_secs(8));
    assert_eq!(state("db"), "exited");
    assert_eq!(place.line("wait db").ok(), "137");
    assert_eq!(place.line("restart db").ok(), "db");
    assert_eq!(state("db"), "running");
    assert_eq!(place.line("kill -s KILL db").ok(), "db");
    assert_eq!(place.line("wait db").ok(), "137");
    assert_eq!(place.line("rm db").ok(), "db");
    place.line("rm db").fails(1, "no container `db`");
    assert_eq!(place.line("rm -f db").ok(), "");
}

#[test]
fn a_further_command_has_the_surroundings_of_the_first() {
    let place = Place::new();
    place
        .line("run -d --name web -u 5:6 --group-add 7 --ulimit nofile=100 --umask 027 -w /srv -e A=1 host sleep 1000")
        .ok();
    let script = "echo $(id -u) $(id -G) $(ulimit -n) $(umask) $PWD $A";
    assert_eq!(place.line(&format!("exec web sh -c '{script}'")).ok(), "5 6 7 100 0027 /srv 1");
    let changed = format!("exec -u 0 -w / -e A=2 web sh -c '{script}'");
    assert_eq!(place.line(&changed).ok(), "0 0 7 100 0027 / 2");
}

#[test]
fn what_has_ended_is_started_again_in_the_foreground() {
    let place = Place::new();
    let script = "read x; echo got $x; exit 3";
    place.with_input(&format!("run -i --name box host sh -c '{script}'"), b"").fails(3, "");
    for word in ["one", "two"] {
        let outcome = place.with_input("start -ai box", format!("{word}\n").as_bytes());
        assert_eq!((outcome.stdout, outcome.code), (format!("got {word}\n"), 3), "{}", outcome.stderr);
    }
}

#[test]
fn words_before_verbs_explain_themselves() {
    let place = Place::new();
    let help = place.line("help system").ok();
    assert!(help.starts_with("Usage: cv system [OPTIONS] VERB ...\n\nVerbs:\n"), "{help}");
    for word in ["df", "prune", "repair", "info"] {
        assert!(help.lines().any(|line| line.split_whitespace().next() == Some(word)), "{word}: {help}");
    }
    for line in ["system --help", "system help", "--debug system --help"] {
        assert_eq!(place.line(line).ok(), help, "{line}");
    }
    assert!(place.line("container --help").ok().contains("\n  ls "));
    assert_eq!(place.line("container run --help").ok(), place.line("run --help").ok());
    assert_eq!(place.line("help container run").ok(), place.line("run --help").ok());
    place.line("system").fails(125, "a verb is missing");
}

#[test]
fn names_are_unique_and_prefixes_have_to_be() {
    let place = Place::new();
    let id = place.line("create --name web host true").ok();
    place.line("create --name web host true").fails(125, "web");
    assert_eq!(place.line(&format!("inspect -f {{{{.Name}}}} {}", &id[..6])).ok(), "web");
    for _ in 0..20 {
        place.line("create host true").ok();
    }
    let ids = place.line("ps -aq --no-trunc").ok();
    let shared =
        ids.lines().find(|one| ids.lines().filter(|other| other[..1] == one[..1]).count() > 1).unwrap();
    place.line(&format!("inspect {}", &shared[..1])).fails(1, "several");
}

#[test]
fn signals_of_stop_and_kill_are_chosen() {
    let place = Place::new();
    let trap = "trap \"exit 7\" USR1; trap \"exit 8\" TERM; while :; do sleep 0.05; done";
    place.line(&format!("run -d --name one --stop-signal USR1 host sh -c '{trap}'")).ok();
    place.line(&format!("run -d --name two host sh -c '{trap}'")).ok();
    std::thread::sleep(Duration::from_millis(300));
    place.line("stop one").ok();
    place.line("kill --signal TERM two").ok();
    assert_eq!(place.line("wait one two").ok(), "7\n8");
}

#[test]
fn several_containers_are_handled_though_one_is_missing() {
    let place = Place::new();
    place.line("run -d --name one host sleep 1000").ok();
    place.line("run -d --name two host sleep 1000").ok();
    let outcome = place.line("kill one nobody two");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, "one\ntwo\n"));
    assert_eq!(outcome.stderr, "error: no container `nobody`\nhint: `cv ps -a` lists all containers\n");
}

#[test]
fn lists_are_filtered_and_formatted() {
    let place = Place::new();
    place.line("create --name old --label a=1 --label b host true").ok();
    place.line("run -d --name new host sleep 1000").ok();
    let names = |line: &str| place.line(&format!("ps --format {{{{.Names}}}} {line}")).ok();
    for (line, expected) in [
        ("", "new"),
        ("-a", "new\nold"),
        ("-l", "new"),
        ("-n 1", "new"),
        ("-n 5", "new\nold"),
        ("--filter status=created", "old"),
        ("-a --filter name=ol", "old"),
        ("-a --filter label=a", "old"),
        ("-a --filter label=a=2", ""),
        ("-a --filter before=new", "old"),
        ("-a --filter since=old", "new"),
        ("-a --filter ancestor=host --filter status=running", "new"),
    ] {
        assert_eq!(names(line), expected, "{line}");
    }
    let table = place.line("container ls -a").ok();
    assert!(table.starts_with("CONTAINER ID   IMAGE   COMMAND "), "{table}");
    let json: Vec<serde_json::Value> = place
        .line("ps -a --format json")
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((json[1]["Names"].as_str(), json[1]["Labels"].as_str()), (Some("old"), Some("a=1,b=")));
    assert_eq!(
        place.line("ps -a --format 'table {{.Names}}\\t{{.State}}'").ok(),
        "NAMES   STATE\nnew     running\nold     created"
    );
    place.line("ps --format {{.Nope}}").fails(1, "fields: ID, Image");
    let ids = place.line("ps -aq").ok();
    assert!(ids.lines().count() == 2 && ids.lines().all(|id| id.len() == 12), "{ids}");
}

#[test]
fn inspect_tells_what_was_asked_for() {
    let place = Place::new();
    place
        .line("create --name web -m 64m --cpus 0.5 --pids-limit 20 -w /srv -u 5:6 -e A=1 -v ./:/mnt:ro host sleep 9")
        .ok();
    let documents: serde_json::Value = serde_json::from_str(&place.line("inspect web").ok()).unwrap();
    let web = &documents[0];
    assert_eq!(web["Path"], "sleep");
    assert_eq!(web["Args"], serde_json::json!(["9"]));
    assert_eq!(web["HostConfig"]["Memory"], 64 << 20);
    assert_eq!(
        (&web["HostConfig"]["CpuQuota"], &web["HostConfig"]["PidsLimit"]),
        (&50_000.into(), &20.into())
    );
    assert_eq!((&web["Config"]["WorkingDir"], &web["Config"]["User"]), (&"/srv".into(), &"5:6".into()));
    assert_eq!((&web["Mounts"][0]["Destination"], &web["Mounts"][0]["RW"]), (&"/mnt".into(), &false.into()));
    let line = "inspect -f '{{range .Mounts}}{{.Destination}} {{end}}{{join .Args \",\"}}' web";
    assert_eq!(place.line(line).ok(), "/mnt 9");
}

#[test]
fn id_files_are_made_once() {
    let place = Place::new();
    let id = place.line("run -d --cidfile cid host true").ok();
    assert_eq!(std::fs::read_to_string(place.join("cid")).unwrap(), id);
    place.line("run --cidfile cid host true").fails(125, "File exists (EEXIST)");
    place.line("run --cidfile other host nosuchprogram").fails(127, "nosuchprogram");
    assert!(!place.join("other").exists());
}

#[test]
fn prune_removes_what_does_not_run() {
    let place = Place::new();
    place.line("create --name old host true").ok();
    place.line("create --name kept --label keep host true").ok();
    place.line("run -d --name web host sleep 1000").ok();
    assert_eq!(place.line("container prune -f --filter until=1h").ok(), "");
    assert_eq!(place.line("prune -f --filter label!=keep").ok().len(), 64);
    assert_eq!(place.line("ps -a --format {{.Names}}").ok(), "web\nkept");
    assert_eq!(place.line("system prune -f").ok().len(), 64);
    assert_eq!(place.line("ps -a --format {{.Names}}").ok(), "web");
}

#[test]
fn limits_are_changed_while_it_runs() {
    let place = Place::new();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: limits need control groups, which root has");
        return;
    }
    place.line("run -d --name web -m 64m host sleep 1000").ok();
    place.line("update --memory 128m --pids-limit 30 web").ok();
    assert_eq!(
        place.line("inspect -f '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}' web").ok(),
        "134217728 30"
    );
    place.line("update --memory 1g nobody").fails(1, "nobody");
}

#[test]
fn a_limit_of_memory_is_named_when_it_strikes() {
    let place = Place::new();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: limits need control groups, which root has");
        return;
    }
    let hog = "x=$(head -c 100000000 /dev/zero | tr '\\''\\0'\\'' x); echo ${#x}";
    let outcome = place.run(["run", "-m", "20m", "host", "sh", "-c", &hog.replace("'\\''", "'")]);
    assert_eq!(outcome.code, 137, "{outcome:?}");
    assert!(outcome.stderr.contains("out of memory"), "{outcome:?}");
    assert!(place.line("ps -a --format {{.Status}}").ok().starts_with("Exited (137, out of memory)"));
}

#[test]
fn a_plan_is_printed_and_nothing_made() {
    let place = Place::new();
    let text = place.line("plan run --memory 64m host true").ok();
    assert!(text.starts_with("plan for container "), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&place.line("plan --format json create host true").ok()).unwrap();
    assert_eq!(json["backend"], "linux");
    assert!(json["steps"].as_array().is_some_and(|steps| steps.len() > 20));
    assert_eq!(place.line("ps -aq").ok(), "");
    assert!(!place.join("root").exists(), "a plan makes no state directory");
}

#[test]
fn debug_prints_the_plan_before() {
    let place = Place::new();
    let outcome = place.line("--debug run --rm host true");
    assert!(outcome.code == 0 && outcome.stderr.starts_with("plan for container "), "{outcome:?}");
}

#[test]
fn the_root_option_counts_before_and_after_the_verb() {
    let place = Place::new();
    place.line("--root elsewhere create --name web host true").ok();
    assert_eq!(place.line("ps -aq").ok(), "");
    assert_eq!(place.line("ps -a --root elsewhere --format {{.Names}}").ok(), "web");
    place.line("--root elsewhere rm web").ok();
}

#[test]
fn output_that_nobody_reads_ends_the_call_without_a_message() {
    let place = Place::new();
    let mut child = place.spawn("help");
    drop(child.stdout.take());
    let outcome = Outcome::of(child.wait_with_output().unwrap());
    assert!(matches!(outcome.code, 0 | 141) && outcome.stderr.is_empty(), "{outcome:?}");
}

#[test]
fn signals_to_the_foreground_reach_the_command() {
    let place = Place::new();
    let mut child =
        place.spawn("run --rm host sh -c 'trap \"exit 12\" TERM; echo ready; while :; do sleep 0.05; done'");
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(12));
}

#[test]
fn detached_exec_goes_on() {
    let place = Place::new();
    place.line("run -d --name web host sleep 1000").ok();
    assert_eq!(place.line("exec -d web sh -c 'sleep 0.2; echo done > /tmp/out'").ok(), "");
    place.until("exec web cat /tmp/out", "done");
    place.line("exec -w / -e X=5 web sh -c 'test $X = 5'").ok();
    place.line("exec web nosuchprogram").fails(127, "nosuchprogram");
    place.line("exec nobody true").fails(125, "no container `nobody`");
    place.line("stop -t 0 web").ok();
    place.line("exec web true").fails(125, "not running");
}

#[test]
fn many_calls_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let children: Vec<_> =
        (0..12).map(|number| place.spawn(&format!("run --rm host sh -c 'exit {number}'"))).collect();
    for (number, child) in children.into_iter().enumerate() {
        let outcome = Outcome::of(child.wait_with_output().unwrap());
        assert_eq!(outcome.code, i32::try_from(number).unwrap(), "{outcome:?}");
    }
    assert_eq!(place.line("ps -aq").ok(), "");
}

#[test]
fn an_ordinary_user_runs_containers() {
    let place = Place::ordinary();
    let printed =
        place.line("run --rm -h box host sh -c 'id -u; hostname; echo $$; touch /usr/x && echo ok'").ok();
    assert_eq!(printed, "0\nbox\n1\nok");
    place.line("run -d --name web host sleep 1000").ok();
    assert_eq!(place.line("exec web id -u").ok(), "0");
    place.line("stop -t 0 web").ok();
    place.line("rm web").ok();
    assert_eq!(place.line("ps -aq").ok(), "");
    place.line("run --rm --privileged --network host --userns host host true").fails(125, "root");
}

#[test]
fn automatic_removal_follows_the_end() {
    let place = Place::new();
    place.line("run -d --rm --name web host sleep 0.2").ok();
    eventually("web is gone", || place.line("ps -aq").ok().is_empty());
}

#[test]
fn processes_and_use_are_shown() {
    let place = Place::new();
    place.line("run -d --name web host sh -c 'while :; do :; done'").ok();
    place.line("create --name idle host true").ok();
    let top = place.line("top web").ok();
    assert!(top.lines().count() == 2 && top.ends_with("sh -c while :; do :; done"), "{top}");
    assert_eq!(place.line("top web --format '{{.PidInside}} {{.State}}'").ok(), "1 R");
    place.line("run --name ended host true").ok();
    place.line("top ended").fails(1, "not running");
    let stats = place.line("stats --no-stream --format '{{.Name}} {{.PIDs}} {{.CPUPerc}}'").ok();
    let cpu = stats.strip_prefix("web 1 ").and_then(|rest| rest.strip_suffix('%')).map(str::to_owned);
    assert!(cpu.is_some_and(|cpu| cpu.parse::<f64>().unwrap() > 5.0), "{stats}");
    assert_eq!(place.line("stats --no-stream -a --format {{.PIDs}} idle").ok(), "--");
}

#[test]
fn files_are_copied_both_ways_and_differences_listed() {
    let place = Place::new();
    place.line("create --name web host true").ok();
    std::fs::create_dir_all(place.join("tree/deep")).unwrap();
    place.write("tree/deep/file", "content");
    assert_eq!(place.line("cp ./tree web:/srv").ok(), "");
    place.line("cp web:/srv/tree ./back").ok();
    assert_eq!(std::fs::read_to_string(place.join("back/deep/file")).unwrap(), "content");
    place.write("one", "x");
    place.line("cp one web:/etc/added").ok();
    let changes = place.line("diff web").ok();
    assert!(changes.lines().any(|line| line == "A /etc/added"), "{changes}");
    place.line("cp web:/nonexistent .").fails(1, "/nonexistent");
    let archive = place.command(["cp", "web:/srv/tree", "-"]).output().unwrap().stdout;
    assert!(archive.windows(7).any(|window| window == b"content"));
    let mut second = place.command(["cp", "-", "web:/root"]);
    let mut child = second.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &archive).unwrap();
    assert!(child.wait().unwrap().success());
    place.line("cp web:/root/tree/deep/file ./again").ok();
    assert_eq!(std::fs::read_to_string(place.join("again")).unwrap(), "content");
    place.line("cp ./nonexistent web:/").fails(1, "nonexistent");
}

#[test]
fn what_was_written_and_what_happened_can_be_read() {
    let place = Place::new();
    place
        .line("run -d --name web --label tier=front host sh -c 'echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; exit 4'")
        .ok();
    assert_eq!(place.line("wait web").ok(), "4");
    let outcome = place.line("logs web");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("one\nthree\n", "two\n"));
    assert_eq!(place.line("logs --tail 1 web").ok(), "three");
    let stamped = place.line("logs -t --details --tail 1 web").ok();
    assert!(stamped.starts_with("20") && stamped.ends_with("Z tier=front three"), "{stamped}");
    assert_eq!(place.line("logs --until 1h web").ok(), "");
    let actions = place.line("events --since 1h --until 0s --format {{.Action}}").ok();
    for action in ["create", "start", "die"] {
        assert!(actions.lines().any(|line| line == action), "{action}: {actions}");
    }
    let ends = "events --since 1h --until 0s --filter event=die --filter container=web --format";
    assert_eq!(place.line(&format!("{ends} {{{{.Name}}}}")).ok(), "web");
}

#[test]
fn followed_logs_end_with_the_container() {
    let place = Place::new();
    place.line("run -d --name web host sh -c 'echo one; sleep 0.5; echo two'").ok();
    assert_eq!(place.line("logs -f web").ok(), "one\ntwo");
}
