//! Files of `/proc/PID`, in which a process chooses its name and arguments.

use containerv::fuzzing::{
    ProcessStat, interfaces, process_arguments, process_stat, process_status, terminal_name,
};

const NUMBERS: &[u8] = b" S 7 42 42 34816 42 4194304 1 2 3 4 150 50 9 9 20 0 3 0 1234 9 77 18446744073709551615 1\n";

/// Whatever a process calls itself, its numbers stay what they are; no file breaks the parsers.
pub fn target(data: &[u8]) {
    if let Some(stat) = process_stat(data) {
        assert!(stat.numbers[0] <= u32::MAX.into() && !stat.state.is_whitespace());
    }
    named(data);
    arguments(data);
    network(data);
    if let Some((uid, _)) = process_status(data) {
        let text = String::from_utf8_lossy(data);
        assert!(text.split_ascii_whitespace().any(|word| word.trim_start_matches('+').parse() == Ok(uid)));
    }
    if let Some(bytes) = data.first_chunk() {
        let device = u32::from_le_bytes(*bytes);
        let (major, minor) = (device >> 8 & 0xfff, (device >> 20) << 8 | device & 0xff);
        assert_eq!(terminal_name(device).is_none(), (major, minor) == (0, 0));
    }
}

fn named(data: &[u8]) {
    let stat = process_stat(&[b"42 (", data, b")", NUMBERS].concat());
    let name = String::from_utf8_lossy(data).into_owned();
    let numbers = [7, 34816, 150, 50, 3, 1234, 77];
    assert_eq!(stat, Some(ProcessStat { name, state: 'S', numbers }));
    // The kernel writes a line break in a name as `\n`, so that it begins no line of its own.
    let one_line: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\n').collect();
    let status = [b"Name:\t", &one_line[..], b"\nUid:\t1\t2\t3\t4\nPid:\t9\nNSpid:\t9\t5\n"].concat();
    assert_eq!(process_status(&status), Some((2, 5)));
}

fn arguments(data: &[u8]) {
    let joined = process_arguments(data.to_vec());
    assert!(!joined.contains_nul() && joined.as_bytes().len() <= data.len());
    let words = |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().filter(|b| !b"\0 ".contains(b)).collect() };
    assert_eq!(words(joined.as_bytes()), words(data));
}

fn network(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = interfaces(data);
    assert!(found.len() <= text.lines().count());
    assert!(found.iter().all(|interface| text.contains(&interface.name)));
    // A name of an interface is any bytes without blanks, `/` and `:` at its end.
    let name: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let line = format!("head\n head\n {name}: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
    let found = interfaces(line.as_bytes());
    assert_eq!(found.len(), 1, "{line}");
    assert_eq!((found[0].name.as_str(), found[0].rx_bytes, found[0].tx_dropped), (name.as_str(), 1, 8));
}
