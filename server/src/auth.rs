//! Finding out who somebody is: the slow part of registering and logging in.
//!
//! A shown name and password go in; what is to be hashed comes out, as a job, and when its result comes back a
//! command goes to the hub, with the secret taken out of it. Who waits for a thread that hashes is in a queue that
//! is fair to names (`fair`) and bounded in time: whoever would wait for longer is told `busy`, and when to come
//! again. A connection has one authentication at a time, so it waits behind itself only. Resuming a session hashes
//! nothing (`hub`). Deliberately absent: threads (`hashing`), rules about names and sessions (`domain::accounts`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use protocol::{
    Code, Key, Refusal, UserId,
    limits::{NAME_LEN_MAX, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN},
    words::accounts::{Command, Register, Rehash},
};
use zeroize::Zeroizing;

use crate::{
    complaints::Complaints,
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, BUSY_RETRY_MS, Busy, Origin},
    fair::{Class, FairQueue},
    hub::{Credentials, Hub, Transport},
    log_in::CheckedLogIn,
    passwords::{Check, HashJob, Hashed, OutOfMemory, Secret},
    time_base::Now,
};

/// For how long an authentication may wait for a thread that hashes. At the default cost a core does some 30
/// a second; a reconnect storm should resume its sessions instead.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(3);

/// Authentications of one class that may wait, however short a hash takes: what they say takes memory.
const WAITING_MAX: usize = 2_048;

/// Bytes of a name that is worth looking for, with room for those that are refused for their length.
const NAME_BYTES_MAX: usize = 1_024;

/// What a hash is taken to last before one was made.
const FIRST_HASH: Duration = Duration::from_millis(30);

/// Milliseconds after which to try again where there was no memory.
const MEMORY_RETRY_MS: u32 = 500;

/// What somebody is hashed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Register,
    /// As whom; nobody for a name that is nobody's.
    LogIn(UserId),
    /// Replaces a hash of yesterday's algorithm. Nobody waits for an answer.
    Rehash(UserId),
}

/// Who somebody claims to be, and where the answer goes.
struct Claim {
    origin: Origin,
    key: Key,
    name: String,
    password: Arc<Zeroizing<String>>,
    purpose: Purpose,
}

/// A claim whose turn to be hashed has not come.
struct Waiting {
    claim: Claim,
    job: HashJob,
}

/// A job for a thread that hashes. Its result goes to [`Authenticator::finish`].
#[derive(Debug)]
pub struct AuthJob {
    /// Which one it is.
    pub id: u64,
    /// What to do.
    pub job: HashJob,
}

/// Finds out who people are. See the head of this file.
pub struct Authenticator {
    secret: Secret,
    /// As many as may hash at once, and how many of those do not.
    threads: usize,
    free: usize,
    waiting: FairQueue<Waiting>,
    /// Whose turn has come, until somebody polls it.
    ready: VecDeque<AuthJob>,
    /// Who is being hashed for.
    running: BTreeMap<u64, Claim>,
    next_id: u64,
    /// How long a hash lasts, by the last few.
    hash: Duration,
    out_of_memory: Complaints,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("free", &self.free)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// One for so many threads that hash.
    #[must_use]
    pub fn new(secret: Secret, threads: usize) -> Self {
        Self {
            secret,
            threads,
            free: threads,
            waiting: FairQueue::default(),
            ready: VecDeque::new(),
            running: BTreeMap::new(),
            next_id: 0,
            hash: FIRST_HASH,
            out_of_memory: Complaints::default(),
        }
    }

    /// How many wait to be found out about.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len(Class::Known) + self.waiting.len(Class::Unknown)
    }

    /// Somebody shows a name and a password: queues what is to be hashed, or has the hub answer why it is not.
    pub fn begin<T: Transport>(
        &mut self,
        hub: &mut Hub<T>,
        origin: Origin,
        key: Key,
        shown: Credentials,
    ) {
        if let Err(refusal) = check_lengths(&shown) {
            return hub.refuse(origin, refusal);
        }
        let credential = hub.engine().systems().accounts.credential(&shown.name);
        let class = match credential {
            Some(_) => Class::Known,
            None => Class::Unknown,
        };
        let password = Arc::new(Zeroizing::new(shown.password));
        let shown_password = Arc::clone(&password);
        let (purpose, job) = if shown.is_new {
            let salt = self.secret.salt(key, &shown.name);
            let job = HashJob::Hash {
                password: shown_password,
                salt,
            };
            (Purpose::Register, job)
        } else {
            let user = credential.map_or(UserId::NOBODY, |credential| credential.user);
            let stored = credential.map(|credential| credential.password_hash.to_owned());
            let job = HashJob::Check {
                password: shown_password,
                stored,
            };
            (Purpose::LogIn(user), job)
        };
        let claim = Claim {
            origin,
            key,
            name: shown.name,
            password,
            purpose,
        };
        self.queue(hub, class, Waiting { claim, job });
    }

    /// The next job for a thread that hashes: no more are given out at once than there are threads.
    pub fn poll_job(&mut self) -> Option<AuthJob> {
        self.ready.pop_front()
    }

    /// A job was done, or could not be, and lasted so long: submits what the log keeps of it, or has the hub answer
    /// why not.
    pub fn finish<T: Transport>(
        &mut self,
        now: Now,
        hub: &mut Hub<T>,
        id: u64,
        (result, lasted): (Result<Hashed, OutOfMemory>, Duration),
    ) {
        let Some(claim) = self.running.remove(&id) else {
            return;
        };
        self.hash = (self.hash * 7 + lasted) / 8;
        self.free += 1;
        match (result, claim.purpose) {
            (Ok(Hashed::Hash(hash)), Purpose::Register) => register(now, hub, claim, hash),
            (Ok(Hashed::Hash(hash)), Purpose::Rehash(user)) => rehashed(now, hub, user, hash),
            (Ok(Hashed::Check(check)), Purpose::LogIn(user)) => {
                self.log_in(now, hub, claim, (user, check));
            }
            (Err(error), Purpose::Register | Purpose::LogIn(_)) => {
                let told = self.out_of_memory.note(Duration::from_millis(now.mono));
                if let Some(times) = told {
                    tracing::warn!(%error, times, "log-ins are refused as busy");
                }
                let waiting = self.waiting();
                hub.refuse_busy(claim.origin, Busy { waiting }, MEMORY_RETRY_MS);
            }
            // An old hash stays until its owner comes again.
            (Err(_), Purpose::Rehash(_)) => {}
            (Ok(Hashed::Hash(_)), Purpose::LogIn(_))
            | (Ok(Hashed::Check(_)), Purpose::Register | Purpose::Rehash(_)) => {
                unreachable!("a result is of the job that was given out")
            }
        }
        self.start_next(hub);
    }

    fn log_in<T: Transport>(
        &mut self,
        now: Now,
        hub: &mut Hub<T>,
        claim: Claim,
        (user, check): (UserId, Check),
    ) {
        let log_in = CheckedLogIn {
            user,
            key: claim.key,
            name: &claim.name,
            verified: check != Check::Wrong,
        };
        hub.log_in(now, claim.origin, &log_in, &self.secret);
        if check == Check::RightAndOutdated {
            // While the password is at hand, if there is room to.
            let salt = self.secret.salt(claim.key, "rehash");
            let job = HashJob::Hash {
                password: Arc::clone(&claim.password),
                salt,
            };
            let claim = Claim {
                name: String::new(),
                purpose: Purpose::Rehash(user),
                ..claim
            };
            self.queue(hub, Class::Unknown, Waiting { claim, job });
        }
    }

    /// Puts somebody in. Whoever has to go for it is told so.
    fn queue<T: Transport>(&mut self, hub: &mut Hub<T>, class: Class, waiting: Waiting) {
        let (max, name) = (self.waiting_max(), waiting.claim.name.clone());
        if let Some(gone) = self.waiting.push(class, &name, waiting, max) {
            self.turn_away(hub, &gone.claim);
        }
        self.start_next(hub);
    }

    fn start_next<T: Transport>(&mut self, hub: &Hub<T>) {
        while 0 < self.free
            && let Some(Waiting { claim, job }) = self.waiting.pop()
        {
            let is_rehash = matches!(claim.purpose, Purpose::Rehash(_));
            // Nobody would hear what was found out.
            if !is_rehash && !hub.is_connected(claim.origin.connection) {
                continue;
            }
            self.free -= 1;
            self.next_id += 1;
            let id = self.next_id;
            self.running.insert(id, claim);
            self.ready.push_back(AuthJob { id, job });
        }
    }

    /// How many of a class may wait: those who come last wait for [`WAIT_MAX`] when both are full.
    fn waiting_max(&self) -> usize {
        let hash = self.hash.as_micros().max(1);
        let in_time = WAIT_MAX.as_micros() / 2 / hash;
        let in_time = usize::try_from(in_time).unwrap_or(WAITING_MAX);
        (in_time * self.threads).clamp(2 * self.threads, WAITING_MAX)
    }

    fn turn_away<T: Transport>(&self, hub: &mut Hub<T>, claim: &Claim) {
        if matches!(claim.purpose, Purpose::Rehash(_)) {
            return;
        }
        let waiting = self.waiting();
        let rounds = u32::try_from(waiting / self.threads).unwrap_or(u32::MAX);
        let all = self.hash.saturating_mul(rounds).min(WAIT_MAX);
        let retry_after_ms = u32::try_from(all.as_millis()).unwrap_or(u32::MAX);
        let retry_after_ms = retry_after_ms.max(BUSY_RETRY_MS);
        hub.refuse_busy(claim.origin, Busy { waiting }, retry_after_ms);
    }
}

/// Whether name and password have a length that is worth a hash.
fn check_lengths(shown: &Credentials) -> Result<(), Refusal> {
    let wide = |len| u64::try_from(len).unwrap_or(u64::MAX);
    if NAME_BYTES_MAX < shown.name.len() {
        let len = wide(shown.name.chars().count());
        return Err(Refusal::with(Code::NAME_LENGTH, len, wide(NAME_LEN_MAX)));
    }
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&shown.password.len()) {
        return Ok(());
    }
    let (len, max) = (wide(shown.password.len()), wide(PASSWORD_BYTES_MAX));
    Err(Refusal::with(Code::PASSWORD_LENGTH, len, max))
}

fn register<T: Transport>(now: Now, hub: &mut Hub<T>, claim: Claim, password_hash: String) {
    let register = OwnedCommand::new(&Command::from(Register {
        name: claim.name.into(),
        password_hash: password_hash.into(),
    }));
    let ask = Ask {
        origin: Some(claim.origin),
        actor: UserId::NOBODY,
        key: claim.key,
        command: CommandBytes {
            source: Source::Session,
            ..register.bytes()
        },
    };
    hub.submit(now, claim.origin, &ask);
}

fn rehashed<T: Transport>(now: Now, hub: &mut Hub<T>, user: UserId, password_hash: String) {
    let command = OwnedCommand::new(&Command::from(Rehash {
        user,
        password_hash: password_hash.into(),
    }));
    hub.engine_mut().submit_own(now.wall, &command);
}
