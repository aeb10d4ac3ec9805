//! Exit codes as people read them.

use containerv_spec::hcs::exit::{self, Status};

use crate::draft::Target;

/// The status of a program that Ctrl+C has ended.
const CONTROL_C: u32 = 0xC000_013A;

/// Returns an exit code as the system counts: Windows has 32 bits without a sign.
pub fn number(target: Target, code: i32) -> i64 {
    match target {
        Target::Linux => code.into(),
        Target::Windows => code.cast_unsigned().into(),
    }
}

/// Returns an exit code in words: `3`, or `3221225786, 0xC000013A STATUS_CONTROL_C_EXIT` where Windows itself ended the
/// program.
pub fn text(target: Target, code: i32) -> String {
    let number = number(target, code);
    match status(target, code) {
        Some(status) => format!("{number}, {status}"),
        None => number.to_string(),
    }
}

/// Returns the status with which Windows ended a program that failed, not by Ctrl+C, and what to do about it.
pub fn failure(target: Target, code: i32) -> Option<String> {
    let code = code.cast_unsigned();
    // Programs have codes of their own with these bits, as -1.
    let known =
        exit::describe(code).filter(|_| target == Target::Windows && is_error(code) && code != CONTROL_C)?;
    Some(format!("{}: {}", numbered(known), known.hint))
}

fn numbered(status: &Status) -> String {
    format!("0x{:08X} {}", status.value, status.name)
}

fn status(target: Target, code: i32) -> Option<String> {
    let code = code.cast_unsigned();
    match exit::describe(code).filter(|_| target == Target::Windows) {
        Some(known) => Some(numbered(known)),
        None if target == Target::Windows && is_error(code) => Some(format!("0x{code:08X}")),
        None => None,
    }
}

/// The two highest bits of a status say that it is an error (ntdef.h, NT_ERROR).
fn is_error(code: u32) -> bool {
    code >> 30 == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_windows_have_no_sign_and_names() {
        let code = CONTROL_C.cast_signed();
        assert_eq!(text(Target::Windows, code), "3221225786, 0xC000013A STATUS_CONTROL_C_EXIT");
        assert_eq!(text(Target::Windows, -1), "4294967295, 0xFFFFFFFF");
        assert_eq!(text(Target::Windows, 3), "3");
        assert_eq!(text(Target::Linux, 137), "137");
        assert_eq!(number(Target::Linux, -1), -1);
    }

    #[test]
    fn failures_are_told_from_what_was_wanted() {
        let said = |code: u32| failure(Target::Windows, code.cast_signed());
        let dll = said(0xC000_0135).unwrap();
        assert!(dll.starts_with("0xC0000135 STATUS_DLL_NOT_FOUND: the program needs a DLL"), "{dll}");
        assert_eq!((said(CONTROL_C), said(0), said(0x4001_0004), said(u32::MAX)), (None, None, None, None));
        assert_eq!(failure(Target::Linux, 0xC000_0135u32.cast_signed()), None);
    }
}
