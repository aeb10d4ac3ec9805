//! memcpy(3) and memmove(3) for programs that are linked with musl.
//!
//! musl's begin with a string instruction however short the copy is, which takes tens of cycles
//! before the first byte. Printing and reading JSON copies a few bytes thousands of times: a quarter
//! of the time of a short command.

// UNSAFETY: the program's memcpy(3) and memmove(3) are replaced by ones in assembly.
#![allow(unsafe_code, reason = "memcpy(3) works on pointers")]

/// Copies `count` bytes between places that may overlap; returns `to`.
///
/// Up to 64 bytes are read as a few words from both ends, which overlap in the middle, before any
/// is written. Assembly, because a compiler makes calls of memmove(3) out of copies.
///
/// # Safety
///
/// As for memmove(3).
// SAFETY: the exported name is memmove's, and so are its arguments, its result and what it does. Only
// registers that a called function may change are changed; the direction flag is clear at calls, as
// it is here and has to be at the end.
#[unsafe(naked)]
#[cfg_attr(target_env = "musl", unsafe(export_name = "memmove"))]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    core::arch::naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jae 4f",
        "cmp edx, 8",
        "jae 3f",
        "cmp edx, 4",
        "jae 2f",
        "test edx, edx",
        "je 1f",
        // 1 to 3: the first, the middle and the last byte.
        "mov r10d, edx",
        "shr r10d, 1",
        "movzx ecx, byte ptr [rsi]",
        "movzx r8d, byte ptr [rsi + r10]",
        "movzx r9d, byte ptr [rsi + rdx - 1]",
        "mov [rdi], cl",
        "mov [rdi + r10], r8b",
        "mov [rdi + rdx - 1], r9b",
        "1: ret",
        // 4 to 7.
        "2: mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        // 8 to 15.
        "3: mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "4: cmp rdx, 32",
        "ja 5f",
        // 16 to 32.
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "ret",
        "5: cmp rdx, 64",
        "ja 6f",
        // 33 to 64.
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + rdx - 32], xmm2",
        "movups [rdi + rdx - 16], xmm3",
        "ret",
        // Longer: from the end if the destination begins in the source.
        "6: mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "mov rcx, rdx",
        "jb 7f",
        "rep movsb",
        "ret",
        "7: mov r8, [rsi]",
        "lea rsi, [rsi + rdx - 8]",
        "lea rdi, [rdi + rdx - 8]",
        "shr rcx, 3",
        "std",
        "rep movsq",
        "cld",
        "mov [rax], r8",
        "ret",
    )
}

/// Copies `count` bytes between places that do not overlap; returns `to`.
///
/// # Safety
///
/// As for memcpy(3).
// SAFETY: the exported name is memcpy's; memmove does all that memcpy does.
#[unsafe(naked)]
#[cfg_attr(target_env = "musl", unsafe(export_name = "memcpy"))]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    core::arch::naked_asm!("jmp {memmove}", memmove = sym memmove)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 1200;

    fn pattern() -> Vec<u8> {
        (0..BYTES).map(|number| (number * 7 % 251) as u8 + 1).collect()
    }

    fn lengths() -> impl Iterator<Item = usize> {
        (0..=200).chain([511, 512, 513, 900])
    }

    #[test]
    fn every_length_is_copied_and_nothing_else() {
        let source = pattern();
        for length in lengths() {
            for (begin, place) in [(0, 0), (1, 0), (0, 3), (5, 7), (8, 16)] {
                let mut copy = vec![0u8; length + 40];
                // SAFETY: both ranges lie in their vectors, which are apart.
                let returned =
                    unsafe { memcpy(copy[place..].as_mut_ptr(), source[begin..].as_ptr(), length) };
                assert_eq!(returned, copy[place..].as_mut_ptr());
                assert_eq!(copy[place..place + length], source[begin..begin + length], "{length}");
                assert!(copy[..place].iter().chain(&copy[place + length..]).all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn places_may_overlap() {
        for length in lengths() {
            for (begin, place) in [(0, 0), (0, 1), (1, 0), (0, 8), (9, 0), (30, 33), (100, 40), (40, 150)] {
                let mut moved = pattern();
                let mut expected = pattern();
                expected[place..place + length].copy_from_slice(&pattern()[begin..begin + length]);
                let base = moved.as_mut_ptr();
                // SAFETY: both ranges lie in the vector.
                let returned = unsafe { memmove(base.add(place), base.add(begin), length) };
                assert_eq!(returned, moved[place..].as_mut_ptr());
                assert_eq!(moved, expected, "{length} from {begin} to {place}");
            }
        }
    }
}
