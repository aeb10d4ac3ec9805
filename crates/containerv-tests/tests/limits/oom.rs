//! Memory that ran out is told as it happens.

use std::time::{Duration, SystemTime};

use containerv::spec::state::Status;
use containerv::{Container, Event};
use containerv_tests::{Bed, wait_until};

use crate::{PATIENCE, detached, memory, need};

const HOG: &str = "dd if=/dev/zero of=/dev/null bs=64M count=1";

fn told(bed: &Bed, container: &Container) -> Vec<Event> {
    let all = bed.host().events(Some(SystemTime::UNIX_EPOCH), false).unwrap().map(Result::unwrap);
    all.filter(|event| event.id == *container.id() && event.action == "oom").collect()
}

#[test]
fn followers_hear_of_each_kill_while_the_container_lives() {
    need!("memory");
    let bed = Bed::new();
    // One that is followed from its start, and one that runs already.
    let older = bed.keeper(|request| request.limits = memory(16));
    let until = SystemTime::now() + 2 * PATIENCE;
    let mut followers = [0, 1].map(|_| bed.host().events(None, true).unwrap().until(until));
    let script = format!("{HOG}; echo $?; {HOG}; while :; do sleep 0.1; done");
    let newer = detached(&bed, |request| request.limits = memory(16), &script);
    let kill = |container: &Container| container.command("sh").args(["-c", HOG]).output().unwrap().status;
    assert_eq!(kill(&older).docker_code(), 137);
    for events in &mut followers {
        let mut counts = Vec::new();
        let mut wanted = vec![(older.id(), "1"), (newer.id(), "2")];
        while !wanted.is_empty() {
            let event = events.next().expect("in time").unwrap();
            assert!(event.action != "die", "{event:?}");
            if event.action == "oom" {
                let kills = event.attributes["oomKills"].clone();
                wanted.retain(|(id, last)| **id != event.id || *last != kills);
                counts.push((event.id.clone(), kills));
            }
        }
        // Each kill is told once.
        let told = counts.len();
        counts.sort();
        counts.dedup();
        assert_eq!(counts.len(), told, "{counts:?}");
    }
    for (container, kills) in [(&older, 1), (&newer, 2)] {
        let state = container.state().unwrap();
        assert_eq!((state.status, state.oom_kills), (Status::Running, kills));
        assert_eq!(told(&bed, container).last().unwrap().attributes["oomKills"], kills.to_string());
    }
    // Its end tells nothing a second time.
    let before = told(&bed, &newer);
    newer.stop(Some(Duration::ZERO)).unwrap();
    assert!(newer.state().unwrap().exit.unwrap().out_of_memory);
    assert_eq!(told(&bed, &newer), before);
}

#[test]
fn a_kill_that_nobody_followed_is_told_to_who_asks() {
    need!("memory");
    let bed = Bed::new();
    let script = format!("{HOG}; while :; do sleep 0.1; done");
    let container = detached(&bed, |request| request.limits = memory(16), &script);
    assert!(wait_until(PATIENCE, || container.state().unwrap().oom_kills == 1));
    assert_eq!(container.state().unwrap().status, Status::Running);
    for _ in 0..2 {
        let told = told(&bed, &container);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].attributes["oomKills"], "1");
    }
}

#[test]
fn a_container_that_never_ran_out_is_not_told_of() {
    need!("memory");
    let bed = Bed::new();
    let container = detached(&bed, |request| request.limits = memory(128), HOG);
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.out_of_memory), (0, false));
    assert_eq!((told(&bed, &container), container.state().unwrap().oom_kills), (Vec::new(), 0));
}
