//! The suite `vm`: test programs in a machine with cgroup v2 alone.

use std::process::Command;
use std::time::Duration;

use super::binaries::{self, Run, TestProgram};
use super::report::SuiteReport;
use crate::command;
use crate::failure::Result;
use crate::product;
use crate::setup;
use crate::vm::{self, Guest};
use crate::workspace;

/// What runs there: the package, its cargo targets and the filters on test names. No target means
/// the library's own tests; no filter means all tests.
///
/// The machine has busybox and nothing else: no system for the image `host`, no compiler. Its kernel is older
/// than most, which is a reason of its own to run `isolation` there; files are in memory, which shows other ids only
/// from Linux 6.3 on.
const PROGRAMS: &[(&str, &[&str], &[&str])] = &[
    ("containerv", &[], &["cgroup"]),
    ("containerv-tests", &["limits"], &[]),
    (
        "containerv-tests",
        &["isolation"],
        &[
            "--skip",
            "image",
            "--skip",
            "life::a_detached",
            "--skip",
            "is_killed",
            "--skip",
            "shifted::files_",
            "--skip",
            "shifted::a_kept_",
        ],
    ),
    ("containerv-tests", &["attacks"], SLOW_ATTACKS),
];

/// Attacks that take longest here, and for which control groups do not matter.
const SLOW_ATTACKS: &[&str] = &[
    "--skip",
    "system_paths_that_are_something_else",
    "--skip",
    "cve_2024_21626_no_",
    "--skip",
    "no_program_of_the_host_can_be_written",
    "--skip",
    "nothing_of_the_container_is_loaded",
];

/// Programs that attack from inside of containers, compiled for the machine, and where their source is.
const ATTACKERS: [&str; 3] = ["calls", "grab", "swap"];
const ATTACKERS_SOURCE: &str = "crates/containerv-tests/programs";

/// For all programs together.
const LIMIT: Duration = Duration::from_secs(600);

pub(super) fn run(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    if let Some(reason) = impossible() {
        report.skip("vm::all".to_owned(), reason);
        return Ok(());
    }
    let mut guest = Guest { programs: Vec::new(), script: String::new(), limit: LIMIT };
    for (package, targets, own_filters) in
        PROGRAMS.iter().filter(|(package, ..)| workspace::has_crate(package))
    {
        for program in build(package, targets)? {
            add(&mut guest, &program, own_filters, filters);
        }
    }
    if let Some(cv) = product::built_cv() {
        guest.script.insert_str(0, &format!("export {}=/programs/cv\n", product::CV_VARIABLE));
        guest.programs.push(("cv".to_owned(), cv));
    }
    add_test_programs(&mut guest)?;
    let mut running: Option<Run> = None;
    vm::boot(&guest, &mut |line| {
        if let Some(label) = line.strip_prefix("@program ") {
            running = Some(Run::begin(label));
        } else if let Some(code) = line.strip_prefix("@ended ") {
            if let Some(run) = running.take() {
                run.end(code == "0", &format!("exit code {code}"), report);
            }
        } else if let Some(run) = &mut running {
            run.line(line);
        }
    })?;
    Ok(())
}

/// Puts what the attacks call into the machine.
fn add_test_programs(guest: &mut Guest) -> Result<()> {
    guest.script.insert_str(0, "export CONTAINERV_TEST_PROGRAMS=/programs\n");
    for name in ATTACKERS {
        let program = workspace::target().join("vm").join(name);
        let source = workspace::root().join(ATTACKERS_SOURCE).join(format!("{name}.c"));
        let mut compiler = Command::new("cc");
        command::run(compiler.args(["-std=gnu11", "-O1", "-static", "-o"]).arg(&program).arg(source))?;
        guest.programs.push((name.to_owned(), program));
    }
    // Cargo builds it along with the tests.
    let caller = workspace::target().join(product::STATIC_TARGET).join("debug/crash-at");
    guest.programs.push(("crash-at".to_owned(), caller));
    Ok(())
}

fn impossible() -> Option<&'static str> {
    if workspace::find_program("qemu-system-x86_64").is_none() {
        return Some("`qemu-system-x86_64` is missing");
    }
    setup::kernel().is_none().then_some("there is no kernel for the machine")
}

fn build(package: &str, targets: &[&str]) -> Result<Vec<TestProgram>> {
    let mut arguments = vec!["--target", product::STATIC_TARGET, "--package", package];
    if targets.is_empty() {
        arguments.push("--lib");
    }
    targets.iter().for_each(|target| arguments.extend(["--test", target]));
    binaries::build(&arguments)
}

/// Puts the program into the machine, and its call into the script.
fn add(guest: &mut Guest, program: &TestProgram, own_filters: &[&str], filters: &[String]) {
    let name = format!("{}-{}", program.package, program.target);
    let words = own_filters.iter().copied().chain(filters.iter().map(String::as_str)).map(command::quoted);
    let words = words.collect::<Vec<_>>().join(" ");
    guest.script.push_str(&format!(
        "echo '@program {}'\n/programs/{name} {words} --show-output\necho \"@ended $?\"\n",
        program.label()
    ));
    guest.programs.push((name, program.executable.clone()));
}
