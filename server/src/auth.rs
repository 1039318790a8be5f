//! Finding out who somebody is: the slow part of registering and logging in.
//!
//! A shown name and password go in; a command for the log comes out, with the secret taken out of
//! it. Hashing is done by other threads (`hashing`); who waits for one is in a queue that is fair to names (`fair`)
//! and bounded in time: whoever would wait for longer is told `busy`, and when to come again. A connection has
//! one authentication at a time, so it waits behind itself only. Resuming a session hashes nothing and waits for
//! nothing. Deliberately absent: rules about names and sessions (`domain::accounts`).

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use protocol::{
    Code, Key, Refusal, UserId,
    limits::{NAME_LEN_MAX, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN},
    words::accounts::{Command, Register, Rehash},
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, BUSY_RETRY_MS, Busy, Origin},
    fair::{Class, FairQueue},
    hashing::{Hashed, Hashers, Job},
    hub::{Credentials, Hub, Transport},
    log_in::CheckedLogIn,
    net::Complaints,
    passwords::{Check, PasswordCost, Secret},
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

/// Who somebody claims to be, and where the answer goes.
struct Claim {
    origin: Origin,
    key: Key,
    name: String,
    password: Arc<Zeroizing<String>>,
}

impl Claim {
    /// A claim of which name and password have a length that is worth a hash.
    fn new(origin: Origin, key: Key, name: String, password: String) -> Result<Self, Refusal> {
        let wide = |len| u64::try_from(len).unwrap_or(u64::MAX);
        let password = Arc::new(Zeroizing::new(password));
        if NAME_BYTES_MAX < name.len() {
            let len = wide(name.chars().count());
            return Err(Refusal::with(Code::NAME_LENGTH, len, wide(NAME_LEN_MAX)));
        }
        if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            return Ok(Self {
                origin,
                key,
                name,
                password,
            });
        }
        let (len, max) = (wide(password.len()), wide(PASSWORD_BYTES_MAX));
        Err(Refusal::with(Code::PASSWORD_LENGTH, len, max))
    }
}

/// Lets as many hash at once as there are threads, and the others wait.
#[derive(Debug)]
struct Gate {
    threads: usize,
    free: Cell<usize>,
    waiting: RefCell<FairQueue<oneshot::Sender<()>>>,
    /// How long a hash lasts, by the last few.
    hash: Cell<Duration>,
}

/// That one may hash; the next one may when this is dropped.
struct Pass<'a>(&'a Gate);

/// Why one may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turned {
    busy: Busy,
    retry_after_ms: u32,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            free: Cell::new(threads),
            waiting: RefCell::default(),
            hash: Cell::new(FIRST_HASH),
        }
    }

    /// How many of a class may wait: those who come last wait for [`WAIT_MAX`] when both are full.
    fn waiting_max(&self) -> usize {
        let hash = self.hash.get().as_micros().max(1);
        let in_time = WAIT_MAX.as_micros() / 2 / hash;
        let in_time = usize::try_from(in_time).unwrap_or(WAITING_MAX);
        (in_time * self.threads).clamp(2 * self.threads, WAITING_MAX)
    }

    fn waiting(&self) -> usize {
        let waiting = self.waiting.borrow();
        waiting.len(Class::Known) + waiting.len(Class::Unknown)
    }

    /// Waits until somebody of this name may hash.
    async fn enter(&self, class: Class, name: &str) -> Result<Pass<'_>, Turned> {
        let free = self.free.get();
        if 0 < free {
            self.free.set(free - 1);
            return Ok(Pass(self));
        }
        let (sender, let_in) = oneshot::channel();
        let max = self.waiting_max();
        let gone = self.waiting.borrow_mut().push(class, name, sender, max);
        // Whoever has to go hears of it by this.
        drop(gone);
        match let_in.await {
            Ok(()) => Ok(Pass(self)),
            Err(_gone) => Err(self.turn_away()),
        }
    }

    fn turn_away(&self) -> Turned {
        let waiting = self.waiting();
        let rounds = u32::try_from(waiting / self.threads).unwrap_or(u32::MAX);
        let all = self.hash.get().saturating_mul(rounds).min(WAIT_MAX);
        let retry_after_ms = u32::try_from(all.as_millis()).unwrap_or(u32::MAX);
        Turned {
            busy: Busy { waiting },
            retry_after_ms: retry_after_ms.max(BUSY_RETRY_MS),
        }
    }

    /// A hash lasted so long.
    fn note(&self, hash: Duration) {
        self.hash.set((self.hash.get() * 7 + hash) / 8);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let gate = self.0;
        loop {
            let next = gate.waiting.borrow_mut().pop();
            match next.map(|next| next.send(())) {
                // Whoever was next is not there any more.
                Some(Err(())) => {}
                Some(Ok(())) => return,
                None => return gate.free.set(gate.free.get() + 1),
            }
        }
    }
}

/// Finds out who people are.
#[derive(Debug)]
pub struct Authenticator {
    gate: Gate,
    hashers: Hashers,
    secret: Secret,
    clock: Rc<Clock>,
    out_of_memory: RefCell<Complaints>,
}

impl Authenticator {
    /// One that hashes on so many threads: as many as there are processors, since more would only wait for each
    /// other.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(
        secret: Secret,
        cost: PasswordCost,
        threads: usize,
        clock: Rc<Clock>,
    ) -> io::Result<Self> {
        Ok(Self {
            gate: Gate::new(threads),
            hashers: Hashers::spawn(threads, cost)?,
            secret,
            clock,
            out_of_memory: RefCell::default(),
        })
    }

    /// How many wait to be found out about.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// Finds out who this is and submits what the log keeps of it, or answers why not.
    pub async fn run<T: Transport>(
        &self,
        hub: &Rc<RefCell<Hub<T>>>,
        origin: Origin,
        key: Key,
        shown: Credentials,
    ) {
        let Credentials {
            name,
            password,
            is_new,
        } = shown;
        let claim = match Claim::new(origin, key, name, password) {
            Ok(claim) => claim,
            Err(refusal) => return hub.borrow_mut().refuse(origin, refusal),
        };
        if is_new {
            self.register(hub, claim).await;
        } else {
            self.log_in(hub, claim).await;
        }
    }

    async fn register<T: Transport>(&self, hub: &Rc<RefCell<Hub<T>>>, claim: Claim) {
        let Claim {
            origin,
            key,
            name,
            password,
        } = claim;
        let salt = self.secret.salt(key, &name);
        let job = Job::Hash { password, salt };
        let Some(Hashed::Hash(password_hash)) = self.hash(hub, origin, &name, job).await else {
            return;
        };
        let register = OwnedCommand::new(&Command::from(Register {
            name: name.into(),
            password_hash: password_hash.into(),
        }));
        let ask = Ask {
            origin: Some(origin),
            actor: UserId::NOBODY,
            key,
            command: CommandBytes {
                source: Source::Session,
                ..register.bytes()
            },
        };
        hub.borrow_mut().submit(self.clock.now(), origin, &ask);
    }

    async fn log_in<T: Transport>(&self, hub: &Rc<RefCell<Hub<T>>>, claim: Claim) {
        let Claim {
            origin,
            key,
            name,
            password,
        } = claim;
        let credential = {
            let hub = hub.borrow();
            let credential = hub.engine().systems().accounts.credential(&name);
            credential.map(|credential| (credential.user, credential.password_hash.to_owned()))
        };
        let (user, stored) = credential.unzip();
        let shown = Arc::clone(&password);
        let job = Job::Check {
            password: shown,
            stored,
        };
        let Some(Hashed::Check(check)) = self.hash(hub, origin, &name, job).await else {
            return;
        };
        let user = user.unwrap_or(UserId::NOBODY);
        let log_in = CheckedLogIn {
            user,
            key,
            name: &name,
            verified: check != Check::Wrong,
        };
        hub.borrow_mut()
            .log_in(self.clock.now(), origin, &log_in, &self.secret);
        if check == Check::RightAndOutdated {
            self.rehash(hub, user, key, password).await;
        }
    }

    /// Replaces a hash of yesterday's algorithm while its password is at hand, if there is room to.
    async fn rehash<T: Transport>(
        &self,
        hub: &Rc<RefCell<Hub<T>>>,
        user: UserId,
        key: Key,
        password: Arc<Zeroizing<String>>,
    ) {
        let salt = self.secret.salt(key, "rehash");
        let Ok(_pass) = self.gate.enter(Class::Unknown, "").await else {
            return;
        };
        let (hashed, lasted) = self.hashers.run(Job::Hash { password, salt }).await;
        self.gate.note(lasted);
        let Ok(Hashed::Hash(password_hash)) = hashed else {
            return;
        };
        let command = OwnedCommand::new(&Command::from(Rehash {
            user,
            password_hash: password_hash.into(),
        }));
        let mut hub = hub.borrow_mut();
        hub.engine_mut().submit_own(self.clock.now().wall, &command);
    }

    /// Has a password hashed when it is this name's turn, or answers why it cannot be.
    async fn hash<T: Transport>(
        &self,
        hub: &Rc<RefCell<Hub<T>>>,
        origin: Origin,
        name: &str,
        job: Job,
    ) -> Option<Hashed> {
        let is_known = hub
            .borrow()
            .engine()
            .systems()
            .accounts
            .credential(name)
            .is_some();
        let class = if is_known {
            Class::Known
        } else {
            Class::Unknown
        };
        let pass = match self.gate.enter(class, name).await {
            Ok(pass) => pass,
            Err(Turned {
                busy,
                retry_after_ms,
            }) => {
                hub.borrow_mut().refuse_busy(origin, busy, retry_after_ms);
                return None;
            }
        };
        // Nobody would hear what was found out.
        if !hub.borrow().is_connected(origin.connection) {
            return None;
        }
        let (hashed, lasted) = self.hashers.run(job).await;
        self.gate.note(lasted);
        drop(pass);
        match hashed {
            Ok(hashed) => Some(hashed),
            Err(error) => {
                let refused = self
                    .out_of_memory
                    .borrow_mut()
                    .note(Duration::from_millis(self.clock.now().mono));
                if let Some(times) = refused {
                    tracing::warn!(%error, times, "log-ins are refused as busy");
                }
                let waiting = self.waiting();
                hub.borrow_mut()
                    .refuse_busy(origin, Busy { waiting }, MEMORY_RETRY_MS);
                None
            }
        }
    }
}
