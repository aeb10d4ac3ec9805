//! Exit codes of Windows' programs, which are 32 bits wide and often an NTSTATUS.

/// A status with which Windows ends programs (ntstatus.h), or a runtime does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The exit code.
    pub value: u32,
    /// Its name.
    pub name: &'static str,
    /// What it means and what to do; empty where the name says it.
    pub hint: &'static str,
}

/// Returns what is known of an exit code.
pub fn describe(code: u32) -> Option<&'static Status> {
    STATUSES.binary_search_by_key(&code, |status| status.value).ok().map(|index| &STATUSES[index])
}

/// Returns an exit code as people read it: `3`, or `3221226505 (0xC0000409 STATUS_STACK_BUFFER_OVERRUN)`
/// where Windows itself ended the program.
pub fn text(code: u32) -> String {
    match describe(code) {
        Some(status) => format!("{code} (0x{code:08X} {})", status.name),
        // The two highest bits of an NTSTATUS say that it is an error.
        None if code >> 30 == 3 => format!("{code} (0x{code:08X})"),
        None => code.to_string(),
    }
}

macro_rules! statuses {
    ($($value:literal $name:literal $hint:expr;)*) => {
        &[$(Status { value: $value, name: $name, hint: $hint }),*]
    };
}

const DLLS: &str = "the program needs a DLL that the image lacks: take an image with more of Windows, as `servercore` in the place of \
                    `nanoserver`, or copy the DLL beside the program; C++ programs need the Visual C++ runtime";
const CRASH: &str = "the program crashed: look at what it wrote last; a debugger or a dump of it says more";
const MEMORY: &str = "memory ran out: give the container more with `--memory`";

/// Every status, by value.
pub const STATUSES: &[Status] = statuses! {
    0x4001_0004 "DBG_TERMINATE_PROCESS" "the container ended, and this program with it";
    0x8000_0002 "STATUS_DATATYPE_MISALIGNMENT" CRASH;
    0x8000_0003 "STATUS_BREAKPOINT" CRASH;
    0xC000_0005 "STATUS_ACCESS_VIOLATION" CRASH;
    0xC000_0006 "STATUS_IN_PAGE_ERROR" "a file of the program could not be read: look at the disk, and at mapped directories of a network";
    0xC000_0017 "STATUS_NO_MEMORY" MEMORY;
    0xC000_001D "STATUS_ILLEGAL_INSTRUCTION" "the program uses instructions that this processor lacks, or crashed";
    0xC000_0022 "STATUS_ACCESS_DENIED" "the container's user may not read the program or what it needs: try `--user ContainerAdministrator`";
    0xC000_0025 "STATUS_NONCONTINUABLE_EXCEPTION" CRASH;
    0xC000_007B "STATUS_INVALID_IMAGE_FORMAT" "the program or one of its DLLs is for another kind of processor, as 32 bits in the place of 64";
    0xC000_008C "STATUS_ARRAY_BOUNDS_EXCEEDED" CRASH;
    0xC000_0094 "STATUS_INTEGER_DIVIDE_BY_ZERO" CRASH;
    0xC000_0095 "STATUS_INTEGER_OVERFLOW" CRASH;
    0xC000_0096 "STATUS_PRIVILEGED_INSTRUCTION" CRASH;
    0xC000_009A "STATUS_INSUFFICIENT_RESOURCES" MEMORY;
    0xC000_00FD "STATUS_STACK_OVERFLOW" "the program's stack is used up: endless recursion, or a stack that its header makes too small";
    0xC000_0135 "STATUS_DLL_NOT_FOUND" DLLS;
    0xC000_0138 "STATUS_ORDINAL_NOT_FOUND" "a DLL of the image is older than the program wants: take a newer image";
    0xC000_0139 "STATUS_ENTRYPOINT_NOT_FOUND" "a DLL of the image is older than the program wants: take a newer image";
    0xC000_013A "STATUS_CONTROL_C_EXIT" "Ctrl+C or the end of its console ended the program";
    0xC000_0142 "STATUS_DLL_INIT_FAILED" "a DLL could not start, often for lack of a desktop or of memory: programs with windows do not run in a container";
    0xC000_0374 "STATUS_HEAP_CORRUPTION" CRASH;
    0xC000_0409 "STATUS_STACK_BUFFER_OVERRUN" "the program gave up by itself: an assertion, an abort, or a check of its stack";
    0xC000_041D "STATUS_FATAL_USER_CALLBACK_EXCEPTION" CRASH;
    0xC000_0420 "STATUS_ASSERTION_FAILURE" CRASH;
    0xC000_0428 "STATUS_INVALID_IMAGE_HASH" "a signature is missing or wrong: a policy of the host allows signed programs only";
    0xC000_0602 "STATUS_FAIL_FAST_EXCEPTION" "the program gave up by itself: an assertion or an abort";
    0xC06D_007E "VCPPEXCEPTION_MODULE_NOT_FOUND" DLLS;
    0xE043_4352 "CLR_EXCEPTION" "an exception of .NET was not caught: look at what the program wrote last";
    0xE06D_7363 "CPP_EXCEPTION" "an exception of C++ was not caught: look at what the program wrote last";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(STATUSES.windows(2).all(|pair| pair[0].value < pair[1].value));
        for status in STATUSES {
            assert_eq!(describe(status.value), Some(status));
            assert!(!status.name.is_empty() && !status.hint.ends_with('.'), "{}", status.name);
        }
    }

    #[test]
    fn exit_codes_of_windows_have_a_name() {
        assert_eq!(text(3), "3");
        assert_eq!(text(1067), "1067");
        assert_eq!(text(3_221_226_505), "3221226505 (0xC0000409 STATUS_STACK_BUFFER_OVERRUN)");
        assert_eq!(text(0xC000_013A), "3221225786 (0xC000013A STATUS_CONTROL_C_EXIT)");
        assert_eq!(text(0xC0FF_EE00), "3237998080 (0xC0FFEE00)");
        assert_eq!(text(0x8000_0003), "2147483651 (0x80000003 STATUS_BREAKPOINT)");
    }
}
