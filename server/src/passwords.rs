//! Passwords and tokens: hashing, checking, and secrets that follow from one secret.
//!
//! Passwords go in; PHC strings and verdicts come out. Slow on purpose, so the shell calls this on
//! a bounded pool and never on the thread that serves. Salts are derived from the server's secret and
//! the request's key, session tokens also from the record that opens the session, so that a retried
//! request is byte for byte the same command as the first. Deliberately absent: where hashes and
//! secrets are kept, the log, what a log-in is recorded as (`log_in`).

use std::fmt;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use protocol::{Key, Seq, UserId, words::accounts::Token};
use zeroize::Zeroizing;

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

    fn argon2(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.passes, 1, None)
            .expect("the configuration was checked: at least 8 KiB and 1 pass");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
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
#[must_use]
pub fn hash(password: &str, salt: [u8; 16], cost: PasswordCost) -> String {
    let hash: PasswordHash = cost
        .argon2()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("a 16-byte salt and a password of at most 128 bytes are always hashed");
    hash.to_string()
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
/// time does not tell which names exist.
#[must_use]
pub fn check(password: &str, stored: Option<&str>, cost: PasswordCost) -> Check {
    let Some(stored) = stored else {
        let _same_work = hash(password, [0; 16], cost);
        return Check::Wrong;
    };
    if stored.starts_with("$2") {
        return match bcrypt::verify(password, stored) {
            Ok(true) => Check::RightAndOutdated,
            Ok(false) | Err(_) => Check::Wrong,
        };
    }
    let Ok(parsed) = PasswordHash::new(stored) else {
        return Check::Wrong;
    };
    match cost.argon2().verify_password(password.as_bytes(), &parsed) {
        Ok(()) => Check::Right,
        Err(_) => Check::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
