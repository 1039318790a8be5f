//! Tokens never come again, whatever is registered, revoked, erased, forgotten, retried or lost.

use proptest::prelude::*;
use protocol::{
    Key, Roles, Seq, UserId,
    words::accounts::{Command, EraseMe, LogIn, Register, RevokeSession, SetRoles, Token},
};

use super::{CheckedLogIn, prepare};
use crate::{
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, Engine, Submitted, tests::submit},
    health::Progress,
    keyring::Keyring,
    log::{Batch, EventLog, MemoryLog, commit},
    passwords::{Secret, token_hash},
    recover::recover,
    snapshot::Snapshots,
};

const SEED: [u8; 32] = [7; 32];
const START: u64 = 1_800_000_000_000;
const NAMES: [&str; 2] = ["vic", "ann"];
const KEYS: usize = 2;

/// A log-in as the client sent it, and to whom its name belonged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    user: UserId,
    name: usize,
    key: usize,
    verified: bool,
}

/// A session whose token was told to somebody.
#[derive(Debug, Clone, Copy)]
struct Issued {
    sent: Sent,
    session: Seq,
    token: Token,
}

struct World {
    engine: Engine,
    log: MemoryLog,
    secret: Secret,
    now: u64,
    serial: u64,
    syncing: Option<Batch>,
    /// Accepted, and not durable yet: nobody was told.
    pending: Vec<Issued>,
    issued: Vec<Issued>,
    /// Where each key was used, by whom, and from where on keys are known.
    uses: Vec<(UserId, usize, Seq)>,
    known_from: Seq,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            engine: Engine::new(Keyring::new(SEED)),
            log: MemoryLog::new(),
            secret: Secret::new([3; 32]),
            now: START,
            serial: 0,
            syncing: None,
            pending: Vec::new(),
            issued: Vec::new(),
            uses: Vec::new(),
            known_from: Seq::START,
        };
        // Somebody must be left who can grant roles.
        world.own(&register("root"));
        let (user, roles) = (UserId(1), Roles::ADMIN);
        world.own(&SetRoles { user, roles }.into());
        world.settle();
        world
    }

    fn own(&mut self, command: &Command) {
        self.engine
            .submit_own(self.now, &OwnedCommand::new(command));
    }

    /// Submits a command under a key that nobody else has.
    fn submit(&mut self, user: UserId, command: &Command) {
        self.serial += 1;
        let key = Key((1_000_000 + u128::from(self.serial)).to_be_bytes());
        let submitted = self.submit_under(user, key, command);
        assert!(matches!(submitted, Submitted::Decided(_)), "{submitted:?}");
    }

    fn submit_under(&mut self, user: UserId, key: Key, command: &Command) -> Submitted {
        let command = OwnedCommand::new(command);
        let ask = Ask {
            origin: None,
            actor: user,
            key,
            command: CommandBytes {
                source: Source::Session,
                ..command.bytes()
            },
        };
        submit(&mut self.engine, &self.log, self.now, &ask).expect("there is room")
    }

    fn user_of(&self, name: usize) -> UserId {
        let credential = self.engine.systems().accounts.credential(NAMES[name]);
        credential.map_or(UserId::NOBODY, |credential| credential.user)
    }

    /// Logs in as somebody does whose password was looked at. Returns what became of it, with the
    /// token that is handed out if it was accepted.
    fn log_in(&mut self, sent: Sent) -> Option<(Submitted, Token)> {
        let log_in = CheckedLogIn {
            user: sent.user,
            key: key(sent.key),
            name: NAMES[sent.name],
            verified: sent.verified,
        };
        let mut reader = self.log.reader().expect("it can be read");
        let prepared = prepare(&self.engine, &mut *reader, &self.secret, self.now, &log_in);
        let (token, command) = prepared.expect("it can be read")?;
        let submitted = self.submit_under(sent.user, key(sent.key), &command.into());
        if let Submitted::Decided(session) = submitted {
            self.uses.push((sent.user, sent.key, session));
            if self.session_of(&token) == Some(session) {
                self.pending.push(Issued {
                    sent,
                    session,
                    token,
                });
            }
        }
        Some((submitted, token))
    }

    fn session_of(&self, token: &Token) -> Option<Seq> {
        let session = self.engine.systems().accounts.session(&token_hash(token));
        session.map(|fact| Seq(fact.session))
    }

    fn take_batch(&mut self) {
        if self.syncing.is_none() {
            self.syncing = self.engine.take_batch();
        }
    }

    fn commit(&mut self) {
        if let Some(batch) = self.syncing.take() {
            let proof = commit(&mut self.log, &batch).unwrap();
            let _nobody_listens = self.engine.handle_committed(&proof, batch);
        }
        let durable = self.engine.durable().seq;
        let pending = std::mem::take(&mut self.pending);
        let (told, waiting): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|it| it.session <= durable);
        self.pending = waiting;
        self.issued.extend(told);
    }

    fn settle(&mut self) {
        self.commit();
        self.take_batch();
        self.commit();
    }

    fn restart(&mut self) {
        self.syncing = None;
        self.pending.clear();
        let end = self.log.head().seq;
        self.uses.retain(|(_, _, seq)| *seq <= end);
        self.known_from = Seq::START;
        let snapshots = Snapshots::none();
        let recovered = recover(&mut self.log, SEED, &snapshots, &Progress::default());
        self.engine = recovered.expect("a log of ours").engine;
    }

    /// Forgets every key, as happens that many commands later.
    fn forget(&mut self) {
        self.settle();
        self.engine.forget_keys();
        self.known_from = self.engine.decided().seq.next();
    }

    /// Where this key was used last by this person, as far as that is known.
    fn last_use(&self, sent: &Sent) -> Option<Seq> {
        let uses = self.uses.iter().rev();
        let mut known = uses.filter(|(_, _, seq)| self.known_from <= *seq);
        let found = known.find(|(user, key, _)| (*user, *key) == (sent.user, sent.key));
        found.map(|(_, _, seq)| *seq)
    }

    /// Asks again for each log-in that was answered: whose key is known gets the token of then,
    /// whatever became of the session; no other does.
    fn retry_all(&mut self) {
        for issued in self.issued.clone() {
            let Issued {
                sent,
                session,
                token,
            } = issued;
            let is_known = self.last_use(&sent) == Some(session);
            let (submitted, again) = self.log_in(sent).expect("all is durable");
            assert_eq!(is_known, again == token, "{sent:?} of {session}");
            assert_eq!(is_known, submitted == Submitted::Again(session));
            self.settle();
        }
    }

    fn check(&self) {
        for (nth, one) in self.issued.iter().enumerate() {
            for other in &self.issued[nth + 1..] {
                assert_ne!(one.session, other.session);
                assert_ne!(one.token, other.token, "{one:?} and {other:?}");
            }
            if let Some(session) = self.session_of(&one.token) {
                assert_eq!(session, one.session, "a token opens its own session alone");
            }
        }
    }
}

fn key(nth: usize) -> Key {
    Key(u128::try_from(nth + 1).unwrap().to_be_bytes())
}

fn register(name: &str) -> Command {
    let (name, password_hash) = (name.into(), "".into());
    Register {
        name,
        password_hash,
    }
    .into()
}

#[derive(Debug, Clone)]
enum Step {
    Register {
        name: usize,
    },
    LogIn {
        name: usize,
        key: usize,
        verified: bool,
    },
    Retry {
        nth: usize,
    },
    Revoke {
        nth: usize,
    },
    Erase {
        name: usize,
    },
    PassTime {
        ms: u64,
    },
    TakeBatch,
    Commit,
    Restart,
    /// So many other commands later that every key is forgotten.
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        6 => name.clone().prop_map(|name| Step::Register { name }),
        10 => (name.clone(), 0..KEYS, prop::bool::weighted(0.8))
            .prop_map(|(name, key, verified)| Step::LogIn { name, key, verified }),
        3 => any::<usize>().prop_map(|nth| Step::Retry { nth }),
        3 => any::<usize>().prop_map(|nth| Step::Revoke { nth }),
        3 => name.prop_map(|name| Step::Erase { name }),
        1 => (0..2_000_u64).prop_map(|ms| Step::PassTime { ms }),
        3 => Just(Step::TakeBatch),
        3 => Just(Step::Commit),
        1 => Just(Step::Restart),
        1 => Just(Step::Forget),
    ]
}

fn play(world: &mut World, step: &Step) {
    match *step {
        Step::Register { name } => world.submit(UserId::NOBODY, &register(NAMES[name])),
        Step::LogIn {
            name,
            key,
            verified,
        } => {
            let user = world.user_of(name);
            let verified = verified && user != UserId::NOBODY;
            let _whatever_comes_of_it = world.log_in(Sent {
                user,
                name,
                key,
                verified,
            });
        }
        Step::Retry { nth } => {
            let Some(issued) = pick(&world.issued, nth) else {
                return;
            };
            let _checked_by_retry_all = world.log_in(issued.sent);
        }
        Step::Revoke { nth } => {
            let Some(issued) = pick(&world.issued, nth) else {
                return;
            };
            let session = issued.session.0;
            world.submit(issued.sent.user, &RevokeSession { session }.into());
            assert_eq!(world.session_of(&issued.token), None, "it is over");
        }
        Step::Erase { name } => {
            let user = world.user_of(name);
            if user != UserId::NOBODY {
                world.submit(user, &EraseMe {}.into());
            }
        }
        Step::PassTime { ms } => world.now += ms,
        Step::TakeBatch => world.take_batch(),
        Step::Commit => world.commit(),
        Step::Restart => world.restart(),
        Step::Forget => world.forget(),
    }
}

fn pick(issued: &[Issued], nth: usize) -> Option<Issued> {
    (!issued.is_empty()).then(|| issued[nth % issued.len()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_two_sessions_ever_have_one_token(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            play(&mut world, step);
            world.check();
        }
        world.settle();
        world.retry_all();
        world.check();
    }
}

const VIC: usize = 0;

fn vic(world: &World) -> Sent {
    Sent {
        user: world.user_of(VIC),
        name: VIC,
        key: 0,
        verified: true,
    }
}

/// Logs in, and returns the token when it may be told.
fn logged_in(world: &mut World, sent: Sent) -> Token {
    let (submitted, token) = world.log_in(sent).expect("nothing is in the way");
    assert!(matches!(submitted, Submitted::Decided(_)), "{submitted:?}");
    world.settle();
    assert!(world.session_of(&token).is_some());
    token
}

#[test]
fn whoever_takes_the_name_of_somebody_erased_gets_another_token_under_the_same_key() {
    let mut world = World::new();
    world.submit(UserId::NOBODY, &register("vic"));
    let sent = vic(&world);
    let victims = logged_in(&mut world, sent);
    world.submit(sent.user, &EraseMe {}.into());
    world.submit(UserId::NOBODY, &register("vic"));
    let sent = vic(&world);
    assert_ne!(logged_in(&mut world, sent), victims);
    assert_eq!(world.session_of(&victims), None);
}

#[test]
fn a_revoked_token_stays_dead_when_its_key_is_used_again_beyond_the_horizon() {
    let mut world = World::new();
    world.submit(UserId::NOBODY, &register("vic"));
    let sent = vic(&world);
    let stolen = logged_in(&mut world, sent);
    let session = world.session_of(&stolen).unwrap().0;
    world.submit(sent.user, &RevokeSession { session }.into());
    world.forget();
    assert_ne!(logged_in(&mut world, sent), stolen);
    assert_eq!(world.session_of(&stolen), None);
}

#[test]
fn a_token_of_a_tail_that_was_given_up_opens_nothing_that_is_at_its_place_later() {
    let mut world = World::new();
    world.submit(UserId::NOBODY, &register("vic"));
    world.settle();
    let (sent, end) = (vic(&world), world.engine.decided().seq);
    let stolen = logged_in(&mut world, sent);
    let place = world.session_of(&stolen);
    world.log.lose_after(end);
    world.log.accept_loss();
    world.restart();
    world.now += 1;
    let token = logged_in(&mut world, sent);
    assert_eq!(world.session_of(&token), place, "the same position");
    assert_eq!(world.session_of(&stolen), None);
}

#[test]
fn a_log_in_of_an_old_log_is_answered_again_and_its_token_resumes() {
    let mut world = World::new();
    world.submit(UserId::NOBODY, &register("vic"));
    let sent = vic(&world);
    let token = world.secret.token_of_old(key(sent.key), "vic");
    let (verified, token_hash) = (true, token_hash(&token));
    let of_old = LogIn {
        verified,
        token_hash,
    };
    let decided = world.submit_under(sent.user, key(sent.key), &of_old.into());
    let Submitted::Decided(session) = decided else {
        panic!("{decided:?}");
    };
    // Before and after it is durable, and by another process.
    for _ in 0..3 {
        let again = world.log_in(sent);
        assert_eq!(again, Some((Submitted::Again(session), token)));
        world.settle();
        world.restart();
    }
    assert_eq!(world.session_of(&token), Some(session));
    let another = Sent { key: 1, ..sent };
    assert_ne!(
        logged_in(&mut world, another),
        world.secret.token_of_old(key(1), "vic")
    );
}

#[test]
fn a_refused_log_in_is_refused_again_and_its_key_opens_nothing() {
    let mut world = World::new();
    world.submit(UserId::NOBODY, &register("vic"));
    let wrong = Sent {
        verified: false,
        ..vic(&world)
    };
    let Some((Submitted::Decided(seq), _)) = world.log_in(wrong) else {
        panic!("it is decided");
    };
    for _ in 0..3 {
        let again = world.log_in(wrong).map(|(submitted, _)| submitted);
        assert_eq!(again, Some(Submitted::Again(seq)));
        world.settle();
    }
    let right = Sent {
        verified: true,
        ..wrong
    };
    let (submitted, token) = world.log_in(right).expect("it is known");
    assert_eq!(
        submitted,
        Submitted::Refused,
        "another command under its key"
    );
    assert_eq!(world.session_of(&token), None);
}

#[test]
fn a_session_that_is_over_before_it_is_durable_is_asked_for_again_later() {
    let mut world = World::new();
    world.submit(UserId::NOBODY, &register("vic"));
    world.settle();
    let sent = vic(&world);
    let Some((Submitted::Decided(seq), token)) = world.log_in(sent) else {
        panic!("it is decided");
    };
    world.submit(sent.user, &RevokeSession { session: seq.0 }.into());
    assert_eq!(world.log_in(sent), None, "nothing can be said of it yet");
    world.settle();
    assert_eq!(world.log_in(sent), Some((Submitted::Again(seq), token)));
    assert_eq!(world.session_of(&token), None);
}
