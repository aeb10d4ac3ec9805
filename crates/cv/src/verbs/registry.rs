//! `login`, `logout` and `search`: registries of images.

use std::io::{self, BufRead, IsTerminal as _};

use containerv::Error;
use containerv::images::registry::{Client, Credential, Found, Settings};
use containerv_spec::image::reference::{DEFAULT_REGISTRY, check_registry, split_registry};
use serde_json::{Value, json};

use super::Session;
use crate::failure::Failure;
use crate::output;
use crate::output::filter::Filters;
use crate::output::list::{Column, Format, render};
use crate::syntax::{Parsed, usage};
use crate::terminal::RawMode;
use crate::value::wrong;

/// Longest user's name or password, in bytes.
const MAX_SECRET: u64 = 64 << 10;
/// The most that a search finds if nobody says otherwise, as Docker has it.
const LIMIT: usize = 25;
/// The most that may be asked for.
const MAX_LIMIT: usize = 100;

/// Shows credentials to a registry and keeps them.
pub fn login(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let registry = registry(parsed)?;
    let user = parsed.read("username", filled)?;
    let password = parsed.read("password", filled)?;
    let from_input = parsed.switch("password-stdin");
    if from_input && password.is_some() {
        return Err(Failure::usage(usage("`--password` and `--password-stdin` exclude each other")));
    }
    if from_input && user.is_none() {
        return Err(Failure::usage(usage("`--password-stdin` needs `--username`")));
    }
    if password.is_some() {
        output::message("warning: everybody on this machine can see `--password`; use `--password-stdin`\n");
    }
    let user = user.map_or_else(|| asked("Username: ", false), Ok)?;
    let password = match password {
        Some(password) => password,
        None if from_input => first_line(io::stdin().lock())?,
        None => asked("Password: ", true)?,
    };
    if password.is_empty() {
        return Err(Failure::usage(usage("the password is empty")));
    }
    let client = Client::new(Settings::from_environment());
    let place = client.login(&registry, Credential::Basic { user, password })?;
    output::message(&format!("The credentials are in {place}\n"));
    output::print("Login Succeeded\n")?;
    Ok(0)
}

/// Forgets the credentials of a registry.
pub fn logout(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let registry = registry(parsed)?;
    let known = Client::new(Settings::from_environment()).logout(&registry)?;
    output::print(match known {
        true => format!("Removing login credentials for {registry}\n"),
        false => format!("Not logged in to {registry}\n"),
    })?;
    Ok(0)
}

/// Looks for repositories.
pub fn search(_: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    const COLUMNS: &[Column] = &[
        Column { heading: "NAME", field: "Name", most: usize::MAX },
        Column { heading: "DESCRIPTION", field: "Description", most: 45 },
        Column { heading: "STARS", field: "StarCount", most: usize::MAX },
        Column { heading: "OFFICIAL", field: "IsOfficial", most: usize::MAX },
    ];
    let format = parsed.read("format", Format::parse)?.unwrap_or(Format::Table);
    let limit = parsed.read("limit", |text| match text.parse() {
        Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(wrong(format!("expected a number from 1 to {MAX_LIMIT}"))),
    })?;
    let filters = Filters::parse(parsed.texts("filter")?.into_iter(), &["stars", "is-official"])
        .map_err(Failure::usage)?;
    let stars = filters.values("stars").last().map(|text| number("stars", text)).transpose()?;
    for text in filters.values("is-official") {
        text.parse::<bool>().map_err(|_| {
            Failure::usage(usage(format!("`--filter is-official={text}`: expected `true` or `false`")))
        })?;
    }
    let (registry, term) = split_registry(parsed.operand(0)?);
    checked(registry)?;
    if term.is_empty() {
        return Err(Failure::usage(usage("what to look for is empty")));
    }
    let client = Client::new(Settings::from_environment());
    let found = client.search(registry, term, limit.unwrap_or(LIMIT))?;
    let fits = |found: &Found| {
        stars.is_none_or(|least| found.stars >= least)
            && filters.any("is-official", |text| *text == found.official.to_string())
    };
    let objects: Vec<Value> =
        found.iter().filter(|found| fits(found)).map(|found| document(registry, found)).collect();
    output::print(render(&format, COLUMNS, &objects, !parsed.switch("no-trunc"))?)?;
    Ok(0)
}

fn number(key: &str, text: &str) -> Result<u64, Failure> {
    text.parse()
        .map_err(|_| Failure::usage(usage(format!("`--filter {key}={text}`: expected a whole number"))))
}

fn document(registry: &str, found: &Found) -> Value {
    let name = match registry {
        DEFAULT_REGISTRY => found.name.clone(),
        registry => format!("{registry}/{}", found.name),
    };
    json!({
        "Name": name,
        "Description": found.description,
        "StarCount": found.stars,
        "IsOfficial": if found.official { "[OK]" } else { "" },
    })
}

/// The registry that is named, or the default one. What was copied from a browser is understood.
fn registry(parsed: &Parsed) -> Result<String, Failure> {
    if parsed.operands.is_empty() {
        return Ok(DEFAULT_REGISTRY.to_owned());
    }
    let text = parsed.operand(0)?;
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    if scheme != "https" {
        return Err(Failure::usage(usage(format!("`{text}`: credentials go to a registry with TLS")).with_hint(
            "name it without `http://`; one on this machine, or that hosts.toml has with `http://`, may be without TLS",
        )));
    }
    // Its path names no registry: `https://index.docker.io/v1/`.
    let host = rest.split('/').next().unwrap_or_default();
    checked(host)?;
    Ok(match host {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY.to_owned(),
        host => host.to_owned(),
    })
}

fn checked(registry: &str) -> Result<(), Failure> {
    check_registry(registry).map_err(|error| {
        Failure::usage(usage(error.to_string()).with_hint("write HOST or HOST:PORT, such as `ghcr.io`"))
    })
}

fn filled(text: &str) -> Result<String, Error> {
    match text {
        "" => Err(wrong("it is empty")),
        text => Ok(text.to_owned()),
    }
}

/// A line without its end.
fn first_line(input: impl io::BufRead) -> Result<String, Failure> {
    let mut line = Vec::new();
    input
        .take(MAX_SECRET + 1)
        .read_until(b'\n', &mut line)
        .map_err(|error| Error::io(error, "read from standard input"))?;
    if line.len() as u64 > MAX_SECRET {
        return Err(Failure::usage(usage("what comes from standard input is too long")));
    }
    let text = String::from_utf8(line).map_err(|_| usage("what comes from standard input is no UTF-8"));
    Ok(text.map_err(Failure::usage)?.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks whoever sits at the terminal; a secret is not shown.
fn asked(question: &str, secret: bool) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            usage("there is no terminal to ask for name and password at")
                .with_hint("use `--username NAME --password-stdin`"),
        ));
    }
    output::message(question);
    if !secret {
        return first_line(io::stdin().lock());
    }
    let raw = RawMode::enter()?;
    let typed = typed(io::stdin().lock());
    drop(raw);
    output::message("\n");
    typed
}

/// Keys up to Enter, of which Backspace takes back the last.
fn typed(input: impl BufRead) -> Result<String, Failure> {
    let mut text = Vec::new();
    for byte in input.bytes() {
        match byte.map_err(|error| Error::io(error, "read from the terminal"))? {
            b'\r' | b'\n' => break,
            // Ctrl-C and Ctrl-D, which raw mode hands on.
            3 | 4 => return Err(Failure::usage(usage("nothing was entered"))),
            8 | 0x7f => {
                // The last character, whose first byte is no continuation.
                while text.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            byte if (text.len() as u64) < MAX_SECRET => text.push(byte),
            _ => return Err(Failure::usage(usage("what was typed is too long"))),
        }
    }
    String::from_utf8(text).map_err(|_| Failure::usage(usage("what was typed is no UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_secret_ends_with_enter_and_may_be_corrected() {
        let read = |keys: &[u8]| typed(keys).ok();
        assert_eq!(read(b"s3cret\rmore").as_deref(), Some("s3cret"));
        assert_eq!(read("aé\u{7f}b\n".as_bytes()).as_deref(), Some("ab"));
        assert_eq!(read(b"\x7f\x7fx\n").as_deref(), Some("x"));
        assert_eq!(read(b"ab\x03"), None);
        assert_eq!(read(b"\xff\n"), None);
        assert_eq!(read(&vec![b'x'; 100_000]), None);
    }

    #[test]
    fn a_line_ends_as_on_both_systems() {
        for (input, line) in [("a b\n", "a b"), ("a\r\nb", "a"), ("a", "a"), ("", "")] {
            assert_eq!(first_line(input.as_bytes()).ok().as_deref(), Some(line), "{input:?}");
        }
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
