//! Frames: where one message ends and the next begins in a stream of bytes.
//!
//! ```text
//! length of what follows, u32 LE | type, u8 | the rest, by type
//! ```
//!
//! Bytes go in as they arrive, in any pieces; whole frames come out. The length is checked before
//! it is believed. Deliberately absent: what frames mean (see `message`), sockets, allocation.

/// Bytes before every frame: its length.
pub const PREFIX_BYTES: usize = 4;

/// A length no frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than the reader accepts.
    #[error("a frame of {len} bytes was announced and {max} is the most")]
    TooLong {
        /// The announced length.
        len: usize,
        /// The most this reader accepts.
        max: usize,
    },
    /// A frame holds at least its type.
    #[error("an empty frame was announced; a frame holds at least its type")]
    Empty,
}

/// A frame without its prefix, and what follows it.
pub type Split<'a> = (&'a [u8], &'a [u8]);

/// Splits the first whole frame off `bytes`: the frame without its prefix, and what follows it.
/// `None` when more bytes are needed.
///
/// # Errors
/// As soon as the prefix is complete and announces an impossible length.
pub fn split(bytes: &[u8], len_max: usize) -> Result<Option<Split<'_>>, FrameError> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let announced = u32::from_le_bytes(*prefix);
    let len = usize::try_from(announced).unwrap_or(usize::MAX);
    if len == 0 {
        return Err(FrameError::Empty);
    }
    if len_max < len {
        return Err(FrameError::TooLong { len, max: len_max });
    }
    Ok(rest.split_at_checked(len))
}

/// Appends one frame: `fill` writes its type and the rest, and the prefix is set to their length.
///
/// # Panics
/// If `fill` removes bytes or writes more than a `u32` can count, which no message does.
pub fn write(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let prefix_at = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    fill(out);
    let frame_at = prefix_at.saturating_add(PREFIX_BYTES);
    let len = out.len().checked_sub(frame_at).expect("fill only appends");
    let len = u32::try_from(len).expect("messages are bounded far below 4 GiB");
    out.get_mut(prefix_at..frame_at)
        .expect("the prefix was just written")
        .copy_from_slice(&len.to_le_bytes());
}
