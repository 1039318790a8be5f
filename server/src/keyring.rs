//! The keys of people: what is about somebody is sealed with theirs, and gone when it is.
//!
//! A text and whose it is go in, the text sealed comes out, and the other way round. New keys follow
//! from a seed that the shell draws once a start and that is never stored: each key is made together
//! with the next seed, so that no key can be worked out from what is left afterwards. Deliberately
//! absent: randomness, files (`log::people`), and which texts are about whom (`domain`).
//!
//! ```text
//! sealed:  ff | nonce, 12 | the text enciphered, as long as it | tag, 16
//! ```
//!
//! ChaCha20-Poly1305, with the position and the number of the text in its record as associated
//! data. The nonce is a keyed hash of both and of the text. A position alone would do while the log
//! only grows; but a crash may take back a record whose bytes reached the disk, and the next record
//! at that position must not share its key stream. The first byte never stands in UTF-8, so nothing
//! sealed is ever taken for text. What belongs to nobody (a refused registration) is that byte
//! alone: nobody could ever have it erased.

use std::{collections::BTreeSet, fmt};

use chacha20poly1305::{
    ChaCha20Poly1305, Tag,
    aead::{AeadInOut as _, KeyInit as _},
};
use foldhash::fast::FixedState;
use protocol::{Personal, Seq, UserId};
use zeroize::Zeroizing;

use crate::log::PersonKey;

const SEALED: u8 = 0xff;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// What a seal adds to the length of a text.
pub const SEAL_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// Where a text stands: the position of its record, and its number there.
pub type TextPlace = (Seq, u8);

/// Why a text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// There is no key: whoever it is about was erased, or never came to be.
    Erased,
    /// There is a key and it does not open this: one of them is not what it was.
    Damaged,
}

/// Every key there is.
pub struct Keyring {
    keys: hashbrown::HashMap<UserId, Zeroizing<[u8; 32]>, FixedState>,
    seed: Zeroizing<[u8; 32]>,
    /// People in the log who have no key: erased further on, or the key was lost.
    keyless: BTreeSet<UserId>,
}

// Keys are not for logs and panic messages.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("keys", &self.keys.len())
            .field("keyless", &self.keyless)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// No keys, and where new ones come from: 256 bits that nobody knows and that were never used
    /// before.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            keys: hashbrown::HashMap::default(),
            seed: Zeroizing::new(seed),
            keyless: BTreeSet::new(),
        }
    }

    /// A ring that opens and never makes a key.
    #[must_use]
    pub fn of(keys: Vec<PersonKey>) -> Self {
        let mut ring = Self::new([0; 32]);
        ring.extend(keys);
        ring
    }

    /// Takes in keys that were made before.
    pub fn extend(&mut self, keys: Vec<PersonKey>) {
        for PersonKey { user, key } in keys {
            self.keys.insert(user, key);
        }
    }

    /// Makes the key of a new person. It must be durable before anything sealed with it is.
    pub fn make(&mut self, user: UserId) -> PersonKey {
        let mut output = Zeroizing::new([0; 64]);
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(b"the next key and the next seed");
        hasher.finalize_xof().fill(&mut output[..]);
        let (key, seed) = output.split_at(32);
        self.seed.copy_from_slice(seed);
        let mut made = Zeroizing::new([0; 32]);
        made.copy_from_slice(key);
        self.keys.insert(user, made.clone());
        PersonKey { user, key: made }
    }

    /// What tables of what clients choose are hashed with: nobody can work it out either, nor the
    /// seed from it.
    #[must_use]
    pub fn hash_seed(&self) -> u64 {
        let hash = blake3::keyed_hash(&self.seed, b"the seed of hashes");
        let (eights, _) = hash.as_bytes().as_chunks();
        u64::from_le_bytes(eights[0])
    }

    /// Whether there is a key of this person.
    #[must_use]
    pub fn has(&self, user: UserId) -> bool {
        self.keys.contains_key(&user)
    }

    /// Notes that the log has this person, with a key or without.
    pub fn meet(&mut self, user: UserId) {
        if !self.has(user) {
            self.keyless.insert(user);
        }
    }

    /// Forgets the key of somebody who is erased.
    pub fn remove(&mut self, user: UserId) {
        self.keys.remove(&user);
        self.keyless.remove(&user);
    }

    /// People who were met, are not erased, and have no key.
    #[must_use]
    pub const fn keyless(&self) -> &BTreeSet<UserId> {
        &self.keyless
    }

    /// Seals a text about `user`. The same text at the same place is sealed to the same bytes.
    pub fn seal(&self, user: UserId, place: TextPlace, text: &mut Personal) {
        let Some(key) = self.keys.get(&user) else {
            *text = Personal::from_bytes(vec![SEALED]);
            return;
        };
        let (place, plain) = (place_bytes(place), text.as_bytes());
        let nonce = nonce(key, &place, plain);
        let mut sealed = Vec::with_capacity(SEAL_BYTES + plain.len());
        sealed.push(SEALED);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = ChaCha20Poly1305::new((&**key).into())
            .encrypt_inout_detached(
                (&nonce).into(),
                &place,
                (&mut sealed[1 + NONCE_BYTES..]).into(),
            )
            .expect("a text is far shorter than what one nonce enciphers");
        sealed.extend_from_slice(&tag);
        *text = Personal::from_bytes(sealed);
    }

    /// Opens a text about `user`. One that was never sealed stays as it is.
    ///
    /// # Errors
    /// If it cannot be opened; it stays as it is. Only a key that is not there means that its person
    /// was erased.
    pub fn open(
        &self,
        user: UserId,
        place: TextPlace,
        text: &mut Personal,
    ) -> Result<(), Unreadable> {
        let Some((&SEALED, sealed)) = text.as_bytes().split_first() else {
            return Ok(());
        };
        // What belonged to nobody is the first byte alone.
        let key = self.keys.get(&user).filter(|_key| !sealed.is_empty());
        let key = key.ok_or(Unreadable::Erased)?;
        let (nonce, rest) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(Unreadable::Damaged)?;
        let (enciphered, tag) = rest
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(Unreadable::Damaged)?;
        let mut plain = enciphered.to_vec();
        ChaCha20Poly1305::new((&**key).into())
            .decrypt_inout_detached(
                nonce.into(),
                &place_bytes(place),
                plain.as_mut_slice().into(),
                <&Tag>::from(tag),
            )
            .map_err(|_forged| Unreadable::Damaged)?;
        *text = Personal::from_bytes(plain);
        Ok(())
    }
}

fn place_bytes((seq, index): TextPlace) -> [u8; 9] {
    let mut bytes = [index; 9];
    bytes[..8].copy_from_slice(&seq.0.to_le_bytes());
    bytes
}

fn nonce(key: &[u8; 32], place: &[u8; 9], plain: &[u8]) -> [u8; NONCE_BYTES] {
    let hash = *blake3::Hasher::new_keyed(key)
        .update(place)
        .update(plain)
        .finalize()
        .as_bytes();
    *hash.first_chunk().expect("12 of 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: UserId = UserId(4);
    const PLACE: TextPlace = (Seq(9), 0);
    const ERASED: Result<String, Unreadable> = Err(Unreadable::Erased);
    const DAMAGED: Result<String, Unreadable> = Err(Unreadable::Damaged);

    fn ring() -> Keyring {
        let mut ring = Keyring::new([7; 32]);
        ring.make(ANA);
        ring
    }

    fn sealed(ring: &Keyring, place: TextPlace, text: &str) -> Personal {
        let mut text = Personal::from(text);
        ring.seal(ANA, place, &mut text);
        text
    }

    fn opened(
        ring: &Keyring,
        user: UserId,
        place: TextPlace,
        text: &Personal,
    ) -> Result<String, Unreadable> {
        let mut text = text.clone();
        ring.open(user, place, &mut text)?;
        Ok(text.text().expect("what is opened is text").to_owned())
    }

    #[test]
    fn what_was_sealed_is_opened_with_its_key_at_its_place_and_nowhere_else() {
        let mut ring = ring();
        for plain in ["", "x", "a longer text, with an \u{e4}"] {
            let text = sealed(&ring, PLACE, plain);
            assert_eq!(text.text(), None, "sealed bytes are never text");
            assert_eq!(text.as_bytes().len(), SEAL_BYTES + plain.len());
            assert_eq!(opened(&ring, ANA, PLACE, &text).as_deref(), Ok(plain));
            for place in [(Seq(10), 0), (Seq(9), 1)] {
                assert_eq!(opened(&ring, ANA, place, &text), DAMAGED);
            }
            assert_eq!(opened(&ring, UserId(5), PLACE, &text), ERASED);
        }
        let text = sealed(&ring, PLACE, "secret");
        ring.remove(ANA);
        assert_eq!(opened(&ring, ANA, PLACE, &text), ERASED);
        ring.make(ANA);
        assert_eq!(opened(&ring, ANA, PLACE, &text), DAMAGED, "another key");
    }

    #[test]
    fn every_byte_of_a_sealed_text_counts() {
        let ring = ring();
        let text = sealed(&ring, PLACE, "secret");
        for index in 1..text.as_bytes().len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[index] ^= 1;
            let changed = Personal::from_bytes(bytes.clone());
            assert_eq!(opened(&ring, ANA, PLACE, &changed), DAMAGED, "byte {index}");
            bytes.truncate(index);
            // The first byte alone is what belonged to nobody.
            let expected = if index == 1 { ERASED } else { DAMAGED };
            let cut = Personal::from_bytes(bytes);
            assert_eq!(opened(&ring, ANA, PLACE, &cut), expected, "cut at {index}");
        }
    }

    #[test]
    fn another_text_at_the_same_place_shares_no_key_stream() {
        let ring = ring();
        let (one, two) = (sealed(&ring, PLACE, "aaaa"), sealed(&ring, PLACE, "aaab"));
        assert_eq!(one, sealed(&ring, PLACE, "aaaa"), "a retry is recognised");
        let body = |text: &Personal| text.as_bytes()[1 + NONCE_BYTES..][..3].to_vec();
        assert_ne!(body(&one), body(&two));
    }

    #[test]
    fn what_belongs_to_nobody_is_not_kept() {
        let ring = Keyring::new([7; 32]);
        let text = sealed(&ring, PLACE, "secret");
        assert_eq!(text.as_bytes(), [SEALED]);
        assert_eq!(opened(&ring, ANA, PLACE, &text), ERASED);
    }

    #[test]
    fn keys_follow_from_the_seed_and_are_all_different() {
        let keys = |seed| {
            let mut ring = Keyring::new([seed; 32]);
            [1, 2, 3].map(|user| *ring.make(UserId(user)).key)
        };
        assert_eq!(keys(1), keys(1));
        let mut all = [keys(1), keys(2)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn whoever_has_no_key_and_is_not_erased_is_noticed() {
        let mut ring = ring();
        for user in [ANA, UserId(5), UserId(6)] {
            ring.meet(user);
        }
        ring.remove(UserId(5));
        assert_eq!(ring.keyless(), &BTreeSet::from([UserId(6)]));
    }
}
