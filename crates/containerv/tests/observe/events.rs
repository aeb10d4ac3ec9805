//! Events.

use std::time::{Duration, SystemTime};

use containerv::{Container, Event, ExecOptions, StdioSet};

use crate::place::{Place, can_run, now_unix_ns, wait_until};

fn events(place: &Place) -> Vec<Event> {
    place.host.events(Some(SystemTime::UNIX_EPOCH), false).unwrap().map(Result::unwrap).collect()
}

fn actions_of(place: &Place, container: &Container) -> Vec<String> {
    let all = events(place).into_iter();
    all.filter(|event| event.id == *container.id()).map(|event| event.action).collect()
}

#[test]
fn a_life_in_the_foreground_is_told() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let begin = now_unix_ns();
    for remove in [false, true] {
        let request = place.request(Some("exit 7"), |value| {
            value["auto_remove"] = remove.into();
            value["labels"] = serde_json::json!({ "tier": "test" });
        });
        let (container, mut child) = Container::run_attached(&place.host, request, StdioSet::null()).unwrap();
        child.wait().unwrap();
        let found: Vec<Event> =
            events(&place).into_iter().filter(|event| event.id == *container.id()).collect();
        let actions: Vec<&str> = found.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(
            actions,
            if remove { &["create", "start", "die", "destroy"][..] } else { &["create", "start", "die"] }
        );
        assert_eq!(found[2].attributes["exitCode"], "7");
        assert!(found.iter().all(|it| it.name == container.name() && it.attributes["tier"] == "test"));
        assert!(found.iter().all(|it| (begin..=now_unix_ns()).contains(&it.time_unix_ns)));
    }
}

#[test]
fn operations_are_told_in_their_order() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request = place.request(Some("trap 'exit 5' TERM; while :; do usleep 1000; done"), |_| {});
    let container = Container::create(&place.host, request).unwrap();
    container.start().unwrap();
    container.pause().unwrap();
    container.resume().unwrap();
    let old = container.name();
    container.rename("renamed").unwrap();
    let limits = serde_json::from_value(serde_json::json!({ "pids": { "at": 50 } })).unwrap();
    container.update(&limits).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    container.stop(None).unwrap();
    container.start().unwrap();
    container.delete(true).unwrap();
    let first = ["create", "start", "pause", "unpause", "rename", "update", "kill", "die", "stop"];
    let second = ["start", "die", "destroy"];
    assert_eq!(actions_of(&place, &container), [&first[..], &second].concat());
    let all = events(&place);
    let of = |action: &str| all.iter().find(|event| event.action == action).unwrap();
    assert_eq!((of("rename").name.as_str(), of("rename").attributes["oldName"].clone()), ("renamed", old));
    assert_eq!(of("kill").attributes["signal"], "15");
    assert_eq!(of("die").attributes["exitCode"], "5");
    assert_eq!(all.iter().rfind(|event| event.action == "die").unwrap().attributes["exitCode"], "137");
}

#[test]
fn an_end_that_nobody_saw_is_told_once_with_its_time() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let container = place.detached("exit 3");
    wait_until("the end", || container.state().unwrap().exit);
    let finished = container.state().unwrap().exit.unwrap().finished_unix_ns;
    for _ in 0..2 {
        assert_eq!(actions_of(&place, &container), ["create", "start", "die"]);
    }
    let die = events(&place).into_iter().find(|event| event.action == "die").unwrap();
    assert_eq!((die.time_unix_ns, die.attributes["exitCode"].as_str()), (finished, "3"));
    assert_eq!(container.wait().unwrap().code, 3);
    container.delete(false).unwrap();
    assert_eq!(actions_of(&place, &container), ["create", "start", "die", "destroy"]);
}

#[test]
fn a_container_that_removed_itself_is_told_and_its_exit_is_known_to_those_who_wait() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let run = |script: &str| {
        let request = place.request(Some(script), |value| value["auto_remove"] = true.into());
        Container::run_detached(&place.host, request).unwrap()
    };
    let unseen = run("exit 4");
    wait_until("the removal", || unseen.state().err());
    assert_eq!(actions_of(&place, &unseen), ["create", "start", "die", "destroy"]);
    for _ in 0..5 {
        let seen = run("usleep 200000; exit 4");
        assert_eq!(seen.wait().unwrap().code, 4);
        wait_until("the removal", || seen.state().err());
        let die = events(&place).into_iter().find(|it| it.id == *seen.id() && it.action == "die").unwrap();
        assert_eq!(die.attributes["exitCode"], "4");
        assert_eq!(actions_of(&place, &seen), ["create", "start", "die", "destroy"]);
    }
}

#[test]
fn followers_see_every_event_once_as_it_happens() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let before = place.detached("sleep 1000");
    let (ends, ended) = std::sync::mpsc::channel();
    let followers: Vec<_> = (0..3)
        .map(|_| {
            let events = place.host.events(None, true).unwrap();
            let moment = SystemTime::now() + Duration::from_secs(60);
            let events = events.until(moment).map(Result::unwrap);
            let ends = ends.clone();
            std::thread::spawn(move || {
                let mut found = Vec::new();
                for event in events {
                    if event.action == "die" || event.action == "destroy" {
                        let _ = ends.send(());
                    }
                    // The last thing that happens below.
                    let last = event.name == "last" && event.action == "destroy";
                    found.push((event.id.short().to_owned(), event.action));
                    if last {
                        break;
                    }
                }
                found
            })
        })
        .collect();
    let made: Vec<Container> = [false, true]
        .into_iter()
        .map(|remove| {
            let request =
                place.request(Some("usleep 400000; exit 6"), |value| value["auto_remove"] = remove.into());
            Container::run_detached(&place.host, request).unwrap()
        })
        .collect();
    before.kill().unwrap();
    // Three deaths and a removal for each follower; nobody but they themselves tells of them.
    for _ in 0..4 * followers.len() {
        ended.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    let request = place.request(None, |value| value["name"] = "last".into());
    let last = Container::create(&place.host, request).unwrap();
    last.delete(true).unwrap();
    for follower in followers {
        let found = follower.join().unwrap();
        let of = |container: &Container| -> Vec<&str> {
            let mine = found.iter().filter(|it| it.0 == container.id().short());
            mine.map(|it| it.1.as_str()).collect()
        };
        assert_eq!(of(&before), ["kill", "die"]);
        assert_eq!(of(&made[0]), ["create", "start", "die"]);
        assert_eq!(of(&made[1]), ["create", "start", "die", "destroy"]);
        assert_eq!(of(&last), ["create", "start", "die", "destroy"]);
    }
    let codes: Vec<_> = events(&place).into_iter().filter(|it| it.action == "die").collect();
    let known = codes.iter().filter(|it| it.attributes.get("exitCode").is_some_and(|code| code == "6"));
    assert_eq!(known.count(), 2, "{codes:?}");
}

#[test]
fn an_out_of_memory_kill_is_told_before_the_end() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request = place.request(Some("exec dd if=/dev/zero of=/dev/null bs=64M"), |value| {
        value["limits"] =
            serde_json::json!({ "memory": { "at": 16 << 20 }, "memory_and_swap": { "at": 16 << 20 } });
    });
    let container = Container::run_detached(&place.host, request).unwrap();
    assert!(container.wait().unwrap().out_of_memory);
    assert_eq!(actions_of(&place, &container), ["create", "start", "oom", "die"]);
}

#[test]
fn events_of_a_fresh_host_are_none_and_since_and_until_hold() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    assert!(events(&place).is_empty());
    let until = SystemTime::now() + Duration::from_millis(200);
    assert_eq!(place.host.events(None, true).unwrap().until(until).count(), 0);
    place.keeper();
    assert_eq!(events(&place).len(), 2);
    assert_eq!(place.host.events(Some(SystemTime::now()), false).unwrap().count(), 0);
}

#[test]
fn a_failed_creation_is_not_told() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request =
        place.request(Some("true"), |value| value["process"]["args"] = serde_json::json!(["/no/such"]));
    Container::run_attached(&place.host, request, StdioSet::null()).unwrap_err();
    assert!(events(&place).is_empty());
}

#[test]
fn further_processes_are_told_if_that_is_asked_for() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let request = place.request(Some("while :; do usleep 1000; done"), |_| {});
    let container = Container::run_detached(&place.host, request).unwrap();
    let long = "x".repeat(1000);
    let process = |script: &str| {
        let mut process = container.request().process.clone().unwrap();
        process.args = ["sh", "-c", script, long.as_str()].map(Into::into).to_vec();
        process
    };
    for (script, announced) in [("exit 3", true), ("exit 4", false)] {
        let options = ExecOptions { announced, ..ExecOptions::default() };
        let mut child = container.exec(&process(script), StdioSet::null(), options).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(child.wait().unwrap(), status, "an end is told once");
    }
    container.kill().unwrap();
    container.wait().unwrap();
    let found: Vec<Event> = events(&place).into_iter().filter(|event| event.id == *container.id()).collect();
    let actions: Vec<&str> = found.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["create", "start", "exec_start", "exec_die", "kill", "die"]);
    let (start, die) = (&found[2].attributes, &found[3].attributes);
    assert!(start["execID"].len() == 64 && start["execID"] == die["execID"], "{start:?} {die:?}");
    assert_eq!(die["exitCode"], "3");
    assert!(start["execCommand"].starts_with("sh -c exit 3 xxx"), "{start:?}");
    assert_eq!(start["execCommand"].len(), 256);
}
