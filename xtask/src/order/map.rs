//! The map that the linker writes: which section of which object file lies where.

/// A piece of the program, as it came from an object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) size: u64,
    /// Such as `.text.main` or `.rodata.cst16`.
    pub(super) section: String,
    /// The object file without its directory, or the member of an archive.
    pub(super) file: String,
}

/// The pieces that have a place in memory, by their addresses.
///
/// The map has a line ` SECTION ADDRESS SIZE FILE` for each, which is broken behind a long name.
pub(super) fn pieces(map: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut name = None;
    for line in map.lines() {
        let broken = name.take();
        let mut words = line.split_whitespace();
        let section = if line.starts_with(" .") { words.next() } else { broken };
        let Some(section) = section else { continue };
        match (words.next().and_then(number), words.next().and_then(number)) {
            (Some(address), Some(size)) if address > 0 && size > 0 => {
                let file = file(words.next().unwrap_or_default());
                pieces.push(Piece { address, size, section: section.to_owned(), file });
            }
            (None, _) if line.starts_with(" .") => name = Some(section),
            _ => {}
        }
    }
    pieces.sort_by_key(|piece| piece.address);
    pieces
}

fn number(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// `x.o` of `/lib/x.o` and of `/lib/liby.a(x.o)`.
fn file(path: &str) -> String {
    let member = path.strip_suffix(')').and_then(|path| path.rsplit_once('(')).map(|(_, member)| member);
    member.or_else(|| path.rsplit('/').next()).unwrap_or_default().to_owned()
}

/// The piece that has this address.
pub(super) fn at(pieces: &[Piece], address: u64) -> Option<&Piece> {
    let behind = pieces.partition_point(|piece| piece.address <= address);
    let piece = pieces.get(behind.checked_sub(1)?)?;
    (address - piece.address < piece.size).then_some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
Linker script and memory map

LOAD /lib/crt1.o
.text           0x0000000000401000      0x500
 .text.long_name_of_a_function
                0x0000000000401100       0x20 /out/cv.rcgu.o
 .text          0x0000000000401000       0x16 /lib/crt1.o
                0x0000000000401000                _start
 .text.exit     0x0000000000401120       0x1b /lib/libc.a(exit.lo)
 .text.nothing  0x0000000000000000       0x1b /lib/libc.a(x.lo)
 *fill*         0x0000000000401140       0x10
";

    #[test]
    fn pieces_have_their_section_and_their_file() {
        let pieces = pieces(MAP);
        let found: Vec<_> = pieces.iter().map(|it| (it.address, &*it.section, &*it.file)).collect();
        assert_eq!(
            found,
            [
                (0x401000, ".text", "crt1.o"),
                (0x401100, ".text.long_name_of_a_function", "cv.rcgu.o"),
                (0x401120, ".text.exit", "exit.lo"),
            ]
        );
        assert_eq!(at(&pieces, 0x40_1015).map(|it| &*it.file), Some("crt1.o"));
        assert_eq!(at(&pieces, 0x40_1016), None);
        assert_eq!(at(&pieces, 0x40_0fff), None);
    }
}
