//! `cargo xtask bench`: containerv beside other runtimes, and beside what the kernel alone costs.
//!
//! Everything is measured in one run: in each round every case of every contender comes once, in an
//! order that is drawn anew. Times are shown and never asserted.

mod cases;
mod contender;
mod copies;
mod images;
mod memory;
mod options;
mod page;
mod place;
mod samples;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cases::{CASES, Case};
use contender::Contender;
use options::{Mode, Options};
use place::Place;
use samples::Samples;

use crate::command;
use crate::failure::{Failure, Result};
use crate::setup;
use crate::{product, workspace};

const WARM_UP_ROUNDS: usize = 2;

/// Between two samples, so that the kernel's own cleaning up does not fall into the next.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some((first, rest)) = arguments.split_first()
        && first == "images"
    {
        return images::run(rest);
    }
    let Some(mut options) = options::parse(arguments)? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("the benchmark makes containers of root: run it as root"));
    }
    if options.inside {
        return measure(&options);
    }
    setup::install().iter().for_each(|item| println!("missing: {item}"));
    if options.cv.is_none() {
        options.cv = product::build_cv()?;
    }
    if options.library.is_none() {
        options.library = product::build_library_measure()?;
    }
    let mut text = String::from(table::TITLE);
    for (left, mode) in (0..options.modes.len()).rev().zip(&options.modes) {
        enter(arguments, &options, *mode, left > 0)?;
        text.push_str(&workspace::read(&part(*mode))?);
    }
    text.push_str(table::REMARKS);
    println!("{text}");
    if options.write && options.cv.is_some() {
        page::write_containers(&text)?;
    }
    copies::clean();
    Ok(())
}

/// Where one mode's part of the report is until all are there.
fn part(mode: Mode) -> PathBuf {
    workspace::target().join("bench").join(format!("part-{}.md", mode.word()))
}

/// Runs this program again in a mount namespace of its own, with the control groups that were asked
/// for and a tmpfs for state: files made on ext4 after a large removal are slow for a while.
fn enter(arguments: &[String], options: &Options, mode: Mode, without_copies: bool) -> Result<()> {
    let state = workspace::target().join("bench/state");
    workspace::make_directory(&state)?;
    let groups = match mode {
        Mode::AsIs => "",
        Mode::V1 => "! test -e /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified\n",
        Mode::V2 => "mount -t cgroup2 cgroup2 /sys/fs/cgroup\n",
    };
    let script = format!(
        "mount -t tmpfs -o mode=700 state {}\n{groups}exec \"$@\"",
        command::quoted(&state.to_string_lossy())
    );
    let this = std::env::current_exe().map_err(|error| Failure::io("finding this program", &error))?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "sh", "-ec", &script, "sh"]);
    unshare.arg(this).arg("bench").args(arguments).args(["--inside", "--mode", mode.word()]);
    if without_copies {
        unshare.arg("--without-copies");
    }
    for (option, path) in [("--cv", &options.cv), ("--library", &options.library)] {
        if let Some(path) = path {
            unshare.arg(option).arg(path);
        }
    }
    let status = unshare.status().map_err(|error| Failure::io("starting `unshare`", &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("the benchmark: {status}"))) }
}

/// Measures in one mode, the last that is named.
fn measure(options: &Options) -> Result<()> {
    let mode = options.modes.last().copied().unwrap_or(Mode::AsIs);
    let fifo = options.fifo && mode.takes_fifo();
    let place = Place::make(fifo)?;
    let contenders = contender::all(options, &place);
    let wanted = |case: &Case| match &*options.only {
        [] => case.name != copies::CASE || !options.without_copies,
        only => only.iter().any(|name| name == case.name),
    };
    let cases: Vec<&Case> = CASES.iter().filter(|case| wanted(case)).collect();
    let mut samples = Samples::default();
    let begin_load = place::load();
    let outcome = rounds(&place, &contenders, &cases, options.rounds, &mut samples);
    contenders.iter().for_each(|contender| contender.clean(&place));
    outcome?;
    let report = table::Report {
        mode,
        fifo,
        rounds: options.rounds,
        contenders: &contenders,
        samples: &samples,
        loads: (begin_load, place::load()),
    };
    workspace::write(&part(mode), report.to_string())
}

/// Every case of every contender once in each round, shuffled.
fn rounds(
    place: &Place,
    contenders: &[Contender],
    cases: &[&Case],
    rounds: usize,
    samples: &mut Samples,
) -> Result<()> {
    let mut shuffle = place::Shuffle::new();
    for round in 0..WARM_UP_ROUNDS + rounds {
        let mut work: Vec<(&Case, &Contender)> = cases
            .iter()
            .filter(|case| case.due(round, WARM_UP_ROUNDS, rounds))
            .flat_map(|case| contenders.iter().map(move |contender| (*case, contender)))
            .collect();
        shuffle.apply(&mut work);
        for (case, contender) in work {
            for value in (case.run)(place, contender, round)? {
                if round >= WARM_UP_ROUNDS {
                    samples.add(value.metric, value.by.unwrap_or(contender.name()), round, value.value);
                }
            }
            std::thread::sleep(PAUSE);
        }
        eprintln!("round {} of {}", round + 1, WARM_UP_ROUNDS + rounds);
    }
    Ok(())
}
