//! Pulls that are killed: the store is as it should be, and the next pull goes on.

use std::time::{Duration, Instant};

use containerv::PruneOptions;
use containerv_tests::image::{damage, entries, noise};
use containerv_tests::registry::{Fault, Registry, Rule};
use containerv_tests::{Bed, Caller, Ended};

use super::{PROGRAM, check_large, data, images, large, pull, registry_with};

const LAYERS: u64 = 3;
const BYTES: usize = 600 << 10;

/// More steps than a pull has.
const MANY: u32 = 300;

fn killed_at(bed: &Bed, operation: &str, name: &str, step: u32) -> Ended {
    let caller = Caller::new(bed, PROGRAM);
    caller.run(caller.command(operation).args(["--image", name]), Some(step))
}

fn prune(bed: &Bed) {
    images(bed).prune(&PruneOptions { all: true, ..PruneOptions::default() }).unwrap();
}

/// What is left of images in the store.
fn remains(bed: &Bed) -> Vec<String> {
    let images = data(bed).join("images");
    let kinds = ["blobs/sha256", "partial", "layers", "references", "staging", "leases"];
    kinds
        .into_iter()
        .flat_map(|kind| {
            entries(&images.join(kind)).into_iter().map(move |(name, _)| format!("{kind}/{name}"))
        })
        .collect()
}

#[test]
fn at_every_step_of_a_pull() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(LAYERS, BYTES));
    let mut killed = 0;
    for step in 1..MANY {
        match killed_at(&bed, "pull", &name, step) {
            Ended::Killed => killed += 1,
            Ended::Survived(_) => break,
            Ended::Failed(error) => panic!("step {step}: {error}"),
        }
        assert_eq!(damage(&data(&bed)), "", "step {step}");
        // What has a name is whole.
        if let Ok(image) = images(&bed).get(&name) {
            image.root().unwrap();
        }
        pull(&bed, &name).unwrap();
        check_large(&bed, &name, LAYERS, BYTES);
        prune(&bed);
        assert_eq!(remains(&bed), Vec::<String>::new(), "step {step}");
    }
    // Pieces of each layer, its blob and its tree, three documents and the reference.
    assert!(killed > 20, "{killed}");
}

#[test]
fn at_every_step_of_a_removal() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(LAYERS, 1000));
    for operation in ["remove-image", "prune-images"] {
        let mut killed = 0;
        for step in 1..MANY {
            pull(&bed, &name).unwrap();
            match killed_at(&bed, operation, &name, step) {
                Ended::Killed => killed += 1,
                Ended::Survived(_) => break,
                Ended::Failed(error) => panic!("{operation}, step {step}: {error}"),
            }
            assert_eq!(damage(&data(&bed)), "", "{operation}, step {step}");
            pull(&bed, &name).unwrap();
            check_large(&bed, &name, LAYERS, 1000);
            prune(&bed);
            assert_eq!(remains(&bed), Vec::<String>::new(), "{operation}, step {step}");
        }
        assert!(killed > 8, "{operation}: {killed}");
    }
}

#[test]
fn what_was_downloaded_is_not_downloaded_again() {
    let bed = Bed::new();
    let (registry, name) = registry_with(&large(1, BYTES));
    // The first piece is there.
    for step in 1..MANY {
        assert!(matches!(killed_at(&bed, "pull", &name, step), Ended::Killed), "step {step}");
        let partial = entries(&data(&bed).join("images/partial"));
        if partial.iter().any(|(_, path)| path.metadata().unwrap().len() > 0) {
            break;
        }
    }
    let before = registry.log().len();
    pull(&bed, &name).unwrap();
    let asked = &registry.log()[before..];
    let range = asked.iter().find_map(|line| line.range.clone()).unwrap();
    let from: u64 =
        range.strip_prefix("bytes=").and_then(|rest| rest.split('-').next()).unwrap().parse().unwrap();
    assert!(from > 0, "{range}");
    check_large(&bed, &name, 1, BYTES);
}

/// Each blob comes slowly, so that a moment is likely to be in the midst of it.
fn slow(registry: &Registry) {
    let fault = Fault::Slow(64 << 10, Duration::from_millis(2));
    registry.misbehave(Rule { method: "GET", part: "/blobs/".to_owned(), times: u32::MAX, fault });
}

#[test]
fn at_two_hundred_moments() {
    const ROUNDS: u64 = 200;
    let bed = Bed::new();
    let (registry, name) = registry_with(&large(LAYERS, BYTES));
    slow(&registry);
    let caller = Caller::new(&bed, PROGRAM);
    let command = || {
        let mut command = caller.command("pull");
        command
            .args(["--image", &name])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        command
    };
    let begun = Instant::now();
    assert!(command().status().unwrap().success());
    let whole = begun.elapsed();
    prune(&bed);
    let (mut killed, mut finished) = (0, 0);
    for round in 0..ROUNDS {
        // Pulls go on where others were killed, so they are done sooner.
        let fraction = u64::from_le_bytes(noise(round + 1, 8).try_into().unwrap()) % 1000;
        let mut child = command().spawn().unwrap();
        std::thread::sleep(whole.mul_f64(fraction as f64 / 1000.0));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += u64::from(ended.is_none());
        assert_eq!(damage(&data(&bed)), "", "round {round}");
        if images(&bed).get(&name).is_ok() {
            finished += 1;
            check_large(&bed, &name, LAYERS, BYTES);
            // Some rounds begin with what others have left, some with nothing.
            prune(&bed);
            assert_eq!(remains(&bed), Vec::<String>::new(), "round {round}");
        } else {
            assert!(!status.success(), "round {round}: {status}");
        }
    }
    println!("killed {killed} of {ROUNDS} pulls; {finished} times the image was there");
    assert!(killed > ROUNDS / 4, "{killed}");
    pull(&bed, &name).unwrap();
    check_large(&bed, &name, LAYERS, BYTES);
}

/// What a killed pull has unpacked goes by repairing; what it has downloaded stays for the next one.
#[test]
fn repair_removes_what_was_being_unpacked() {
    let bed = Bed::new();
    let (_registry, name) = registry_with(&large(1, BYTES));
    let unfinished = || entries(&data(&bed).join("images/staging")).len();
    let partial = || entries(&data(&bed).join("images/partial")).len();
    for step in 1..MANY {
        assert!(matches!(killed_at(&bed, "pull", &name, step), Ended::Killed), "step {step}");
        if unfinished() == 1 && partial() == 1 {
            break;
        }
    }
    let told = bed.host().repair(true).unwrap();
    assert_eq!((told.len(), unfinished()), (1, 1), "{told:?}");
    assert_eq!(bed.host().repair(false).unwrap(), told);
    assert_eq!((unfinished(), partial()), (0, 1));
    assert_eq!(entries(&data(&bed).join("images/leases")).len(), 0);
    assert_eq!(bed.host().repair(false).unwrap(), []);
    pull(&bed, &name).unwrap();
}
