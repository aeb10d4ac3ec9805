//! Maps of files with holes: where the bytes that an archive holds belong in the file.

use tar::{GnuExtSparseHeader, GnuHeader};

use super::BLOCK;
use super::pax::{Complaint, SparseRecords, digits};

/// The most runs of data that a file may have.
pub(crate) const MOST_RUNS: usize = 1 << 20;

/// A file with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    /// Size of the file.
    pub(crate) size: u64,
    /// Offset and length of each run of data, in ascending order.
    pub(crate) runs: Vec<(u64, u64)>,
}

impl Map {
    /// Checks that the runs are in order, in the file, and take exactly `stored` bytes.
    pub(super) fn new(size: u64, runs: Vec<(u64, u64)>, stored: u64) -> Result<Self, Complaint> {
        let mut end = 0;
        let mut total = 0u64;
        for &(offset, length) in &runs {
            let after = offset.checked_add(length).filter(|&after| offset >= end && after <= size);
            end = after.ok_or("a map of a sparse file that leaves the file or overlaps itself")?;
            total += length;
        }
        if total != stored {
            return Err(format!("a map of a sparse file with {total} bytes for {stored} in the archive"));
        }
        i64::try_from(size).map_err(|_| "a sparse file larger than a file can be")?;
        Ok(Self { size, runs })
    }

    /// Takes the map of versions 0.0 and 0.1, which is all in the pax header.
    pub(super) fn from_records(records: &SparseRecords, stored: u64) -> Result<Self, Complaint> {
        let size = records.real_size.ok_or("a sparse file without its size")?;
        if !records.map.len().is_multiple_of(2) {
            return Err("a malformed map of a sparse file".into());
        }
        Self::new(size, records.map.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), stored)
    }
}

/// Reads the runs of an old GNU header, and asks `block` for each block that continues them.
pub(super) fn gnu_runs<E: From<Complaint>>(
    header: &GnuHeader,
    mut block: impl FnMut() -> Result<[u8; BLOCK], E>,
) -> Result<Vec<(u64, u64)>, E> {
    let mut runs = Vec::new();
    for run in &header.sparse {
        add_gnu_run(&mut runs, run)?;
    }
    let mut more = header.is_extended();
    while more {
        let mut continued = GnuExtSparseHeader::new();
        *continued.as_mut_bytes() = block()?;
        for run in continued.sparse() {
            add_gnu_run(&mut runs, run)?;
        }
        more = continued.is_extended();
    }
    Ok(runs)
}

fn add_gnu_run(runs: &mut Vec<(u64, u64)>, run: &tar::GnuSparseHeader) -> Result<(), Complaint> {
    if run.is_empty() {
        return Ok(());
    }
    let bad = |_| "a malformed map of a sparse file".to_string();
    if runs.len() >= MOST_RUNS {
        return Err(format!("a sparse file with more than {MOST_RUNS} runs of data"));
    }
    runs.push((run.offset().map_err(bad)?, run.length().map_err(bad)?));
    Ok(())
}

/// Reads the map of version 1.0, which precedes the data: decimal numbers, each in a line of its own,
/// how many runs and then offset and length of each, padded to a block. Returns the runs and how
/// many bytes the map took.
pub(super) fn leading_runs<E: From<Complaint>>(
    mut block: impl FnMut() -> Result<[u8; BLOCK], E>,
) -> Result<(Vec<(u64, u64)>, u64), E> {
    let mut numbers = Vec::new();
    let mut wanted = 1;
    let mut digits_so_far = Vec::new();
    let mut taken = 0;
    while numbers.len() < wanted {
        taken += BLOCK as u64;
        for byte in block()? {
            if numbers.len() == wanted {
                break;
            }
            if byte != b'\n' {
                digits_so_far.push(byte);
                if digits_so_far.len() > 20 {
                    return Err(Complaint::from("a malformed map of a sparse file").into());
                }
                continue;
            }
            let number =
                digits(&digits_so_far).ok_or_else(|| "a malformed map of a sparse file".to_string())?;
            digits_so_far.clear();
            if numbers.is_empty() {
                let runs = usize::try_from(number).ok().filter(|&runs| runs <= MOST_RUNS);
                let runs =
                    runs.ok_or_else(|| format!("a sparse file with more than {MOST_RUNS} runs of data"))?;
                wanted += 2 * runs;
            }
            numbers.push(number);
        }
    }
    Ok((numbers[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), taken))
}

/// Writes the map of version 1.0.
pub(super) fn write_leading_runs(runs: &[(u64, u64)]) -> Vec<u8> {
    let mut text = format!("{}\n", runs.len());
    for (offset, length) in runs {
        text.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<(Vec<(u64, u64)>, u64), Complaint> {
        let mut blocks = bytes.chunks_exact(BLOCK);
        leading_runs(|| blocks.next().map(|block| block.try_into().unwrap()).ok_or("the end".to_string()))
    }

    #[test]
    fn maps_that_lie_are_refused() {
        assert!(Map::new(10, vec![(0, 4), (6, 4)], 8).is_ok());
        for (size, runs, stored) in [
            (10, vec![(0, 4), (3, 4)], 8),
            (10, vec![(6, 4), (0, 4)], 8),
            (10, vec![(6, 5)], 5),
            (10, vec![(u64::MAX, 2)], 2),
            (10, vec![(0, 4)], 5),
            (u64::MAX, vec![], 0),
        ] {
            assert!(Map::new(size, runs.clone(), stored).is_err(), "{size} {runs:?} {stored}");
        }
    }

    #[test]
    fn a_leading_map_without_bounds_is_refused() {
        let mut block = vec![b'9'; BLOCK];
        assert!(parse(&block).is_err());
        block[..9].copy_from_slice(b"99999999\n");
        assert!(parse(&block).unwrap_err().contains("more than"));
        block[..4].copy_from_slice(b"-1\n\n");
        assert!(parse(&block).is_err());
    }

    proptest! {
        #[test]
        fn a_leading_map_is_read_as_written(runs in prop::collection::vec(any::<(u64, u64)>(), 0..200)) {
            let bytes = write_leading_runs(&runs);
            prop_assert_eq!(parse(&bytes).unwrap(), (runs, bytes.len() as u64));
        }
    }
}
