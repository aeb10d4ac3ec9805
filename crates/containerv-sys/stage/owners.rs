//! Giving files their owners, as root of a user namespace that has them.

use crate::call;
use crate::sys::{self, AT_FDCWD, Sys};
use crate::wire::owned;

const AT_SYMLINK_NOFOLLOW: usize = 0x100;
const NAME: *const u8 = c"security.capability".as_ptr().cast();

/// Goes through the records. What a record names and is not there any more is passed over.
pub fn give(records: i32, directory: i32) -> Sys<()> {
    call!(FCHDIR, directory)?;
    let mut record = [0u64; owned::MOST / 8];
    let mut offset = 0;
    loop {
        let count = call!(PREAD64, records, record.as_mut_ptr(), owned::MOST, offset)?;
        if count == 0 {
            return Ok(());
        }
        let length = record[0] as usize;
        if count < owned::WORDS * 8 || length > count || length <= owned::WORDS * 8 {
            return Err(sys::EINVAL);
        }
        one(&record, length)?;
        offset += length;
    }
}

fn one(record: &[u64; owned::MOST / 8], length: usize) -> Sys<()> {
    let (path_length, value_length) = (record[8] as usize, record[9] as usize);
    let value_at = owned::WORDS * 8 + (path_length / 8 + 1) * 8;
    let nul = owned::WORDS * 8 + path_length;
    if path_length > owned::MOST || value_length > owned::MOST || value_at + value_length > length {
        return Err(sys::EINVAL);
    }
    if record[nul / 8] >> (8 * (nul % 8)) & 0xff != 0 {
        return Err(sys::EINVAL);
    }
    let path = record.as_ptr() as usize + owned::WORDS * 8;
    let is_link = record[3] & owned::LINK != 0;
    match call!(FCHOWNAT, AT_FDCWD, path, record[1], record[2], AT_SYMLINK_NOFOLLOW) {
        Err(sys::ENOENT | sys::ENOTDIR) => return Ok(()),
        other => other?,
    };
    if !is_link {
        call!(FCHMODAT, AT_FDCWD, path, record[3])?;
    }
    if value_length > 0 {
        let value = record.as_ptr() as usize + value_at;
        call!(LSETXATTR, path, NAME, value, value_length, 0)?;
    }
    call!(UTIMENSAT, AT_FDCWD, path, record[4..].as_ptr(), AT_SYMLINK_NOFOLLOW).map(drop)
}
