//! BLAKE3 of a few blocks, one after the other.
//!
//! Bytes go in and their hash comes out, the same as everywhere. The crate compresses one block with
//! the processor's vectors where it has them. That is made for many blocks at a time: of a chain of
//! records each waits for the one before, so what counts is how long one takes, and on a processor
//! whose vectors answer later than its ordinary registers (Zen 5: 178 ns for two blocks against 110)
//! the plain code is faster. Deliberately absent: more than one chunk, for which the vectors are.

use blake3::{BLOCK_LEN, CHUNK_LEN, platform::Platform};

/// The words BLAKE3 starts with, SHA-256's: section 2.2 of its specification.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

// What a block is, as the specification numbers it.
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 2;
const ROOT: u8 = 8;

/// The hash of these bytes.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    if CHUNK_LEN < bytes.len() {
        return *blake3::hash(bytes).as_bytes();
    }
    // The last block is never empty, unless there is nothing at all.
    let whole = bytes.len().saturating_sub(1) / BLOCK_LEN;
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    let mut words = INITIAL;
    let mut flags = CHUNK_START;
    for block in blocks.iter().take(whole) {
        compress(&mut words, block, BLOCK_LEN, flags);
        flags = 0;
    }
    let last = match (rest, blocks.last()) {
        ([], Some(block)) => block.as_slice(),
        (rest, _) => rest,
    };
    let mut block = [0; BLOCK_LEN];
    for (byte, value) in block.iter_mut().zip(last) {
        *byte = *value;
    }
    compress(&mut words, &block, last.len(), flags | CHUNK_END | ROOT);
    let mut hash = [0; 32];
    let (fours, _) = hash.as_chunks_mut();
    for (four, word) in fours.iter_mut().zip(words) {
        *four = word.to_le_bytes();
    }
    hash
}

fn compress(words: &mut [u32; 8], block: &[u8; BLOCK_LEN], len: usize, flags: u8) {
    let len = u8::try_from(len).unwrap_or(u8::MAX);
    Platform::Portable.compress_in_place(words, block, len, 0, flags);
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn it_is_blake3_at_every_length() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3_000).collect();
        for len in 0..bytes.len() {
            let (bytes, _) = bytes.split_at(len);
            assert_eq!(hash(bytes), *blake3::hash(bytes).as_bytes(), "{len} bytes");
        }
    }
}
