//! Reading a hive without believing it.

use super::{BASE_BLOCK, NOWHERE, PIECE, RegistryValue, key_flags, layered, same_name, value_flags};

/// How deep keys may lie: the system's own limit.
const DEEPEST: usize = 512;

/// What is wrong with a hive, in words.
pub(crate) type Problem = &'static str;

/// A hive as it lies in memory.
pub(crate) struct Read<'a> {
    bins: &'a [u8],
    root: u32,
}

/// A key.
pub(crate) struct Key<'a> {
    bins: &'a [u8],
    pub(crate) name: String,
    /// It stands for another key.
    pub(crate) is_link: bool,
    /// It marks a key of the layers below that is gone.
    pub(crate) is_gone: bool,
    keys: (u32, u32),
    values: (u32, u32),
    security: u32,
}

/// What a hive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HiveSummary {
    /// Keys, the root among them.
    pub keys: u64,
    /// Values.
    pub values: u64,
    /// Marks of keys and values that are gone.
    pub gone: u64,
}

fn short(bytes: &[u8], at: usize) -> Result<u16, Problem> {
    let bytes = bytes.get(at..at + 2).ok_or("a record that is cut short")?;
    Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn long(bytes: &[u8], at: usize) -> Result<u32, Problem> {
    let bytes = bytes.get(at..at + 4).ok_or("a record that is cut short")?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The content of the cell at an offset.
fn cell(bins: &[u8], offset: u32) -> Result<&[u8], Problem> {
    let at = offset as usize;
    let size = long(bins, at).map_err(|_| "an offset that leads out of it")?.cast_signed();
    // Cells in use have a negative size.
    let size =
        size.checked_neg().filter(|&size| size >= 8 && size % 8 == 0).ok_or("a cell that is not in use")?;
    bins.get(at + 4..at + size.unsigned_abs() as usize).ok_or("a cell that leaves it")
}

/// A name of one byte or two for each character.
fn text(bytes: &[u8], compressed: bool) -> String {
    if compressed {
        return bytes.iter().map(|&byte| char::from(byte)).collect();
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    String::from_utf16_lossy(&units)
}

impl<'a> Read<'a> {
    /// Looks at the base block. Logs beside the file are not applied.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        if bytes.len() < BASE_BLOCK || !bytes.starts_with(b"regf") {
            return Err("no base block of a hive");
        }
        let (major, minor) = (long(bytes, 20)?, long(bytes, 24)?);
        if major != 1 || !(3..=6).contains(&minor) {
            return Err("a version that is not known");
        }
        let size = long(bytes, 40)? as usize;
        let bins =
            bytes.get(BASE_BLOCK..).and_then(|bins| bins.get(..size)).ok_or("bins that are cut short")?;
        Ok(Self { bins, root: long(bytes, 36)? })
    }

    pub(crate) fn root(&self) -> Result<Key<'a>, Problem> {
        Key::read(self.bins, self.root)
    }

    /// Finds a key by the names on the way to it.
    pub(crate) fn find(&self, names: &[&str]) -> Result<Option<Key<'a>>, Problem> {
        let mut key = self.root()?;
        for name in names {
            match key.key(name)? {
                Some(found) => key = found,
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    /// Counts everything, and with that looks at all of it.
    pub(crate) fn count(&self) -> Result<HiveSummary, Problem> {
        let mut found = HiveSummary::default();
        let mut pending = vec![(self.root()?, 0)];
        // No cell is smaller than 8 bytes.
        let most = self.bins.len() as u64 / 8;
        while let Some((key, depth)) = pending.pop() {
            found.keys += 1;
            found.gone += u64::from(key.is_gone);
            for value in key.value_cells()? {
                found.values += 1;
                found.gone += u64::from(short(value?, 16)? & value_flags::TOMBSTONE != 0);
            }
            if depth == DEEPEST || found.keys + found.values > most {
                return Err("keys that lie in each other without end");
            }
            for below in key.keys()? {
                pending.push((below, depth + 1));
            }
            if pending.len() as u64 > most {
                return Err("keys that lie in each other without end");
            }
        }
        Ok(found)
    }
}

impl<'a> Key<'a> {
    fn read(bins: &'a [u8], offset: u32) -> Result<Self, Problem> {
        let cell = cell(bins, offset)?;
        if !cell.starts_with(b"nk") {
            return Err("an offset of a key that leads to something else");
        }
        let flags = short(cell, 2)?;
        let name = cell.get(76..76 + usize::from(short(cell, 72)?)).ok_or("a name that is cut short")?;
        let layer = *cell.get(13).ok_or("a record that is cut short")?;
        Ok(Self {
            bins,
            name: text(name, flags & key_flags::COMPRESSED_NAME != 0),
            is_link: flags & key_flags::LINK != 0,
            is_gone: layer & layered::SEMANTICS == layered::TOMBSTONE,
            keys: (long(cell, 20)?, long(cell, 28)?),
            values: (long(cell, 36)?, long(cell, 40)?),
            security: long(cell, 44)?,
        })
    }

    /// The keys right below.
    pub(crate) fn keys(&self) -> Result<Vec<Self>, Problem> {
        self.offsets()?.into_iter().map(|offset| Self::read(self.bins, offset)).collect()
    }

    fn key(&self, name: &str) -> Result<Option<Self>, Problem> {
        for offset in self.offsets()? {
            let key = Self::read(self.bins, offset)?;
            if same_name(&key.name, name) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn offsets(&self) -> Result<Vec<u32>, Problem> {
        let mut offsets = Vec::new();
        if self.keys.0 == 0 || self.keys.1 == NOWHERE {
            return Ok(offsets);
        }
        let list = cell(self.bins, self.keys.1)?;
        if !list.starts_with(b"ri") {
            add_leaf(list, &mut offsets)?;
            return Ok(offsets);
        }
        for at in 0..usize::from(short(list, 2)?) {
            let leaf = cell(self.bins, long(list, 4 + 4 * at)?)?;
            add_leaf(leaf, &mut offsets)?;
            // Lists that share leaves would grow without end.
            if offsets.len() > self.bins.len() / 8 {
                return Err("lists of keys that are longer than it");
            }
        }
        Ok(offsets)
    }

    fn value_cells(&self) -> Result<Vec<Result<&'a [u8], Problem>>, Problem> {
        let (count, list) = self.values;
        if count == 0 || list == NOWHERE {
            return Ok(Vec::new());
        }
        let list = cell(self.bins, list)?;
        let count = count as usize;
        let list = list.get(..4 * count.min(list.len())).ok_or("a list of values that is cut short")?;
        let value = |offset: &[u8]| {
            let value = cell(self.bins, long(offset, 0)?)?;
            if value.starts_with(b"vk") {
                Ok(value)
            } else {
                Err("an offset of a value that leads to something else")
            }
        };
        Ok(list.chunks_exact(4).map(value).collect())
    }

    /// Its values; those that are gone are left out.
    pub(crate) fn values(&self) -> Result<Vec<RegistryValue>, Problem> {
        let mut values = Vec::new();
        for value in self.value_cells()? {
            let value = value?;
            let flags = short(value, 16)?;
            if flags & value_flags::TOMBSTONE != 0 {
                continue;
            }
            let name = value.get(20..20 + usize::from(short(value, 2)?)).ok_or("a name that is cut short")?;
            let name = text(name, flags & value_flags::COMPRESSED_NAME != 0);
            values.push(RegistryValue { name, kind: long(value, 12)?, data: self.data(value)? });
        }
        Ok(values)
    }

    fn data(&self, value: &[u8]) -> Result<Vec<u8>, Problem> {
        const INLINE: u32 = 1 << 31;
        const SHORT: &str = "data that is cut short";
        let size = long(value, 4)?;
        if size & INLINE != 0 {
            let size = (size & !INLINE) as usize;
            return value.get(8..12).and_then(|data| data.get(..size)).map(<[u8]>::to_vec).ok_or(SHORT);
        }
        let size = size as usize;
        if size == 0 {
            return Ok(Vec::new());
        }
        let data = cell(self.bins, long(value, 8)?)?;
        if size <= PIECE || !data.starts_with(b"db") {
            return data.get(..size).map(<[u8]>::to_vec).ok_or(SHORT);
        }
        if size > self.bins.len() {
            return Err(SHORT);
        }
        let list = cell(self.bins, long(data, 4)?)?;
        let mut whole = Vec::new();
        for at in 0..usize::from(short(data, 2)?) {
            let piece = cell(self.bins, long(list, 4 * at)?)?;
            let room = PIECE.min(size - whole.len());
            whole.extend_from_slice(piece.get(..room).ok_or(SHORT)?);
        }
        if whole.len() == size { Ok(whole) } else { Err(SHORT) }
    }

    /// Its security descriptor.
    pub(crate) fn security(&self) -> Result<&'a [u8], Problem> {
        let cell = cell(self.bins, self.security)?;
        if !cell.starts_with(b"sk") {
            return Err("an offset of a security descriptor that leads to something else");
        }
        let size = long(cell, 16)? as usize;
        cell.get(20..)
            .and_then(|descriptor| descriptor.get(..size))
            .ok_or("a security descriptor that is cut short")
    }
}

fn add_leaf(list: &[u8], offsets: &mut Vec<u32>) -> Result<(), Problem> {
    let step = match list.get(..2) {
        Some(b"li") => 4,
        Some(b"lf" | b"lh") => 8,
        _ => return Err("a list of keys of another kind"),
    };
    for at in 0..usize::from(short(list, 2)?) {
        offsets.push(long(list, 4 + step * at)?);
    }
    Ok(())
}
