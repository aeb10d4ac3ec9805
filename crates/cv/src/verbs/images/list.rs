//! `images` and `history`.

use containerv::{Error, ImageSummary, Images};
use containerv_spec::ByteSize;
use containerv_spec::image::Reference;
use serde_json::{Value, json};

use super::super::{Session, life};
use super::{shown_id, truth};
use crate::failure::Failure;
use crate::output;
use crate::output::filter::Filters;
use crate::output::list::{Column, Format, render};
use crate::syntax::Parsed;
use crate::value::time;

const FULL: usize = usize::MAX;
const FILTERS: &[&str] = &["dangling", "reference", "label", "before", "since", "until"];

/// Lists images, the latest first; each name has a line.
pub fn images(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = parsed.read("format", Format::parse)?.unwrap_or(Format::Table);
    let filters = Filters::parse(parsed.texts("filter")?.into_iter(), FILTERS).map_err(Failure::usage)?;
    let now = time::now_unix_ns();
    let wanted = Wanted::read(&session.host()?.images(), parsed, &filters, now)?;
    let (truncate, digests) = (!parsed.switch("no-trunc"), parsed.switch("digests"));
    let (mut objects, mut ids) = (Vec::new(), Vec::new());
    for image in session.host()?.images().list()? {
        let lines = wanted.lines(&image);
        if !lines.is_empty() {
            ids.push(shown_id(&image.id, truncate));
        }
        objects.extend(
            lines
                .into_iter()
                .map(|(repository, tag, digest)| describe(&image, repository, tag, digest, truncate, now)),
        );
    }
    if parsed.switch("quiet") {
        ids.dedup();
        output::print(ids.iter().map(|id| format!("{id}\n")).collect::<String>())?;
        return Ok(0);
    }
    let mut columns = vec![
        Column { heading: "REPOSITORY", field: "Repository", most: FULL },
        Column { heading: "TAG", field: "Tag", most: FULL },
    ];
    columns.extend(digests.then_some(Column { heading: "DIGEST", field: "Digest", most: FULL }));
    columns.extend([
        Column { heading: "IMAGE ID", field: "ID", most: FULL },
        Column { heading: "CREATED", field: "CreatedSince", most: FULL },
        Column { heading: "SIZE", field: "Size", most: FULL },
    ]);
    output::print(render(&format, &columns, &objects, truncate)?)?;
    Ok(0)
}

/// One line: repository, tag and digest.
type Line = (String, String, String);

/// Which images are listed.
struct Wanted<'a> {
    all: bool,
    patterns: Vec<&'a str>,
    dangling: Option<bool>,
    filters: &'a Filters,
    before: Option<u64>,
    since: Option<u64>,
}

impl<'a> Wanted<'a> {
    fn read(images: &Images, parsed: &'a Parsed, filters: &'a Filters, now: u64) -> Result<Self, Failure> {
        let stored = |key: &str| -> Result<Option<u64>, Error> {
            filters
                .values(key)
                .last()
                .map(|name| images.get(name).map(|image| image.stored_unix_ns()))
                .transpose()
        };
        let until = life::until(filters, now)?;
        let before = stored("before")?.into_iter().chain(until).min();
        let dangling = filters.values("dangling").last().map(|text| truth("dangling", text)).transpose();
        let mut patterns: Vec<&str> = filters.values("reference").iter().map(String::as_str).collect();
        patterns.extend(parsed.operand_texts()?);
        Ok(Self {
            all: parsed.switch("all"),
            patterns,
            dangling: dangling.map_err(Failure::usage)?,
            filters,
            before,
            since: stored("since")?,
        })
    }

    fn lines(&self, image: &ImageSummary) -> Vec<Line> {
        let dangling = image.is_dangling();
        let passes = self.dangling.is_none_or(|wanted| wanted == dangling)
            && self.filters.labels(&image.labels)
            && self.before.is_none_or(|before| image.stored_unix_ns < before)
            && self.since.is_none_or(|since| image.stored_unix_ns > since);
        if !passes {
            return Vec::new();
        }
        let shown = |reference: &Reference| {
            self.patterns.is_empty() || self.patterns.iter().any(|pattern| matches(pattern, reference))
        };
        // Names without a tag stand for an image only if it has no other.
        let named =
            image.names.iter().filter(|(reference, _)| dangling || self.all || reference.tag().is_some());
        named
            .filter(|(reference, _)| shown(reference))
            .map(|(reference, digest)| {
                let tag = reference.tag().unwrap_or("<none>").to_owned();
                (repository(reference), tag, digest.to_string())
            })
            .collect()
    }
}

/// The repository as people write it.
fn repository(reference: &Reference) -> String {
    let familiar = reference.familiar();
    let name = familiar.split('@').next().unwrap_or(&familiar);
    match reference.tag() {
        Some(tag) => {
            name.strip_suffix(tag).and_then(|name| name.strip_suffix(':')).unwrap_or(name).to_owned()
        }
        None => name.to_owned(),
    }
}

/// Says whether a reference fits a pattern with `*` and `?`: the whole of it, or its repository.
fn matches(pattern: &str, reference: &Reference) -> bool {
    let repository = repository(reference);
    let familiar = reference.familiar();
    let last = repository.rsplit('/').next().unwrap_or(&repository);
    [familiar.as_str(), repository.as_str(), last, &reference.to_string(), &reference.name()]
        .into_iter()
        .any(|text| fits(pattern.as_bytes(), text.as_bytes()))
}

/// `*` stands for anything but a slash, `?` for one byte that is none.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, text)
                || text.split_first().is_some_and(|(first, tail)| *first != b'/' && fits(pattern, tail))
        }
        (Some((b'?', rest)), Some((first, tail))) => *first != b'/' && fits(rest, tail),
        (Some((wanted, rest)), Some((first, tail))) => wanted == first && fits(rest, tail),
        _ => false,
    }
}

fn describe(
    image: &ImageSummary,
    repository: String,
    tag: String,
    digest: String,
    truncate: bool,
    now: u64,
) -> Value {
    let created = created_unix_ns(image, now);
    json!({
        "ID": shown_id(&image.id, truncate),
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "CreatedAt": created.map_or_else(|| "N/A".to_owned(), time::spaced),
        "CreatedSince": created.map_or_else(|| "N/A".to_owned(), |created| time::ago(created, now)),
        "Size": ByteSize::bytes(image.size).to_string(),
        "Platform": image.platform.to_string(),
        "Containers": image.containers.len(),
    })
}

/// When an image was made. One from before 1970 or without a date has none.
fn created_unix_ns(image: &ImageSummary, now: u64) -> Option<u64> {
    image.created.as_deref().and_then(|text| time::parse(text, now).ok()).filter(|created| *created > 0)
}

/// Shows how an image was made, the latest step first.
pub fn history(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    const COLUMNS: &[Column] = &[
        Column { heading: "IMAGE", field: "ID", most: FULL },
        Column { heading: "CREATED", field: "CreatedSince", most: FULL },
        Column { heading: "CREATED BY", field: "CreatedBy", most: 45 },
        Column { heading: "SIZE", field: "Size", most: FULL },
        Column { heading: "COMMENT", field: "Comment", most: FULL },
    ];
    let format = parsed.read("format", Format::parse)?.unwrap_or(Format::Table);
    let (truncate, human) = (!parsed.switch("no-trunc"), parsed.switch_or("human", true));
    let image = session.host()?.images().get(parsed.operand(0)?)?;
    let now = time::now_unix_ns();
    let steps = image.history()?;
    // Only the latest step has an image of its own.
    let id = |index: usize| if index == 0 { shown_id(image.id(), truncate) } else { "<missing>".to_owned() };
    if parsed.switch("quiet") {
        let lines = (0..steps.len()).map(|index| id(index) + "\n");
        output::print(lines.collect::<String>())?;
        return Ok(0);
    }
    let objects: Vec<Value> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let created = step.created.as_deref().and_then(|text| time::parse(text, now).ok());
            let shown = match (created, human) {
                (None, _) => "N/A".to_owned(),
                (Some(created), true) => time::ago(created, now),
                (Some(created), false) => time::rfc3339(created),
            };
            let size = if human { ByteSize::bytes(step.size).to_string() } else { step.size.to_string() };
            json!({
                "ID": id(index),
                "CreatedAt": created.map_or_else(|| "N/A".to_owned(), time::rfc3339),
                "CreatedSince": shown,
                "CreatedBy": step.created_by,
                "Size": size,
                "Comment": step.comment,
            })
        })
        .collect();
    output::print(render(&format, COLUMNS, &objects, truncate)?)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_fit_patterns() {
        for (pattern, reference, fit) in [
            ("debian", "debian:12", true),
            ("deb*", "debian:12", true),
            ("debian:1?", "debian:12", true),
            ("debian:11", "debian:12", false),
            ("team/*", "registry.example/team/app:1", false),
            ("*/*/app", "registry.example/team/app:1", true),
            ("app", "registry.example/team/app:1", true),
            ("docker.io/library/debian", "debian", true),
            ("*", "debian", true),
            ("", "debian", false),
        ] {
            assert_eq!(matches(pattern, &reference.parse().unwrap()), fit, "{pattern} {reference}");
        }
        assert_eq!(repository(&"localhost:5000/a:1".parse().unwrap()), "localhost:5000/a");
    }
}
