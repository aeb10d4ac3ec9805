//! Frames in a stream of bytes, which may cut them anywhere.

use containerv_sys::frame::{HEAD, MAX_PAYLOAD};

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) payload: Vec<u8>,
}

/// Whoever is at the other end does not speak of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Returns the bytes of a frame; of a longer payload only what fits.
pub(crate) fn encode(kind: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend([kind, 0, 0, 0]);
    bytes.extend((payload.len() as u32).to_ne_bytes());
    bytes.extend(payload);
    bytes
}

/// Puts frames together again. Holds little more than one frame if it is asked for them after
/// each feeding.
#[derive(Debug, Default)]
pub(crate) struct Decoder(Vec<u8>);

impl Decoder {
    /// Takes bytes as they come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Returns the next frame if it is complete.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        let Some((head, rest)) = self.0.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [kind, a, b, c, length @ ..] = *head;
        let length = u32::from_ne_bytes(length) as usize;
        if [a, b, c] != [0; 3] || length > MAX_PAYLOAD {
            return Err(Malformed);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let payload = payload.to_vec();
        self.0.drain(..HEAD + length);
        Ok(Some(Frame { kind, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(decoder: &mut Decoder) -> Vec<Frame> {
        std::iter::from_fn(|| decoder.next().unwrap()).collect()
    }

    #[test]
    fn a_frame_is_there_once_its_last_byte_has_come() {
        let mut decoder = Decoder::default();
        let bytes = encode(3, b"input");
        for byte in &bytes[..bytes.len() - 1] {
            decoder.feed(&[*byte]);
            assert_eq!(decoder.next(), Ok(None));
        }
        decoder.feed(&bytes[bytes.len() - 1..]);
        assert_eq!(all(&mut decoder), [Frame { kind: 3, payload: b"input".to_vec() }]);
    }

    #[test]
    fn endless_frames_are_refused_before_they_are_read() {
        for head in [[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [1, 9, 0, 0, 0, 0, 0, 0]] {
            let mut decoder = Decoder::default();
            decoder.feed(&head);
            assert_eq!(decoder.next(), Err(Malformed));
        }
        assert_eq!(encode(1, &vec![7; MAX_PAYLOAD + 1]).len(), HEAD + MAX_PAYLOAD);
    }

    proptest::proptest! {
        #[test]
        fn frames_come_through_any_cuts(
            frames in proptest::collection::vec((0u8.., proptest::collection::vec(0u8.., 0..200)), 0..20),
            cut in 1usize..300,
        ) {
            let frames: Vec<Frame> =
                frames.into_iter().map(|(kind, payload)| Frame { kind, payload }).collect();
            let bytes: Vec<u8> =
                frames.iter().flat_map(|frame| encode(frame.kind, &frame.payload)).collect();
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.feed(piece);
                found.extend(all(&mut decoder));
            }
            proptest::prop_assert_eq!(found, frames);
        }

        #[test]
        fn no_bytes_break_it(pieces: Vec<Vec<u8>>) {
            let mut decoder = Decoder::default();
            for piece in &pieces {
                decoder.feed(piece);
                while let Ok(Some(_)) = decoder.next() {}
            }
        }
    }
}
