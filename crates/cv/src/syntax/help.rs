//! Help texts, made from the table of verbs.

use std::fmt::Write as _;

use super::flag::{COMMON, Flag, Verb};
use crate::platform::choose;

/// Width to which help texts are wrapped.
const WIDTH: usize = 100;
/// Column in which the help of an option begins.
const HELP_COLUMN: usize = 34;

/// Returns one form of a verb's use: `cv run [OPTIONS] IMAGE [COMMAND [ARG...]]`.
pub fn usage_line(verb: &Verb, form: usize) -> String {
    let form = verb.usage.get(form).copied().unwrap_or("");
    let gap = if form.is_empty() { "" } else { " " };
    format!("{} [OPTIONS]{gap}{form}", verb.command())
}

/// Returns the help text of a verb.
pub fn verb_help(verb: &Verb) -> String {
    let mut text = String::new();
    for (index, _) in verb.usage.iter().enumerate() {
        let lead = if index == 0 { "Usage: " } else { "       " };
        _ = writeln!(text, "{lead}{}", usage_line(verb, index));
    }
    _ = writeln!(text, "\n{}", verb.about);
    if !verb.details.is_empty() {
        text.push('\n');
        wrap(&mut text, verb.details, 0, WIDTH);
    }
    if !verb.aliases.is_empty() {
        let aliases: Vec<String> = verb.aliases.iter().map(|alias| format!("cv {alias}")).collect();
        _ = writeln!(text, "\nAliases: {}", aliases.join(", "));
    }
    let mut title = "";
    for section in verb.all_sections() {
        let mut shown = section.flags.iter().filter_map(Flag::shown).peekable();
        if shown.peek().is_some() && section.title != title {
            title = section.title;
            _ = writeln!(text, "\n{title}:");
        }
        shown.for_each(|flag| flag_help(&mut text, flag));
    }
    text
}

/// Returns an option as it is written: `-m, --memory BYTES`.
pub fn spelling(flag: &Flag) -> String {
    let mut text = match flag.short {
        Some(letter) => format!("-{letter}, --{}", flag.long),
        None => format!("    --{}", flag.long),
    };
    if let Some(value) = flag.value {
        _ = write!(text, " {value}");
    }
    text
}

fn flag_help(text: &mut String, flag: &Flag) {
    let spelling = spelling(flag);
    _ = write!(text, "  {spelling}");
    let used = spelling.chars().count() + 2;
    if used + 1 < HELP_COLUMN {
        _ = write!(text, "{:1$}", "", HELP_COLUMN - used);
    } else {
        _ = write!(text, "\n{:HELP_COLUMN$}", "");
    }
    let mut help = String::new();
    wrap(&mut help, flag.help, HELP_COLUMN, WIDTH);
    text.push_str(help.trim_start());
}

/// Width of the longest name of a verb in an overview.
const NAME_WIDTH: usize = 17;

/// Returns the help text of `cv` itself.
pub fn overview(groups: &[(&str, &[&Verb])]) -> String {
    let mut text = String::from("Usage: cv [OPTIONS] VERB ...\n\nRun containers without a daemon\n");
    for (title, group) in groups {
        _ = writeln!(text, "\n{title}:");
        for verb in group.iter().filter(|verb| !verb.hidden) {
            _ = writeln!(text, "  {:NAME_WIDTH$} {}", verb.name, verb.about);
        }
    }
    text.push_str("\nCommon:\n");
    for flag in COMMON.flags {
        flag_help(&mut text, flag);
    }
    text.push_str("\n`cv VERB --help` explains a verb; `cv container VERB` is accepted too.\n");
    let first = choose("cv run host sh -c 'id; hostname; ps ax'", r"cv run C:\layers\nanoserver cmd /c ver");
    _ = writeln!(text, "First steps:  {first}");
    text
}

/// Returns the help text of a word that stands before others, with those and their verbs.
pub fn group_overview(group: &str, verbs: &[(&str, &Verb)]) -> String {
    let mut text = format!("Usage: cv {group} [OPTIONS] VERB ...\n\nVerbs:\n");
    for (word, verb) in verbs {
        _ = writeln!(text, "  {word:NAME_WIDTH$} {}", verb.about);
    }
    _ = writeln!(text, "\n`cv {group} VERB --help` explains a verb.");
    text
}

/// Appends paragraphs, each line indented and at most `width` wide; indented lines stay as they are.
fn wrap(text: &mut String, paragraphs: &str, indent: usize, width: usize) {
    for paragraph in paragraphs.lines() {
        if paragraph.starts_with(' ') || paragraph.is_empty() {
            _ = writeln!(text, "{paragraph}");
            continue;
        }
        let mut used = 0;
        for word in paragraph.split(' ') {
            let length = word.chars().count();
            if used == 0 {
                _ = write!(text, "{:indent$}{word}", "");
                used = indent + length;
            } else if used + 1 + length > width {
                _ = write!(text, "\n{:indent$}{word}", "");
                used = indent + length;
            } else {
                _ = write!(text, " {word}");
                used += 1 + length;
            }
        }
        text.push('\n');
    }
}
