//! Comma-separated fields, a field in double quotes where it holds a comma (one line of CSV).

use containerv::Error;
use containerv_spec::OsText;

use super::wrong;

/// Splits a text into fields.
///
/// # Errors
///
/// A quotation mark is not closed, or stands inside a field.
pub fn split(text: &OsText) -> Result<Vec<OsText>, Error> {
    let bytes = text.as_bytes();
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (field, end) =
            if bytes.get(at) == Some(&b'"') { quoted(bytes, at + 1)? } else { plain(bytes, at)? };
        fields.push(OsText::from_bytes(field));
        match bytes.get(end) {
            None => return Ok(fields),
            Some(b',') => at = end + 1,
            Some(_) => return Err(wrong("text follows a closing quotation mark")),
        }
    }
}

fn plain(bytes: &[u8], start: usize) -> Result<(Vec<u8>, usize), Error> {
    let length = bytes[start..].iter().position(|byte| *byte == b',').unwrap_or(bytes.len() - start);
    let field = &bytes[start..start + length];
    if field.contains(&b'"') {
        return Err(wrong("a quotation mark inside a field; quote the whole field and double the mark"));
    }
    Ok((field.to_vec(), start + length))
}

fn quoted(bytes: &[u8], start: usize) -> Result<(Vec<u8>, usize), Error> {
    let mut field = Vec::new();
    let mut at = start;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'"'), Some(b'"')) => {
                field.push(b'"');
                at += 2;
            }
            (Some(b'"'), _) => return Ok((field, at + 1)),
            (Some(byte), _) => {
                field.push(*byte);
                at += 1;
            }
            (None, _) => return Err(wrong("a quotation mark is not closed")),
        }
    }
}

/// Splits `key=value` at the first `=`.
pub fn key_value(text: &OsText) -> (OsText, Option<OsText>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (OsText::from_bytes(&bytes[..at]), Some(OsText::from_bytes(&bytes[at + 1..]))),
        None => (text.clone(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<String> {
        split(&OsText::from(text)).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commas_split_and_quotes_keep() {
        assert_eq!(fields("a,b=c,"), ["a", "b=c", ""]);
        assert_eq!(fields(r#"type=bind,"source=/a,b",x"#), ["type=bind", "source=/a,b", "x"]);
        assert_eq!(fields(r#""a ""b"" c""#), [r#"a "b" c"#]);
        assert_eq!(fields(""), [""]);
    }

    #[test]
    fn stray_quotes_are_refused() {
        for text in [r#""a"#, r#"a"b"#, r#""a"b"#] {
            assert!(split(&OsText::from(text)).is_err(), "{text}");
        }
    }
}
