use std::io::Write;

use proptest::prelude::*;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// A frame that decoders skip, as zstd:chunked and seekable streams have.
fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&[0x5e, 0x2a, 0x4d, 0x18][..], &length, content].concat()
}

fn all(source: impl Read + Send, expected: Option<Compression>) -> Result<(Vec<u8>, Decoded)> {
    decode(source, expected, u64::MAX, |plain| {
        let mut bytes = Vec::new();
        plain.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    })
}

/// Gives the bytes in small pieces, as a network does, and then fails if it is to.
struct Dribble<'a>(&'a [u8], usize, Option<io::ErrorKind>);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        match self.2 {
            Some(kind) if count == 0 => Err(io::Error::new(kind, "the line is cut")),
            _ => Ok(count),
        }
    }
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * index / 7 % 251) as u8).collect()
}

#[test]
fn members_and_frames_follow_each_other() {
    let (one, two) = (sample(700_000), sample(300_001));
    let whole = [&one[..], &two].concat();
    let cases = [
        (Compression::Gzip, [gzip(&one), gzip(b""), gzip(&two)].concat()),
        (Compression::Zstd, [zstd(&one), skippable(b"index"), zstd(&two), skippable(&sample(9000))].concat()),
        (Compression::Zstd, [skippable(b""), zstd(&whole)].concat()),
        (Compression::None, whole.clone()),
    ];
    for (compression, bytes) in cases {
        for expected in [None, Some(compression)] {
            for step in [1 << 20, 1000] {
                let (plain, decoded) = all(Dribble(&bytes, step, None), expected).unwrap();
                assert_eq!(plain, whole);
                let (diff_id, size) = (Digest::of(&whole), whole.len() as u64);
                assert_eq!(decoded, Decoded { diff_id, size, compression });
            }
        }
    }
    assert_eq!(all(&b""[..], None).unwrap().1.size, 0);
}

#[test]
fn what_is_compressed_otherwise_than_said_is_refused_with_both() {
    let bytes = sample(1000);
    let message = |bytes: &[u8], expected| all(bytes, Some(expected)).map(drop).unwrap_err().to_string();
    assert_eq!(
        message(&zstd(&bytes), Compression::Gzip),
        "the layer is said to be compressed with gzip, and its first bytes are compressed with zstd"
    );
    assert_eq!(
        message(&bytes, Compression::Zstd),
        "the layer is said to be compressed with zstd, and its first bytes are a plain tar archive"
    );
    assert_eq!(message(b"BZh91AY", Compression::None), "the layer is compressed with bzip2");
    assert_eq!(message(b"\xfd7zXZ\0x", Compression::Gzip), "the layer is compressed with xz");
    for (media_type, compression) in [
        ("application/vnd.oci.image.layer.v1.tar", Compression::None),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Compression::Gzip),
    ] {
        assert_eq!(Compression::of_media_type(media_type).unwrap(), compression);
    }
    for media_type in ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "application/json", ""] {
        let error = Compression::of_media_type(media_type).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{media_type}");
    }
}

#[test]
fn damage_and_the_end_of_the_source_are_told_apart() {
    let bytes = sample(400_000);
    for packed in [gzip(&bytes), zstd(&bytes)] {
        let cut = &packed[..packed.len() - 9];
        let error = all(cut, None).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().starts_with("decompress the layer"), "{error}");
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::Other] {
            let error = all(Dribble(cut, 5000, Some(kind)), None).map(drop).unwrap_err();
            assert_eq!(error.to_string(), "read the layer: the line is cut");
        }
    }
    let mut changed = gzip(&bytes);
    let middle = changed.len() / 2;
    changed[middle..middle + 20].fill(0xa5);
    let garbage = [gzip(&bytes), b"garbage".to_vec()].concat();
    for wrong in [changed, garbage] {
        assert_eq!(all(&wrong[..], None).map(drop).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    // 1 GiB of zeros in members of 1 MiB.
    let member = gzip(&vec![0; 1 << 20]);
    let bomb = member.repeat(1024);
    let mut taken = 0;
    let error = decode(&bomb[..], None, 3 << 20, |plain| {
        taken = io::copy(plain, &mut io::sink()).unwrap();
        Ok(())
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert!(taken <= 3 << 20, "{taken}");
}

#[test]
fn who_refuses_the_bytes_ends_it_even_if_the_rest_is_damaged() {
    let packed = gzip(&sample(4 << 20));
    let refused = || Error::new(ErrorKind::InvalidArgument, "refused");
    for source in [&packed[..], &packed[..packed.len() - 9]] {
        let error = decode(source, None, u64::MAX, |plain| {
            plain.read_exact(&mut [0; 10]).unwrap();
            Err::<(), _>(refused())
        });
        assert_eq!(error.unwrap_err().to_string(), "refused");
    }
}

#[test]
fn what_nobody_read_counts_for_the_digest() {
    let bytes = sample(300_000);
    let (_, decoded) = decode(&gzip(&bytes)[..], None, u64::MAX, |_| Ok(())).unwrap();
    assert_eq!(decoded.diff_id, Digest::of(&bytes));
    let zeros = zstd(&vec![0; 65 << 20]);
    assert_eq!(decode(&zeros[..], None, u64::MAX, |_| Ok(())).unwrap_err().kind(), ErrorKind::Corrupt);
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), magic in 0usize..4) {
        let magic = [&b""[..], &b"\x1f\x8b\x08\0"[..], &b"\x28\xb5\x2f\xfd"[..], &b"\x50\x2a\x4d\x18"[..]][magic];
        let _ = decode(&[magic, &bytes[..]].concat()[..], None, 1 << 20, |plain| {
            io::copy(plain, &mut io::sink()).map(drop).map_err(|error| Error::io(error, "read"))
        });
    }
}
