//! Comma-separated fields with quotation marks.

use containerv_spec::OsText;
use cv::value::fields;

/// Fields that are read come back when they are quoted; `key=value` is cut at the first `=`.
pub fn target(data: &[u8]) {
    let text = OsText::from_bytes(data);
    if let Ok(found) = fields::split(&text) {
        assert!(!found.is_empty());
        let quoted: Vec<Vec<u8>> = found.iter().map(|field| quote(field.as_bytes())).collect();
        assert_eq!(fields::split(&OsText::from_bytes(quoted.join(&b','))).ok(), Some(found));
    } else {
        assert!(data.contains(&b'"'), "only quotation marks can be wrong");
    }
    let (key, value) = fields::key_value(&text);
    assert!(!key.as_bytes().contains(&b'='));
    match value {
        Some(value) => assert_eq!([key.as_bytes(), b"=", value.as_bytes()].concat(), data),
        None => assert_eq!(key, text),
    }
}

fn quote(field: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in field {
        quoted.extend_from_slice(if *byte == b'"' { b"\"\"" } else { std::slice::from_ref(byte) });
    }
    quoted.push(b'"');
    quoted
}
