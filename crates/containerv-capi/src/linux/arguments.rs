//! One text to arguments.

const BLANK: u8 = b' ';
const QUOTE: u8 = b'"';

/// Splits a text at blanks. Between double quotes blanks do not part; an unclosed quote runs to
/// the end; quotes are not part of an argument. Nothing else is special.
pub(crate) fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let mut arguments = Vec::new();
    let mut current: Option<Vec<u8>> = None;
    let mut quoted = false;
    for &byte in text {
        match byte {
            QUOTE => {
                quoted = !quoted;
                // A quote begins an argument even if nothing follows: `""` is an empty one.
                current.get_or_insert_default();
            }
            BLANK if !quoted => arguments.extend(current.take()),
            _ => current.get_or_insert_default().push(byte),
        }
    }
    arguments.extend(current);
    arguments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    #[test]
    fn the_table_of_the_interface_holds() {
        let table: [(&str, &[&str]); 17] = [
            ("a b", &["a", "b"]),
            ("  a   b", &["a", "b"]),
            ("", &[]),
            (" ", &[]),
            ("a ", &["a"]),
            ("\"a b\" c", &["a b", "c"]),
            ("\"a", &["a"]),
            ("\"a b", &["a b"]),
            ("\"\"", &[""]),
            ("a \"\" b", &["a", "", "b"]),
            ("--x=\"y z\"", &["--x=y z"]),
            ("\"a\"b", &["ab"]),
            ("a\"b\"", &["ab"]),
            ("'a b'", &["'a", "b'"]),
            ("a\\ b", &["a\\", "b"]),
            ("a\tb\nc", &["a\tb\nc"]),
            ("\"a\" \"", &["a", ""]),
        ];
        for (text, expected) in table {
            let found = split(text.as_bytes());
            let found: Vec<&str> = found.iter().map(|one| std::str::from_utf8(one).unwrap()).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn without_quotes_it_is_a_split_at_blanks(text in "[^\"\0]*") {
            let expected: Vec<Vec<u8>> = text.split(' ').filter(|one| !one.is_empty()).map(|one| one.into()).collect();
            prop_assert_eq!(split(text.as_bytes()), expected);
        }

        #[test]
        fn quoted_arguments_come_back_whole(arguments in prop::collection::vec("[^\"\0]*", 0..8), gap in " {1,3}") {
            let quoted: Vec<String> = arguments.iter().map(|one| format!("\"{one}\"")).collect();
            let expected: Vec<Vec<u8>> = arguments.iter().map(|one| one.as_bytes().into()).collect();
            prop_assert_eq!(split(quoted.join(&gap).as_bytes()), expected);
        }

        #[test]
        fn no_byte_is_lost_or_made_up(text in prop::collection::vec(1u8.., 0..64)) {
            let kept = split(&text).concat();
            let without = |byte: u8| text.iter().filter(|one| **one != byte).count();
            prop_assert!(!kept.contains(&b'"'));
            let others = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !b"\" ".contains(byte)).collect::<Vec<u8>>();
            prop_assert_eq!(others(&kept), others(&text));
            prop_assert!(kept.len() <= without(b'"'));
        }

        #[test]
        fn blanks_around_change_nothing_outside_quotes(text in "[^\0]*", before in " {0,3}", after in " {0,3}") {
            let closed = text.matches('"').count() % 2 == 0;
            let after = if closed { after.as_str() } else { "" };
            prop_assert_eq!(split(format!("{before}{text}{after}").as_bytes()), split(text.as_bytes()));
        }
    }
}
