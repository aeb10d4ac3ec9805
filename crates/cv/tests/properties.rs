//! Whatever comes in, the readers answer and do not panic.

use containerv_spec::OsText;
use cv::draft::{Draft, Target};
use cv::output::template::Template;
use cv::syntax::parse::parse;
use cv::terminal::detach::DetachKeys;
use cv::value::{duration, fields, signal, time};
use cv::verbs::{GROUPS, find};
use proptest::prelude::*;

/// Words that look like a command line: options that exist with values that may not.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let longs: Vec<String> = find("run")
        .into_iter()
        .flat_map(|verb| verb.flags())
        // Files are read elsewhere.
        .filter(|flag| !flag.long.ends_with("-file"))
        .map(|flag| format!("--{}", flag.long))
        .collect();
    let value = "[-a-z0-9:=,./\"\u{fc}]{0,12}";
    prop_oneof![
        prop::sample::select(longs.clone()).prop_map(String::into_bytes),
        (prop::sample::select(longs), value).prop_map(|(long, value)| format!("{long}={value}").into_bytes()),
        value.prop_map(String::into_bytes),
        "-[a-zA-Z]{1,3}=?[a-z]?".prop_map(String::into_bytes),
        prop::collection::vec(1u8.., 0..8),
    ]
}

proptest! {
    #[test]
    fn any_words_are_understood_or_refused(words in prop::collection::vec(word(), 0..8)) {
        let words: Vec<OsText> = words.into_iter().map(OsText::from_bytes).collect();
        for verb in GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()) {
            let (parsed, problems) = parse(verb, words.iter().cloned());
            for problem in problems.iter().chain(&Draft::read(&parsed).1) {
                let message = problem.to_string();
                prop_assert!(!message.is_empty() && message.len() < 1000, "{message}");
            }
        }
    }

    #[test]
    fn any_template_is_read_or_refused(text in "(\\{\\{|\\}\\}|[ .|()$\"`a-zA-Z0-9-]|if |end|range |else|json |printf ){0,24}") {
        let object = serde_json::json!({"a": "x", "b": [1, 2], "c": {"d": null}});
        if let Ok(template) = Template::parse(&text) {
            _ = template.render(&object);
            _ = template.fields_by_cell();
        }
    }

    #[test]
    fn any_text_is_a_value_or_none(text in "\\PC{0,20}") {
        _ = duration::parse(&text);
        _ = signal::parse(Target::Linux, &text);
        _ = signal::parse(Target::Windows, &text);
        _ = time::parse(&text, u64::MAX);
        _ = fields::split(&OsText::from(text.as_str()));
        _ = DetachKeys::parse(&text);
    }

    #[test]
    fn moments_print_and_read_back(seconds in 0u64..253_402_300_800, nanoseconds in 0u64..1_000_000_000) {
        if let Some(moment) = seconds.checked_mul(1_000_000_000).and_then(|moment| moment.checked_add(nanoseconds)) {
            prop_assert_eq!(time::parse(&time::rfc3339(moment), 0).ok(), Some(moment));
        }
    }

    #[test]
    fn typed_bytes_are_passed_in_order_until_the_keys(
        keys in prop::collection::vec(b'a'..=b'c', 1..4),
        pieces in prop::collection::vec(prop::collection::vec(b'a'..=b'c', 0..6), 0..6),
    ) {
        let text: Vec<String> = keys.iter().map(|key| char::from(*key).to_string()).collect();
        let mut filter = DetachKeys::parse(&text.join(",")).expect("letters are keys");
        let typed = pieces.concat();
        let mut passed = Vec::new();
        let mut detached = false;
        for piece in &pieces {
            let (bytes, complete) = filter.filter(piece);
            passed.extend(bytes);
            detached = complete;
            if complete {
                break;
            }
        }
        match typed.windows(keys.len()).position(|window| window == keys) {
            Some(at) => prop_assert!(detached && passed == typed[..at], "{passed:?}"),
            None => prop_assert!(!detached && typed.starts_with(&passed) && typed.len() - passed.len() < keys.len()),
        }
    }
}
