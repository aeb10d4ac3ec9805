//! The tables against themselves and the kernel's headers.

use std::collections::BTreeSet;

use super::super::abi::X32_OWN;
use super::super::calls::{CALLS, NO};
use super::super::multiplex::MULTIPLEXERS;
use super::{ABIS, Abi};

#[test]
fn the_table_is_sorted_and_has_every_number_once() {
    assert!(CALLS.is_sorted_by(|a, b| a.0 < b.0));
    for column in 0..3 {
        let numbers = CALLS.iter().map(|row| [row.1, row.2, row.3][column]);
        let numbers: Vec<_> = numbers.filter(|number| *number != NO).collect();
        let distinct: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(numbers.len(), distinct.len());
        assert!(numbers.iter().all(|number| (0..=547).contains(number)));
    }
}

#[test]
fn tables_in_64_bit_mode_agree_where_they_overlap() {
    let native = |number| CALLS.iter().find(|row| row.1 == number).map(|row| row.0);
    for row in CALLS.iter().filter(|row| row.3 != NO) {
        match X32_OWN.contains(&(row.3 as u32)) {
            true => assert_eq!(native(row.3), None, "{}", row.0),
            false => assert_eq!(native(row.3), Some(row.0)),
        }
    }
}

#[test]
fn known_numbers_are_right() {
    for (name, x86_64, i386, x32) in [
        ("read", Some(0), Some(3), Some(0)),
        ("execve", Some(59), Some(11), Some(520)),
        ("socket", Some(41), Some(359), Some(41)),
        ("socketcall", None, Some(102), None),
        ("accept", Some(43), None, Some(43)),
        ("mmap2", None, Some(192), None),
        ("clone3", Some(435), Some(435), Some(435)),
        ("uretprobe", Some(335), None, None),
        ("map_shadow_stack", Some(453), None, None),
        ("file_setattr", Some(469), Some(469), Some(469)),
        ("send", None, None, None),
    ] {
        let numbers = ABIS.map(|abi| abi.number(name));
        assert_eq!(numbers, [x86_64, i386, x32], "{name}");
    }
}

#[test]
fn members_of_multiplexers_are_calls_but_for_two() {
    let members = MULTIPLEXERS.iter().flat_map(|multiplexer| multiplexer.members);
    let alone: Vec<_> =
        members.map(|member| member.1).filter(|name| !super::super::abi::is_call(name)).collect();
    assert_eq!(alone, ["send", "recv"]);
}

/// Where Debian keeps the headers of the machine's own architecture.
const HEADERS: &str = "/usr/include/x86_64-linux-gnu/asm";

#[test]
fn the_tables_agree_with_the_kernels_headers() {
    for (file, abi) in [("unistd_64.h", Abi::X86_64), ("unistd_32.h", Abi::I386), ("unistd_x32.h", Abi::X32)]
    {
        let path = format!("{HEADERS}/{file}");
        let Ok(header) = std::fs::read_to_string(&path) else {
            println!("skipped: there is no `{path}`; package linux-libc-dev has it");
            return;
        };
        let calls: Vec<_> = header.lines().filter_map(definition).collect();
        assert!(calls.len() > 300, "{path} has {} calls", calls.len());
        for (name, number) in calls.into_iter().filter(|call| call.1 < 470 || abi == Abi::X32) {
            assert_eq!(abi.number(name), Some(number), "`{name}` of `{path}`");
        }
    }
}

/// Reads `#define __NR_name number`, in x32 with the bit before the number.
fn definition(line: &str) -> Option<(&str, u32)> {
    let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
    let number = number.trim_start_matches("(__X32_SYSCALL_BIT + ").trim_end_matches(')');
    Some((name, number.parse().ok()?))
}
