//! "Did you mean": the nearest known word.

/// Returns the known word nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are no names of ours, and the distance takes quadratic time.
    if word.is_empty() || word.len() > 40 {
        return None;
    }
    let allowed = 1 + word.len() / 4;
    let measured = known.into_iter().map(|name| {
        let extended = name.len() > word.len() && word.len() >= 3 && name.starts_with(word);
        (if extended { 1 } else { distance(word, name) }, name)
    });
    measured
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Counts the insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = [vec![0; right.len() + 1], (0..=right.len()).collect(), vec![0; right.len() + 1]];
    for i in 1..=left.len() {
        let [before, above, current] = &mut rows;
        current[0] = i;
        for j in 1..=right.len() {
            let replaced = above[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            current[j] = replaced.min(above[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                current[j] = current[j].min(before[j - 2] + 1);
            }
        }
        rows.rotate_left(1);
    }
    rows[1][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_as_counted_by_hand() {
        for (left, right, expected) in [
            ("memory", "memory", 0),
            ("memry", "memory", 1),
            ("mmeory", "memory", 1),
            ("cpu", "cpus", 1),
            ("", "rm", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["memory", "memory-swap", "name", "network"];
        assert_eq!(nearest("memry", known), Some("memory"));
        assert_eq!(nearest("netwrok", known), Some("network"));
        assert_eq!(nearest("net", known), Some("network"));
        assert_eq!(nearest("publish", known), None);
        assert_eq!(nearest(&"m".repeat(1000), known), None);
    }
}
