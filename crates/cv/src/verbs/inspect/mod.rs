//! `inspect`: everything about a container, in Docker's words where it has them.

mod document;

use containerv::Error;
use serde_json::Value;

use super::Session;
use super::system::{DocumentFormat, disk_usage, document_format};
use crate::failure::Failure;
use crate::output;
use crate::syntax::Parsed;
use crate::value::wrong;
use document::Document;

/// Prints everything about containers.
pub fn inspect(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let format = document_format(parsed)?;
    parsed.read("type", |text| match text {
        "container" => Ok(()),
        _ => Err(wrong("only `container` is known")),
    })?;
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for reference in parsed.operand_texts()? {
        let opened = session.container(reference);
        match opened.and_then(|container| container.state().map(|state| (container, state))) {
            Ok(container) => found.push(container),
            Err(error) => problems.push(error),
        }
    }
    let documents = found.iter().map(|(container, state)| {
        let size = parsed.switch("size").then(|| disk_usage(container));
        Document::new(container, state, size)
    });
    let failed = |error: serde_json::Error| wrong(error.to_string());
    match format {
        None => {
            let mut text = serde_json::to_vec_pretty(&documents.collect::<Vec<_>>()).map_err(failed)?;
            text.push(b'\n');
            output::print(text)?;
        }
        Some(DocumentFormat::Json) => {
            let mut text = Vec::new();
            for document in documents {
                serde_json::to_writer(&mut text, &document).map_err(failed)?;
                text.push(b'\n');
            }
            output::print(text)?;
        }
        Some(format) => {
            for document in documents {
                // By way of bytes, which are written above too: a writer of values is as much code again.
                let bytes = serde_json::to_vec(&document).map_err(failed)?;
                let document: Value = serde_json::from_slice(&bytes).map_err(failed)?;
                output::print(format.render(&document)?)?;
            }
        }
    }
    if problems.is_empty() {
        Ok(0)
    } else {
        Err(Error::problems("not every container was found", problems).into())
    }
}
