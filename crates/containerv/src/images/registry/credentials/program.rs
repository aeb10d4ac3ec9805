//! Programs `docker-credential-NAME` that keep credentials: `get`, `store` and `erase` on standard input.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::document::basic;
use super::{Credential, TOKEN_USER};
use crate::{Error, ErrorKind, Result};

/// Most bytes of an answer.
const MAX_ANSWER: u64 = 1 << 20;
/// How long a program may take; it may ask the user for a password.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a program says when it has none (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found";

/// Asks for the credentials of a registry.
pub(super) fn get(directories: &[PathBuf], name: &str, key: &str) -> Result<Option<Credential>> {
    let (ended_well, answer) = run(directories, name, "get", key)?;
    reply(ended_well, &answer).map_err(|why| failed(name, "get", key, &why))
}

/// Reads what `get` answers.
pub(crate) fn reply(ended_well: bool, answer: &[u8]) -> Result<Option<Credential>, String> {
    if !ended_well {
        let said = shown(answer);
        return if said.contains(NOT_FOUND) { Ok(None) } else { Err(said) };
    }
    let answer: Value = serde_json::from_slice(answer).map_err(|error| format!("its answer: {error}"))?;
    match (answer["Username"].as_str(), answer["Secret"].as_str()) {
        (Some(user), Some(secret)) if !secret.is_empty() => Ok(Some(basic(user, secret))),
        (Some(_), Some(_)) => Ok(None),
        _ => Err("its answer has no `Username` and `Secret`".to_owned()),
    }
}

/// Gives the credentials of a registry to keep.
pub(super) fn store(directories: &[PathBuf], name: &str, key: &str, credential: &Credential) -> Result<()> {
    let (user, secret) = match credential {
        Credential::Basic { user, password } => (&**user, password),
        Credential::IdentityToken(token) => (TOKEN_USER, token),
        Credential::RegistryToken(_) => {
            return Err(failed(name, "store", key, "it keeps no registry tokens"));
        }
    };
    let input = json!({"ServerURL": key, "Username": user, "Secret": secret}).to_string();
    expect_success(directories, name, "store", key, &input)
}

/// Has the credentials of a registry forgotten.
pub(super) fn erase(directories: &[PathBuf], name: &str, key: &str) -> Result<()> {
    expect_success(directories, name, "erase", key, key)
}

fn expect_success(directories: &[PathBuf], name: &str, action: &str, key: &str, input: &str) -> Result<()> {
    match run(directories, name, action, input)? {
        (true, _) => Ok(()),
        (false, answer) => Err(failed(name, action, key, &shown(&answer))),
    }
}

fn run(directories: &[PathBuf], name: &str, action: &str, input: &str) -> Result<(bool, Vec<u8>)> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(fits) || name.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("`{name}` is no name of a credential helper"),
        )
        .with_hint(
            "`credsStore` and `credHelpers` name what follows `docker-credential-` in a program's name",
        ));
    }
    let program = format!("docker-credential-{name}");
    let found = directories.iter().map(|directory| directory.join(&program)).find(|path| path.is_file());
    let started = Command::new(found.unwrap_or_else(|| program.clone().into()))
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.map_err(|error| {
        Error::io(error, format!("cannot start the credential helper `{program}`"))
            .with_hint("install it, or take it out of `credsStore` and `credHelpers` of config.json")
    })?;
    let answer = converse(&mut child, input);
    if answer.is_none() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| Error::io(error, format!("`{program} {action}`")))?;
    match answer {
        Some(answer) => Ok((status.success(), answer)),
        None => Err(Error::new(
            ErrorKind::TimedOut,
            format!("the credential helper `{program} {action}` did not answer in time, or with too much"),
        )),
    }
}

/// Writes the question and reads the answer; nothing if it takes too long or is too long.
fn converse(child: &mut Child, input: &str) -> Option<Vec<u8>> {
    let (mut to, from) = (child.stdin.take()?, child.stdout.take()?);
    let (sender, answer) = mpsc::channel();
    let input = input.to_owned();
    // One that reads nothing and writes nothing ends with the program, which is killed then.
    thread::spawn(move || {
        let _ = to.write_all(input.as_bytes());
        drop(to);
        let mut answer = Vec::new();
        let read = from.take(MAX_ANSWER + 1).read_to_end(&mut answer);
        let _ = sender.send(read.ok().filter(|read| *read as u64 <= MAX_ANSWER).map(|_| answer));
    });
    answer.recv_timeout(PATIENCE).ok().flatten()
}

fn shown(answer: &[u8]) -> String {
    crate::images::registry::failure::printable(&String::from_utf8_lossy(answer))
}

fn failed(name: &str, action: &str, key: &str, why: &str) -> Error {
    Error::new(ErrorKind::Other, format!("the credential helper `{name}` cannot {action} `{key}`: {why}"))
        .with_hint(format!("try it: `echo {key} | docker-credential-{name} {action}`"))
}
