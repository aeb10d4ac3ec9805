//! Reads owners and access lists in text form (SDDL), to see whether strangers may write.

/// What an access list comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Only the system, administrators and the caller may write.
    Private,
    /// It belongs to this stranger, who may give himself every right.
    Owner(String),
    /// These strangers may write.
    Writable(Vec<String>),
    /// There is no list: everybody may do everything.
    Open,
    /// The text is none.
    Unreadable,
}

/// SYSTEM, administrators, TrustedInstaller; and whoever makes or owns something, which is somebody
/// who may write already.
const TRUSTED: &[&str] = &[
    "SY",
    "S-1-5-18",
    "BA",
    "S-1-5-32-544",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    "CO",
    "S-1-3-0",
    "OW",
    "S-1-3-4",
];
/// Names for numbers of access rights of which one is enough to change something: generic and file rights,
/// and the single ones: make or write a file, make a directory, attributes, delete, list and owner.
const WRITING: &[&str] = &["GA", "GW", "FA", "FW", "DC", "LC", "SW", "DT", "CR", "SD", "WD", "WO"];
/// The same as bits.
const WRITING_BITS: u32 = 0x5000_0000 | 0x000D_0000 | 0x0000_0156;
/// Longest text that is looked at.
const MAX_TEXT: usize = 64 << 10;

pub(crate) fn judge(text: &str, user: &str) -> Verdict {
    if text.len() > MAX_TEXT {
        return Verdict::Unreadable;
    }
    let trusted = |sid: &str| TRUSTED.contains(&sid) || sid == user;
    if let Some(owner) = part(text, "O:")
        && !trusted(owner)
    {
        return Verdict::Owner(name(owner));
    }
    let Some(list) = part(text, "D:") else { return Verdict::Open };
    if list.contains("NO_ACCESS_CONTROL") {
        return Verdict::Open;
    }
    let mut strangers = Vec::new();
    for entry in list.split('(').skip(1) {
        let Some(entry) = entry.strip_suffix(')') else { return Verdict::Unreadable };
        let fields: Vec<&str> = entry.split(';').collect();
        let [kind, _flags, rights, _object, _inherited, sid, ..] = fields.as_slice() else {
            return Verdict::Unreadable;
        };
        // Only what is allowed matters: a denial takes away.
        let allows = matches!(*kind, "A" | "OA" | "XA");
        if allows && writes(rights) && !trusted(sid) && !strangers.contains(&name(sid)) {
            strangers.push(name(sid));
        }
    }
    if strangers.is_empty() { Verdict::Private } else { Verdict::Writable(strangers) }
}

/// What follows a mark up to the next one: `O:BAG:SYD:P(..)` has the marks `O:`, `G:`, `D:` and `S:`.
fn part<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let mut depth = 0_u32;
    let mut found: Option<usize> = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && at > 0 => match found {
                Some(start) => return text.get(start..at - 1),
                None if text.get(at - 1..=at) == Some(mark) => found = Some(at + 1),
                None => {}
            },
            _ => {}
        }
    }
    found.and_then(|start| text.get(start..))
}

fn writes(rights: &str) -> bool {
    if let Some(digits) = rights.strip_prefix("0x") {
        // A number that is none is taken for all rights.
        return u32::from_str_radix(digits, 16).unwrap_or(u32::MAX) & WRITING_BITS != 0;
    }
    let pairs = rights.as_bytes().chunks(2);
    pairs.into_iter().any(|pair| WRITING.iter().any(|name| name.as_bytes() == pair))
}

/// What people call a well-known identifier.
fn name(sid: &str) -> String {
    match sid {
        "WD" | "S-1-1-0" => "everybody",
        "BU" | "S-1-5-32-545" => "users",
        "AU" | "S-1-5-11" => "authenticated users",
        "IU" | "S-1-5-4" => "users at the console",
        "BG" | "S-1-5-32-546" => "guests",
        "PU" | "S-1-5-32-547" => "power users",
        other => return format!("`{other}`"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "S-1-5-21-1-2-3-1001";

    #[test]
    fn a_private_directory_is_private() {
        for text in [
            "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)",
            "O:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICIIO;FA;;;CO)S:AI(AU;SA;FA;;;WD)",
            "O:S-1-5-21-1-2-3-1001D:(A;;FA;;;S-1-5-21-1-2-3-1001)(D;;FA;;;WD)",
            "O:BAD:(A;;FRFX;;;WD)",
            "D:(A;;0x20089;;;AU)",
        ] {
            assert_eq!(judge(text, ME), Verdict::Private, "{text}");
        }
    }

    #[test]
    fn strangers_who_may_write_are_named() {
        // What a directory below `C:\ProgramData` has that nobody has cared for.
        let usual = "O:BAD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)\
                     (A;CIID;DCLCRPCR;;;BU)";
        assert_eq!(judge(usual, ME), Verdict::Writable(vec!["users".to_owned()]));
        let two = "O:BAD:(A;;0x1301bf;;;AU)(A;;GW;;;S-1-5-21-9-9-9-1000)(A;;FA;;;AU)";
        let names = vec!["authenticated users".to_owned(), "`S-1-5-21-9-9-9-1000`".to_owned()];
        assert_eq!(judge(two, ME), Verdict::Writable(names));
        assert_eq!(judge("O:BUD:P(A;;FA;;;SY)", ME), Verdict::Owner("users".to_owned()));
        assert_eq!(judge("O:BAD:(A;;0xzz;;;WD)", ME), Verdict::Writable(vec!["everybody".to_owned()]));
    }

    #[test]
    fn a_missing_list_is_open_and_rubbish_is_told() {
        for text in ["", "O:BA", "O:BAD:NO_ACCESS_CONTROL"] {
            assert_eq!(judge(text, ME), Verdict::Open, "{text}");
        }
        for text in ["D:(A;;FA", "D:(A)", "D:(A;;FA;;;)x(", &"D:(A;;FA;;;SY)".repeat(10_000)] {
            let verdict = judge(text, ME);
            assert_ne!(verdict, Verdict::Private, "{text:.40}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "[OGDS:()A;0-9xBUSYé]{0,64}", any: String) {
            let _ = judge(&text, ME);
            let _ = judge(&any, ME);
        }
    }
}
