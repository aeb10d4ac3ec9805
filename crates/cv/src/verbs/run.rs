//! `run`, `create`, `start` and `attach`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use containerv::images::registry::UserConfig;
use containerv::{AttachOptions, Container, Error, Image, Stdio, StdioSet};
use containerv_spec::{ContainerId, OsText, Request};

use super::relay::{self, Passing};
use super::{Session, images};
use crate::draft::{Draft, Target};
use crate::failure::Failure;
use crate::output;
use crate::output::style::Style;
use crate::syntax::parse::wrong_value;
use crate::syntax::{Parsed, usage};
use crate::terminal;
use crate::terminal::detach::DetachKeys;
use crate::value::{native, quote, wrong};

/// Runs a command in a new container.
pub fn run(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let how = Running::read(parsed)?;
    let draft = Draft::read_container(parsed)?;
    let cidfile = CidFile::open(draft.cidfile.as_ref())?;
    let (request, _image) = request(session, parsed, draft, None)?;
    print_plan(session, &request, how.is_attached(&request))?;
    if how.detach {
        let container = Container::run_detached(session.host()?, request)?;
        cidfile.write(container.id().as_str())?;
        output::print(format!("{}\n", container.id()))?;
        return Ok(0);
    }
    if !how.is_attached(&request) {
        let container = Container::create(session.host()?, request)?;
        cidfile.write(container.id().as_str())?;
        return relay::start_attached(&container, how.streams(), &how.passing);
    }
    let signals = relay::Signals::block(how.passing.signals)?;
    let (container, child) = Container::run_attached(session.host()?, request, how.stdio())?;
    cidfile.write(container.id().as_str())?;
    relay::wait_for(child, &signals, Some(&container), how.passing.quiet)
}

/// Makes a container.
pub fn create(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let draft = Draft::read_container(parsed)?;
    let cidfile = CidFile::open(draft.cidfile.as_ref())?;
    let (request, _image) = request(session, parsed, draft, None)?;
    print_plan(session, &request, false)?;
    let container = Container::create(session.host()?, request)?;
    cidfile.write(container.id().as_str())?;
    output::print(format!("{}\n", container.id()))?;
    Ok(0)
}

/// Starts containers; with `--attach`, one of them in the foreground.
pub fn start(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let (attach, interactive) = (parsed.switch("attach"), parsed.switch("interactive"));
    let passing = Passing::read(parsed)?;
    if !attach && !interactive {
        return super::for_each(session, parsed, Container::start);
    }
    if parsed.operands.len() > 1 {
        let error =
            usage("`cv start`: only one container can be attached to").with_hint("leave `--attach` away");
        return Err(Failure::usage(error));
    }
    let container = session.container(parsed.operand(0)?)?;
    let streams = AttachOptions { stdin: interactive, stdout: true, stderr: true };
    relay::start_attached(&container, streams, &passing)
}

/// Attaches to a running container.
pub fn attach(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let passing = Passing::read(parsed)?;
    let container = session.container(parsed.operand(0)?)?;
    let open = container.request().process.as_ref().is_some_and(|process| process.open_stdin);
    let stdin = open && !parsed.switch("no-stdin");
    relay::attach(&container, AttachOptions { stdin, stdout: true, stderr: true }, &passing)
}

/// Completes the request: the image, pulled if it has to be, the size of this terminal, the id (a new one unless
/// given), joined containers. The image comes along: nobody removes it before the container is made.
pub fn request(
    session: &Session,
    parsed: &Parsed,
    mut draft: Draft,
    id: Option<ContainerId>,
) -> Result<(Request, Option<Image>), Failure> {
    if let Some(size) = &mut draft.process.terminal {
        *size = terminal::size().unwrap_or(*size);
    }
    let host = session.host()?;
    let resolve = |reference: &str| Ok(host.container(reference)?.id().clone());
    let id = id.map_or_else(|| host.new_id(), Ok)?;
    if draft.http_proxy {
        draft.proxies = proxies(draft.target);
    }
    let image = match draft.image_name(&parsed.operands).map_err(Failure::usage)? {
        Some(name) => Some(images::for_container(session, parsed, name, &draft)?),
        None => None,
    };
    Ok((draft.finish(id, &parsed.operands, image.as_ref(), &resolve)?, image))
}

/// Variables with the proxies that the user's file has for containers, as Docker names them. A file that cannot be
/// read keeps nothing from running.
fn proxies(target: Target) -> Vec<OsText> {
    let found = UserConfig::from_environment().container_proxies().unwrap_or_else(|error| {
        let warning = Style::for_stderr().warn("warning:");
        output::message(&format!("{warning} the container gets no proxies: {error}\n"));
        Vec::new()
    });
    proxy_entries(&found, target)
}

fn proxy_entries(found: &[(&str, String)], target: Target) -> Vec<OsText> {
    let mut entries = Vec::new();
    for (name, value) in found {
        entries.push(OsText::from(format!("{name}={value}")));
        // On Windows that is the same variable.
        if target == Target::Linux {
            entries.push(OsText::from(format!("{}={value}", name.to_lowercase())));
        }
    }
    entries
}

fn print_plan(session: &Session, request: &Request, attached: bool) -> Result<(), Error> {
    if session.debug {
        output::message(&session.host()?.plan(request, attached)?.to_string());
    }
    Ok(())
}

/// How `run` goes on after the start.
struct Running {
    detach: bool,
    /// `--attach`; empty for the usual streams.
    attach: Vec<Stream>,
    interactive: bool,
    passing: Passing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

impl Running {
    fn read(parsed: &Parsed) -> Result<Self, Failure> {
        let detach = parsed.switch("detach");
        let read = |text| stream(text).map_err(|error| Failure::usage(wrong_value("attach", text, error)));
        let attach = parsed.all("attach").map(read).collect::<Result<Vec<Stream>, Failure>>()?;
        if detach && !attach.is_empty() {
            let error = usage("`--detach` and `--attach` contradict each other");
            return Err(Failure::usage(error.with_hint("`cv attach` attaches to a detached container")));
        }
        if !detach && parsed.switch("tty") && parsed.switch("interactive") && !is_input_terminal() {
            let error = usage("`-t` with `-i`: standard input is not a terminal");
            return Err(Failure::usage(error.with_hint("leave `-t` away to pipe input in")));
        }
        let interactive = parsed.switch("interactive");
        Ok(Self { detach, attach, interactive, passing: Passing::read(parsed)? })
    }

    /// Says whether the command becomes this program's child. With a terminal, a monitor holds the
    /// other end of it, so that the detach keys leave the command running.
    fn is_attached(&self, request: &Request) -> bool {
        !self.detach && request.process.as_ref().is_none_or(|process| process.terminal.is_none())
    }

    fn wants(&self, stream: Stream) -> bool {
        match (self.attach.is_empty(), stream) {
            (true, Stream::Stdin) => self.interactive,
            (true, _) => true,
            (false, stream) => self.attach.contains(&stream),
        }
    }

    fn streams(&self) -> AttachOptions {
        AttachOptions {
            stdin: self.wants(Stream::Stdin),
            stdout: self.wants(Stream::Stdout),
            stderr: self.wants(Stream::Stderr),
        }
    }

    fn stdio(&self) -> StdioSet {
        let output = |stream| if self.wants(stream) { relay::own_output() } else { Stdio::Null };
        StdioSet {
            stdin: if self.wants(Stream::Stdin) { Stdio::Inherit } else { Stdio::Null },
            stdout: output(Stream::Stdout),
            stderr: output(Stream::Stderr),
        }
    }
}

fn stream(text: &OsText) -> Result<Stream, Error> {
    match text.as_bytes().to_ascii_lowercase().as_slice() {
        b"stdin" => Ok(Stream::Stdin),
        b"stdout" => Ok(Stream::Stdout),
        b"stderr" => Ok(Stream::Stderr),
        _ => Err(wrong("expected `stdin`, `stdout` or `stderr`")),
    }
}

/// Says whether somebody sits at standard input.
pub fn is_input_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

/// Reads `--detach-keys`.
pub fn detach_keys(parsed: &Parsed) -> Result<DetachKeys, Failure> {
    Ok(parsed.read("detach-keys", DetachKeys::parse)?.unwrap_or_default())
}

/// The file that gets the container's id. It is made before the container, so that an existing one
/// stops the run, and is removed again unless the id is written.
struct CidFile(Option<(File, std::path::PathBuf)>);

impl CidFile {
    fn open(path: Option<&OsText>) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self(None)) };
        let name = native::path(path)?;
        let opened = OpenOptions::new().write(true).create_new(true).open(&name);
        match opened {
            Ok(file) => Ok(Self(Some((file, name)))),
            Err(error) => Err(Error::io(error, format!("make the id file {}", quote(path)))
                .with_hint("the file must not exist; remove the old one or choose another name")),
        }
    }

    fn write(mut self, id: &str) -> Result<(), Error> {
        match self.0.take() {
            Some((mut file, name)) => file
                .write_all(id.as_bytes())
                .map_err(|error| Error::io(error, format!("write the id file `{}`", name.display()))),
            None => Ok(()),
        }
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if let Some((_, name)) = self.0.take() {
            // An empty id file that stays behind misleads nobody.
            _ = std::fs::remove_file(name);
        }
    }
}
