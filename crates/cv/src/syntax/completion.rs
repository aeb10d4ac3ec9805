//! Completion: shells call `cv __complete -- WORDS`, the last word being the one to complete, and
//! get one candidate a line, with its explanation after a tab. A line `:files` or `:directories`
//! leaves it to the shell.

use std::fmt::Write as _;

use containerv_spec::{Capability, OsText};

use super::flag::{Completion, Flag, Verb};
use crate::draft::Target;
use crate::platform::TARGET;
use crate::value::signal;
use crate::verbs;

/// Shells that [`script`] knows.
pub const SHELLS: &[&str] = &["bash", "zsh", "fish", "powershell"];

/// Returns the script that a shell loads.
pub fn script(shell: &str) -> Option<&'static str> {
    match shell {
        "bash" => Some(include_str!("completion/cv.bash")),
        "zsh" => Some(include_str!("completion/cv.zsh")),
        "fish" => Some(include_str!("completion/cv.fish")),
        "powershell" | "pwsh" => Some(include_str!("completion/cv.ps1")),
        _ => None,
    }
}

/// What there is by name. It is asked for only where a word names such a thing.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Names of containers; `true` asks for running ones only.
    pub containers: &'a dyn Fn(bool) -> Vec<String>,
    /// Names of images.
    pub images: &'a dyn Fn() -> Vec<String>,
}

/// Returns the lines for the last of `words`, which are those after `cv`.
pub fn complete(words: &[String], known: Known<'_>) -> String {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let (verb, expected) = expectation(before);
    let mut answer = Answer { prefix: last, text: String::new() };
    match (verb, expected) {
        (_, Expected::Value(flag)) => answer.values(flag.completion, "", known),
        (verb, Expected::Word { options: true, .. }) if last.starts_with("--") && last.contains('=') => {
            let (option, _) = last.split_once('=').unwrap_or((last, ""));
            let flag = verb.unwrap_or(&verbs::ROOT).long(&option[2..]).and_then(Flag::shown);
            answer.values(
                flag.map_or(Completion::None, |flag| flag.completion),
                &format!("{option}="),
                known,
            );
        }
        (verb, Expected::Word { options: true, .. } | Expected::Verb(None)) if last.starts_with('-') => {
            answer.options(verb.unwrap_or(&verbs::ROOT));
        }
        (Some(verb), Expected::Word { operands, .. }) if operands < verb.most => {
            let kind = if verb.options_first && operands > 0 { Completion::Files } else { verb.completion };
            answer.values(kind, "", known);
        }
        (Some(_), _) => {}
        (None, Expected::Verb(group)) => answer.verbs(group),
        (None, Expected::Word { .. }) => {}
    }
    answer.text
}

/// What a word stands for.
enum Expected {
    /// The value of this option.
    Value(&'static Flag),
    /// An option, or an operand after so many.
    Word { options: bool, operands: usize },
    /// A verb, or after `container` and `system` its second word.
    Verb(Option<&'static str>),
}

/// Reads the words before the last.
fn expectation(words: &[String]) -> (Option<&'static Verb>, Expected) {
    let mut verb: Option<&'static Verb> = None;
    let mut group: Option<&'static str> = None;
    let (mut options, mut operands) = (true, 0);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let flag = value_flag(verb.unwrap_or(&verbs::ROOT), word).filter(|_| options);
        if let Some(flag) = flag {
            if words.next().is_none() {
                return (verb, Expected::Value(flag));
            }
        } else if word == "--" && options {
            options = false;
        } else if word.starts_with('-') && options {
            // A switch, or an option with its value attached.
        } else if let Some(known) = verb {
            if known.name == "plan" && operands == 0 {
                // What follows are the words of the planned verb.
                verb = verbs::find(word).or(verb);
                continue;
            }
            operands += 1;
            options = options && !known.options_first;
        } else if let Some(group) = group {
            verb = verbs::find_in_group(group, word);
            if verb.is_none() {
                return (None, Expected::Word { options, operands });
            }
        } else {
            (verb, group) = (verbs::find(word), verbs::group(word));
            if verb.is_none() && group.is_none() {
                return (None, Expected::Word { options: false, operands });
            }
        }
    }
    match verb {
        Some(_) => (verb, Expected::Word { options, operands }),
        None => (None, Expected::Verb(group)),
    }
}

/// Returns the option if the word is one whose value is the next word.
fn value_flag(verb: &'static Verb, word: &str) -> Option<&'static Flag> {
    let flag = match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(name), _) => verb.long(name),
        (None, Some(letters)) => verb.short(letters.chars().next_back()?),
        _ => None,
    };
    flag.filter(|flag| flag.value.is_some()).map(|flag| flag.shown().unwrap_or(flag))
}

struct Answer<'a> {
    prefix: &'a str,
    text: String,
}

impl Answer<'_> {
    fn line(&mut self, word: &str, explanation: &str) {
        if word.starts_with(self.prefix) && !word.contains(['\n', '\t']) {
            _ = writeln!(self.text, "{word}\t{explanation}");
        }
    }

    fn verbs(&mut self, group: Option<&str>) {
        for (_, verbs) in verbs::GROUPS {
            for verb in verbs.iter().filter(|verb| !verb.hidden) {
                let names = [verb.name].into_iter().chain(verb.aliases.iter().copied());
                let words = names.filter_map(|name| match (name.split_once(' '), group) {
                    (Some((first, second)), Some(group)) => (first == group).then_some(second),
                    (Some(_), None) => None,
                    (None, group) => group.is_none().then_some(name),
                });
                words.for_each(|word| self.line(word, verb.about));
            }
        }
        if group.is_none() {
            self.line("container", "The verbs for containers, as `cv container ls`");
            self.line("image", "The verbs for images, as `cv image ls`");
            self.line("system", "Disk space, removal, repair");
        }
    }

    fn options(&mut self, verb: &'static Verb) {
        for flag in verb.flags().filter_map(Flag::shown) {
            self.line(&format!("--{}", flag.long), flag.help);
            if let Some(letter) = flag.short.filter(|_| self.prefix == "-") {
                self.line(&format!("-{letter}"), flag.help);
            }
        }
    }

    fn values(&mut self, completion: Completion, lead: &str, known: Known<'_>) {
        match completion {
            Completion::None => {}
            Completion::Files => self.text.push_str(":files\n"),
            Completion::Directories => self.text.push_str(":directories\n"),
            Completion::Words(words) => words.iter().for_each(|word| self.line(&format!("{lead}{word}"), "")),
            Completion::Containers | Completion::Running => {
                let running = completion == Completion::Running;
                let names = (known.containers)(running);
                names.iter().for_each(|name| self.line(&format!("{lead}{name}"), "container"));
            }
            Completion::Signals => {
                for (name, number) in signal::names(TARGET) {
                    self.line(&format!("{lead}{name}"), &number.to_string());
                }
            }
            Completion::Capabilities => {
                self.line(&format!("{lead}ALL"), "every capability");
                let known = (0..64).map_while(Capability::from_number);
                known.for_each(|capability| self.line(&format!("{lead}{}", capability.name()), ""));
            }
            Completion::Images => self.images(lead, known),
            Completion::Roots => {
                if TARGET == Target::Linux {
                    self.line(&format!("{lead}host"), "this machine's own system");
                }
                self.images(lead, known);
                if TARGET == Target::Windows && self.text.is_empty() {
                    self.text.push_str(":directories\n");
                }
            }
            Completion::CopyEnds => {
                if self.prefix.contains([':', '/', '\\', '.']) {
                    return self.text.push_str(":files\n");
                }
                let names = (known.containers)(false);
                names.iter().for_each(|name| self.line(&format!("{name}:"), "container"));
                if self.text.is_empty() {
                    self.text.push_str(":files\n");
                }
            }
        }
    }
}

impl Answer<'_> {
    fn images(&mut self, lead: &str, known: Known<'_>) {
        (known.images)().iter().for_each(|name| self.line(&format!("{lead}{name}"), "image"));
    }
}

/// Takes the words of a call as text; one that is not UTF-8 completes to nothing.
pub fn words(operands: &[OsText]) -> Option<Vec<String>> {
    operands.iter().map(|word| word.to_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let containers = |running: bool| texts(if running { &["web"] } else { &["web", "old"] });
        let images = || texts(&["debian:bookworm", "r.example:5000/team/app:1"]);
        let text = complete(&words, Known { containers: &containers, images: &images });
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn verbs_options_values_and_containers_complete() {
        for (line, expected) in [
            ("ren", vec!["rename"]),
            ("unp", vec!["unpause"]),
            ("run --net", vec!["--network"]),
            ("run --rm -v ", vec![":files"]),
            ("run -it --rootfs ", vec![":directories"]),
            ("run --rm host --net", vec![":files"]),
            ("rm w", vec!["web"]),
            ("rm web o", vec!["old"]),
            ("exec -it ", vec!["web"]),
            ("container inspect o", vec!["old"]),
            ("kill -s TE", vec!["TERM"]),
            ("kill --signal=KI", vec!["--signal=KILL"]),
            ("cp we", vec!["web:"]),
            ("cp ./", vec![":files"]),
            ("completion f", vec!["fish"]),
            ("system re", vec!["repair"]),
            ("--root ", vec![":directories"]),
            ("sys", vec!["system"]),
            ("container l", vec!["ls", "list", "logs"]),
            ("pull d", vec!["debian:bookworm"]),
            ("push r.example:5000/", vec!["r.example:5000/team/app:1"]),
            ("rmi debian:bookworm ", vec!["debian:bookworm", "r.example:5000/team/app:1"]),
            ("image inspect debian:", vec!["debian:bookworm"]),
            ("image rebase --onto=d", vec!["--onto=debian:bookworm"]),
            ("tag debian:bookworm m", vec![]),
            ("create --rm r.", vec!["r.example:5000/team/app:1"]),
            ("history ho", vec![]),
            ("nonsense ", vec![]),
            ("system nonsense ", vec![]),
            ("--deb", vec!["--debug"]),
        ] {
            assert_eq!(completed(line), expected, "{line}");
        }
    }

    #[test]
    fn each_system_has_options_values_and_images_of_its_own() {
        let cases = match TARGET {
            Target::Linux => [
                ("run --network ho", vec!["host"]),
                ("run --network=ho", vec!["--network=host"]),
                ("run ho", vec!["host"]),
                ("plan run --time", vec!["--timens", "--time-offset"]),
                ("run --cap-add NET_", vec!["NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"]),
                ("run --publ", vec![]),
                ("kill -s CTRL", vec![]),
            ],
            Target::Windows => [
                ("run --network na", vec!["nat"]),
                ("run --isolation=h", vec!["--isolation=hyperv"]),
                ("run C:", vec![":directories"]),
                ("plan run --time", vec![]),
                ("run --cap-", vec![]),
                ("run --publ", vec!["--publish"]),
                ("kill -s CTRLC", vec!["CTRLC", "CTRLCLOSE"]),
            ],
        };
        for (line, expected) in cases {
            assert_eq!(completed(line), expected, "{line}");
        }
    }

    #[test]
    fn every_shell_has_a_script_that_calls_back() {
        for shell in SHELLS {
            assert!(script(shell).is_some_and(|script| script.contains("__complete")), "{shell}");
        }
        assert_eq!(script("tcsh"), None);
    }
}
