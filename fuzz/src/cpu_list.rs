//! Lists of CPUs and memory nodes; cpuset(7).

use containerv::fuzzing::cpu_list;

/// A list that is read has no range backwards, and is written as the same list.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match cpu_list(text) {
        Ok(ranges) => {
            assert!(!ranges.is_empty() && ranges.iter().all(|range| range.start() <= range.end()));
            assert_eq!(ranges.len(), text.split(',').count());
            let items: Vec<String> =
                ranges.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
            assert_eq!(cpu_list(&items.join(",")), Ok(ranges));
            assert!(text.bytes().all(|byte| byte.is_ascii_digit() || b",-".contains(&byte)), "{text}");
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}
