//! Measured values, and what they come to.

use std::collections::BTreeMap;

/// Values by metric, contender and round.
#[derive(Debug, Default)]
pub(super) struct Samples {
    values: BTreeMap<(&'static str, String), BTreeMap<usize, f64>>,
}

impl Samples {
    pub(super) fn add(&mut self, metric: &'static str, contender: &str, round: usize, value: f64) {
        self.values.entry((metric, contender.to_owned())).or_default().insert(round, value);
    }

    fn of(&self, metric: &'static str, contender: &str) -> Option<&BTreeMap<usize, f64>> {
        self.values.get(&(metric, contender.to_owned()))
    }

    pub(super) fn median(&self, metric: &'static str, contender: &str) -> Option<f64> {
        median(self.of(metric, contender)?.values().copied().collect())
    }

    pub(super) fn count(&self, metric: &'static str, contender: &str) -> usize {
        self.of(metric, contender).map_or(0, BTreeMap::len)
    }

    /// The median over the rounds of `one` divided by `other` in the same round: what disturbs a
    /// round disturbs both.
    pub(super) fn ratio(&self, metric: &'static str, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.of(metric, one)?, self.of(metric, other)?);
        let pairs = one.iter().filter_map(|(round, value)| Some((value, other.get(round)?)));
        median(pairs.filter(|(_, other)| **other > 0.0).map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut samples = Samples::default();
        for (round, ours, theirs) in [(1, 1.0, 2.0), (2, 10.0, 20.0), (3, 3.0, 4.0)] {
            samples.add("run", "cv", round, ours);
            samples.add("run", "crun", round, theirs);
        }
        samples.add("run", "cv", 4, 100.0);
        assert_eq!(samples.ratio("run", "cv", "crun"), Some(0.5));
        assert_eq!(samples.ratio("run", "cv", "runc"), None);
        assert_eq!(samples.count("run", "cv"), 4);
    }
}
