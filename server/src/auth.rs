//! Finding out who somebody is: the slow part of registering and logging in.
//!
//! A shown name and password go in; a command for the log comes out, with the secret taken out of
//! it. Hashing runs on other threads, as many at once as there are permits, and the permit travels
//! with the work, so that a caller who gives up frees nothing early. Deliberately absent: rules
//! about names and sessions (`domain::accounts`).

use std::{cell::RefCell, rc::Rc, sync::Arc};

use protocol::{
    Code, Key, Refusal, UserId,
    limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN},
    words::accounts::{AuthRequest, Command, Register, Rehash, SessionResumed, Token},
};
use tokio::{sync::Semaphore, task};
use zeroize::Zeroizing;

use crate::{
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, Busy, Origin},
    hub::Hub,
    log_in::CheckedLogIn,
    passwords::{self, Check, PasswordCost, Secret},
};

/// Authentications waiting for a hash, beyond which the answer is `busy`. At the default cost a
/// core does some 30 a second; a reconnect storm should resume its sessions instead.
pub const AUTH_WAITING_MAX: usize = 4_096;

/// Who somebody claims to be, and where the answer goes.
struct Claim {
    origin: Origin,
    key: Key,
    name: String,
    password: Zeroizing<String>,
}

impl Claim {
    /// A claim whose password has a length that is worth hashing.
    fn new(origin: Origin, key: Key, name: String, password: String) -> Result<Self, Refusal> {
        let password = Zeroizing::new(password);
        if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            return Ok(Self {
                origin,
                key,
                name,
                password,
            });
        }
        let wide = |len| u64::try_from(len).unwrap_or(u64::MAX);
        let (len, max) = (wide(password.len()), wide(PASSWORD_BYTES_MAX));
        Err(Refusal::with(Code::PASSWORD_LENGTH, len, max))
    }
}

/// The bounded pool. One hash a core at a time: more would only wait for each other.
#[derive(Debug)]
pub struct Authenticator {
    permits: Arc<Semaphore>,
    waiting: RefCell<usize>,
    secret: Secret,
    cost: PasswordCost,
}

impl Authenticator {
    /// A pool for `cores` hashes at once.
    #[must_use]
    pub fn new(secret: Secret, cost: PasswordCost, cores: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(cores)),
            waiting: RefCell::new(0),
            secret,
            cost,
        }
    }

    /// How many are being found out about.
    #[must_use]
    pub fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Finds out who this is and submits what the log keeps of it, or answers why not.
    pub async fn run(
        &self,
        hub: &Rc<RefCell<Hub>>,
        origin: Origin,
        key: Key,
        request: AuthRequest,
    ) {
        let waiting = *self.waiting.borrow();
        if AUTH_WAITING_MAX <= waiting {
            hub.borrow_mut().refuse_busy(origin, Busy { waiting });
            return;
        }
        *self.waiting.borrow_mut() += 1;
        match request {
            AuthRequest::Register { name, password } => {
                match Claim::new(origin, key, name, password) {
                    Ok(claim) => self.register(hub, claim).await,
                    Err(refusal) => hub.borrow_mut().refuse(origin, refusal),
                }
            }
            AuthRequest::LogIn { name, password } => {
                match Claim::new(origin, key, name, password) {
                    Ok(claim) => self.log_in(hub, claim).await,
                    Err(refusal) => hub.borrow_mut().refuse(origin, refusal),
                }
            }
            AuthRequest::Resume { token } => resume(hub, origin, &token),
        }
        *self.waiting.borrow_mut() -= 1;
    }

    async fn register(&self, hub: &Rc<RefCell<Hub>>, claim: Claim) {
        let Claim {
            origin,
            key,
            name,
            password,
        } = claim;
        let (salt, cost) = (self.secret.salt(key, &name), self.cost);
        let password_hash = self
            .work(move || passwords::hash(&password, salt, cost))
            .await;
        submit(
            hub,
            origin,
            UserId::NOBODY,
            key,
            &Register {
                name: name.into(),
                password_hash: password_hash.into(),
            }
            .into(),
        );
    }

    async fn log_in(&self, hub: &Rc<RefCell<Hub>>, claim: Claim) {
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
        let (cost, password) = (self.cost, Arc::new(password));
        let shown = Arc::clone(&password);
        let check = self
            .work(move || passwords::check(&shown, stored.as_deref(), cost))
            .await;
        let user = user.unwrap_or(UserId::NOBODY);
        let log_in = CheckedLogIn {
            user,
            key,
            name: &name,
            verified: check != Check::Wrong,
        };
        hub.borrow_mut().log_in(origin, &log_in, &self.secret);
        if check == Check::RightAndOutdated {
            self.rehash(hub, user, key, password).await;
        }
    }

    /// Replaces a hash of yesterday's algorithm while its password is at hand.
    async fn rehash(
        &self,
        hub: &Rc<RefCell<Hub>>,
        user: UserId,
        key: Key,
        password: Arc<Zeroizing<String>>,
    ) {
        let (salt, cost) = (self.secret.salt(key, "rehash"), self.cost);
        let password_hash = self
            .work(move || passwords::hash(&password, salt, cost))
            .await;
        let command = OwnedCommand::new(&Command::from(Rehash {
            user,
            password_hash: password_hash.into(),
        }));
        let mut hub = hub.borrow_mut();
        let wall = hub.wall_ms();
        hub.engine_mut().submit_own(wall, &command);
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let done = task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await
            .expect("hashing does not panic and is never cancelled")
    }
}

fn submit(hub: &Rc<RefCell<Hub>>, origin: Origin, actor: UserId, key: Key, command: &Command) {
    let owned = OwnedCommand::new(command);
    let command = CommandBytes {
        source: Source::Session,
        ..owned.bytes()
    };
    let mut hub = hub.borrow_mut();
    let wall = hub.wall_ms();
    hub.submit(
        wall,
        origin,
        &Ask {
            origin: Some(origin),
            actor,
            key,
            command,
        },
    );
}

fn resume(hub: &Rc<RefCell<Hub>>, origin: Origin, token: &Token) {
    let mut hub = hub.borrow_mut();
    let wall = hub.wall_ms();
    let accounts = &hub.engine().systems().accounts;
    let session = accounts.session(&passwords::token_hash(token));
    match session.filter(|session| wall < session.expires_at) {
        Some(session) => {
            let resumed = SessionResumed {
                user: session.user,
                roles: session.roles,
                session: session.session,
                expires_at: session.expires_at,
                cursor: session.cursor,
            };
            hub.resume(origin, resumed);
        }
        None => hub.refuse(origin, Refusal::new(Code::UNKNOWN_SESSION)),
    }
}
