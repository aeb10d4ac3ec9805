//! Images: pulled, listed, looked at, named, written to files and read from them, made of containers, removed.

mod files;
mod list;
mod look;
mod progress;
mod remove;
mod windows;

pub use files::{FORMATS, commit, debootstrap, export, import, load, save};
pub use list::{history, images};
pub use look::{check, inspect};
pub use remove::{prune, prune_with_system, rmi};
pub use windows::{diff, edit, rebase};

use containerv::{Answer, Error, ErrorKind, Fit, Image, Images, PullOptions, PullPolicy, PushOptions};
use containerv_spec::image::{Digest, Platform, Reference};

use super::Session;
use crate::draft::Draft;
use crate::failure::Failure;
use crate::flags::lifecycle::read_platform;
use crate::output;
use crate::syntax::Parsed;
use crate::value::wrong;
use progress::Progress;

/// Pulls an image, or all of a repository.
pub fn pull(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let (quiet, name) = (parsed.switch("quiet"), parsed.operand(0)?);
    let platform = parsed.read("platform", read_platform)?;
    let images = session.host()?.images();
    let names = match parsed.switch("all-tags") {
        true => images.tags(name)?.iter().map(ToString::to_string).collect(),
        false => vec![name.to_owned()],
    };
    for name in names {
        let progress = Progress::new(quiet);
        let options = PullOptions {
            platform: platform.clone(),
            progress: Some(progress.callback()),
            ..PullOptions::default()
        };
        let pulled = images.pull(&name, &options);
        progress.end();
        let image = pulled?;
        if !quiet {
            output::message(&format!("Digest: {}\n", image.digest()));
        }
        output::print(format!("{}\n", image.reference()))?;
    }
    Ok(0)
}

/// Pushes an image, or all tags of a repository that are here.
pub fn push(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let (quiet, name) = (parsed.switch("quiet"), parsed.operand(0)?);
    let images = session.host()?.images();
    let names = match parsed.switch("all-tags") {
        true => stored_tags(&images, name)?,
        false => vec![name.to_owned()],
    };
    for name in names {
        let progress = Progress::new(quiet);
        let options = PushOptions { progress: Some(progress.push_callback()), ..PushOptions::default() };
        let pushed = images.push(&name, &options);
        progress.end();
        let digest = pushed?;
        if !quiet {
            output::message(&format!("Digest: {digest}\n"));
        }
        output::print(format!("{name}\n"))?;
    }
    Ok(0)
}

/// The names with a tag that images have in a repository.
fn stored_tags(images: &Images, repository: &str) -> Result<Vec<String>, Error> {
    let wanted = containerv::parse_reference(repository)?;
    let all = images.list()?.into_iter().flat_map(|image| image.names);
    let fits = |name: &Reference| name.tag().is_some() && name.name() == wanted.name();
    let names: Vec<String> = all.filter(|(name, _)| fits(name)).map(|(name, _)| name.familiar()).collect();
    match names.is_empty() {
        true => {
            Err(Error::new(ErrorKind::NotFound, format!("no image of the repository `{repository}` is here"))
                .with_hint("`cv images` lists what is there"))
        }
        false => Ok(names),
    }
}

/// Gives an image one more name.
pub fn tag(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    session.host()?.images().tag(parsed.operand(0)?, parsed.operand(1)?)?;
    Ok(0)
}

/// The image of a container that is to be made, pulled by `--pull` and `--platform`. One that does not fit this
/// machine is refused before its layers are downloaded.
pub fn for_container(session: &Session, parsed: &Parsed, name: &str, draft: &Draft) -> Result<Image, Error> {
    let images = session.host()?.images();
    let stored =
        PullOptions { platform: draft.platform.clone(), policy: PullPolicy::Never, ..PullOptions::default() };
    if draft.pull != PullPolicy::Always {
        match images.pull(name, &stored) {
            Err(error) if error.kind() == ErrorKind::NotFound && draft.pull == PullPolicy::Missing => {}
            found => return found,
        }
    }
    refuse_unfit(&images.check(name, draft.platform.as_ref())?)?;
    let quiet = parsed.verb.long("quiet").is_some() && parsed.switch("quiet");
    if !quiet && draft.pull == PullPolicy::Missing {
        output::message(&format!("the image `{name}` is not here; it is pulled\n"));
    }
    let progress = Progress::new(quiet);
    let options = PullOptions { policy: PullPolicy::Always, progress: Some(progress.callback()), ..stored };
    let pulled = images.pull(name, &options);
    progress.end();
    pulled
}

fn refuse_unfit(answer: &Answer) -> Result<(), Error> {
    if answer.fit != Fit::No {
        return Ok(());
    }
    let message = format!("the image `{}` does not run here: {}", answer.reference.familiar(), answer.reason);
    let error = Error::new(ErrorKind::Unsupported, message);
    Err(match &answer.hint {
        Some(hint) => error.with_hint(hint.clone()),
        None => error.with_hint(offered(&answer.offered)),
    })
}

/// Says what there is instead.
fn offered(platforms: &[Platform]) -> String {
    match platforms {
        [] => "choose another image".to_owned(),
        platforms => {
            let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
            format!("it is offered for {}", names.join(", "))
        }
    }
}

/// Does something to each image that is named.
fn for_each(
    session: &Session,
    parsed: &Parsed,
    what: &str,
    mut act: impl FnMut(&Images, &str) -> Result<(), Failure>,
) -> Result<i32, Failure> {
    let images = session.host()?.images();
    let mut problems = Vec::new();
    for name in parsed.operand_texts()? {
        match act(&images, name) {
            Ok(()) => {}
            Err(Failure::Work(error)) => problems.push(error),
            Err(other) => return Err(other),
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems(format!("not every image {what}"), problems).into())
    }
}

/// An image's ID as it is listed.
fn shown_id(id: &Digest, truncate: bool) -> String {
    if truncate { id.short().to_owned() } else { id.to_string() }
}

/// Reads `true` or `false` of a filter.
fn truth(key: &str, text: &str) -> Result<bool, Error> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(wrong(format!("`--filter {key}={text}`: expected `true` or `false`"))),
    }
}
