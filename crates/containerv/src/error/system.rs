//! Numbers of the system: of which kind they are, and how they read.

use containerv_spec::errno;
use containerv_spec::hcs::codes;

use super::ErrorKind;

/// The kind of an error number: Linux' `errno`, or Win32's on Windows.
pub(super) fn kind(number: i32) -> ErrorKind {
    if cfg!(windows) {
        kind_of_code(codes::from_win32(number.cast_unsigned()))
    } else {
        kind_of_errno(number)
    }
}

/// What an error number says, with its name.
pub(super) fn text(number: i32) -> String {
    let known =
        if cfg!(windows) { codes::describe_win32(number.cast_unsigned()) } else { errno::describe(number) };
    match known {
        Some((name, text)) => format!("{text} ({name})"),
        // Windows has a text for each of its thousands of numbers.
        None if cfg!(windows) => std::io::Error::from_raw_os_error(number).to_string(),
        None => format!("error {number}"),
    }
}

fn kind_of_errno(number: i32) -> ErrorKind {
    match errno::describe(number).map_or("", |entry| entry.0) {
        "ENOENT" | "ESRCH" | "ENXIO" | "ENODEV" => ErrorKind::NotFound,
        "EEXIST" => ErrorKind::AlreadyExists,
        "EINVAL" | "ENAMETOOLONG" | "ELOOP" | "ENOTDIR" | "EISDIR" | "E2BIG" => ErrorKind::InvalidArgument,
        "EPERM" | "EACCES" | "EROFS" => ErrorKind::PermissionDenied,
        "ENOSYS" | "EOPNOTSUPP" => ErrorKind::Unavailable,
        "ENOMEM" | "EMFILE" | "ENFILE" | "ENOSPC" | "EAGAIN" | "EDQUOT" | "EUSERS" => {
            ErrorKind::ResourceExhausted
        }
        "ETIMEDOUT" => ErrorKind::TimedOut,
        "EBUSY" | "ETXTBSY" | "ENOTEMPTY" => ErrorKind::InvalidState,
        _ => ErrorKind::Other,
    }
}

/// The kind of an HRESULT of Windows, in either of its forms; those of Win32's numbers are `0x8007xxxx`.
pub(crate) fn kind_of_code(code: u32) -> ErrorKind {
    match codes::canonical(code) {
        0x8007_0002
        | 0x8007_0003
        | 0x8007_0035
        | 0x8007_0490
        | 0x8007_0534
        | 0x8037_010E
        | 0x803B_0001..=0x803B_0008 => ErrorKind::NotFound,
        0x8007_0050 | 0x8007_00B7 | 0x8037_010F | 0x803B_0010..=0x803B_0014 | 0x803B_002B => {
            ErrorKind::AlreadyExists
        }
        0x8007_0020 | 0x8007_0021 | 0x8007_0091 | 0x8007_00AA | 0x8007_012F | 0x8007_04C8 | 0x8037_0105
        | 0x8037_0110 | 0x8037_011F | 0x803B_002C | 0x803B_0034 => ErrorKind::InvalidState,
        0x8007_000D
        | 0x8007_0057
        | 0x8007_007B
        | 0x8007_00A1
        | 0x8007_00CE
        | 0x8007_010B
        | 0x8007_0150
        | 0x8007_0781
        | 0x8037_010D
        | 0x803B_000A..=0x803B_000E
        | 0x803B_001B
        | 0x803B_001E => ErrorKind::InvalidArgument,
        0x8007_0005 | 0x8007_0013 | 0x8007_02E4 | 0x8007_0514 | 0x8007_0522 | 0x8037_011B => {
            ErrorKind::PermissionDenied
        }
        0x8007_05B4 | 0x8037_0109 | 0x8037_0118 => ErrorKind::TimedOut,
        0x8007_0004 | 0x8007_0008 | 0x8007_000E | 0x8007_0027 | 0x8007_0070 | 0x8007_05AA | 0x8007_05AF
        | 0x8007_0718 | 0x8037_011A => ErrorKind::ResourceExhausted,
        0x8007_0570 | 0x8037_0112 => ErrorKind::Corrupt,
        0x8000_4001 | 0x803B_0015 | 0x803B_0016 => ErrorKind::Unsupported,
        0x8007_0001 | 0x8007_0032 | 0x8007_0078 | 0x8007_007E | 0x8007_007F | 0x8007_0422 | 0x8007_0424
        | 0x8007_0426 | 0x8037_0101 | 0x8037_0102 | 0x8037_0113 | 0x8037_0114 | 0x8037_011E | 0x803B_0020
        | 0x803B_002A => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_systems_have_the_same_kinds() {
        // What goes wrong with a file, as both systems call it.
        for (errno, win32, kind) in [
            (2, 2, ErrorKind::NotFound),
            (17, 183, ErrorKind::AlreadyExists),
            (17, 80, ErrorKind::AlreadyExists),
            (13, 5, ErrorKind::PermissionDenied),
            (30, 19, ErrorKind::PermissionDenied),
            (22, 87, ErrorKind::InvalidArgument),
            (20, 267, ErrorKind::InvalidArgument),
            (36, 206, ErrorKind::InvalidArgument),
            (40, 1921, ErrorKind::InvalidArgument),
            (39, 145, ErrorKind::InvalidState),
            (16, 32, ErrorKind::InvalidState),
            (28, 112, ErrorKind::ResourceExhausted),
            (12, 8, ErrorKind::ResourceExhausted),
            (24, 4, ErrorKind::ResourceExhausted),
            (110, 1460, ErrorKind::TimedOut),
            (95, 50, ErrorKind::Unavailable),
            (32, 109, ErrorKind::Other),
        ] {
            assert_eq!(kind_of_errno(errno), kind, "errno {errno}");
            assert_eq!(kind_of_code(codes::from_win32(win32)), kind, "Win32 {win32}");
        }
        assert_eq!(kind_of_code(0xC037_010E), ErrorKind::NotFound);
    }

    #[test]
    fn a_number_reads_as_this_systems() {
        let (known, unknown) = (text(5), text(100_000));
        if cfg!(windows) {
            assert_eq!(known, "access is denied (ERROR_ACCESS_DENIED)");
            assert_eq!(kind(5), ErrorKind::PermissionDenied);
            assert!(unknown.contains("(os error 100000)"), "{unknown}");
        } else {
            assert_eq!(known, "Input/output error (EIO)");
            assert_eq!(kind(5), ErrorKind::Other);
            assert_eq!(unknown, "error 100000");
        }
    }
}
