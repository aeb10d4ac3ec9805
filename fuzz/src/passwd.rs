//! passwd(5) and group(5) of a container, as the stage reads them.

use containerv_sys::linux::stage::passwd::{Lines, MAX_LINE, parse_group, parse_id, parse_passwd};

/// However the bytes come in, the lines are the same; what is read of one is what stands in it.
pub fn target(data: &[u8]) {
    let expected: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && line.len() <= MAX_LINE)
        .collect();
    let first = usize::from(*data.first().unwrap_or(&0)) + 1;
    for size in [first, 1 << 16] {
        assert_eq!(lines(data.chunks(size)), expected);
    }
    for line in expected {
        passwd(line);
        group(line);
    }
}

fn lines<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut lines = Lines::empty();
    let mut found = Vec::new();
    let mut take = |line: &[u8]| {
        found.push(line.to_vec());
        false
    };
    for chunk in chunks {
        assert!(!lines.feed(chunk, &mut take));
    }
    lines.finish(&mut take);
    found
}

fn passwd(line: &[u8]) {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let ids = (fields.get(2).and_then(|text| id(text)), fields.get(3).and_then(|text| id(text)));
    match (parse_passwd(line), ids) {
        (Some(entry), (Some(uid), Some(gid))) => {
            assert!(!entry.name.is_empty() && entry.name[0] != b'#');
            assert_eq!((entry.name, entry.uid, entry.gid), (fields[0], uid, gid));
            assert_eq!(entry.home, *fields.get(5).unwrap_or(&&b""[..]));
        }
        (None, (Some(_), Some(_))) => assert!(line[0] == b':' || line[0] == b'#'),
        (entry, _) => assert_eq!(entry, None),
    }
}

fn group(line: &[u8]) {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    match (parse_group(line), fields.get(2).and_then(|text| id(text))) {
        (Some(entry), Some(gid)) => {
            assert_eq!((entry.name, entry.gid), (fields[0], gid));
            let members = fields.get(3).unwrap_or(&&b""[..]).split(|byte| *byte == b',');
            assert!(members.filter(|member| !member.is_empty()).all(|member| entry.has_member(member)));
            assert!(!entry.has_member(b"") && !entry.has_member(b"a,b"));
        }
        (None, Some(_)) => assert!(line[0] == b':' || line[0] == b'#'),
        (entry, None) => assert_eq!(entry, None),
    }
}

/// At most ten digits, at most 2³¹ − 1.
fn id(text: &[u8]) -> Option<u32> {
    let digits = (1..=10).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits)?.parse::<u64>().ok()?;
    let expected = u32::try_from(number).ok().filter(|number| *number < 1 << 31);
    assert_eq!(parse_id(text), expected);
    expected
}
