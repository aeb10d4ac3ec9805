//! Libraries of imports, in Microsoft's short form, by "PE Format" in its documentation: an archive
//! of three small objects that frame the table of imports, and of one record for each function.
//! Linkers of both families read it.

/// Machine of x86-64.
const AMD64: u16 = 0x8664;
/// `IMAGE_REL_AMD64_ADDR32NB`: an address relative to the image.
const RELATIVE_ADDRESS: u16 = 3;

/// Initialised data, readable and writable; the alignment comes along.
const DATA: u32 = 0xC000_0040;
const ALIGN_2: u32 = 0x0020_0000;
const ALIGN_4: u32 = 0x0030_0000;
const ALIGN_8: u32 = 0x0040_0000;

/// Storage classes of symbols.
const EXTERNAL: u8 = 2;
const STATIC: u8 = 3;
const SECTION: u8 = 104;

/// The kinds of record: code, imported by its name.
const CODE_BY_NAME: u16 = 1 << 2;

/// Makes the library by which programs use these functions of a DLL.
pub(super) fn library(dll: &str, functions: &[String]) -> Vec<u8> {
    let stem = dll.trim_end_matches(".dll");
    let descriptor = format!("__IMPORT_DESCRIPTOR_{stem}");
    let end_of_thunks = format!("\u{7f}{stem}_NULL_THUNK_DATA");
    let mut members = vec![
        Member { symbols: vec![descriptor.clone()], bytes: first(dll, &descriptor, &end_of_thunks) },
        Member { symbols: vec![END_OF_TABLE.to_owned()], bytes: end_of_table() },
        Member { symbols: vec![end_of_thunks.clone()], bytes: end_of_list(&end_of_thunks) },
    ];
    members.extend(functions.iter().map(|function| Member {
        symbols: vec![format!("__imp_{function}"), function.clone()],
        bytes: record(dll, function),
    }));
    archive(dll, &members)
}

const END_OF_TABLE: &str = "__NULL_IMPORT_DESCRIPTOR";

/// A member of the archive, with the symbols that it defines.
struct Member {
    symbols: Vec<String>,
    bytes: Vec<u8>,
}

/// The record of one function.
fn record(dll: &str, function: &str) -> Vec<u8> {
    let mut names = format!("{function}\0{dll}\0").into_bytes();
    let mut bytes = Vec::new();
    // No machine and all ones: what tells such a record from an object.
    for value in [0, 0xffff, 0, AMD64, 0, 0] {
        bytes.extend(u16::to_le_bytes(value));
    }
    bytes.extend((names.len() as u32).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(CODE_BY_NAME.to_le_bytes());
    bytes.append(&mut names);
    bytes
}

/// The DLL's entry in the table of imports, with its name.
fn first(dll: &str, descriptor: &str, end_of_thunks: &str) -> Vec<u8> {
    let mut name = dll.as_bytes().to_vec();
    name.resize(dll.len() + 1 + (dll.len() + 1) % 2, 0);
    // Name, list of names, list of addresses: symbols 2, 3 and 4 below.
    let relocations = [(12, 2), (0, 3), (16, 4)];
    object(
        &[
            Part { name: ".idata$2", kind: ALIGN_4, data: vec![0; 20], relocations: &relocations },
            Part { name: ".idata$6", kind: ALIGN_2, data: name, relocations: &[] },
        ],
        &[
            Symbol { name: descriptor, section: 1, class: EXTERNAL },
            Symbol { name: ".idata$2", section: 1, class: SECTION },
            Symbol { name: ".idata$6", section: 2, class: STATIC },
            Symbol { name: ".idata$4", section: 0, class: SECTION },
            Symbol { name: ".idata$5", section: 0, class: SECTION },
            Symbol { name: END_OF_TABLE, section: 0, class: EXTERNAL },
            Symbol { name: end_of_thunks, section: 0, class: EXTERNAL },
        ],
    )
}

/// The empty entry at the end of the table.
fn end_of_table() -> Vec<u8> {
    let part = Part { name: ".idata$3", kind: ALIGN_4, data: vec![0; 20], relocations: &[] };
    object(&[part], &[Symbol { name: END_OF_TABLE, section: 1, class: EXTERNAL }])
}

/// The zeros at the ends of both lists.
fn end_of_list(symbol: &str) -> Vec<u8> {
    let part = |name| Part { name, kind: ALIGN_8, data: vec![0; 8], relocations: &[] };
    let symbol = Symbol { name: symbol, section: 1, class: EXTERNAL };
    object(&[part(".idata$5"), part(".idata$4")], &[symbol])
}

/// A section of an object.
struct Part<'a> {
    name: &'a str,
    kind: u32,
    data: Vec<u8>,
    /// Places in the data, with the number of the symbol whose address belongs there.
    relocations: &'a [(u32, u32)],
}

struct Symbol<'a> {
    name: &'a str,
    /// From 1 on; 0 if it is defined elsewhere.
    section: u16,
    class: u8,
}

/// An object: header, headers of sections, their contents, symbols, names.
fn object(parts: &[Part<'_>], symbols: &[Symbol<'_>]) -> Vec<u8> {
    let mut contents = Vec::new();
    let mut headers = Vec::new();
    let begin = 20 + 40 * parts.len();
    for part in parts {
        let data = begin + contents.len();
        contents.extend(&part.data);
        let relocations = if part.relocations.is_empty() { 0 } else { begin + contents.len() };
        for (place, symbol) in part.relocations {
            contents.extend(place.to_le_bytes());
            contents.extend(symbol.to_le_bytes());
            contents.extend(RELATIVE_ADDRESS.to_le_bytes());
        }
        headers.extend(padded(part.name));
        for value in [0, 0, part.data.len(), data, relocations, 0] {
            headers.extend((value as u32).to_le_bytes());
        }
        headers.extend((part.relocations.len() as u16).to_le_bytes());
        headers.extend([0; 2]);
        headers.extend((DATA | part.kind).to_le_bytes());
    }
    let mut object = AMD64.to_le_bytes().to_vec();
    object.extend((parts.len() as u16).to_le_bytes());
    object.extend([0; 4]);
    object.extend(((begin + contents.len()) as u32).to_le_bytes());
    object.extend((symbols.len() as u32).to_le_bytes());
    object.extend([0; 4]);
    object.extend(headers);
    object.extend(contents);
    append_symbols(&mut object, symbols);
    object
}

/// The table of symbols, and the names that are too long for it.
fn append_symbols(object: &mut Vec<u8>, symbols: &[Symbol<'_>]) {
    let mut names = Vec::new();
    for symbol in symbols {
        if symbol.name.len() <= 8 {
            object.extend(padded(symbol.name));
        } else {
            object.extend([0; 4]);
            // The length of the table is its first member.
            object.extend((4 + names.len() as u32).to_le_bytes());
            names.extend(symbol.name.as_bytes());
            names.push(0);
        }
        object.extend([0; 4]);
        object.extend(symbol.section.to_le_bytes());
        object.extend([0, 0, symbol.class, 0]);
    }
    object.extend((4 + names.len() as u32).to_le_bytes());
    object.extend(names);
}

fn padded(name: &str) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// An archive with both tables of symbols: by member, and by name.
fn archive(name: &str, members: &[Member]) -> Vec<u8> {
    let symbols: Vec<(&str, usize)> = members
        .iter()
        .enumerate()
        .flat_map(|(member, content)| content.symbols.iter().map(move |symbol| (symbol.as_str(), member)))
        .collect();
    let names: usize = symbols.iter().map(|(symbol, _)| symbol.len() + 1).sum();
    let first = 4 + 4 * symbols.len() + names;
    let second = 4 + 4 * members.len() + 4 + 2 * symbols.len() + names;
    let mut place = 8 + whole(first) + whole(second);
    let places: Vec<usize> = members
        .iter()
        .map(|member| {
            let own = place;
            place += whole(member.bytes.len());
            own
        })
        .collect();
    let mut archive = b"!<arch>\n".to_vec();
    append(&mut archive, "/", &by_member(&symbols, &places));
    append(&mut archive, "/", &by_name(symbols, &places));
    for member in members {
        append(&mut archive, &format!("{name}/"), &member.bytes);
    }
    archive
}

fn by_member(symbols: &[(&str, usize)], places: &[usize]) -> Vec<u8> {
    let mut table = (symbols.len() as u32).to_be_bytes().to_vec();
    table.extend(symbols.iter().flat_map(|(_, member)| (places[*member] as u32).to_be_bytes()));
    table.extend(symbols.iter().flat_map(|(symbol, _)| symbol.bytes().chain([0])));
    table
}

fn by_name(mut symbols: Vec<(&str, usize)>, places: &[usize]) -> Vec<u8> {
    symbols.sort_unstable();
    let mut table = (places.len() as u32).to_le_bytes().to_vec();
    table.extend(places.iter().flat_map(|place| (*place as u32).to_le_bytes()));
    table.extend((symbols.len() as u32).to_le_bytes());
    table.extend(symbols.iter().flat_map(|(_, member)| (*member as u16 + 1).to_le_bytes()));
    table.extend(symbols.iter().flat_map(|(symbol, _)| symbol.bytes().chain([0])));
    table
}

/// The length of a member with its header and what makes it even.
fn whole(length: usize) -> usize {
    60 + length + length % 2
}

fn append(archive: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, "", "", 0, bytes.len());
    archive.extend(header.as_bytes());
    archive.extend(bytes);
    if bytes.len() % 2 == 1 {
        archive.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_leads_to_its_member() {
        let functions = ["second", "first"].map(str::to_owned);
        let library = library("thing.dll", &functions);
        let number = |at: usize| u32::from_be_bytes(library[at..at + 4].try_into().unwrap()) as usize;
        // Behind the archive's mark and the first member's header.
        let count = number(68);
        assert_eq!(count, 7);
        let names = &library[72 + 4 * count..];
        let names: Vec<&[u8]> = names.split(|byte| *byte == 0).take(count).collect();
        assert_eq!(names[3..], [&b"__imp_second"[..], b"second", b"__imp_first", b"first"]);
        for (symbol, place) in names.iter().zip((0..count).map(|index| number(72 + 4 * index))) {
            assert!(library[place..].starts_with(b"thing.dll/      "), "{symbol:?}");
            let member = &library[place + 60..];
            let plain = symbol.strip_prefix(b"__imp_").unwrap_or(symbol);
            assert!(member.windows(plain.len()).take(400).any(|window| window == plain), "{symbol:?}");
        }
        assert_eq!(library.len() % 2, 0);
    }
}
