//! `rmi` and `image prune`.

use std::time::Duration;

use containerv::{PruneOptions, RemovedImages};
use containerv_spec::ByteSize;

use super::super::{Session, life};
use super::{for_each, truth};
use crate::failure::Failure;
use crate::output;
use crate::output::filter::Filters;
use crate::syntax::Parsed;
use crate::value::time;

/// Removes names of images, and images with their last name.
pub fn rmi(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let force = parsed.switch("force");
    for_each(session, parsed, "could be removed", |images, name| {
        let removed = images.remove(name, force);
        match removed {
            // As with Docker, what is not there is removed.
            Err(error) if force && error.kind() == containerv::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
            Ok(removed) => output::print(told(&removed)),
        }
    })
}

fn told(removed: &RemovedImages) -> String {
    let untagged = removed.untagged.iter().map(|reference| format!("Untagged: {}\n", reference.familiar()));
    let deleted = removed.deleted.iter().map(|digest| format!("Deleted: {digest}\n"));
    untagged.chain(deleted).collect()
}

/// Removes images that nobody uses.
pub fn prune(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let options = prune_options(parsed)?;
    let question = match options.all {
        true => "This removes all images that no container uses.",
        false => "This removes all images without a tag that no container uses.",
    };
    if !parsed.switch("force") && !options.dry_run && !life::confirmed(question)? {
        output::message("nothing was removed\n");
        return Ok(0);
    }
    prune_as(session, &options)
}

/// Removes the images that `system prune` does: those without a tag, with `--all` all that no container uses.
pub fn prune_with_system(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    prune_as(session, &prune_options(parsed)?)
}

fn prune_as(session: &Session, options: &PruneOptions) -> Result<i32, Failure> {
    let removed = session.host()?.images().prune(options)?;
    output::print(told(&removed))?;
    let bytes = ByteSize::bytes(removed.bytes);
    let word = if options.dry_run { "would be freed" } else { "freed" };
    output::message(&format!("{bytes} {word}\n"));
    Ok(0)
}

fn prune_options(parsed: &Parsed) -> Result<PruneOptions, Failure> {
    let keys = ["label", "label!", "until", "dangling"];
    let filters = Filters::parse(parsed.texts("filter")?.into_iter(), &keys).map_err(Failure::usage)?;
    let now = time::now_unix_ns();
    let until = life::until(&filters, now)?;
    let dangling = filters.values("dangling").last().map(|text| truth("dangling", text)).transpose();
    let label = |text: &String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.clone(), None),
    };
    Ok(PruneOptions {
        all: parsed.switch("all") || dangling.map_err(Failure::usage)? == Some(false),
        older_than: until.map(|until| Duration::from_nanos(now.saturating_sub(until))),
        labels: filters.values("label").iter().map(label).collect(),
        without_labels: filters.values("label!").iter().map(label).collect(),
        dry_run: parsed.verb.long("dry-run").is_some() && parsed.switch("dry-run"),
    })
}
