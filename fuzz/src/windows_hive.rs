//! Files of the registry of Windows.

use containerv::fuzzing::windows_hive::count_hive;

/// What is counted fits into the file: no key or value is smaller than its cell.
pub fn target(data: &[u8]) {
    if let Ok(found) = count_hive(data) {
        assert!(found.keys > 0);
        assert!((found.keys + found.values) * 8 <= data.len() as u64);
        assert!(found.gone <= found.keys + found.values);
    }
}
