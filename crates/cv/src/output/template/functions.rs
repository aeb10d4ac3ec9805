//! The functions that templates may call.

use std::cmp::Ordering;

use serde_json::Value;

use super::evaluate::{kind, truth};
use super::plain;

/// Widest field of `printf` and `pad`.
const WIDEST: usize = 1000;

/// Most parts that `split` makes.
const MOST_PARTS: usize = 100_000;

/// Every function's name.
pub(super) const NAMES: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not", "or", "pad",
    "print", "printf", "println", "split", "title", "truncate", "upper",
];

/// Finds a function.
pub(super) fn known(name: &str) -> Option<&'static str> {
    NAMES.iter().copied().find(|known| *known == name)
}

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let result = match (name, arguments) {
        ("json", [value]) => Ok(Value::from(value.to_string())),
        ("upper", [value]) => Ok(Value::from(plain(value).to_uppercase())),
        ("lower", [value]) => Ok(Value::from(plain(value).to_lowercase())),
        ("title", [value]) => Ok(Value::from(title(&plain(value)))),
        ("len", [value]) => length(value),
        ("join", [list, separator]) => join(list, separator),
        ("split", [text, separator]) => split(text, separator),
        ("truncate", [text, most]) => truncate(text, most),
        ("pad", [text, before, after]) => pad(text, before, after),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), |value, key| index(&value, key)),
        ("not", [value]) => Ok(Value::from(!truth(value))),
        ("and", [.., last]) => Ok(arguments.iter().find(|value| !truth(value)).unwrap_or(last).clone()),
        ("or", [.., last]) => Ok(arguments.iter().find(|value| truth(value)).unwrap_or(last).clone()),
        ("eq", [first, others @ ..]) if !others.is_empty() => Ok(Value::from(others.contains(first))),
        ("ne" | "lt" | "le" | "gt" | "ge", [left, right]) => compare(name, left, right),
        ("print", values) => Ok(Value::from(values.iter().map(plain).collect::<Vec<_>>().join(" "))),
        ("println", values) => Ok(Value::from(values.iter().map(plain).collect::<Vec<_>>().join(" ") + "\n")),
        ("printf", [Value::String(format), values @ ..]) => printf(format, values),
        _ => Err(format!("does not take {} arguments of this kind", arguments.len())),
    };
    result.map_err(|message| format!("{name}: {message}"))
}

fn title(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn length(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => Ok(Value::from(text.len())),
        Value::Array(items) => Ok(Value::from(items.len())),
        Value::Object(fields) => Ok(Value::from(fields.len())),
        other => Err(format!("{} has no length", kind(other))),
    }
}

fn join(list: &Value, separator: &Value) -> Result<Value, String> {
    match list {
        Value::Array(items) => {
            Ok(Value::from(items.iter().map(plain).collect::<Vec<_>>().join(&plain(separator))))
        }
        Value::Null => Ok(Value::from("")),
        other => Err(format!("needs a list, not {}", kind(other))),
    }
}

fn split(text: &Value, separator: &Value) -> Result<Value, String> {
    let (text, separator) = (plain(text), plain(separator));
    if separator.is_empty() {
        return Err("the separator is empty".to_owned());
    }
    if text.matches(&separator).count() >= MOST_PARTS {
        return Err(format!("more than {MOST_PARTS} parts"));
    }
    Ok(text.split(&separator).map(Value::from).collect())
}

fn truncate(text: &Value, most: &Value) -> Result<Value, String> {
    let most = count(most)?;
    Ok(Value::from(plain(text).chars().take(most).collect::<String>()))
}

fn pad(text: &Value, before: &Value, after: &Value) -> Result<Value, String> {
    let spaces = |number| count(number).map(|count| " ".repeat(count));
    match plain(text) {
        text if text.is_empty() => Ok(Value::from(text)),
        text => Ok(Value::from(format!("{}{text}{}", spaces(before)?, spaces(after)?))),
    }
}

fn count(number: &Value) -> Result<usize, String> {
    let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number <= WIDEST).ok_or_else(|| format!("needs a number from 0 to {WIDEST}"))
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Array(items), Value::Number(number)) => {
            let found = number.as_u64().and_then(|at| items.get(usize::try_from(at).ok()?));
            found.cloned().ok_or_else(|| format!("{number} is out of range, there are {}", items.len()))
        }
        // As in Go, a key that is missing gives nothing.
        (Value::Object(fields), Value::String(name)) => {
            Ok(fields.get(name).cloned().unwrap_or(Value::from("")))
        }
        (other, _) => Err(format!("cannot look {} up in {}", plain(key), kind(other))),
    }
}

fn compare(name: &str, left: &Value, right: &Value) -> Result<Value, String> {
    if name == "ne" {
        return Ok(Value::from(left != right));
    }
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        _ => None,
    };
    let order = order.ok_or_else(|| format!("cannot compare {} with {}", kind(left), kind(right)))?;
    Ok(Value::from(match name {
        "lt" => order == Ordering::Less,
        "le" => order != Ordering::Greater,
        "gt" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

/// `%s`, `%v`, `%q`, `%d` and `%%`, with `-`, `0` and a width.
fn printf(format: &str, values: &[Value]) -> Result<Value, String> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let flags = rest.len() - rest.trim_start_matches(['-', '0']).len();
        let (flag, after) = rest.split_at(flags);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let width = if digits == 0 { 0 } else { after[..digits].parse().unwrap_or(usize::MAX) };
        if width > WIDEST {
            return Err(format!("a width above {WIDEST}"));
        }
        let verb = after[digits..].chars().next().ok_or("`%` at the end")?;
        rest = &after[digits + verb.len_utf8()..];
        if verb == '%' {
            text.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| format!("no value for `%{verb}`"))?;
        text.push_str(&padded(&verb_text(verb, value)?, flag, width));
    }
    match values.next() {
        Some(_) => Err("more values than `%` signs".to_owned()),
        None => Ok(Value::from(text + rest)),
    }
}

fn verb_text(verb: char, value: &Value) -> Result<String, String> {
    match verb {
        's' | 'v' => Ok(plain(value)),
        'q' => Ok(Value::from(plain(value)).to_string()),
        'd' if value.is_i64() || value.is_u64() => Ok(plain(value)),
        'd' => Err("`%d` needs a number".to_owned()),
        other => Err(format!("`%{other}` is not offered; known are %s, %v, %q, %d and %%")),
    }
}

fn padded(text: &str, flags: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    match (flags.contains('-'), flags.contains('0')) {
        (true, _) => format!("{text}{}", " ".repeat(missing)),
        (_, true) => format!("{}{text}", "0".repeat(missing)),
        _ => format!("{}{text}", " ".repeat(missing)),
    }
}
