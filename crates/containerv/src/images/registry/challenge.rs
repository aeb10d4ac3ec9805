//! What a registry asks of who wants in: `WWW-Authenticate` (RFC 9110, 11.6.1).

/// Longest header that is read, in bytes.
const MAX_HEADER: usize = 16 << 10;
/// Most challenges and most parameters of each.
const MAX_PARTS: usize = 32;

/// One way of proving who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `bearer` or `basic`, in small letters.
    pub(crate) scheme: String,
    /// Parameters, names in small letters.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter's value, by its name in small letters.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// Reads the challenges of a header. What is not of the grammar ends the reading; what came before counts.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    if header.len() > MAX_HEADER {
        return Vec::new();
    }
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((word, after)) = token(rest) else { return challenges };
        let after_spaces = after.trim_start_matches([' ', '\t']);
        match (after_spaces.strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some(challenge)) if challenge.parameters.len() < MAX_PARTS => {
                let Some((value, after)) = parameter_value(value.trim_start_matches([' ', '\t'])) else {
                    return challenges;
                };
                challenge.parameters.push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            (None, _) => {
                if challenges.len() == MAX_PARTS {
                    return challenges;
                }
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                rest = after;
            }
            _ => return challenges,
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Some registries do not quote URLs.
        let end = text.find([',', ' ', '\t', '"']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return Some((value.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str) -> Vec<(String, Vec<(String, String)>)> {
        parse(header).into_iter().map(|challenge| (challenge.scheme, challenge.parameters)).collect()
    }

    fn expected(challenges: &[(&str, &[(&str, &str)])]) -> Vec<(String, Vec<(String, String)>)> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        challenges
            .iter()
            .map(|(scheme, list)| ((*scheme).to_owned(), list.iter().map(pair).collect()))
            .collect()
    }

    #[test]
    fn challenges_are_read_one_or_several() {
        for (header, challenges) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                expected(&[(
                    "bearer",
                    &[
                        ("realm", "https://auth.docker.io/token"),
                        ("service", "registry.docker.io"),
                        ("scope", "repository:a/b:pull,push"),
                    ],
                )]),
            ),
            (r#"Basic realm="a \"b\"""#, expected(&[("basic", &[("realm", "a \"b\"")])])),
            ("BASIC", expected(&[("basic", &[])])),
            (
                r#"Negotiate, Basic realm=x , Bearer Realm = "y",error="invalid_token""#,
                expected(&[
                    ("negotiate", &[]),
                    ("basic", &[("realm", "x")]),
                    ("bearer", &[("realm", "y"), ("error", "invalid_token")]),
                ]),
            ),
            (
                "Bearer realm=https://a/b?c=d,service=e",
                expected(&[("bearer", &[("realm", "https://a/b?c=d"), ("service", "e")])]),
            ),
            (r#"Bearer realm="open"#, expected(&[("bearer", &[])])),
            ("=x", expected(&[])),
            ("", expected(&[])),
            ("\u{e9}", expected(&[])),
        ] {
            assert_eq!(read(header), challenges, "{header}");
        }
        assert!(parse(&"a,".repeat(100)).len() <= MAX_PARTS);
        assert!(parse(&"a".repeat(MAX_HEADER + 1)).is_empty());
    }

    proptest! {
        #[test]
        fn a_written_challenge_is_read_back(
            scheme in "[a-z]{1,8}",
            parameters in prop::collection::vec(("[a-z]{1,6}", "[ -~é]{0,20}"), 0..5),
        ) {
            let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
            let list: Vec<String> =
                parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quote(value))).collect();
            prop_assert_eq!(parse(&format!("{scheme} {}", list.join(", "))), vec![Challenge { scheme, parameters }]);
        }

        #[test]
        fn any_header_is_read_without_harm(header in "[ -~é]{0,200}") {
            prop_assert!(parse(&header).len() <= MAX_PARTS);
        }
    }
}
