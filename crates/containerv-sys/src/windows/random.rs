//! Random bytes of the system.

// UNSAFETY: the system's generator.
#![allow(unsafe_code, reason = "the standard library has no random bytes")]

use std::io;
use std::ptr;

use windows_sys::Win32::Security::Cryptography::{BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom};

/// Returns random bytes that nobody can guess (`BCryptGenRandom`).
///
/// # Errors
///
/// The system's.
pub fn bytes<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    let length = u32::try_from(COUNT).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: no algorithm is given, which the flag asks for; the array takes `length` bytes.
    let status = unsafe {
        BCryptGenRandom(ptr::null_mut(), bytes.as_mut_ptr(), length, BCRYPT_USE_SYSTEM_PREFERRED_RNG)
    };
    if status == 0 {
        return Ok(bytes);
    }
    Err(io::Error::other(format!("BCryptGenRandom: NTSTATUS 0x{:08X}", status.cast_unsigned())))
}

/// Returns the same as lower-case hexadecimal digits, two for each byte.
///
/// # Errors
///
/// The system's.
pub fn hex<const COUNT: usize>() -> io::Result<String> {
    Ok(bytes::<COUNT>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let texts: std::collections::BTreeSet<String> = (0..200).map(|_| hex::<32>().unwrap()).collect();
        assert_eq!(texts.len(), 200);
        assert!(texts.iter().all(|text| text.len() == 64));
    }
}
