//! Frames: where they begin and end, however their bytes arrive.

use proptest::{collection::vec, prelude::*};

use crate::{
    frame::{self, FrameError},
    limits::REQUEST_BYTES_MAX,
};

const LEN_MAX: usize = 64;

/// What a reader makes of a stream that arrives in these pieces.
fn read_in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let (mut buffer, mut frames) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some((frame, rest)) = frame::split(&buffer, LEN_MAX).expect("they are short") {
            frames.push(frame.to_vec());
            buffer = rest.to_vec();
        }
    }
    assert_eq!(buffer, Vec::<u8>::new(), "nothing is left of whole frames");
    frames
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(
        frames in vec(vec(any::<u8>(), 1..=LEN_MAX), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            frame::write(&mut stream, |out| out.extend_from_slice(frame));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        prop_assert_eq!(&read_in_pieces(pieces), &frames);
        prop_assert_eq!(&read_in_pieces(stream.chunks(1)), &frames);
    }

    #[test]
    fn a_split_is_within_the_limit_and_loses_nothing(
        bytes in vec(any::<u8>(), 0..200),
        len_max in 0_usize..100,
    ) {
        if let Ok(Some((frame, rest))) = frame::split(&bytes, len_max) {
            prop_assert!((1..=len_max).contains(&frame.len()));
            prop_assert_eq!([&bytes[..4], frame, rest].concat(), bytes);
        }
    }
}

#[test]
fn a_length_is_refused_as_soon_as_it_is_known() {
    let check = |prefix: [u8; 4], expected| {
        assert_eq!(
            frame::split(&prefix, REQUEST_BYTES_MAX),
            expected,
            "{prefix:?}"
        );
        assert_eq!(
            frame::split(&prefix[..3], REQUEST_BYTES_MAX),
            Ok(None),
            "{prefix:?}"
        );
    };
    let too_long = |len| {
        Err(FrameError::TooLong {
            len,
            max: REQUEST_BYTES_MAX,
        })
    };
    check([0, 0, 0, 0], Err(FrameError::Empty));
    check([1, 0, 0, 0], Ok(None));
    check([0, 0x40, 0, 0], Ok(None));
    check([1, 0x40, 0, 0], too_long(16_385));
    check([0xff; 4], too_long(0xffff_ffff));
}
