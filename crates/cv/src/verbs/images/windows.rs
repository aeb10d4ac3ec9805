//! `image diff`, `image edit` and `image rebase`: images of Windows, on any system.

use std::path::PathBuf;

use containerv::images::windows::{
    ConfigEdit, Difference, Differing, LayerChange, LayerSummary, RegistryChange, RegistryValue,
};
use containerv::{Error, ErrorKind, ImageEdit};
use serde_json::{Value, json};

use super::super::Session;
use super::super::system::{DocumentFormat, document_format};
use crate::failure::Failure;
use crate::output;
use crate::syntax::Parsed;
use crate::value::{time, wrong};

/// Lists what differs between two images.
pub fn diff(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = document_format(parsed)?;
    let images = session.host()?.images();
    let (one, other) = (images.get(parsed.operand(0)?)?, images.get(parsed.operand(1)?)?);
    let found = images.differences(&one, &other)?;
    match format {
        None => output::print(found.iter().map(|found| format!("{found}\n")).collect::<String>())?,
        Some(DocumentFormat::Json) => {
            let all: Vec<Value> = found.iter().map(document).collect();
            output::print(format!("{}\n", Value::Array(all)))?;
        }
        Some(format) => {
            for found in &found {
                output::print(format.render(&document(found))?)?;
            }
        }
    }
    Ok(0)
}

fn document(found: &Differing) -> Value {
    let (kind, what) = match &found.difference {
        Difference::Added => ("added", Vec::new()),
        Difference::Deleted => ("deleted", Vec::new()),
        Difference::Modified(aspects) => ("modified", aspects.iter().map(|aspect| aspect.word()).collect()),
    };
    json!({"Path": found.path, "Kind": kind, "Differs": what})
}

/// Makes an image of another one.
pub fn edit(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let edit = read_edit(parsed)?;
    let images = session.host()?.images();
    let image = images.get(parsed.operand(0)?)?;
    let edited = images.edit(&image, &edit, parsed.operand(1)?)?;
    output::print(format!("{}\n", edited.id()))?;
    Ok(0)
}

/// Puts an image on another base.
pub fn rebase(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let base = |long: &'static str| {
        let named = parsed.texts(long)?.last().copied();
        named.ok_or_else(|| Failure::usage(wrong(format!("`--{long} IMAGE` is missing"))))
    };
    let (from, onto) = (base("from")?, base("onto")?);
    let images = session.host()?.images();
    let image = images.get(parsed.operand(0)?)?;
    let rebased = images.rebase(&image, &images.get(from)?, &images.get(onto)?, parsed.operand(1)?)?;
    for path in &rebased.conflicts {
        output::message(&format!(
            "warning: `{path}` of the image hides the new base's, which is another than the old one's\n"
        ));
    }
    output::print(format!("{}\n", rebased.image.id()))?;
    Ok(0)
}

fn read_edit(parsed: &Parsed) -> Result<ImageEdit, Failure> {
    let now = std::env::var("SOURCE_DATE_EPOCH").ok();
    let now = now.map(|text| time::parse(&text, 0)).transpose().map_err(Failure::usage)?;
    let time_unix_ns = now.unwrap_or_else(time::now_unix_ns);
    Ok(ImageEdit {
        config: read_config(parsed)?,
        changes: read_changes(parsed)?,
        comment: format!("cv image edit {}", parsed.operand(0)?),
        time_unix_ns,
        time: time::rfc3339(time_unix_ns),
    })
}

fn read_config(parsed: &Parsed) -> Result<ConfigEdit, Failure> {
    let named = |long: &'static str| -> Result<Vec<(String, Option<String>)>, Failure> {
        let read = |text: &str| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
            None => Err(Failure::usage(wrong(format!("`--{long} {text}`: expected NAME=VALUE")))),
        };
        parsed.texts(long)?.into_iter().map(read).collect()
    };
    let gone = |long: &'static str| -> Result<Vec<(String, Option<String>)>, Failure> {
        Ok(parsed.texts(long)?.into_iter().map(|name| (name.to_owned(), None)).collect())
    };
    let last = |long: &'static str| -> Result<Option<String>, Failure> {
        Ok(parsed.texts(long)?.last().map(|text| (*text).to_owned()))
    };
    Ok(ConfigEdit {
        env: [gone("unset-env")?, named("env")?].concat(),
        entrypoint: parsed.read("entrypoint", read_words)?,
        cmd: parsed.read("cmd", read_words)?,
        user: last("user")?,
        working_dir: last("workdir")?,
        labels: named("label")?,
    })
}

/// One word, or a JSON array of them; nothing for no words.
fn read_words(text: &str) -> Result<Vec<String>, Error> {
    match text {
        "" => Ok(Vec::new()),
        text if text.starts_with('[') => serde_json::from_str(text).map_err(|error| {
            wrong(format!("expected one word, or an array as `[\"app.exe\",\"-v\"]`: {error}"))
        }),
        text => Ok(vec![text.to_owned()]),
    }
}

fn read_changes(parsed: &Parsed) -> Result<Vec<LayerChange>, Failure> {
    let mut changes = Vec::new();
    for given in &parsed.given {
        let long = given.flag.long;
        let read = match long {
            "add" => read_add,
            "mkdir" => |text: &str| Ok(LayerChange::MakeDirectory { path: text.to_owned() }),
            "remove" => |text: &str| Ok(LayerChange::Remove { path: text.to_owned() }),
            "registry" => read_registry,
            _ => continue,
        };
        let text = crate::value::utf8(&given.text).map_err(Failure::usage)?;
        let change = read(text).map_err(|error| error.context(format!("`--{long} {text}`")));
        changes.push(change.map_err(Failure::usage)?);
    }
    Ok(changes)
}

fn read_add(text: &str) -> Result<LayerChange, Error> {
    match text.split_once('=') {
        Some((to, from)) if !to.is_empty() && !from.is_empty() => {
            Ok(LayerChange::Add { from: PathBuf::from(from), to: to.to_owned() })
        }
        _ => Err(wrong("expected the path in the image and the one here, as `C:\\app=./build`")),
    }
}

fn read_registry(text: &str) -> Result<LayerChange, Error> {
    let form = || wrong("expected a value as `HKLM\\SOFTWARE\\Vendor\\Name=sz:text`");
    let (path, value) = text.split_once('=').ok_or_else(form)?;
    let (key, name) = path.rsplit_once('\\').ok_or_else(form)?;
    let (kind, data) = value.split_once(':').ok_or_else(form)?;
    // `@` is the default value, as in files of regedit.
    let name = if name == "@" { "" } else { name };
    let value = RegistryValue::of_text(name, kind, data)?;
    Ok(LayerChange::SetValue(RegistryChange { key: key.to_owned(), value }))
}

/// What each layer of a Windows image holds.
pub(super) fn layers(image: &containerv::Image) -> Result<Option<Value>, Error> {
    match image.windows_layers() {
        Ok(layers) => Ok(Some(layers.iter().map(layer).collect())),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

fn layer(layer: &LayerSummary) -> Value {
    json!({
        "Files": layer.files,
        "Directories": layer.directories,
        "Links": layer.links,
        "Tombstones": layer.tombstones,
        "Bytes": layer.bytes,
        "Hives": layer.hives,
        "UtilityVM": layer.utility_vm,
    })
}
