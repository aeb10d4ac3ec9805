//! Files of control groups, and where the groups are mounted.

use containerv::fuzzing::{
    group_mounts, io_counters_v1, io_counters_v2, keyed_value, memberships, mount_points, single_number,
    unescape,
};
use containerv_spec::OsText;

/// Paths are absolute and stand in the file; counters are those of the lines, added up; escaping
/// is undone.
pub fn target(data: &[u8]) {
    own_groups(data);
    escapes(data);
    counters(data);
    for key in ["oom_kill", "usage_usec", ""] {
        assert_eq!(keyed_value(data, key), keyed_by_lines(data, key), "{key}");
    }
    if let Some(number) = single_number(data) {
        let text = std::str::from_utf8(data).expect("a number is text");
        assert_eq!(text.trim().trim_start_matches('+').parse(), Ok(number));
    }
}

fn own_groups(data: &[u8]) {
    let found = memberships(data);
    for (names, own) in &found {
        assert!(own.is_absolute() && !own.as_bytes().contains(&b'\n'));
        let line = [b":", names.as_bytes(), b":", own.as_bytes()].concat();
        assert!(data.windows(line.len()).any(|window| window == line));
    }
    for (path, fits) in group_mounts(data, data) {
        assert!(!path.as_bytes().contains(&b' ') || data.contains(&b'\\'));
        assert_eq!(fits.len(), found.len());
    }
    // What the kernel writes of any path is found again.
    let own: Vec<u8> = data.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
    let line = [b"7:name=x:/\n4:memory:/", &own[..], b"\n0::/v2\n"].concat();
    let found = memberships(&line);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].0.as_str(), found[0].1.as_bytes()), ("memory", &line[20..21 + own.len()]));
}

/// As `show_mountinfo` of the kernel does for blanks, line breaks, tabs and backslashes.
fn escapes(data: &[u8]) {
    let mut escaped = Vec::new();
    for byte in data {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").bytes()),
            other => escaped.push(*other),
        }
    }
    assert_eq!(unescape(&escaped), data);
    assert!(unescape(data).len() <= data.len());
    let table = [b"31 23 0:28 / ", &escaped[..], b" rw shared:1 - cgroup2 none rw\n"].concat();
    let mounts = group_mounts(&table, b"0::/\n");
    // A mount point that looks like the separator is not one: the kernel escapes its blanks.
    assert_eq!(mounts.len(), 1);
    assert_eq!((mounts[0].0.as_bytes(), &mounts[0].1[..]), (data, &[true][..]));
    assert_eq!(mount_points(&table), [(31, 23, OsText::from_bytes(data))]);
    assert!(mount_points(data).len() <= data.split(|byte| *byte == b'\n').count());
}

fn counters(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut sums = [0u64; 4];
    for word in text.split_ascii_whitespace() {
        for (sum, key) in sums.iter_mut().zip(["rbytes=", "wbytes=", "rios=", "wios="]) {
            let count = word.strip_prefix(key).and_then(|number| number.parse().ok()).unwrap_or(0);
            *sum = sum.saturating_add(count);
        }
    }
    assert_eq!(io_counters_v2(data), sums.map(Some));
    let mut sums = [0u64; 2];
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, kind, count, ..] = words[..] else { continue };
        for (sum, key) in sums.iter_mut().zip(["Read", "Write"]) {
            let count = if kind == key { count.parse().unwrap_or(0) } else { 0 };
            *sum = sum.saturating_add(count);
        }
    }
    assert_eq!(io_counters_v1(data), (Some(sums[0]), Some(sums[1])));
}

fn keyed_by_lines(data: &[u8], key: &str) -> Option<u64> {
    let values = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b' ')?;
        let (name, value) = (&line[..at], &line[at + 1..]);
        if name == key.as_bytes() { std::str::from_utf8(value).ok()?.trim().parse().ok() } else { None }
    });
    values.into_iter().next()
}
