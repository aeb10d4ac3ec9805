//! The command line's grammar: options, verbs, parsing, help, completion and manual pages.

pub mod completion;
pub mod flag;
pub mod help;
pub mod man;
pub mod parse;
mod suggest;

pub use flag::{Action, Apply, Completion, Flag, Section, Verb};
pub use parse::{Given, Parsed, usage};
pub use suggest::nearest;
