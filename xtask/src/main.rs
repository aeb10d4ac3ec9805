//! Chores of this workspace: `cargo xtask COMMAND`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod bench;
mod check;
mod command;
mod dll;
mod failure;
mod install;
mod order;
mod pages;
mod product;
mod setup;
mod test;
mod vm;
mod wine;
mod workspace;

use std::process::ExitCode;

use failure::{Failure, Result};

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  ci                     check, then test: what a change has to pass
  setup                  install what the other commands need; as root, on Debian and Ubuntu
  check [STEP..]         format, lints, documentation, licences, spelling, structure, C header
  test [--only SUITE..]  every test suite, and a closing line with the counts
  install [OPTION..]     the C library, its headers and build files; `install --help`
  man [DIRECTORY]        manual pages and completion scripts, into target/man unless told otherwise
  vm -- COMMAND..        run a command in a virtual machine with cgroup v2 only
  wine -- PROGRAM..      run a Windows program, with the stand-ins of `sim/` beside it
  bench [OPTION..]       compare with other runtimes and with the floor; `bench --help`
  order                  write the order of the functions in `cv` anew: how fast it starts";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match command.as_str() {
        "ci" => ci(rest),
        "setup" => setup::run(rest),
        "check" => check::run(rest),
        "test" => test::run(rest),
        "install" => install::run(rest),
        "man" => pages::run_man(rest),
        "vm" => vm::run(rest),
        "wine" => wine::run(rest),
        "bench" => bench::run(rest),
        "order" => order::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(Failure::usage(format!("no command `{other}`\n{USAGE}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Checks and tests. The tests run even when a check failed, so that one run shows everything.
fn ci(arguments: &[String]) -> Result<()> {
    if let Some(first) = arguments.first() {
        return Err(Failure::usage(format!("`ci` takes no arguments, got `{first}`")));
    }
    setup::run(&[])?;
    let checked = check::run(&[]);
    if let Err(failure) = &checked {
        eprintln!("xtask: {failure}; the tests run all the same");
    }
    test::run(&[])?;
    checked
}
