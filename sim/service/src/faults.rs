//! Faults on demand.

use std::time::Duration;

use serde_json::Value;
use sim_protocol::{Call, Manner};

/// A rule: which call, and what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The function, also as `LIBRARY!FUNCTION`.
    call: String,
    /// Counted among the calls that match, from 1; 0 means each.
    at: u64,
    /// Has to occur in the call's arguments or in the id of its system.
    with: String,
    pub effect: Effect,
    seen: u64,
}

/// What a rule does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    /// The function returns this and does nothing.
    pub refuse: Option<u32>,
    /// The work is not done and ends with this, with a result document or, if `bare`, without.
    pub fail: Option<u32>,
    /// The work is done, and the operation says that it failed.
    pub report: Option<u32>,
    pub bare: bool,
    pub delay: Duration,
    /// The connection breaks in the place of an answer.
    pub disconnect: bool,
    /// The container dies before the call is answered.
    pub crash: bool,
    pub manner: Manner,
}

/// Reads rules: an array of objects with `call`, and any of `at`, `with`, `refuse`, `fail`,
/// `report`, `bare`, `delay_ms`, `disconnect`, `crash`, `synchronous`, `lost`. Codes are numbers or
/// text such as `0x80370105`.
pub fn rules(document: &Value) -> Result<Vec<Rule>, String> {
    let list = document.as_array().ok_or("faults are an array of rules")?;
    list.iter().map(rule).collect()
}

fn rule(value: &Value) -> Result<Rule, String> {
    const KNOWN: &[&str] = &[
        "call",
        "at",
        "with",
        "refuse",
        "fail",
        "report",
        "bare",
        "delay_ms",
        "disconnect",
        "crash",
        "synchronous",
        "lost",
    ];
    let members = value.as_object().ok_or("a rule is an object")?;
    if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("a rule has no `{unknown}`"));
    }
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let flag = |key: &str| value[key].as_bool().unwrap_or_default();
    Ok(Rule {
        call: value["call"].as_str().ok_or("a rule has no `call`")?.to_owned(),
        at: value["at"].as_u64().unwrap_or_default(),
        with: text("with"),
        effect: Effect {
            refuse: code(&value["refuse"])?,
            fail: code(&value["fail"])?,
            report: code(&value["report"])?,
            bare: flag("bare"),
            delay: Duration::from_millis(value["delay_ms"].as_u64().unwrap_or_default()),
            disconnect: flag("disconnect"),
            crash: flag("crash"),
            manner: Manner { synchronous: flag("synchronous"), lost: flag("lost") },
        },
        seen: 0,
    })
}

fn code(value: &Value) -> Result<Option<u32>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(number.as_u64().map(|number| number as u32)),
        Value::String(text) => {
            let digits = text.trim_start_matches("0x");
            u32::from_str_radix(digits, 16).map(Some).map_err(|error| format!("the code `{text}`: {error}"))
        }
        other => Err(format!("{other} is no code")),
    }
}

/// The effect on this call. Each rule that matches counts it; the first whose turn it is applies.
pub fn apply(rules: &mut [Rule], library: &str, call: &Call, system: Option<&str>) -> Option<Effect> {
    let mut effect = None;
    let arguments = call.arguments.to_string();
    for rule in rules {
        let named = rule.call == call.function
            || rule.call.split_once('!').is_some_and(|(of, name)| of == library && name == call.function);
        let with = rule.with.is_empty()
            || arguments.contains(&rule.with)
            || system.is_some_and(|id| id.contains(&rule.with));
        if !named || !with {
            continue;
        }
        rule.seen += 1;
        if effect.is_none() && (rule.at == 0 || rule.at == rule.seen) {
            effect = Some(rule.effect.clone());
        }
    }
    effect
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(function: &str) -> Call {
        Call { id: 1, function: function.into(), arguments: json!({"query": "abc"}) }
    }

    #[test]
    fn the_nth_call_that_matches_is_hit() {
        let mut list = rules(&json!([{"call": "A", "at": 2, "fail": "0x80370105"}])).unwrap();
        let mut hit =
            |name| apply(&mut list, "computecore", &call(name), None).and_then(|effect| effect.fail);
        assert_eq!([hit("A"), hit("B"), hit("A"), hit("A")], [None, None, Some(0x8037_0105), None]);
    }

    #[test]
    fn library_and_content_select() {
        let mut list = rules(&json!([
            {"call": "vmcompute!A", "refuse": 5},
            {"call": "A", "with": "c1", "refuse": 6},
            {"call": "A", "with": "abc", "refuse": 7}
        ]))
        .unwrap();
        let mut hit =
            |library, system| apply(&mut list, library, &call("A"), system).and_then(|effect| effect.refuse);
        assert_eq!(hit("vmcompute", None), Some(5));
        assert_eq!(hit("computecore", Some("c1")), Some(6));
        assert_eq!(hit("computecore", None), Some(7));
    }

    #[test]
    fn wrong_rules_are_refused_by_name() {
        assert_eq!(rules(&json!([{"call": "A", "hresult": 1}])).unwrap_err(), "a rule has no `hresult`");
        assert!(rules(&json!([{"at": 1}])).is_err());
        assert!(rules(&json!({})).is_err());
        assert!(rules(&json!([{"call": "A", "fail": "0xZ"}])).is_err());
    }
}
