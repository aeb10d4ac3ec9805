//! What Windows says, in words: codes with their names, result documents, hints.

use containerv_spec::hcs::codes;
use containerv_spec::hcs::result::ResultError;

use crate::error::kind_of_code;
use crate::{Error, ErrorKind};

/// Most characters of a document that a message repeats.
const MAX_TEXT: usize = 2000;

/// A call that failed, as the system tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The function.
    pub(crate) function: &'static str,
    /// The HRESULT, as it came; none if there is no code for what went wrong.
    pub(crate) code: Option<u32>,
    /// The result document or error record that came along.
    pub(crate) document: Option<String>,
    /// What else is known, in words: who has a file open, what an answer lacks.
    pub(crate) remark: Option<String>,
    /// This Windows does not have the function.
    pub(crate) absent: bool,
}

impl Failure {
    /// A failure with a code.
    pub(crate) fn code(function: &'static str, code: u32, document: Option<String>) -> Self {
        Self { function, code: Some(code), document, remark: None, absent: false }
    }

    /// A failure without one.
    pub(crate) fn words(function: &'static str, remark: impl Into<String>) -> Self {
        Self { function, code: None, document: None, remark: Some(remark.into()), absent: false }
    }

    /// Says whether it failed with this code, in either of its forms.
    pub(crate) fn is(&self, code: u32) -> bool {
        self.code.is_some_and(|own| codes::canonical(own) == codes::canonical(code))
    }

    /// The library's error: what was being done, what the system said, and what to do about it.
    pub(crate) fn explain(&self, doing: &str) -> Error {
        let known = self.code.and_then(codes::describe);
        let mut message = format!("{doing}: {}", self.function);
        let named = match (known, self.code) {
            (Some(known), Some(code)) => Some(format!("{} (0x{code:08X}): {}", known.name, known.meaning)),
            (None, Some(code)) => Some(format!("0x{code:08X}")),
            (_, None) => None,
        };
        for part in [named, self.said(known.is_some()), self.remark.clone()].into_iter().flatten() {
            message += &format!(": {}", bounded(&part));
        }
        let kind = match self.code {
            Some(code) => kind_of_code(code),
            None if self.absent => ErrorKind::Unavailable,
            None => ErrorKind::Other,
        };
        let error = Error::new(kind, message);
        let error = match self.code {
            Some(code) => error.with_code(code),
            None => error,
        };
        match known.map(|code| code.hint).filter(|hint| !hint.is_empty()) {
            Some(hint) => error.with_hint(hint),
            None if self.absent => error.with_hint(ABSENT),
            None => error,
        }
    }

    /// As [`Failure::explain`], of the start of a process: a program that is not there, or is none,
    /// has kinds of its own.
    pub(crate) fn explain_start(&self, doing: &str) -> Error {
        let error = self.explain(doing);
        let is_any = |codes: &[u32]| codes.iter().any(|code| self.is(*code));
        if is_any(&[NO_FILE, NO_PATH]) {
            return error
                .with_kind(ErrorKind::CommandNotFound)
                .with_hint("the container has no such program: check its name, or give its whole path");
        }
        if is_any(&[DENIED, NO_PROGRAM, NO_PROGRAM_OF_THIS_MACHINE]) {
            return error
                .with_kind(ErrorKind::CommandNotExecutable)
                .with_hint("it is no program for this machine, or the user may not run it");
        }
        error
    }

    /// What the document says in words. Of an unknown code the whole document is told: nobody else
    /// knows what it means.
    fn said(&self, known: bool) -> Option<String> {
        let document = self.document.as_deref()?;
        let words = serde_json::from_str::<ResultError>(document).ok().map(|result| words(&result));
        match words {
            Some(words) if known => (!words.is_empty()).then_some(words),
            _ => Some(document.to_owned()),
        }
    }
}

/// `ERROR_FILE_NOT_FOUND`.
const NO_FILE: u32 = 0x8007_0002;
/// `ERROR_PATH_NOT_FOUND`.
const NO_PATH: u32 = 0x8007_0003;
/// `ERROR_ACCESS_DENIED`.
const DENIED: u32 = 0x8007_0005;
/// `ERROR_BAD_EXE_FORMAT`.
const NO_PROGRAM: u32 = 0x8007_00C1;
/// `ERROR_EXE_MACHINE_TYPE_MISMATCH`.
const NO_PROGRAM_OF_THIS_MACHINE: u32 = 0x8007_00D8;

const ABSENT: &str = "enable the Windows feature `Containers`; Windows 10 1809 and Windows Server 2019 are the oldest that have all that is used";

/// The events say most; the message is only a text for the number.
fn words(result: &ResultError) -> String {
    let mut messages: Vec<&str> = Vec::new();
    let events = result.error_events.iter().map(|event| event.message.as_str());
    for message in events.map(str::trim).filter(|message| !message.is_empty()) {
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    if messages.is_empty() { result.error_message.trim().to_owned() } else { messages.join("; ") }
}

/// One line, not longer than a person reads.
fn bounded(text: &str) -> String {
    let mut line: String =
        text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > MAX_TEXT {
        line.push('…');
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: u32, document: Option<&str>) -> Failure {
        Failure::code("HcsStartComputeSystem", code, document.map(str::to_owned))
    }

    const DOCUMENT: &str = r#"{"Error":-2147024883,"ErrorMessage":"invalid data","ErrorEvents":[
        {"Message":"the field `Memory`","Provider":"17103e3f-3c6e-4677-bb17-3b267eb5be57","EventId":11000},
        {"Message":"the field `Memory`"},{"Message":" "},{"Message":"expected a number\r\n"}]}"#;

    #[test]
    fn a_failure_reads_as_one_sentence_with_name_and_hint() {
        let error = failure(0xC037_0112, None).explain("cannot start container `web`");
        assert_eq!(
            error.to_string(),
            "cannot start container `web`: HcsStartComputeSystem: HCS_E_INVALID_LAYER (0xC0370112): \
             a layer folder is not what it should be"
        );
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Corrupt, Some("import the layer again")));
        assert!(failure(0xC037_010E, None).is(0x8037_010E));
    }

    #[test]
    fn the_events_of_a_document_are_told_once_each() {
        let error = failure(0x8007_000D, Some(DOCUMENT)).explain("cannot create container `web`");
        let text = error.to_string();
        assert!(text.ends_with("the field `Memory`; expected a number"), "{text}");
        let plain = failure(0x8007_000D, Some(r#"{"Error":1,"ErrorMessage":"only this"}"#));
        assert!(plain.explain("x").to_string().ends_with(": only this"));
    }

    #[test]
    fn an_unknown_code_brings_its_whole_document() {
        let error = failure(0x8035_1234, Some("{\"A\":[1,\n2]}")).explain("cannot start container `web`");
        let text = "cannot start container `web`: HcsStartComputeSystem: 0x80351234: {\"A\":[1, 2]}";
        assert_eq!(error.to_string(), text);
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Other, None));
    }

    #[test]
    fn documents_that_are_none_or_endless_do_no_harm() {
        for document in ["", "null", "[", "\u{1b}[31m"] {
            let text = failure(0x8007_0005, Some(document)).explain("x").to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        let long = "é".repeat(1 << 20);
        assert!(failure(0x8007_0005, Some(&long)).explain("x").to_string().len() < 3 * MAX_TEXT);
    }

    #[test]
    fn what_has_no_code_is_told_in_words() {
        let held = Failure { remark: Some("held by `Scanner` (412)".into()), ..failure(0x8007_0020, None) };
        assert!(held.explain("x").to_string().ends_with(": held by `Scanner` (412)"));
        let absent =
            Failure { absent: true, ..Failure::words("NameToGuid", "this Windows has no NameToGuid") };
        let error = absent.explain("cannot create container `web`");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.hint().is_some());
        assert_eq!(
            Failure::words("HNSCall", "two have it").explain("x").to_string(),
            "x: HNSCall: two have it"
        );
    }

    #[test]
    fn every_code_with_a_name_has_a_sentence() {
        for code in codes::CODES {
            let text = failure(code.value, None).explain("cannot start container `web`").to_string();
            assert!(text.contains(code.name) && text.ends_with(code.meaning), "{text}");
        }
    }
}
