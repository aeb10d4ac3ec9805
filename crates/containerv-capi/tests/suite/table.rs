//! Which C program is for which system.

/// The table, which the build of the programs for Windows reads as well.
const TABLE: &str = include_str!("../c/programs.txt");

/// Programs that others than the runner of checks make use of.
const OTHERS: [&str; 5] = ["clients", "layout", "linked", "prototypes", "seed"];

/// The programs of checks for the system that this is.
pub(crate) fn programs_of_checks() -> Vec<&'static str> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| {
        let [name, systems, ref reason @ ..] = row[..] else { panic!("{row:?}: a name and its systems") };
        assert!(matches!(systems, "both" | "linux" | "windows"), "{row:?}");
        assert_eq!(systems != "both", !reason.is_empty(), "{row:?}: what is for one system has a reason");
        let is_for_this = match systems {
            "linux" => cfg!(not(windows)),
            "windows" => cfg!(windows),
            _ => true,
        };
        (is_for_this && !OTHERS.contains(&name)).then_some(name)
    })
    .collect()
}
