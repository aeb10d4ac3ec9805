//! The command line of containerv: grammar, options, verbs and what they print.
//!
//! One table ([`verbs::GROUPS`]) is what the command line is parsed by, explained by, completed by and what its
//! manual pages are made of.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

use containerv::Error;
use containerv_spec::OsText;

pub mod draft;
pub mod failure;
pub mod flags;
pub mod output;
pub mod platform;
pub mod syntax;
pub mod terminal;
pub mod value;
pub mod verbs;

use failure::Failure;
use output::report;
use output::style::Style;
use verbs::Ended;

/// Runs one command line, the program's own name left out.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let word = |(index, argument): (usize, OsString)| {
        value::native::from_os(&argument).map_err(|error| error.context(format!("argument {}", index + 1)))
    };
    let words: Result<Vec<OsText>, Error> = arguments.enumerate().map(word).collect();
    let ended = match words {
        Ok(words) => verbs::dispatch(words),
        Err(error) => Ended::failed(Failure::usage(error), 1),
    };
    let style = Style::for_stderr();
    let messages: String = ended.errors.iter().map(|error| report::render(error, style)).collect();
    output::message(&messages);
    platform::end(ended.code)
}
