//! Command lines of `cv`.

use containerv_spec::{ContainerId, OsText};
use cv::draft::Draft;
use cv::output::report;
use cv::output::style::Style;
use cv::syntax::parse::parse;

use crate::invariant::{harmless, written};
use crate::machine::machines;
use crate::option_values::{check, opens_files};

/// Words end with NUL, the first is a verb. Mistakes are told without steering the terminal; what
/// is understood becomes a request that can be stored, and is lowered or refused with reasons.
pub fn target(data: &[u8]) {
    let mut words = data.split(|byte| *byte == 0).map(OsText::from_bytes);
    let verb = words.next().and_then(|name| name.to_str().and_then(cv::verbs::find));
    let Some(verb) = verb else { return };
    let words: Vec<OsText> = words.collect();
    let (parsed, problems) = parse(verb, words.iter().cloned());
    problems.iter().for_each(|problem| harmless(&report::render(problem, Style::PLAIN)));
    assert!(parsed.given.len() + parsed.operands.len() <= words.iter().map(|it| it.as_bytes().len() + 1).sum());
    for operand in &parsed.operands {
        assert!(words.contains(operand), "an operand is a whole word");
    }
    if parsed.given.iter().any(|given| opens_files(given.flag.long, given.text.as_bytes())) {
        return;
    }
    let (draft, more) = Draft::read(&parsed);
    more.iter().for_each(|problem| harmless(&report::render(problem, Style::PLAIN)));
    check(&draft);
    if problems.is_empty() && more.is_empty() && matches!(verb.name, "run" | "create") {
        finish(draft, &parsed.operands);
    }
}

fn finish(draft: Draft, operands: &[OsText]) {
    let id = ContainerId::from_random([0xab; 32]);
    let request = match draft.finish(id.clone(), operands, None, &|_| Ok(id.clone())) {
        Ok(request) => request,
        Err(problems) => {
            assert!(!problems.is_empty());
            return problems.iter().for_each(|problem| harmless(&report::render(problem, Style::PLAIN)));
        }
    };
    written(&request);
    assert_eq!(request.id, id);
    for machine in machines() {
        match containerv::fuzzing::lower(&request, &machine, true) {
            Ok(plan) => crate::invariant::lowered(&plan),
            Err(error) => harmless(&report::render(&error, Style::PLAIN)),
        }
    }
}
