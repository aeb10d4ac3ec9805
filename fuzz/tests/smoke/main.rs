//! Runs the body of every fuzz target, without libFuzzer and with a stable compiler, over the seeds
//! and over changes of them that are the same every time.
//!
//! A body that dies leaves its input in `tmp/TARGET` of the target directory.

#![allow(clippy::unwrap_used, reason = "tests")]

mod mutate;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use containerv_fuzz::{TARGETS, Target};
use mutate::Mutator;

/// Changed inputs for each target.
const MOST_INPUTS: usize = 10_000;
/// So many there are in any case; beyond them a slow target ends at its time.
const LEAST_INPUTS: usize = 100;
/// Time for one target's changed inputs.
const TIME: Duration = Duration::from_millis(1800);
/// No parser of ours needs so long for an input of some kilobytes, however busy the machine is.
const ONE_INPUT: Duration = Duration::from_secs(10);
/// Most memory that all bodies together have had at a time, in KiB.
const MOST_MEMORY: u64 = 512 << 10;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Returns the names of the entries of a directory, less `suffix`.
fn entries(directory: &Path, suffix: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap()).trim_end_matches(suffix).to_owned()).collect()
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let directory = directory("seeds").join(target.name);
    let seeds: Vec<Vec<u8>> =
        entries(&directory, "").iter().map(|name| fs::read(directory.join(name)).unwrap()).collect();
    assert!(!seeds.is_empty(), "`{}` has no seed", target.name);
    seeds
}

/// Runs bodies; the input is in a file while one runs.
struct Runner<'a> {
    target: &'a Target,
    path: PathBuf,
    input: File,
}

impl<'a> Runner<'a> {
    fn new(target: &'a Target) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(target.name);
        let input = File::create(&path).unwrap();
        println!("if this fails, the input is in {}", path.display());
        Self { target, path, input }
    }

    fn run(&self, data: &[u8]) {
        self.input.set_len(data.len() as u64).unwrap();
        self.input.write_all_at(data, 0).unwrap();
        let begin = Instant::now();
        (self.target.run)(data);
        let took = begin.elapsed();
        assert!(took < ONE_INPUT, "one input took {took:?}");
    }

    fn finish(self) {
        fs::remove_file(&self.path).unwrap();
    }
}

fn exercise(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = seeds(target);
    let runner = Runner::new(target);
    runner.run(b"");
    seeds.iter().for_each(|seed| runner.run(seed));
    let mut mutator = Mutator::new(name, &seeds);
    let begin = Instant::now();
    let mut count = 0;
    while count < LEAST_INPUTS || (count < MOST_INPUTS && begin.elapsed() < TIME) {
        runner.run(&mutator.next_input());
        count += 1;
    }
    runner.finish();
    let memory = peak_memory();
    assert!(memory < MOST_MEMORY, "{memory} KiB of memory");
    println!("{} seeds, {count} changed inputs, {:.1} s", seeds.len(), begin.elapsed().as_secs_f64());
}

fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

macro_rules! targets {
    ($($name:ident,)*) => {
        $(#[test] fn $name() { exercise(stringify!($name)); })*

        /// The targets that have a test here.
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    archive,
    byte_size,
    c_arguments,
    capability,
    command_line,
    container_directory,
    control_groups,
    cpu_list,
    detach_keys,
    environment_file,
    fields,
    filters,
    frames,
    hcs_answers,
    image_archive,
    image_change,
    image_document,
    image_reference,
    layer,
    log_entry,
    moments,
    names,
    option_values,
    os_text,
    passwd,
    plan,
    proc_files,
    records,
    registry_challenge,
    registry_credentials,
    registry_hosts,
    request,
    seccomp,
    stage_program,
    subordinate_ids,
    template,
    values,
    windows_access,
    windows_entries,
    windows_exported,
    windows_files,
    windows_hive,
    windows_layer,
    windows_path,
}

#[test]
fn every_target_is_tested_and_has_a_libfuzzer_program_and_seeds() {
    let all: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(TESTED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), all);
    assert_eq!(entries(&directory("fuzz_targets"), ".rs"), all);
    assert_eq!(entries(&directory("seeds"), ""), all);
    let manifest = fs::read_to_string(directory("Cargo.toml")).unwrap();
    for name in &all {
        let program = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&program), "{name}");
        let source = fs::read_to_string(directory("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(source.contains(&format!("containerv_fuzz::{name}::target(data)")), "{name}");
    }
}
