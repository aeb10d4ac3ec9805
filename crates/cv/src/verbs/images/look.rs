//! `image inspect`, and `image check`, which looks before anything is downloaded.

use containerv::{Answer, Error, Fit, Image, Images};
use containerv_spec::ByteSize;
use serde_json::{Value, json};

use super::super::Session;
use super::super::system::{DocumentFormat, document_format};
use super::{for_each, windows};
use crate::failure::Failure;
use crate::flags::lifecycle::read_platform;
use crate::output;
use crate::syntax::Parsed;
use crate::value::{time, wrong};

/// Prints everything about images.
pub fn inspect(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = document_format(parsed)?;
    let with_layers = parsed.switch("layers");
    let mut documents = Vec::new();
    let found = for_each(session, parsed, "was found", |images, name| {
        let image = images.get(name)?;
        let mut document = describe(images, &image)?;
        if with_layers && let Some(layers) = windows::layers(&image)? {
            document["WindowsLayers"] = layers;
        }
        documents.push(document);
        Ok(())
    });
    match format {
        None => output::print(format!("{:#}\n", Value::Array(documents)))?,
        Some(DocumentFormat::Json) => {
            output::print(documents.iter().map(|document| format!("{document}\n")).collect::<String>())?;
        }
        Some(format) => {
            for document in &documents {
                output::print(format.render(document)?)?;
            }
        }
    }
    found
}

/// Docker's words where it has them.
fn describe(images: &Images, image: &Image) -> Result<Value, Error> {
    let config = image.config();
    let layers = image.layers()?;
    let all = images.list()?;
    let names = all.iter().find(|known| known.manifest == image.manifest_descriptor().digest);
    let names = names.map(|known| known.names.as_slice()).unwrap_or_default();
    let tags: Vec<String> =
        names.iter().filter(|(name, _)| name.tag().is_some()).map(|(name, _)| name.familiar()).collect();
    let mut digests: Vec<String> =
        names.iter().map(|(name, digest)| name.with_digest(digest.clone()).familiar()).collect();
    digests.dedup();
    let run = serde_json::to_value(&config.config).map_err(|error| wrong(error.to_string()))?;
    let layer = |layer: &containerv::ImageLayer| {
        json!({
            "Digest": layer.blob.digest,
            "MediaType": layer.blob.media_type,
            "BlobSize": layer.blob.size,
            "DiffID": layer.diff_id,
            "ChainID": layer.chain_id,
            "Size": layer.size,
        })
    };
    Ok(json!({
        "Id": image.id(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Manifest": image.manifest_descriptor().digest,
        "Comment": config.history.last().and_then(|step| step.comment.clone()).unwrap_or_default(),
        "Created": config.created,
        "Stored": time::rfc3339(image.stored_unix_ns()),
        "Author": config.author.clone().unwrap_or_default(),
        "Config": run,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "OsVersion": config.os_version,
        "OsFeatures": config.os_features,
        "Size": image.size()?,
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Layers": layers.iter().map(layer).collect::<Vec<_>>(),
    }))
}

/// Tells whether an image fits this machine. Ends with exit code 1 if it does not.
pub fn check(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = document_format(parsed)?;
    let platform = parsed.read("platform", read_platform)?;
    let answer = session.host()?.images().check(parsed.operand(0)?, platform.as_ref())?;
    match format {
        Some(format) => output::print(format.render(&document(&answer))?)?,
        None => output::print(text(&answer))?,
    }
    Ok(i32::from(answer.fit == Fit::No))
}

fn word(fit: Fit) -> &'static str {
    match fit {
        Fit::Process => "process",
        Fit::Vm => "vm",
        _ => "no",
    }
}

fn document(answer: &Answer) -> Value {
    json!({
        "Reference": answer.reference,
        "Digest": answer.digest,
        "Platform": answer.platform.as_ref().map(ToString::to_string),
        "Isolation": word(answer.fit),
        "Runs": answer.fit != Fit::No,
        "Reason": answer.reason,
        "Hint": answer.hint,
        "Offered": answer.offered.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "Size": answer.size,
        "Missing": answer.missing,
    })
}

fn text(answer: &Answer) -> String {
    let verdict = match answer.fit {
        Fit::Process => "runs here",
        Fit::Vm => "runs here with `--isolation hyperv` only",
        _ => "does not run here",
    };
    let mut text = format!("{} {verdict}: {}\n", answer.reference.familiar(), answer.reason);
    if let Some(platform) = &answer.platform {
        let (size, missing) = (ByteSize::bytes(answer.size), ByteSize::bytes(answer.missing));
        text.push_str(&format!("{platform}, {size} to download, {missing} of it not here yet\n"));
    }
    if !answer.offered.is_empty() {
        let names: Vec<String> = answer.offered.iter().map(ToString::to_string).collect();
        text.push_str(&format!("offered: {}\n", names.join(", ")));
    }
    if let Some(hint) = &answer.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}
