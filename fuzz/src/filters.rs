//! `--filter key=value`.

use std::collections::BTreeMap;

use cv::output::filter::Filters;

use crate::invariant;

/// One filter on each line: known keys are accepted with their values, labels must all match.
pub fn target(data: &[u8]) {
    const KNOWN: [&str; 3] = ["status", "label", "name"];
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    let filters = match Filters::parse(lines.iter().copied(), &KNOWN) {
        Ok(filters) => filters,
        Err(error) => {
            let known = |line: &&str| line.split_once('=').is_some_and(|(key, _)| KNOWN.contains(&key));
            assert!(!lines.iter().all(known));
            return invariant::error(&error);
        }
    };
    let count: usize = KNOWN.iter().map(|key| filters.values(key).len()).sum();
    assert_eq!(count, lines.len());
    for line in lines {
        let (key, value) = line.split_once('=').expect("an accepted filter has a key");
        assert!(filters.any(key, |given| given == value) && !filters.is_free(key));
    }
    let labels: BTreeMap<String, String> = filters
        .values("label")
        .iter()
        .map(|asked| asked.split_once('=').unwrap_or((asked, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let names = labels.len();
    let alike = filters.values("label").iter().filter(|asked| asked.contains('=')).count() <= names;
    assert!(!alike || names < filters.values("label").len() || filters.labels(&labels));
    assert_eq!(filters.labels(&BTreeMap::new()), filters.is_free("label"));
}
