//! Keys that let go of a container.

use cv::terminal::detach::DetachKeys;

/// The first line names the keys, the rest is typed, in pieces: everything before the first
/// occurrence of the keys goes through, in order.
pub fn target(data: &[u8]) {
    let cut = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..cut]) else { return };
    let Ok(mut filter) = DetachKeys::parse(text) else { return };
    let keys = keys_of(text);
    let typed = data.get(cut + 1..).unwrap_or(&[]);
    let size = usize::from(*typed.first().unwrap_or(&0) % 7) + 1;
    let (mut passed, mut detached) = (Vec::new(), false);
    for piece in typed.chunks(size) {
        let (bytes, complete) = filter.filter(piece);
        passed.extend(bytes);
        detached = complete;
        if complete {
            break;
        }
    }
    let found = typed.windows(keys.len().max(1)).position(|window| window == keys);
    match found {
        Some(at) => assert!(detached && passed == typed[..at], "{passed:?}"),
        None => {
            assert!(!detached && typed.starts_with(&passed));
            assert!(typed.len() - passed.len() < keys.len().max(1), "no more is held back than may be keys");
        }
    }
}

fn keys_of(text: &str) -> Vec<u8> {
    let key = |name: &str| match name.strip_prefix("ctrl-") {
        Some(name) if !name.is_empty() => name.as_bytes()[0] & 0x1f,
        _ => name.as_bytes()[0],
    };
    if text.is_empty() { Vec::new() } else { text.split(',').map(key).collect() }
}
