//! One text to arguments, as the C interface takes them.

use containerv_capi::fuzzing::split_arguments;

/// No byte is lost or made up, and arguments in quotes come back as they are.
pub fn target(data: &[u8]) {
    let found = split_arguments(data);
    let bare = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().copied().filter(|byte| !b"\" ".contains(byte)).collect()
    };
    assert_eq!(bare(&found.concat()), bare(data));
    assert!(!found.concat().contains(&b'"'));
    let mut quoted = Vec::new();
    for argument in &found {
        quoted.extend_from_slice(b"\"");
        quoted.extend_from_slice(argument);
        quoted.extend_from_slice(b"\"  ");
    }
    assert_eq!(split_arguments(&quoted), found);
    if !data.contains(&b'"') {
        let words: Vec<&[u8]> = data.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(found, words);
    }
}
