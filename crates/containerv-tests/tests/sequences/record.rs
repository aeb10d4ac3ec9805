//! The stand-ins' record as people read it.

use containerv::spec::Request;
use containerv_tests::{Bed, StandIns};
use serde_json::Value;

/// The record of this process.
pub(crate) struct Record {
    /// How many entries were read.
    read: usize,
}

impl Record {
    /// Begins behind what was called until now.
    pub(crate) fn new() -> Self {
        Self { read: entries().len() }
    }

    /// Handles that were used when they were dead, in all this time.
    pub(crate) fn misuses(&self) -> Vec<String> {
        let all = StandIns::connect().log(std::process::id());
        all.iter().filter(|entry| entry["note"] == "misuse").map(Value::to_string).collect()
    }

    /// The calls since the last time, one a line, with what differs in each run replaced.
    pub(crate) fn since_last(&mut self, request: &Request, bed: &Bed) -> String {
        let all = entries();
        let new = &all[self.read..];
        self.read = all.len();
        let mut names = Names::of(request, bed);
        new.iter().filter_map(|entry| line(entry, &mut names)).map(|line| line + "\n").collect()
    }
}

/// The calls in the order in which they were begun. Some end later than the next one.
fn entries() -> Vec<Value> {
    let mut entries = StandIns::connect().log(std::process::id());
    entries.retain(|entry| entry["turn"].is_u64());
    entries.sort_by_key(|entry| entry["turn"].as_u64());
    entries
}

/// A call, or nothing for what is no call of the library's.
fn line(entry: &Value, names: &mut Names) -> Option<String> {
    let (library, arguments) = (entry["library"].as_str()?, &entry["arguments"]);
    let function = entry["function"].as_str()?;
    // What a DLL answers by itself is recorded as `local`, and what it subscribes to by the function
    // that was called.
    let function = match function {
        "local" | "subscribe" => arguments["function"].as_str()?,
        function => function.trim_start_matches("v1."),
    };
    let mut text = format!("{library}!{function}");
    for (name, value) in arguments.as_object()? {
        let is_number = value.is_number() || value.is_boolean() || value.is_null();
        if name != "function" && !is_number {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text += &format!("\n    {name} {}", names.replace(&value));
        }
    }
    let code = entry["hresult"].as_str().unwrap_or_default();
    if code != "0x00000000" {
        text += &format!("\n    -> {code}");
    }
    Some(text)
}

/// Words for what differs in each run.
struct Names {
    known: Vec<(String, String)>,
}

impl Names {
    fn of(request: &Request, bed: &Bed) -> Self {
        let directory = bed.path("").to_str().unwrap_or_default().trim_end_matches('\\').to_owned();
        let name = directory.rsplit('\\').next().unwrap_or_default().to_owned();
        let id = request.id.as_str();
        let escaped = directory.replace('\\', r"\\");
        let known = [
            (id, "ID"),
            (escaped.as_str(), "BED"),
            (directory.as_str(), "BED"),
            (name.as_str(), "NAME"),
            (&id[..12], "SHORT"),
        ];
        Self { known: known.map(|(value, word)| (value.to_owned(), word.to_owned())).to_vec() }
    }

    fn replace(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, word) in &self.known {
            text = text.replace(value.as_str(), word);
        }
        owners(&guids(&text))
    }
}

/// The owner of what the library makes has a name that follows from the state root.
fn owners(text: &str) -> String {
    const BEGIN: &str = "containerv-";
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        result.push_str(&rest[..at]);
        let behind = &rest[at + BEGIN.len()..];
        let digits = behind.get(..12).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits {
            Some(_) => {
                result.push_str("OWNER");
                rest = &behind[12..];
            }
            None => {
                result.push_str(BEGIN);
                rest = behind;
            }
        }
    }
    result + rest
}

/// GUIDs are made of random bits, of the container's identifier or of paths.
fn guids(text: &str) -> String {
    let is_guid = |candidate: &str| {
        candidate.len() == 36
            && candidate.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let candidate = rest.get(..36).filter(|candidate| is_guid(candidate));
        // That of the network `nat` is always the same.
        match candidate.filter(|guid| !guid.starts_with("6e617400-")) {
            Some(_) => {
                result.push_str("GUID");
                rest = &rest[36..];
            }
            None => {
                result.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    result
}
