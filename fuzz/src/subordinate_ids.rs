//! subuid(5) and subgid(5).

use containerv::fuzzing::subordinate_ids;

/// Only lines of the user count, and each is what stands in it.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for (uid, name) in [(1000, Some("me")), (1000, None), (0, Some("root")), (7, Some("8"))] {
        let found = subordinate_ids(&text, uid, name);
        assert!(found.len() <= text.lines().count());
        let mine = |line: &str| {
            let owner = line.split(':').next().unwrap_or_default();
            name == Some(owner) || owner.trim_start_matches('+').parse() == Ok(uid)
        };
        for range in &found {
            let numbers = [range.outside, range.count];
            assert!(range.count > 0 && range.inside == 0);
            assert!(text.lines().any(|line| mine(line) && fields(line) == Some(numbers)), "{range:?}");
        }
        let more = subordinate_ids(&format!("{text}\nsomebody:5:5\n"), uid, name);
        assert_eq!(more, found, "lines of others change nothing");
        let more = subordinate_ids(&format!("{text}\n{uid}:5:6\n"), uid, name);
        assert_eq!(more.len(), found.len() + 1);
    }
}

fn fields(line: &str) -> Option<[u32; 2]> {
    let mut fields = line.split(':').skip(1).map(|field| field.trim().parse().ok());
    Some([fields.next()??, fields.next()??])
}
