//! Archives in the "newc" form of cpio, the one that the kernel unpacks as its first root
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

/// An archive in memory. Everything in it belongs to root, and its times are 0, so the same tree
/// gives the same bytes.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY | 0o755, b"");
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, FILE | mode, content);
    }

    /// The finished archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }

    /// The header's 13 numbers of 8 hexadecimal digits, the name with its NUL, the content; name
    /// and content each filled up to a multiple of four bytes.
    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let name = path.trim_start_matches('/');
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("a file for the virtual machine is below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("a path is short");
        let numbers = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for number in numbers {
            self.bytes.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let mut archive = Archive::default();
        archive.file("/etc/x", 0o644, b"abc");
        let bytes = archive.finish();
        let header = "070701000000010000\
                      81A40000000000000000000000010000000000000003000000000000000000000000000000000000000600000000";
        assert_eq!(bytes[..110], *header.as_bytes());
        assert_eq!(bytes[110..116], *b"etc/x\0");
        assert_eq!(bytes[116..120], *b"abc\0");
        assert!(bytes.windows(11).any(|window| window == b"TRAILER!!!\0"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
