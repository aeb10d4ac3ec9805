//! `--filter key=value`.

use std::collections::BTreeMap;

use containerv::Error;

use crate::value::wrong;

/// Filters by key. Values of one key are alternatives, except labels, which must all match;
/// different keys must all match.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads filters, of which only `known` keys are accepted.
    ///
    /// # Errors
    ///
    /// One has no `=`, or an unknown key.
    pub fn parse<'a>(texts: impl Iterator<Item = &'a str>, known: &[&str]) -> Result<Self, Error> {
        let mut filters = BTreeMap::<String, Vec<String>>::new();
        for text in texts {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                wrong(format!("`--filter {text}`: expected `KEY=VALUE`"))
                    .with_hint(format!("keys: {}", known.join(", ")))
            })?;
            if !known.contains(&key) {
                return Err(wrong(format!("`--filter {text}`: unknown key `{key}`"))
                    .with_hint(format!("keys: {}", known.join(", "))));
            }
            filters.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Ok(Self(filters))
    }

    /// Returns the values of a key.
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Says whether any value of a key holds, or none was given.
    pub fn any(&self, key: &str, holds: impl FnMut(&String) -> bool) -> bool {
        let values = self.values(key);
        values.is_empty() || values.iter().any(holds)
    }

    /// Says whether every label asked for is there: `label=name` or `label=name=value`.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|asked| match asked.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|label| label == value),
            None => labels.contains_key(asked),
        })
    }

    /// Says whether nothing is filtered by this key.
    pub fn is_free(&self, key: &str) -> bool {
        self.values(key).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_alternatives_and_labels_are_not() {
        let filters = Filters::parse(
            ["status=exited", "status=created", "label=a", "label=b=1"].into_iter(),
            &["status", "label"],
        )
        .unwrap();
        assert!(filters.any("status", |status| status == "created"));
        assert!(!filters.any("status", |status| status == "running"));
        assert!(filters.any("name", |_| false));
        let labels =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(filters.labels(&labels(&[("a", ""), ("b", "1")])));
        assert!(!filters.labels(&labels(&[("a", ""), ("b", "2")])));
    }

    #[test]
    fn unknown_keys_are_named() {
        let error = Filters::parse(["colour=red"].into_iter(), &["status"]).unwrap_err();
        assert_eq!(error.to_string(), "`--filter colour=red`: unknown key `colour`");
        assert_eq!(error.hint(), Some("keys: status"));
    }
}
