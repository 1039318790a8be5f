//! Passwords and tokens: hashing, checking, and secrets that follow from one secret.
//!
//! Passwords go in; PHC strings and verdicts come out. Slow on purpose, so it is called on threads of its
//! own (`hashing`) and never on the one that serves; the memory that a hash takes is the caller's, who
//! has it once and for all. Salts are derived from the server's secret and the request's key, session
//! tokens also from the record that opens the session, so that a retried request is byte for byte the
//! same command as the first. Deliberately absent: where hashes and secrets are kept, the log, what a
//! log-in is recorded as (`log_in`).

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use protocol::{Key, Seq, UserId, words::accounts::Token};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// KiB that a stored hash may ask for, unless new ones take more: three times the default. What asks for more was
/// not made here, and is not checked.
const STORED_KIB_MAX: u32 = 64 * 1024;

/// How often as dear as that a stored hash may be, and in how many lanes.
const STORED_PASSES_MAX: u32 = 16;

/// The dearest bcrypt: a second on most machines.
const BCRYPT_COST_MAX: u32 = 14;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// There is no memory for a hash: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory to hash a password; {kib} KiB are needed")]
pub struct OutOfMemory {
    /// How much it takes.
    pub kib: usize,
}

/// The memory that hashes are made in, kept from one to the next.
#[derive(Default)]
pub struct Memory {
    blocks: Vec<Block>,
    /// Whether none is to be had.
    #[cfg(test)]
    is_exhausted: bool,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("kib", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

impl Memory {
    fn blocks(&mut self, count: usize) -> Result<&mut [Block], OutOfMemory> {
        #[cfg(test)]
        if self.is_exhausted {
            return Err(OutOfMemory { kib: count });
        }
        if self.blocks.len() < count {
            // Nothing of what is there has to be kept.
            self.blocks = Vec::new();
            if self.blocks.try_reserve_exact(count).is_err() {
                return Err(OutOfMemory { kib: count });
            }
            self.blocks.resize(count, Block::new());
        }
        Ok(&mut self.blocks[..count])
    }

    /// Of which there is none.
    #[cfg(test)]
    pub(crate) fn exhausted() -> Self {
        Self {
            is_exhausted: true,
            ..Self::default()
        }
    }

    /// Gives back what hashes of this cost do not take.
    pub fn keep(&mut self, cost: PasswordCost) {
        let count = cost.params().block_count();
        if count < self.blocks.len() {
            self.blocks.truncate(count);
            self.blocks.shrink_to_fit();
        }
    }
}

/// What one password hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl PasswordCost {
    /// OWASP's minimum for Argon2id: 19 MiB, 2 passes, 1 lane.
    pub const DEFAULT: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
    };
    /// The least Argon2 allows: for load tests, where log-ins are not what is measured.
    pub const TEST: Self = Self {
        memory_kib: 8,
        passes: 1,
    };

    fn params(self) -> Params {
        Params::new(self.memory_kib, self.passes, 1, Some(HASH_BYTES))
            .expect("the configuration was checked: at least 8 KiB and 1 pass")
    }
}

/// The server's secret: 256 random bits made at the first start.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Secret {
    /// Holds a secret.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The token of the session that a log-in of `user` under `key` opens, whose record is at `seq`
    /// and says the instant `recorded_at`. Nobody without the secret can tell it from random bits.
    ///
    /// A position is taken once in a log. The instant tells apart what is recorded there before and
    /// after a tail was given up or a backup restored.
    #[must_use]
    pub fn session_token(&self, key: Key, user: UserId, seq: Seq, recorded_at: u64) -> Token {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"session token");
        hasher.update(&key.0);
        for number in [user.0, seq.0, recorded_at] {
            hasher.update(&number.to_le_bytes());
        }
        Token(*hasher.finalize().as_bytes())
    }

    /// The token that a log-in got before tokens followed from their records. It came again when the
    /// name or the key did, so it is only told to whoever asks again for an answer of then.
    #[must_use]
    pub fn token_of_old(&self, key: Key, name: &str) -> Token {
        Token(self.derive("token", key, name))
    }

    /// The salt of the account that the registration with this key makes.
    #[must_use]
    pub fn salt(&self, key: Key, name: &str) -> [u8; 16] {
        let derived = self.derive("salt", key, name);
        *derived.first_chunk().expect("16 of 32 bytes")
    }

    fn derive(&self, purpose: &str, key: Key, name: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose.as_bytes());
        hasher.update(&key.0);
        hasher.update(name.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// What the log keeps of a token.
#[must_use]
pub fn token_hash(token: &Token) -> [u8; 32] {
    *blake3::hash(&token.0).as_bytes()
}

/// The PHC string of `password`.
///
/// # Errors
/// If there is no memory for it.
pub fn hash(
    password: &str,
    salt: [u8; 16],
    cost: PasswordCost,
    memory: &mut Memory,
) -> Result<String, OutOfMemory> {
    const FITS: &str = "salt, parameters and hash are of lengths that are always written";
    let (params, mut hash) = (cost.params(), [0; HASH_BYTES]);
    let blocks = memory.blocks(params.block_count())?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password.as_bytes(), &salt, &mut hash, blocks)
        .expect("a 16-byte salt and a password of at most 128 bytes are always hashed");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).expect(FITS),
        salt: Some(Salt::new(&salt).expect(FITS)),
        hash: Some(Output::new(&hash).expect(FITS)),
    };
    Ok(hash.to_string())
}

/// What a password check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is the password.
    Right,
    /// It is the password, and its hash is of an algorithm that should be replaced.
    RightAndOutdated,
    /// It is not.
    Wrong,
}

/// Checks `password` against a stored hash: Argon2 in PHC form, or bcrypt from elsewhere.
///
/// Without a stored hash (no such user) it does the same work and finds [`Check::Wrong`], so that
/// time does not tell which names exist. So does a stored hash that would take more than a log-in may.
///
/// # Errors
/// If there is no memory for it.
pub fn check(
    password: &str,
    stored: Option<&str>,
    cost: PasswordCost,
    memory: &mut Memory,
) -> Result<Check, OutOfMemory> {
    let Some(stored) = stored else {
        hash(password, [0; 16], cost, memory)?;
        return Ok(Check::Wrong);
    };
    if stored.starts_with("$2") {
        return Ok(check_bcrypt(password, stored));
    }
    let Some(stored) = Stored::parse(stored, cost) else {
        return Ok(Check::Wrong);
    };
    let mut found = vec![0; stored.hash.len()];
    let blocks = memory.blocks(stored.params.block_count())?;
    let hashed = Argon2::new(stored.algorithm, stored.version, stored.params)
        .hash_password_into_with_memory(password.as_bytes(), &stored.salt, &mut found, blocks);
    let is_right = hashed.is_ok() && bool::from(found.ct_eq(stored.hash.as_bytes()));
    Ok(if is_right { Check::Right } else { Check::Wrong })
}

/// A stored hash of Argon2, taken apart.
struct Stored {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    hash: Output,
}

impl Stored {
    /// `None` if it is none, or takes too much.
    fn parse(stored: &str, cost: PasswordCost) -> Option<Self> {
        let parsed = PasswordHash::new(stored).ok()?;
        let params = Params::try_from(&parsed).ok()?;
        let version = parsed.version.map(Version::try_from);
        let found = Self {
            algorithm: Algorithm::try_from(parsed.algorithm.as_str()).ok()?,
            version: version.transpose().ok()?.unwrap_or_default(),
            params,
            salt: parsed.salt?,
            hash: parsed.hash?,
        };
        let (kib, passes) = (found.params.m_cost(), found.params.t_cost());
        let is_dear = STORED_KIB_MAX.max(cost.memory_kib) < kib
            || STORED_PASSES_MAX.max(cost.passes) < passes
            || STORED_PASSES_MAX < found.params.p_cost();
        if is_dear {
            tracing::warn!(
                kib,
                passes,
                "a stored password hash asks for more than a log-in may take and is not checked"
            );
            return None;
        }
        Some(found)
    }
}

fn check_bcrypt(password: &str, stored: &str) -> Check {
    let cost = stored.split('$').nth(2).and_then(|cost| cost.parse().ok());
    if cost.is_none_or(|cost: u32| BCRYPT_COST_MAX < cost) {
        tracing::warn!("a stored bcrypt hash is too dear for a log-in and is not checked");
        return Check::Wrong;
    }
    match bcrypt::verify(password, stored) {
        Ok(true) => Check::RightAndOutdated,
        Ok(false) | Err(_) => Check::Wrong,
    }
}

/// What is to be hashed.
pub enum HashJob {
    /// A new password.
    Hash {
        /// The password.
        password: Arc<Zeroizing<String>>,
        /// What makes its hash another than that of the same password elsewhere.
        salt: [u8; 16],
    },
    /// One that is shown, to be compared with what is stored, if anything is.
    Check {
        /// The password.
        password: Arc<Zeroizing<String>>,
        /// The hash.
        stored: Option<String>,
    },
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Hashed {
    /// The hash.
    Hash(String),
    /// Whether it is right.
    Check(Check),
}

impl HashJob {
    /// Does it, in this memory.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn run(&self, cost: PasswordCost, memory: &mut Memory) -> Result<Hashed, OutOfMemory> {
        match self {
            Self::Hash { password, salt } => hash(password, *salt, cost, memory).map(Hashed::Hash),
            Self::Check { password, stored } => {
                check(password, stored.as_deref(), cost, memory).map(Hashed::Check)
            }
        }
    }
}

impl fmt::Debug for HashJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashJob").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str, salt: [u8; 16], cost: PasswordCost) -> String {
        super::hash(password, salt, cost, &mut Memory::default()).expect("there is memory")
    }

    fn check(password: &str, stored: Option<&str>, cost: PasswordCost) -> Check {
        let memory = &mut Memory::default();
        super::check(password, stored, cost, memory).expect("there is memory")
    }

    #[test]
    fn a_password_is_checked_against_its_own_hash_only() {
        let stored = hash("correct horse", [7; 16], PasswordCost::TEST);
        assert!(
            stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{stored}"
        );
        let find = |password| check(password, Some(&stored), PasswordCost::TEST);
        assert_eq!(find("correct horse"), Check::Right);
        assert_eq!(find("correct horsf"), Check::Wrong);
        assert_eq!(
            check("correct horse", None, PasswordCost::TEST),
            Check::Wrong
        );
        assert_eq!(
            check("correct horse", Some("nonsense"), PasswordCost::TEST),
            Check::Wrong
        );
    }

    #[test]
    fn a_hash_made_at_another_cost_is_still_checked() {
        let stored = hash(
            "correct horse",
            [7; 16],
            PasswordCost {
                memory_kib: 64,
                passes: 2,
            },
        );
        assert_eq!(
            check("correct horse", Some(&stored), PasswordCost::TEST),
            Check::Right
        );
    }

    #[test]
    fn bcrypt_is_checked_and_said_to_be_outdated() {
        let stored = bcrypt::hash("correct horse", 4).unwrap();
        let find = |password| check(password, Some(&stored), PasswordCost::TEST);
        assert_eq!(find("correct horse"), Check::RightAndOutdated);
        assert_eq!(find("wrong horse"), Check::Wrong);
    }

    #[test]
    fn derived_secrets_repeat_and_differ_by_purpose_and_by_what_they_are_made_of() {
        let secret = Secret::new([3; 32]);
        let (a, b) = (Key([1; 16]), Key([2; 16]));
        let (ana, bob) = (UserId(4), UserId(5));
        let token = secret.session_token(a, ana, Seq(7), 9);
        assert_eq!(token, secret.session_token(a, ana, Seq(7), 9));
        for other in [
            secret.session_token(b, ana, Seq(7), 9),
            secret.session_token(a, bob, Seq(7), 9),
            secret.session_token(a, ana, Seq(8), 9),
            secret.session_token(a, ana, Seq(7), 10),
            Secret::new([4; 32]).session_token(a, ana, Seq(7), 9),
            secret.token_of_old(a, "ana"),
        ] {
            assert_ne!(token, other);
        }
        assert_eq!(secret.salt(a, "ana"), secret.salt(a, "ana"));
        assert_ne!(secret.salt(a, "ana"), secret.salt(a, "bob"));
        assert_ne!(secret.token_of_old(a, "ana").0[..16], secret.salt(a, "ana"));
    }

    #[test]
    fn hashes_are_those_that_the_crate_makes_by_itself() {
        use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
        let theirs = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            PasswordCost::TEST.params(),
        );
        let made: PasswordHash = theirs
            .hash_password_with_salt(b"correct horse", &[7; 16])
            .expect("it hashes");
        let ours = hash("correct horse", [7; 16], PasswordCost::TEST);
        assert_eq!(ours, made.to_string());
        let parsed = PasswordHash::new(&ours).expect("a hash");
        assert!(theirs.verify_password(b"correct horse", &parsed).is_ok());
    }

    #[test]
    fn memory_is_kept_and_what_a_dearer_hash_took_is_given_back() {
        let memory = &mut Memory::default();
        let dear = PasswordCost {
            memory_kib: 64,
            passes: 1,
        };
        let stored = hash("correct horse", [7; 16], dear);
        for _ in 0..3 {
            let found = super::check("correct horse", Some(&stored), PasswordCost::TEST, memory);
            assert_eq!((found, memory.blocks.len()), (Ok(Check::Right), 64));
        }
        memory.keep(PasswordCost::TEST);
        assert_eq!((memory.blocks.len(), memory.blocks.capacity()), (8, 8));
        let found = super::check("correct horse", Some(&stored), PasswordCost::TEST, memory);
        assert_eq!(found, Ok(Check::Right));
    }

    #[test]
    fn no_memory_is_said_and_nothing_else_happens() {
        let memory = &mut Memory::exhausted();
        let none = OutOfMemory { kib: 8 };
        let made = super::hash("correct horse", [7; 16], PasswordCost::TEST, memory);
        assert_eq!(made, Err(none));
        let stored = hash("correct horse", [7; 16], PasswordCost::TEST);
        for stored in [Some(stored.as_str()), None] {
            let found = super::check("correct horse", stored, PasswordCost::TEST, memory);
            assert_eq!(found, Err(none));
        }
    }

    #[test]
    fn a_stored_hash_that_asks_for_absurd_means_is_refused_and_not_tried() {
        let tail = "$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let memory = &mut Memory::default();
        for means in [
            "m=4294967295,t=1,p=1",
            "m=65537,t=1,p=1",
            "m=8,t=4294967295,p=1",
            "m=4096,t=1,p=17",
        ] {
            let stored = format!("$argon2id$v=19${means}{tail}");
            assert!(PasswordHash::new(&stored).is_ok(), "{stored}");
            let found = super::check("correct horse", Some(&stored), PasswordCost::TEST, memory);
            assert_eq!(
                (found, memory.blocks.len()),
                (Ok(Check::Wrong), 0),
                "{means}"
            );
        }
        let bcrypt = bcrypt::hash("correct horse", 4).expect("a hash");
        let dear = bcrypt.replacen("$04$", "$31$", 1);
        assert_ne!(bcrypt, dear);
        assert_eq!(
            check("correct horse", Some(&dear), PasswordCost::TEST),
            Check::Wrong
        );
    }
}
