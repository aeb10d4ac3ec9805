//! What a command line may look like: one table, from which it is parsed, explained and completed.

use containerv::Error;
use containerv_spec::OsText;

use crate::draft::{Draft, Target};
use crate::failure::Failure;
use crate::flags::windows;
use crate::platform::TARGET;
use crate::syntax::parse::Parsed;
use crate::verbs::Session;

/// Reads one option's text into the container that is being asked for.
pub type Apply = fn(&mut Draft, &OsText) -> Result<(), Error>;

/// One option.
pub struct Flag {
    /// Name after `--`.
    pub long: &'static str,
    /// Letter after `-`.
    pub short: Option<char>,
    /// What stands for its value in help texts; a switch has none.
    pub value: Option<&'static str>,
    /// One line of help.
    pub help: &'static str,
    /// What it does.
    pub action: Action,
    /// What its value may be completed with.
    pub completion: Completion,
}

/// What an option does.
#[derive(Clone, Copy)]
pub enum Action {
    /// The verb asks for it.
    Verb,
    /// It changes the container that is being asked for.
    Request(Apply),
    /// It is known and not offered; the text says what to do instead.
    Refused(&'static str),
}

/// What a word may be completed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Nothing that is known here.
    None,
    /// A file of this machine.
    Files,
    /// A directory of this machine.
    Directories,
    /// One of these.
    Words(&'static [&'static str]),
    /// A container in any state.
    Containers,
    /// A container whose processes run.
    Running,
    /// A signal's name.
    Signals,
    /// A capability's name.
    Capabilities,
    /// A name of an image that is here.
    Images,
    /// What containers are made of: a name of an image, or what the system has besides.
    Roots,
    /// `CONTAINER:PATH` or a file of this machine.
    CopyEnds,
}

impl Flag {
    /// An option that is given or not.
    pub const fn switch(long: &'static str, help: &'static str) -> Self {
        Self { long, short: None, value: None, help, action: Action::Verb, completion: Completion::None }
    }

    /// An option with a value.
    pub const fn value(long: &'static str, value: &'static str, help: &'static str) -> Self {
        Self { value: Some(value), ..Self::switch(long, help) }
    }

    /// Adds a letter.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// Makes it change the request.
    pub const fn sets(mut self, apply: Apply) -> Self {
        self.action = Action::Request(apply);
        self
    }

    /// Makes it known but refused.
    pub const fn refused(mut self, way_out: &'static str) -> Self {
        self.action = Action::Refused(way_out);
        self
    }

    /// Says what its value may be completed with.
    pub const fn completed(mut self, completion: Completion) -> Self {
        self.completion = completion;
        self
    }

    /// Returns the option as help and completion on this system have it; none where they pass it over.
    pub fn shown(&'static self) -> Option<&'static Self> {
        match TARGET {
            Target::Linux => (!matches!(self.action, Action::Refused(_))).then_some(self),
            Target::Windows => windows::shown(self),
        }
    }
}

/// Options under one heading.
pub struct Section {
    /// Heading in help texts.
    pub title: &'static str,
    /// The options, in the order of help texts.
    pub flags: &'static [Flag],
}

/// What a verb does: its exit code, or why it could not.
pub type Run = fn(&Session, &Parsed) -> Result<i32, Failure>;

/// A verb: one word after `cv`, or two.
pub struct Verb {
    /// The word, or words with a space.
    pub name: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// One line of help.
    pub about: &'static str,
    /// Paragraphs of help and of the manual page.
    pub details: &'static str,
    /// Forms of its operands, such as `CONTAINER [CONTAINER...]`.
    pub usage: &'static [&'static str],
    /// Fewest operands.
    pub least: usize,
    /// Most operands.
    pub most: usize,
    /// What operands may be completed with.
    pub completion: Completion,
    /// Options, by heading.
    pub sections: &'static [&'static Section],
    /// Everything after the first operand belongs to the container's command.
    pub options_first: bool,
    /// From the first option on that it has not, the words are another verb's.
    pub passes_on: bool,
    /// Exit code of its own failures: 125 where a container's code is passed through, else 1.
    pub failure: u8,
    /// Help texts and completion pass it over.
    pub hidden: bool,
    /// What it does.
    pub run: Run,
}

impl Verb {
    /// A verb without options that takes exactly one operand, to be refined by `..`.
    pub const fn new(name: &'static str, about: &'static str, run: Run) -> Self {
        Self {
            name,
            aliases: &[],
            about,
            details: "",
            usage: &[""],
            least: 0,
            most: 0,
            completion: Completion::None,
            sections: &[],
            options_first: false,
            passes_on: false,
            failure: 1,
            hidden: false,
            run,
        }
    }

    /// Returns the words that call it: `cv run`, or `cv` alone.
    pub fn command(&self) -> String {
        format!("cv {}", self.name).trim_end().to_owned()
    }

    /// Iterates over its headings, that of the options common to all verbs included.
    pub fn all_sections(&self) -> impl Iterator<Item = &'static Section> + use<> {
        self.sections.iter().copied().chain([&COMMON])
    }

    /// Iterates over its options, those common to all verbs included.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.all_sections().flat_map(|section| section.flags)
    }

    /// Finds an option by its long name.
    pub fn long(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.long == name)
    }

    /// Finds an option by its letter; `-h` asks for help where no other option has it.
    pub fn short(&self, letter: char) -> Option<&'static Flag> {
        let found = self.flags().find(|flag| flag.short == Some(letter));
        found.or_else(|| if letter == 'h' { self.long("help") } else { None })
    }
}

/// Options that every verb has.
pub static COMMON: Section = Section {
    title: "Common",
    flags: &[
        Flag::value(
            "root",
            "DIR",
            "Keep state and data below DIR (default: $CONTAINERV_ROOT, or the system's place)",
        )
        .completed(Completion::Directories),
        Flag::switch("debug", "Print what is going to be done, on standard error"),
        Flag::switch("help", "Print this help"),
    ],
};
