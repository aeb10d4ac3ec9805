//! From words to options and operands.
//!
//! The rules are those of Docker's command line: `--name value`, `--name=value`, `-n value`,
//! `-nvalue`, `-n=value`, letters of switches together, `--switch=false`, `--` ends the options.

use containerv::{Error, ErrorKind};
use containerv_spec::OsText;

use super::flag::{Flag, Verb};
use super::suggest::nearest;
use crate::failure::Failure;
use crate::value;

/// An option that was given.
pub struct Given {
    /// Which one.
    pub flag: &'static Flag,
    /// Its value; `true` or `false` for a switch.
    pub text: OsText,
}

/// The words after a verb, understood.
pub struct Parsed {
    /// The verb.
    pub verb: &'static Verb,
    /// Options in the order in which they were given.
    pub given: Vec<Given>,
    /// What is not an option.
    pub operands: Vec<OsText>,
}

impl Parsed {
    /// Says whether a switch is on; the last mention counts.
    pub fn switch(&self, long: &'static str) -> bool {
        self.switch_or(long, false)
    }

    /// Says whether a switch is on that is `otherwise` unless mentioned.
    pub fn switch_or(&self, long: &'static str, otherwise: bool) -> bool {
        self.text(long).map_or(otherwise, |text| text.as_bytes() == b"true")
    }

    /// Returns an option's value; the last mention counts.
    pub fn text(&self, long: &'static str) -> Option<&OsText> {
        self.all(long).last()
    }

    /// Returns every value of an option.
    pub fn all(&self, long: &'static str) -> impl DoubleEndedIterator<Item = &OsText> {
        debug_assert!(self.verb.long(long).is_some(), "`{}` has no --{long}", self.verb.name);
        self.given.iter().filter(move |given| given.flag.long == long).map(|given| &given.text)
    }

    /// Reads an option's value with one of the parsers of [`crate::value`].
    ///
    /// # Errors
    ///
    /// The parser's, naming the option and its value.
    pub fn read<T>(
        &self,
        long: &'static str,
        read: impl FnOnce(&str) -> Result<T, Error>,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(long) else { return Ok(None) };
        let value = value::utf8(text).and_then(read);
        value.map(Some).map_err(|error| Failure::usage(wrong_value(long, text, error)))
    }

    /// Returns every value of an option as text.
    ///
    /// # Errors
    ///
    /// One is not UTF-8.
    pub fn texts(&self, long: &'static str) -> Result<Vec<&str>, Failure> {
        let read = |text| value::utf8(text).map_err(|error| Failure::usage(wrong_value(long, text, error)));
        self.all(long).map(read).collect()
    }

    /// Returns operand `index` as text.
    ///
    /// # Errors
    ///
    /// It is not UTF-8.
    pub fn operand(&self, index: usize) -> Result<&str, Failure> {
        let text = &self.operands[index];
        value::utf8(text).map_err(|error| Failure::usage(usage(format!("{}: {error}", value::quote(text)))))
    }

    /// Returns every operand as text.
    ///
    /// # Errors
    ///
    /// One is not UTF-8.
    pub fn operand_texts(&self) -> Result<Vec<&str>, Failure> {
        (0..self.operands.len()).map(|index| self.operand(index)).collect()
    }
}

/// A mistake in the command line.
pub fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// Says which option's value was wrong.
pub fn wrong_value(long: &str, text: &OsText, error: Error) -> Error {
    let shown = if text.is_empty() { "\"\"".to_owned() } else { value::shorten(text) };
    let message = format!("`--{long} {shown}`: {error}");
    let wrapped = Error::new(error.kind(), message);
    match error.hint() {
        Some(hint) => wrapped.with_hint(hint),
        None => wrapped,
    }
}

/// Reads the words after a verb. What is wrong with them comes along, and the rest is read all the
/// same.
pub fn parse(verb: &'static Verb, words: impl IntoIterator<Item = OsText>) -> (Parsed, Vec<Error>) {
    let mut reader = Reader {
        verb,
        words: words.into_iter(),
        parsed: Parsed { verb, given: Vec::new(), operands: Vec::new() },
        problems: Vec::new(),
    };
    reader.read_all();
    let Reader { parsed, mut problems, .. } = reader;
    // After an option that is not known, words may have been taken for operands that are its value.
    if problems.is_empty() && !parsed.switch("help") {
        problems.extend(count_problem(&parsed));
    }
    (parsed, problems)
}

fn count_problem(parsed: &Parsed) -> Option<Error> {
    let verb = parsed.verb;
    let count = parsed.operands.len();
    let problem = if count < verb.least {
        let missing = match (count, verb.usage.first().map_or("", |form| nth_operand(form, count))) {
            (_, "") => "an operand is missing".to_owned(),
            (_, name) => format!("`{name}` is missing"),
        };
        format!("`{}`: {missing}", verb.command())
    } else if count > verb.most {
        let extra = value::quote(&parsed.operands[verb.most]);
        format!("`{}`: {extra} is one operand too many", verb.command())
    } else {
        return None;
    };
    Some(usage(problem).with_hint(format!("usage: {}", super::help::usage_line(verb, 0))))
}

/// Returns the name of an operand in a form such as `[OPTIONS] CONTAINER NEW_NAME`.
fn nth_operand(form: &'static str, index: usize) -> &'static str {
    form.split(' ').filter(|word| !word.starts_with('[')).nth(index).unwrap_or("")
}

/// Returns a help text as a hint is written.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

struct Reader<I> {
    verb: &'static Verb,
    words: I,
    parsed: Parsed,
    problems: Vec<Error>,
}

impl<I: Iterator<Item = OsText>> Reader<I> {
    fn read_all(&mut self) {
        while let Some(word) = self.words.next() {
            match word.as_bytes() {
                [b'-', rest @ ..] if self.verb.passes_on && !rest.is_empty() && !self.knows(rest) => {
                    self.parsed.operands.push(word);
                    self.parsed.operands.extend(self.words.by_ref());
                }
                b"--" => {
                    self.parsed.operands.extend(self.words.by_ref());
                }
                [b'-', b'-', name @ ..] => self.read_long(name),
                [b'-', letters @ ..] if !letters.is_empty() => self.read_letters(letters),
                _ => {
                    self.parsed.operands.push(word);
                    if self.verb.options_first {
                        self.parsed.operands.extend(self.words.by_ref());
                    }
                }
            }
        }
    }

    /// Says whether the verb has the option that begins so, written without its first dash.
    fn knows(&self, word: &[u8]) -> bool {
        match word {
            [b'-'] => true,
            [b'-', long @ ..] => {
                let name = long.split(|byte| *byte == b'=').next().unwrap_or_default();
                std::str::from_utf8(name).is_ok_and(|name| self.verb.long(name).is_some())
            }
            [letter, ..] => letter.is_ascii() && self.verb.short(char::from(*letter)).is_some(),
            [] => true,
        }
    }

    fn read_long(&mut self, word: &[u8]) {
        let equals = word.iter().position(|byte| *byte == b'=');
        let (name, attached) = match equals {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        match std::str::from_utf8(name).ok().and_then(|name| self.verb.long(name)) {
            Some(flag) => self.take(flag, attached, &format!("--{}", flag.long)),
            None => self.unknown_long(&OsText::from_bytes(name)),
        }
    }

    fn unknown_long(&mut self, name: &OsText) {
        let known = self.verb.flags().filter_map(Flag::shown).map(|flag| flag.long);
        let likely = name.to_str().and_then(|name| nearest(name, known));
        let message = format!("unknown option `--{}` for `{}`", value::shorten(name), self.verb.command());
        let all = format!("`{} --help` lists the options", self.verb.command());
        self.problems.push(usage(message).with_hint(match likely {
            Some(likely) => format!("did you mean `--{likely}`? {all}"),
            None => all,
        }));
    }

    fn read_letters(&mut self, letters: &[u8]) {
        let mut rest = letters;
        while let Some((&letter, after)) = rest.split_first() {
            let shown = format!("-{}", OsText::from_bytes([letter]));
            match self.verb.short(char::from(letter)).filter(|_| letter.is_ascii()) {
                Some(flag) if flag.value.is_some() => {
                    let attached = after.strip_prefix(b"=").unwrap_or(after);
                    return self.take(flag, (!after.is_empty()).then_some(attached), &shown);
                }
                Some(flag) => {
                    let attached = after.strip_prefix(b"=");
                    self.take(flag, attached, &shown);
                    rest = if attached.is_some() { &[] } else { after };
                }
                None => {
                    let hint = format!("`{} --help` lists the options", self.verb.command());
                    let letters = OsText::from_bytes(letters);
                    let message = match letters.as_bytes().len() {
                        1 => format!("unknown option `{shown}` for `{}`", self.verb.command()),
                        _ => format!(
                            "unknown option `{shown}` in `-{}` for `{}`",
                            value::shorten(&letters),
                            self.verb.command()
                        ),
                    };
                    return self.problems.push(usage(message).with_hint(hint));
                }
            }
        }
    }

    fn take(&mut self, flag: &'static Flag, attached: Option<&[u8]>, shown: &str) {
        let text = match (flag.value, attached) {
            (_, Some(text)) => OsText::from_bytes(text),
            (None, None) => OsText::from("true"),
            (Some(placeholder), None) => match self.words.next() {
                Some(word) => word,
                None => {
                    let message = format!("`{shown}` needs a value: {placeholder}");
                    return self.problems.push(usage(message).with_hint(lower_first(flag.help)));
                }
            },
        };
        if flag.value.is_some() {
            return self.parsed.given.push(Given { flag, text });
        }
        match value::utf8(&text).and_then(value::boolean) {
            Ok(on) => {
                self.parsed.given.push(Given { flag, text: if on { "true".into() } else { "false".into() } })
            }
            Err(error) => self.problems.push(usage(format!("`{shown}={}`: {error}", value::shorten(&text)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs;

    /// Returns the options and operands of a line as text, or its mistakes.
    fn read(line: &str) -> Result<(Vec<String>, Vec<String>), Vec<String>> {
        let mut words = line.split(' ').map(OsText::from);
        let verb = verbs::find(words.next().unwrap().to_str().unwrap()).unwrap();
        let (parsed, problems) = parse(verb, words);
        if !problems.is_empty() {
            return Err(problems.iter().map(ToString::to_string).collect());
        }
        let given = parsed.given.iter().map(|given| format!("{}={}", given.flag.long, given.text));
        Ok((given.collect(), parsed.operands.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn every_spelling_of_an_option_is_read() {
        for (line, given, operands) in [
            ("run --name web host", vec!["name=web"], vec!["host"]),
            ("run --name=web host", vec!["name=web"], vec!["host"]),
            ("run --name= host", vec!["name="], vec!["host"]),
            ("run -e A=1 host", vec!["env=A=1"], vec!["host"]),
            ("run -eA=1 host", vec!["env=A=1"], vec!["host"]),
            ("run -e=A=1 host", vec!["env=A=1"], vec!["host"]),
            ("run -it host", vec!["interactive=true", "tty=true"], vec!["host"]),
            ("run -ite A=1 host", vec!["interactive=true", "tty=true", "env=A=1"], vec!["host"]),
            ("run -t=false host", vec!["tty=false"], vec!["host"]),
            ("run --rm=0 --init=T host", vec!["rm=false", "init=true"], vec!["host"]),
            ("run host sh -c --rm", vec![], vec!["host", "sh", "-c", "--rm"]),
            ("run -- --name x", vec![], vec!["--name", "x"]),
            ("run host -- x", vec![], vec!["host", "--", "x"]),
            ("rm web -f db", vec!["force=true"], vec!["web", "db"]),
            ("rm web -- -f", vec![], vec!["web", "-f"]),
            ("cp - web:/x", vec![], vec!["-", "web:/x"]),
            ("run -h box host", vec!["hostname=box"], vec!["host"]),
            ("ps -h", vec!["help=true"], vec![]),
            ("run --name --rm host", vec!["name=--rm"], vec!["host"]),
        ] {
            let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(read(line), Ok((words(given), words(operands))), "{line}");
        }
    }

    #[test]
    fn all_mistakes_are_found_in_one_pass() {
        let mistakes = read("ps --nope -Z --quiet=5x --format").unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    }

    #[test]
    fn the_last_mention_counts() {
        let verb = verbs::find("run").unwrap();
        let words = ["--rm", "--name", "a", "--rm=false", "--name", "b", "host", "sh"].map(OsText::from);
        let (parsed, _) = parse(verb, words);
        assert!(!parsed.switch("rm"));
        assert_eq!(parsed.text("name").map(ToString::to_string).as_deref(), Some("b"));
        assert_eq!(parsed.all("name").count(), 2);
    }
}
