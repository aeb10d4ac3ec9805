//! Templates of `--format`.

use cv::output::template::Template;
use serde_json::{Value, json};

use crate::invariant;

/// A template is filled in with bounded text, twice the same, or refused with a reason; text
/// without actions stays as it is.
pub fn target(data: &[u8]) {
    /// The longest text of a result, with one last part of at most the template's own size.
    const MOST: usize = (16 << 20) + (1 << 20);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => return invariant::error(&error),
    };
    template.fields_by_cell();
    let object = object();
    match template.render(&object) {
        Ok(filled) => {
            assert!(filled.len() <= MOST, "{} bytes", filled.len());
            assert_eq!(template.render(&object).ok().as_ref(), Some(&filled));
            assert!(text.contains("{{") || filled == text);
        }
        Err(error) => invariant::error(&error),
    }
}

fn object() -> Value {
    json!({
        "ID": "abc", "Name": "Web", "N": 3, "Float": 1.5, "On": true, "Off": false, "Empty": "", "None": null,
        "List": ["a", "b", "c"], "Map": {"k": "v", "x": "y"}, "Deep": {"Inner": {"Leaf": 7}},
        "Mounts": [{"Source": "/a"}, {"Source": "/b"}], "Odd": "\u{1b}[0m\u{df}\u{1f600}",
    })
}
