//! `save` and `load`, `import` and `export`, and `commit`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use containerv::spec::state::Status;
use containerv::{
    Container, DebootstrapOptions, Error, ErrorKind, Image, LoadOptions, MakeOptions, SaveFormat,
};

use super::super::Session;
use super::progress::Progress;
use crate::failure::Failure;
use crate::flags::lifecycle::read_platform;
use crate::output;
use crate::platform;
use crate::syntax::{Parsed, usage};
use crate::value::{native, wrong};

/// What `save --format` knows.
pub const FORMATS: &[&str] = &["docker-archive", "oci-archive", "oci-dir"];

/// Writes images to a file.
pub fn save(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let images = session.host()?.images();
    let names = parsed.operand_texts()?;
    if let Some(wanted) = parsed.read("platform", read_platform)? {
        for name in &names {
            let platform = images.get(name)?.platform();
            if (&platform.os, &platform.architecture) != (&wanted.os, &wanted.architecture) {
                let error = wrong(format!("the image `{name}` is for {platform}, not for {wanted}"));
                return Err(error.with_hint("`cv pull --platform` gets that of another platform").into());
            }
        }
    }
    let format = parsed.texts("format")?.last().copied().unwrap_or(FORMATS[0]);
    let kind = if format == FORMATS[0] { SaveFormat::Docker } else { SaveFormat::Oci };
    match format {
        "oci-dir" => {
            let Some(directory) = output_path(parsed)? else {
                return Err(Failure::usage(usage("`cv save --format oci-dir`: `--output DIR` is missing")));
            };
            images.save_directory(&names, kind, &directory)?;
        }
        _ if FORMATS.contains(&format) => {
            write_to(parsed, |file| images.save(&names, kind, file))?;
        }
        _ => {
            let error = wrong(format!("`--format {format}` is not known"));
            return Err(Failure::usage(error.with_hint(format!("one of {}", FORMATS.join(", ")))));
        }
    }
    Ok(0)
}

/// Reads images from a file.
pub fn load(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let images = session.host()?.images();
    let progress = Progress::new(parsed.switch("quiet"));
    let platform = parsed.read("platform", read_platform)?;
    let options = LoadOptions { platform, progress: Some(progress.callback()) };
    let loaded = match parsed.text("input") {
        Some(path) => images.load(&native::path(path)?, &options),
        None if io::stdin().is_terminal() => {
            progress.end();
            let error = usage("`cv load`: there is no archive on standard input");
            return Err(Failure::usage(error.with_hint("name it: `cv load -i FILE`")));
        }
        None => images.load_stream(io::stdin(), &options),
    };
    progress.end();
    for image in loaded? {
        let line = match image.reference().tag() {
            Some(_) => format!("Loaded image: {}\n", image.reference().familiar()),
            None => format!("Loaded image ID: {}\n", image.id()),
        };
        output::print(line)?;
    }
    Ok(0)
}

/// Makes an image of the archive of a root.
pub fn import(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let images = session.host()?.images();
    let source = &parsed.operands[0];
    let text = source.to_str().unwrap_or_default();
    if ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        let error = usage(format!("`cv import {text}`: addresses are not read"));
        return Err(Failure::usage(error.with_hint("download it first: `curl -L URL | cv import - NAME`")));
    }
    let progress = Progress::warnings();
    let platform = parsed.read("platform", read_platform)?;
    let options = MakeOptions { platform, progress: Some(progress.callback()), ..making(parsed)? };
    let imported = match text {
        "-" => images.import(io::stdin(), &options),
        _ => images.import(open(&native::path(source)?)?, &options),
    };
    progress.end();
    print_id(&imported?)
}

/// Makes an image of a container.
pub fn commit(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let container = session.container(parsed.operand(0)?)?;
    let progress = Progress::warnings();
    let options = MakeOptions {
        author: parsed.texts("author")?.last().map(|text| (*text).to_owned()),
        progress: Some(progress.callback()),
        ..making(parsed)?
    };
    let pause = parsed.switch_or("pause", true) && !parsed.switch("no-pause");
    let paused = pause && container.state()?.status == Status::Running;
    if paused {
        container.pause().map_err(|error| {
            error.context("cannot pause the container while its files are read").with_hint("use `--no-pause`")
        })?;
    }
    let committed = session.host()?.images().commit(&container, &options);
    let resumed = if paused { container.resume() } else { Ok(()) };
    progress.end();
    let image = committed?;
    resumed?;
    print_id(&image)
}

/// Writes all files of a container as a tar archive.
pub fn export(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let container: Container = session.container(parsed.operand(0)?)?;
    let summary = write_to(parsed, |file| container.export(file, None))?;
    output::warn_left_out(&summary.skipped, summary.skipped_count);
    Ok(0)
}

/// Makes an image of the packages of Debian or Ubuntu.
pub fn debootstrap(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let name = if parsed.operands.len() > 1 { Some(parsed.operand(1)?.to_owned()) } else { None };
    let text = |option| Ok::<_, Failure>(parsed.texts(option)?.last().map(|text| (*text).to_owned()));
    let include =
        parsed.texts("include")?.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
    let usual = DebootstrapOptions::new(parsed.operand(0)?);
    let options = DebootstrapOptions {
        reference: name,
        mirror: text("mirror")?,
        variant: text("variant")?.unwrap_or_else(|| usual.variant.clone()),
        include,
        keyring: text("keyring")?,
        ..usual
    };
    let images = session.host()?.images();
    if parsed.switch("dry-run") {
        let plan = images.plan_debootstrap(&options)?;
        match super::super::system::wants_json(parsed)? {
            true => output::print(serde_json::to_string_pretty(&plan).unwrap_or_default() + "\n")?,
            false => output::print(plan.to_string())?,
        }
        return Ok(0);
    }
    let quiet = parsed.switch("quiet");
    let mut tell = |line: &str| {
        if !quiet {
            output::message(&format!("{line}\n"));
        }
    };
    print_id(&images.debootstrap(&options, &mut tell)?)
}

/// What `import` and `commit` have in common; the name is the second operand.
fn making(parsed: &Parsed) -> Result<MakeOptions, Failure> {
    let reference = if parsed.operands.len() > 1 { Some(parsed.operand(1)?.to_owned()) } else { None };
    Ok(MakeOptions {
        reference,
        changes: parsed.texts("change")?.into_iter().map(str::to_owned).collect(),
        comment: parsed.texts("message")?.last().map(|text| (*text).to_owned()),
        ..MakeOptions::default()
    })
}

fn print_id(image: &Image) -> Result<i32, Failure> {
    output::print(format!("{}\n", image.id()))?;
    Ok(0)
}

fn open(path: &Path) -> Result<impl Read + Send, Error> {
    File::open(path).map_err(|error| Error::io(error, format!("cannot open `{}`", path.display())))
}

fn output_path(parsed: &Parsed) -> Result<Option<PathBuf>, Failure> {
    Ok(parsed.text("output").map(native::path).transpose()?)
}

/// Lets something be written to `--output`, or to standard output. A file has its name once it is whole.
fn write_to<T>(
    parsed: &Parsed,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Error>,
) -> Result<T, Failure> {
    let Some(path) = output_path(parsed)? else {
        if io::stdout().is_terminal() {
            let error = usage(format!("`cv {}`: an archive is not for a terminal", parsed.verb.name));
            return Err(Failure::usage(error.with_hint("name a file with `--output FILE`, or send it on")));
        }
        return Ok(write(&mut BufWriter::new(platform::raw_stdout()?))?);
    };
    let failed = |error| Error::io(error, format!("cannot write `{}`", path.display()));
    if path.exists() && !path.is_file() {
        if path.is_dir() {
            let error =
                Error::new(ErrorKind::InvalidArgument, format!("`{}` is a directory", path.display()));
            return Err(error.with_hint("name a file").into());
        }
        let file = File::options().write(true).open(&path).map_err(failed)?;
        return Ok(write(&mut BufWriter::new(file))?);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let file = File::create_new(&temporary).map_err(failed)?;
    let written = write(&mut BufWriter::new(file)).and_then(|value| {
        std::fs::rename(&temporary, &path).map_err(failed)?;
        Ok(value)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    Ok(written?)
}
