//! What several targets hold their parser to.

use std::fmt::Debug;

use containerv::Error;
use containerv_spec::plan::LinuxPlan;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a document; one that is read is written and read back as the same.
pub(crate) fn document<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(data).ok()?;
    written(&read);
    Some(read)
}

/// What is written is read back as the same, and written again the same.
pub(crate) fn written<T: DeserializeOwned + Serialize + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("a document is written");
    let back: T = match serde_json::from_str(&text) {
        Ok(back) => back,
        Err(error) => panic!("{error}: {text}"),
    };
    assert!(back == *value, "{text}\nis read as\n{back:?}\nand was\n{value:?}");
    assert_eq!(serde_json::to_string(&back).expect("a document is written"), text);
}

/// An error says something, and the same as its problems.
pub(crate) fn error(error: &Error) {
    let text = error.to_string();
    assert!(!text.trim().is_empty(), "{:?}", error.kind());
    assert!(error.hint().is_none_or(|hint| !hint.is_empty()), "{text}");
    for problem in error.all_problems() {
        assert!(text.contains(&problem.to_string()), "{text}");
        self::error(problem);
    }
}

/// A plan is printed with every step, and holds no text that a system call would cut. What it
/// prints as JSON is read as a plan that prints the same; the filter's instructions are not printed.
pub(crate) fn lowered(plan: &LinuxPlan) {
    let text = plan.to_string();
    assert!(text.lines().count() > plan.steps.len(), "{text}");
    let json = serde_json::to_value(plan).expect("a plan is written");
    let back: LinuxPlan = serde_json::from_value(json.clone()).expect("a plan is read");
    assert_eq!(serde_json::to_value(&back).ok(), Some(json.clone()));
    assert_eq!(back.to_string(), text);
    assert!(!any_text(&json, &|text| text.contains('\0')), "NUL in {json}");
}

fn any_text(value: &Value, found: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => found(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, found)),
        Value::Object(fields) => fields.iter().any(|(name, value)| found(name) || any_text(value, found)),
        _ => false,
    }
}

/// Text that goes to a terminal does not steer it.
pub(crate) fn harmless(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
