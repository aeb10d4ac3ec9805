//! Links in the documents lead somewhere, and what they name exists.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files below a directory, build output and hidden directories left out.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

/// Targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<String> {
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    let ends = outside.iter().flat_map(|part| part.split("](").skip(1));
    ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for document in files(&root(), "md") {
        let directory = document.parent().unwrap();
        for link in links(&fs::read_to_string(&document).unwrap()) {
            let path = link.split('#').next().unwrap_or_default();
            seen += 1;
            if !path.is_empty() && !path.contains("://") && !directory.join(path).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(seen > 30, "only {seen} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn tests_of_the_threat_model_exist() {
    let text = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let last =
        |line: &str| line.trim().trim_end_matches('|').rsplit_once('|').map(|cells| cells.1.to_owned());
    let cells = text.lines().filter(|line| line.starts_with('|')).filter_map(last);
    let quoted = |cell: String| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let is_name = |name: &String| {
        name.contains('_')
            && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
    };
    let named: BTreeSet<String> =
        cells.flat_map(quoted).filter(is_name).filter(|name| name.matches('_').count() > 2).collect();
    assert!(named.len() > 10, "{named:?}");
    let sources: Vec<String> =
        files(&root().join("crates"), "rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let exists = |name: &String| sources.iter().any(|source| source.contains(&format!("fn {name}(")));
    let missing: Vec<&String> = named.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn options_of_the_documents_are_options_of_cv() {
    let mut known = String::new();
    for path in files(&root().join("crates/cv/src"), "rs") {
        known.push_str(&fs::read_to_string(path).unwrap());
    }
    // Options of other programs.
    let others = [
        "--release",
        "--no-install-recommends",
        "--user",
        "--prefix",
        "--scope",
        "--target",
        "--only",
        "--force",
        "--add-subuids",
        "--add-subgids",
    ];
    let mut unknown = BTreeSet::new();
    for name in [
        "README.md",
        "docs/guide.md",
        "docs/linux.md",
        "docs/errors.md",
        "docs/plans.md",
        "docs/backends.md",
        "docs/images.md",
    ] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for word in words.filter(|word| word.len() > 3 && word.starts_with("--") && !word.ends_with('-')) {
            if !word.starts_with("---")
                && !others.contains(&word)
                && !known.contains(&format!("\"{}\"", &word[2..]))
            {
                unknown.insert(format!("{name}: {word}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// What `docs/windows-errors.md` has to be: every code that the library knows.
fn page_of_windows_errors() -> String {
    use containerv::spec::hcs::{codes, exit};

    let mut page = "# Error codes of Windows\n\n\
        What `cv` and the library say for each code of Windows and its container services. This page is made from the tables \
        of the code.\n\nThe older interface and programs in virtual machines give `0xC037nnnn` where the newer one gives \
        `0x8037nnnn`; both are the same. A Win32 error number `n` is `0x8007nnnn` in hexadecimal. For codes that are not here \
        the whole answer of the service is printed.\n\n| Code | Name | Means | What to do |\n|---|---|---|---|\n"
        .to_owned();
    for code in codes::CODES {
        let row = format!("| `0x{:08X}` | `{}` | {} | {} |", code.value, code.name, code.meaning, code.hint);
        page += &(row.replace("|  |", "| |") + "\n");
    }
    page += "\n## Exit codes\n\nExit codes of Windows have 32 bits. `cv` prints those of a status in hexadecimal, with the \
        name.\n\n| Code | Decimal | Name | Means, and what to do |\n|---|---|---|---|\n";
    for status in exit::STATUSES {
        page += &format!("| `0x{0:08X}` | {0} | `{1}` | {2} |\n", status.value, status.name, status.hint);
    }
    page
}

#[test]
fn the_page_of_windows_errors_has_every_code() {
    let path = root().join("docs/windows-errors.md");
    let page = page_of_windows_errors();
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(written, wanted)| written != wanted);
    assert!(
        written == page,
        "`docs/windows-errors.md` differs from the tables, first at {differs:?}; `INSTA_UPDATE=always` writes it anew"
    );
}
