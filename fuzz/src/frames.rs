//! Frames between a monitor and its clients, in a stream that cuts them anywhere.

use containerv::fuzzing::{encode_frame, frames};

/// The same frames are found however the stream is cut, and they are what it says.
pub fn target(data: &[u8]) {
    let (cut, stream) = data.split_first().map_or((1, data), |(cut, rest)| (usize::from(*cut).max(1), rest));
    let (found, malformed) = frames([stream]);
    assert_eq!(frames(stream.chunks(cut)), (found.clone(), malformed));
    let again: Vec<u8> = found.iter().flat_map(|(kind, payload)| encode_frame(*kind, payload)).collect();
    assert!(stream.starts_with(&again));
}
