//! Wrong command lines: the exact message and the exit code of each.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it is skipped"
)]

mod support;

use std::ffi::OsString;

use support::Place;

/// The image that stands for `IMAGE` in the lists.
const IMAGE: &str = if cfg!(windows) { r"C:\layers\nanoserver" } else { "host" };

/// Returns what each command line of a list prints. `\xff` is a byte that is no UTF-8, on Windows half a character that
/// is no UTF-16; `"` keeps spaces together, and `\"` is a quotation mark.
fn transcript(lines: &str) -> String {
    let place = Place::new();
    place.write("bad.json", "{\"defaultAction\": 5}");
    place.write("not.json", "]");
    place.write("bad.env", "OK=1\n=2\n");
    place.write("space.env", "A B=1\n");
    place.write("huge.env", vec![b'A'; (1 << 20) + 1]);
    place.write("there.cid", "");
    place.write("zero.env", "A=1\nB=x\0y\n");
    place.write("argument.env", format!("A={}\n", "x".repeat(200_000)));
    place.write("deep.json", "[".repeat(100_000));
    place.write("nested.json", format!("{{\"defaultAction\": {}", "[".repeat(100_000)));
    place.write("large.json", vec![b' '; (1 << 20) + 1]);
    place.write("action.json", "{\"defaultAction\": \"SCMP_ACT_FROB\"}");
    let mut transcript = String::new();
    for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let outcome = place.run(words(&line.replace("IMAGE", IMAGE)));
        assert!(outcome.code != 0, "`cv {line}`: {outcome:?}");
        let printed = (outcome.stdout + &outcome.stderr).replace(place.path().to_str().unwrap(), "TMP");
        assert!(!printed.contains('\r'), "`cv {line}`: {printed:?}");
        let printed = support::without_numbers(&without_ids(&printed));
        transcript.push_str(&format!("$ cv {line}\n{printed}[{}]\n\n", outcome.code));
    }
    transcript
}

#[test]
fn every_mistake_has_its_message_and_exit_code() {
    insta::assert_snapshot!(transcript(include_str!("bad_input.txt")));
}

/// What one system has and the other has not, or reads in another way.
#[test]
fn mistakes_of_one_system_have_their_message_too() {
    let (name, lines) = match cfg!(windows) {
        false => ("mistakes_on_linux", include_str!("bad_input_linux.txt")),
        true => ("mistakes_on_windows", include_str!("bad_input_windows.txt")),
    };
    insta::assert_snapshot!(name, transcript(lines));
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_library_refuses_is_told_with_the_way_out() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: an ordinary user is refused for other reasons");
        return;
    }
    insta::assert_snapshot!(transcript(include_str!("refused.txt")));
}

/// Puts `ID` in place of ids, long and short, which are random.
fn without_ids(text: &str) -> String {
    let id = |part: &str| matches!(part.len(), 12 | 64) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    parts.fold(String::new(), |text, part| {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if id(word) { text + "ID" + &part[word.len()..] } else { text + part }
    })
}

fn words(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let (mut quoted, mut begun) = (false, false);
    let line = line.replace("\\xff", "\u{1}").replace("\\\"", "\u{2}");
    for byte in line.bytes() {
        match byte {
            b'"' => (quoted, begun) = (!quoted, true),
            b' ' if !quoted => {
                if begun {
                    words.push(native(&std::mem::take(&mut word)));
                }
                begun = false;
            }
            1 => {
                word.push(0xff);
                begun = true;
            }
            byte => {
                word.push(if byte == 2 { b'"' } else { byte });
                begun = true;
            }
        }
    }
    if begun {
        words.push(native(&word));
    }
    words
}

/// Makes a word of this system of bytes.
#[cfg(unix)]
fn native(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

/// Makes a word of this system of bytes: of each that is no UTF-8, the first half of a pair.
#[cfg(windows)]
fn native(bytes: &[u8]) -> OsString {
    let mut units = Vec::new();
    for chunk in bytes.utf8_chunks() {
        units.extend(chunk.valid().encode_utf16());
        units.extend(chunk.invalid().iter().map(|_| 0xD800));
    }
    std::os::windows::ffi::OsStringExt::from_wide(&units)
}

#[test]
fn long_words_are_cut_in_messages() {
    let place = Place::new();
    let long = "x".repeat(100_000);
    let outcome = place.run(["run", "--memory", &long, "host", "sh"]);
    assert_eq!(outcome.code, 125);
    assert!(outcome.stderr.len() < 400 && outcome.stderr.contains('…'), "{}", outcome.stderr);
    let outcome = place.run([&long]);
    assert!(outcome.code == 125 && outcome.stderr.len() < 400, "{}", outcome.stderr);
    let mounted = format!("/tmp:/{}", &long[..4200]);
    for words in
        [["run", "--rm", "host", &long[..5000]], ["run", "-v", &mounted, "host"], ["inspect", &long, "", ""]]
    {
        let outcome = place.run(words);
        assert!(outcome.code != 0 && outcome.stderr.len() < 5000, "{}", outcome.stderr);
    }
}

#[test]
fn no_words_print_the_verbs_on_standard_error() {
    let outcome = Place::new().run::<&str>([]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (125, ""));
    assert!(
        outcome.stderr.contains("  exec              Run a command in a running container"),
        "{}",
        outcome.stderr
    );
}
