//! C programs that use every function, plainly, with sanitizers, and under Valgrind.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Bed, Under, library, library_for_valgrind, obstacle, sources, tool};
use containerv::Host;

/// Programs take a few seconds; Valgrind is some thirty times slower.
fn limit(under: Under) -> Duration {
    Duration::from_secs(if under == Under::Valgrind { 400 } else { 100 })
}

macro_rules! programs {
    ($($name:ident),*) => {
        #[test]
        fn every_program_of_the_table_runs() {
            assert_eq!(crate::table::programs_of_checks(), [$(stringify!($name)),*]);
        }

        $(
        mod $name {
            use super::{Under, check};

            #[test]
            fn plain() {
                check(stringify!($name), Under::Nothing);
            }

            #[test]
            fn with_sanitizers() {
                check(stringify!($name), Under::Sanitizers);
            }

            #[test]
            fn under_valgrind() {
                check(stringify!($name), Under::Valgrind);
            }
        }
        )*
    };
}

programs!(options, create, spawn, mounts, files, threads, ending, streams, forks, signals, join, isolation);

/// Runs a program of checks, and looks for what it has left on the machine.
fn check(name: &str, under: Under) {
    if let Some(reason) = obstacle() {
        println!("skipped: {reason}");
        return;
    }
    let bed = Bed::new(&format!("{name}-{under:?}"));
    bed.make_root();
    let ran = bed.run(&mut command(&bed, name, under), limit(under));
    ran.assert_success(name);
    assert!(ran.stdout.ends_with(" checks passed\n"), "{}", ran.stdout);
    let host = Host::open_at(bed.path("state")).unwrap();
    if name == "ending" {
        // A creator that was killed cannot tidy up. Its container needs a moment to end.
        let deadline = Instant::now() + limit(under);
        while host.repair(false).unwrap().is_empty() {
            assert!(Instant::now() < deadline, "nothing to repair");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let leftovers = bed.leftovers(&ran.containers());
    assert!(leftovers.is_empty(), "{leftovers:#?}\n{}", ran.stderr);
    let repaired = host.repair(true).unwrap();
    assert!(repaired.is_empty(), "{repaired:?}");
}

fn command(bed: &Bed, name: &str, under: Under) -> Command {
    let source = sources().join(format!("{name}.c"));
    let standard = ["-std=c99", "-pedantic"];
    let mut command = match under {
        Under::Nothing => Command::new(bed.compile(&source, library(), &standard)),
        Under::Sanitizers => {
            let flags =
                ["-std=c99", "-pedantic", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
            let mut command = Command::new(bed.compile(&source, library(), &flags));
            command
                .env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1");
            command
        }
        Under::Valgrind => valgrind(bed, &bed.compile(&source, library_for_valgrind(), &standard)),
    };
    command.arg(bed.path("root")).arg(bed.path("scratch"));
    command
}

fn valgrind(bed: &Bed, program: &std::path::Path) -> Command {
    let calls = bed.path("native_calls.so");
    let source = sources().join("native_calls.c");
    tool(
        "gcc",
        ["-shared", "-fPIC", "-O1", "-o", &calls.display().to_string(), &source.display().to_string()],
    );
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible"]);
    command.args(["--show-leak-kinds=definite,indirect,possible", "--error-exitcode=99", "--fair-sched=try"]);
    command.arg(program).env("LD_PRELOAD", calls).env("UNDER_VALGRIND", "1");
    command
}
