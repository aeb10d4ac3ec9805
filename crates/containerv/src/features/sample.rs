//! Requests that use one feature.

use containerv_spec::request::Request;
use serde_json::Value;

use crate::{Error, ErrorKind};

/// A plain request with a sample merged into it.
pub(crate) fn request(mut plain: Value, sample: &Value) -> Result<Request, Error> {
    merge(&mut plain, sample);
    // By way of bytes: values are read nowhere else, and reading them takes 90 KB of code.
    serde_json::from_slice(plain.to_string().as_bytes())
        .map_err(|error| Error::new(ErrorKind::Other, "a sample is damaged").with_source(error))
}

/// What lowering says, in one line.
pub(crate) fn reason(error: &Error) -> String {
    let problems: Vec<String> = error.all_problems().iter().map(ToString::to_string).collect();
    if problems.is_empty() { error.to_string() } else { problems.join("; ") }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
