//! Carries out what the plan of an image of packages says.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio as ProcessStdio};

use containerv_spec::image::{Digest, ImageConfig};
use containerv_spec::request::{Network, Root, Security};

use super::debootstrap::{
    DebootstrapOptions, DebootstrapPlan, DebootstrapProgress, DebootstrapStep, PROGRAM,
};
use super::{COMPRESSION, MakeOptions, NewLayer};
use crate::backend::linux::transfer;
use crate::images::layers::pack::{Form, pack};
use crate::images::{Image, Images, own_platform};
use crate::process::os_text;
use crate::{Container, Error, ErrorKind, Result, Stdio, StdioSet};

/// Longest line of a program's messages that is passed on, and how many of the last are kept for an error.
const LONGEST_LINE: u64 = 4096;
const LAST_LINES: usize = 20;

impl Images {
    pub(super) fn carry_out(
        &self,
        options: &DebootstrapOptions,
        plan: &DebootstrapPlan,
        tell: DebootstrapProgress<'_>,
    ) -> Result<Image> {
        if !rustix::process::geteuid().is_root() {
            let message = "making an image of packages needs root: their files have many owners";
            return Err(Error::new(ErrorKind::PermissionDenied, message)
                .with_hint("run it with `sudo`, or pull an image"));
        }
        if !Path::new(PROGRAM).is_file() {
            return Err(Error::new(ErrorKind::Unavailable, format!("there is no `{PROGRAM}`"))
                .with_hint("install the package `debootstrap`"));
        }
        self.prepare()?;
        // A name of its own among the layers that are being made.
        let id = self.host.new_id()?;
        let key: Digest = format!("sha256:{}", id.as_str())
            .parse()
            .map_err(|_| Error::new(ErrorKind::Other, "an identifier is no digest"))?;
        let _kept = self.keep(std::slice::from_ref(&key))?;
        let system = &self.host.system;
        let Some(staging) = self.store.stage(system, &key)? else {
            return Err(Error::new(ErrorKind::Other, "a random name is taken"));
        };
        let made = plan.steps.iter().try_fold(None, |_, step| self.perform(step, &staging.tree(), tell));
        let removed = staging.discard(system);
        let image = made
            .map_err(|error: Error| error.context(format!("cannot make an image of `{}`", options.suite)))?;
        removed?;
        image.ok_or_else(|| Error::new(ErrorKind::Other, "the plan makes no image"))
    }

    fn perform(
        &self,
        step: &DebootstrapStep,
        root: &Path,
        tell: DebootstrapProgress<'_>,
    ) -> Result<Option<Image>> {
        match step {
            DebootstrapStep::Unpack { command } => unpack(command, root, tell).map(|()| None),
            DebootstrapStep::Configure { command } | DebootstrapStep::Clean { command } => {
                self.inside(command, root, tell).map(|()| None)
            }
            DebootstrapStep::Store { reference, changes } => {
                let (reference, changes) = (Some(reference.clone()), changes.clone());
                self.store_root(root, &MakeOptions { reference, changes, ..MakeOptions::default() }).map(Some)
            }
        }
    }

    /// Runs a command in a container that consists of the root.
    fn inside(&self, command: &[String], root: &Path, tell: DebootstrapProgress<'_>) -> Result<()> {
        let builder = Container::builder(Root::Directory(os_text(root.as_os_str())));
        let builder = builder.network(Network::None).hostname("debootstrap").owner_bound().auto_remove();
        // It makes device nodes and tries whether they work.
        let builder = builder.security(Security { privileged: true, ..Security::default() });
        let builder = builder.command(command).with_process(|process| {
            process.env =
                environment().into_iter().map(|(name, value)| format!("{name}={value}").into()).collect();
        });
        let (output, first, second) = both_streams()?;
        let stdio = StdioSet { stdin: Stdio::Null, stdout: Stdio::Fd(first), stderr: Stdio::Fd(second) };
        let (_container, mut child) = builder.run(&self.host, stdio)?;
        let last = lines(output, tell);
        let status = child.wait()?;
        let last = last.map_err(said_nothing)?;
        if status.success() { Ok(()) } else { Err(failed(&command[0], &status.to_string(), &last)) }
    }

    fn store_root(&self, root: &Path, options: &MakeOptions) -> Result<Image> {
        let platform = own_platform();
        let (architecture, os) = (platform.architecture, platform.os);
        let mut config = ImageConfig { architecture, os, ..ImageConfig::default() };
        options.apply(&mut config, "cv image debootstrap")?;
        let spool = self.spool()?;
        let directory = File::open(root)
            .map_err(|error| Error::io(error, format!("cannot open `{}`", root.display())))?;
        let packed = transfer::Root { directory: directory.as_fd(), uids: &[], gids: &[] };
        let (_, encoded) = pack(&packed, Form::Whole { mounts: &[] }, COMPRESSION, &spool, None)?;
        self.assemble(config, Vec::new(), NewLayer { encoded, spool }, options)
    }
}

/// The first stage. Its processes and what they mount are in namespaces that end with the caller, however that
/// ends.
fn unpack(command: &[String], root: &Path, tell: DebootstrapProgress<'_>) -> Result<()> {
    let mut unshare = Command::new("/usr/bin/setpriv");
    unshare.args(["--pdeathsig", "KILL", "/usr/bin/unshare", "--mount", "--propagation", "private"]);
    unshare.args(["--pid", "--fork", "--kill-child", "--"]);
    for word in command {
        if word == "ROOT" {
            unshare.arg(root)
        } else {
            unshare.arg(word)
        };
    }
    let proxies = ["http_proxy", "https_proxy", "no_proxy"];
    let proxies = proxies.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
    unshare.env_clear().envs(environment()).envs(proxies);
    let (output, first, second) = both_streams()?;
    unshare.stdin(ProcessStdio::null()).stdout(first).stderr(second);
    let starting = |error| Error::io(error, "cannot start `setpriv` and `unshare` for debootstrap");
    let mut child = unshare.spawn().map_err(starting)?;
    // The writing ends are the children's alone from now on.
    drop(unshare);
    let last = lines(output, tell);
    let status = child.wait().map_err(|error| Error::io(error, "wait for debootstrap"))?;
    let last = last.map_err(said_nothing)?;
    if !status.success() {
        return Err(failed(PROGRAM, &status.to_string(), &last));
    }
    own_proc(root).map_err(|error| Error::io(error, "make the directory `/proc` of the root"))
}

/// A pipe with two writing ends, for what a program says on both streams.
fn both_streams() -> Result<(PipeReader, OwnedFd, OwnedFd)> {
    let make = || {
        let (reader, writer) = io::pipe()?;
        Ok((reader, writer.try_clone()?.into(), writer.into()))
    };
    make().map_err(|error: io::Error| Error::io(error, "cannot make a pipe"))
}

/// In some surroundings debootstrap makes `/proc` a link to the host's.
fn own_proc(root: &Path) -> io::Result<()> {
    let proc = root.join("proc");
    if fs::symlink_metadata(&proc).is_ok_and(|metadata| metadata.is_symlink()) {
        fs::remove_file(&proc)?;
        fs::create_dir(&proc)?;
    }
    Ok(())
}

fn environment() -> [(&'static str, &'static str); 3] {
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LC_ALL", "C"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]
}

/// Passes on what a program says, and returns its last words.
fn lines(output: impl Read, tell: DebootstrapProgress<'_>) -> io::Result<Vec<String>> {
    let mut output = BufReader::new(output);
    let mut last = Vec::new();
    loop {
        let mut line = Vec::new();
        if (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(last);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        tell(&line);
        if last.len() == LAST_LINES {
            last.remove(0);
        }
        last.push(line);
    }
}

fn said_nothing(error: io::Error) -> Error {
    Error::io(error, "read what debootstrap says")
}

fn failed(program: &str, status: &str, last: &[String]) -> Error {
    Error::new(ErrorKind::Other, format!("`{program}` failed ({status}); it said last:\n{}", last.join("\n")))
        .with_hint(
            "a suite that it does not know needs a script of that name in `/usr/share/debootstrap/scripts`",
        )
}
