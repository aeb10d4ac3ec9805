//! Instructions of Dockerfiles that change a configuration, as `--change` takes them.

use containerv_spec::image::RunConfig;
use containerv_spec::image::config::Healthcheck;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result};

/// Applies one instruction, such as `CMD ["sh"]` or `ENV PATH=/bin`.
///
/// # Errors
///
/// `InvalidArgument` for an instruction that is not known or malformed.
pub(crate) fn apply(config: &mut RunConfig, instruction: &str) -> Result<()> {
    let text = instruction.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(wrong(instruction, "it has no value"));
    }
    let malformed = |reason: &str| wrong(instruction, reason);
    match &*word.to_ascii_uppercase() {
        "CMD" => config.cmd = Some(words_or_shell(config, rest)),
        "ENTRYPOINT" => config.entrypoint = Some(words_or_shell(config, rest)),
        "SHELL" => {
            config.shell = Some(json_words(rest).ok_or_else(|| malformed("it takes a JSON list of words"))?);
        }
        "ENV" => {
            for (name, value) in pairs(rest).ok_or_else(|| malformed("write it as NAME=VALUE"))? {
                let begin = format!("{name}=");
                config.env.retain(|entry| !entry.starts_with(&begin));
                config.env.push(begin + &value);
            }
        }
        "LABEL" => {
            config.labels.extend(pairs(rest).ok_or_else(|| malformed("write it as NAME=VALUE"))?);
        }
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                let port = exposed(port).ok_or_else(|| malformed("a port is `80`, or `80/tcp`"))?;
                config.exposed_ports.insert(port, Value::Object(Map::new()));
            }
        }
        "VOLUME" => {
            let paths = json_words(rest).unwrap_or_else(|| split(rest));
            config.volumes.extend(paths.into_iter().map(|path| (path, Value::Object(Map::new()))));
        }
        "USER" => config.user = rest.to_owned(),
        "WORKDIR" => {
            config.working_dir = match rest.starts_with('/') || config.working_dir.is_empty() {
                true if rest.starts_with('/') || rest.contains(':') => rest.to_owned(),
                true => format!("/{rest}"),
                false => format!("{}/{rest}", config.working_dir.trim_end_matches('/')),
            };
        }
        "STOPSIGNAL" => config.stop_signal = Some(rest.to_owned()),
        "ONBUILD" => config.on_build.push(rest.to_owned()),
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest).ok_or_else(|| malformed(HEALTHCHECK))?),
        _ => return Err(malformed("it is not one of those that change a configuration")),
    }
    Ok(())
}

const HEALTHCHECK: &str = "write it as `NONE`, or as `CMD COMMAND` without options";

fn wrong(instruction: &str, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the change `{instruction}`: {reason}")).with_hint(
        "instructions are CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, \
         VOLUME, WORKDIR",
    )
}

fn json_words(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// A JSON list of words, or a text for the shell.
fn words_or_shell(config: &RunConfig, text: &str) -> Vec<String> {
    json_words(text).unwrap_or_else(|| {
        let shell = config.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
        shell.into_iter().chain([text.to_owned()]).collect()
    })
}

fn healthcheck(text: &str) -> Option<Healthcheck> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let test = match (&*word.to_ascii_uppercase(), rest.trim()) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", rest) if !rest.is_empty() => match json_words(rest) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None => vec!["CMD-SHELL".to_owned(), rest.to_owned()],
        },
        _ => return None,
    };
    Some(Healthcheck { test, ..Healthcheck::default() })
}

fn exposed(port: &str) -> Option<String> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let known = matches!(protocol, "tcp" | "udp" | "sctp");
    (known && number.parse::<u16>().is_ok_and(|number| number > 0)).then(|| format!("{number}/{protocol}"))
}

/// Reads `NAME=VALUE NAME="a value"`, or the old `NAME VALUE`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let words = split(text);
    if !words.first()?.contains('=') {
        let (name, value) = text.split_once(char::is_whitespace)?;
        return Some(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| {
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    words.into_iter().map(pair).collect()
}

/// Splits at spaces outside of quotes; `\` takes the next character as it is.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) if quote != Some('\'') => {
                word.extend(characters.next());
                any = true;
            }
            (character, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                any = true;
            }
            (character, None) if character.is_whitespace() => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (character, _) => {
                word.push(character);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_change_the_configuration() {
        let mut config = RunConfig { env: vec!["A=1".into(), "B=2".into()], ..RunConfig::default() };
        for change in [
            "CMD [\"sh\", \"-c\", \"true\"]",
            "entrypoint exec top -b",
            "ENV A=3 \"C=a b\" D='x y'",
            "ENV OLD style value",
            "LABEL one=1 two=\"2 3\"",
            "EXPOSE 80 53/udp",
            "VOLUME [\"/data\"]",
            "VOLUME /a /b",
            "USER 1000:50",
            "WORKDIR /srv",
            "WORKDIR app",
            "STOPSIGNAL SIGQUIT",
            "ONBUILD RUN make",
            "HEALTHCHECK CMD curl -f localhost",
        ] {
            apply(&mut config, change).unwrap();
        }
        assert_eq!(config.cmd.as_deref().unwrap(), ["sh", "-c", "true"]);
        assert_eq!(config.entrypoint.as_deref().unwrap(), ["/bin/sh", "-c", "exec top -b"]);
        assert_eq!(config.env, ["B=2", "A=3", "C=a b", "D=x y", "OLD=style value"]);
        assert_eq!(config.labels["two"], "2 3");
        assert_eq!(
            config.exposed_ports.keys().collect::<Vec<_>>(),
            ["53/udp", "80/tcp"].iter().rev().collect::<Vec<_>>()
        );
        assert_eq!(config.volumes.len(), 3);
        assert_eq!((&*config.user, &*config.working_dir), ("1000:50", "/srv/app"));
        assert_eq!(config.healthcheck.unwrap().test, ["CMD-SHELL", "curl -f localhost"]);
    }

    #[test]
    fn what_is_no_instruction_is_refused() {
        for change in [
            "",
            "CMD",
            "RUN make",
            "FROM x",
            "ENV A",
            "ENV =1 B=2",
            "EXPOSE x",
            "EXPOSE 0",
            "SHELL sh",
            "HEALTHCHECK --interval=1s CMD x",
            "HEALTHCHECK NONE now",
            "LABEL a=1 b",
        ] {
            let error = apply(&mut RunConfig::default(), change).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{change}");
        }
    }
}
