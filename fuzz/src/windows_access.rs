//! Owners and access lists of Windows in text form (SDDL), by which `cv doctor` judges the state root.

use std::collections::BTreeSet;

use containerv::fuzzing::windows_access::{Judgement, judge};

const USER: &str = "S-1-5-21-1-2-3-1001";
/// Longest text that is looked at.
const LONGEST: usize = 64 << 10;

/// Nothing that follows an entry makes it void: whoever may write is told, or the text is refused.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match judge(&text, USER) {
        Judgement::Strangers(strangers) => {
            let different: BTreeSet<&String> = strangers.iter().collect();
            assert!(!strangers.is_empty() && different.len() == strangers.len(), "{strangers:?}");
        }
        Judgement::Private | Judgement::Open => assert!(text.len() <= LONGEST),
        Judgement::Unreadable => {}
    }
    for before in ["D:(A;;FA;;;WD)", "O:SYG:BUD:PAI(A;OICI;0x1301bf;;;WD)", "O:WDD:P(A;;FA;;;SY)"] {
        let judgement = judge(&format!("{before}{text}"), USER);
        assert!(!matches!(judgement, Judgement::Private), "`{before}` is private with `{text}`");
    }
}
