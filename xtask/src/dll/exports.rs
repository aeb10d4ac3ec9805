//! The names that a DLL exports, out of its file.

/// Machine of x86-64.
const AMD64: u16 = 0x8664;
/// Optional header of 64 bits.
const PE32_PLUS: u16 = 0x20b;
/// More names than any library of ours has.
const MAX_NAMES: u32 = 10_000;

/// Reads the names in the export table of a DLL; `None` if it is no DLL of x86-64, or has none.
pub(crate) fn exports(file: &[u8]) -> Option<Vec<String>> {
    let header = number(file, 0x3c)? as usize;
    if file.get(header..header + 4)? != b"PE\0\0" || short(file, header + 4)? != AMD64 {
        return None;
    }
    let optional = header + 24;
    if short(file, optional)? != PE32_PLUS {
        return None;
    }
    let sections = optional + usize::from(short(file, header + 20)?);
    let image = Image { file, sections, count: usize::from(short(file, header + 6)?) };
    // The first of the directories, which follow a header of 112 bytes.
    let table = image.place(number(file, optional + 112)?)?;
    let count = number(file, table + 24)?.min(MAX_NAMES) as usize;
    let names = image.place(number(file, table + 32)?)?;
    (0..count).map(|index| image.text(image.place(number(file, names + 4 * index)?)?)).collect()
}

struct Image<'a> {
    file: &'a [u8],
    sections: usize,
    count: usize,
}

impl Image<'_> {
    /// Where in the file an address of the loaded image is.
    fn place(&self, address: u32) -> Option<usize> {
        let section = |index: usize| {
            let header = self.sections + 40 * index;
            let (start, size) = (number(self.file, header + 12)?, number(self.file, header + 16)?);
            let offset = address.checked_sub(start).filter(|offset| *offset < size)?;
            Some(number(self.file, header + 20)? as usize + offset as usize)
        };
        (0..self.count).find_map(section)
    }

    fn text(&self, place: usize) -> Option<String> {
        let bytes = self.file.get(place..)?;
        let length = bytes.iter().take(4096).position(|byte| *byte == 0)?;
        String::from_utf8(bytes[..length].to_vec()).ok()
    }
}

fn short(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(file.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn number(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(file.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_dll_has_no_exports() {
        assert_eq!(exports(b""), None);
        assert_eq!(exports(&[0; 4096]), None);
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(exports(&own), None);
        let mut file = vec![0xff; 512];
        file[0x3c..0x40].copy_from_slice(&[0x40, 0, 0, 0]);
        file[0x40..0x46].copy_from_slice(&[b'P', b'E', 0, 0, 0x64, 0x86]);
        assert_eq!(exports(&file), None);
    }
}
