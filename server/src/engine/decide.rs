//! One record of the engine: decided, applied, chained, gathered and noted.
//!
//! A command goes in, its record ends up in the batch that is being built, and what follows directly comes
//! out. Deliberately absent: what is promised to whoever asks (`mod`), rules (`domain`).

use protocol::{Code, Key, Record, Refusal, Roles, Seq, UserId, codec::CODEC, record::chain};

use crate::{
    domain::{
        Context, Lifecycle, Stream, Systems,
        personal::Place,
        systems::{CommandBytes, Executed, OwnedCommand, Source},
    },
    keys::{Use, VacantKey, digest},
    log::Head,
};

use super::{Ask, Engine, Submitted, pending_batch::Waiting};

impl Engine {
    /// The key of the server's own command that is decided next.
    pub(crate) fn own_key(&self) -> Key {
        Key::of_server(self.decided.seq.next())
    }

    pub(super) fn decide_own(
        &mut self,
        now: u64,
        command: &OwnedCommand,
    ) -> Option<Box<OwnedCommand>> {
        let ask = Ask {
            origin: None,
            actor: UserId::NOBODY,
            key: self.own_key(),
            command: command.bytes(),
        };
        self.decide(now, &ask, None)
            .expect("the server's own commands are well-formed")
            .1
    }

    /// One record: decide, apply, chain, gather. `vacancy` is where its key is noted, if that is known.
    pub(super) fn decide(
        &mut self,
        now: u64,
        ask: &Ask<'_>,
        vacancy: Option<VacantKey>,
    ) -> Result<(Seq, Option<Box<OwnedCommand>>), Refusal> {
        let seq = self.decided.seq.next();
        let mut cx = self.context(now, ask.actor, seq, ask.key);
        if ask.command.source == Source::Server {
            cx.roles = Roles::ADMIN;
        }
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.clear();
        #[cfg(not(feature = "planted-bugs"))]
        let executed = self.systems.execute(&cx, &ask.command, &mut outcome);
        #[cfg(feature = "planted-bugs")]
        let executed = (self.tamper).execute(&mut self.systems, &cx, &ask.command, &mut outcome);
        let executed = match executed {
            Ok(executed) => executed,
            Err(refusal) => {
                self.outcome = outcome;
                return Err(refusal);
            }
        };
        match executed.passage {
            Some(Lifecycle::Registered(user)) => {
                let key = self.keyring.make(user);
                self.building.batch.push_joining(key);
            }
            Some(Lifecycle::Erased(user)) => self.building.batch.push_leaving(user),
            None => {}
        }
        let mut sealed = std::mem::take(&mut self.sealed);
        let record = Record {
            seq,
            recorded_at: cx.now,
            actor: ask.actor,
            key: ask.key,
            kind: ask.command.kind,
            schema: ask.command.schema,
            codec: CODEC,
            body: self.logged(seq, ask, &mut sealed),
            outcome: &outcome,
        };
        let hash = chain(&self.decided.hash, &record, &mut self.scratch);
        let row = self.building.batch.len();
        self.building.batch.push(&record, hash);
        let (target, concerns) = (executed.target, executed.concerns);
        self.note(&record, vacancy, (target, concerns), executed.passage);
        self.decided = Head { seq, hash };
        self.recorded_at = cx.now;
        self.outcome = outcome;
        self.sealed = sealed;
        if let Some(origin) = ask.origin {
            self.building.waiting.push(Waiting::Command { origin, row });
        }
        Ok((seq, self.tell(seq, row, executed)))
    }

    /// What others hear of a record waits for it: whoever begins to follow something by it is told
    /// of it, and so is whoever ceases to. Returns what must follow directly.
    fn tell(&mut self, seq: Seq, row: usize, executed: Executed) -> Option<Box<OwnedCommand>> {
        let waiting = &mut self.building.waiting;
        let memberships = |begins: bool| {
            let some = executed.memberships.iter();
            some.filter(move |membership| membership.begins == begins)
                .map(move |membership| Waiting::Membership {
                    seq,
                    membership: *membership,
                })
        };
        waiting.extend(memberships(true));
        if let Some(push) = executed.push {
            if push.is_kept {
                self.feed.insert(push.stream, seq);
            }
            waiting.push(Waiting::Push { row, push });
        }
        waiting.extend(memberships(false));
        executed.follow_up
    }

    /// What the key of `ask` is said to have been used for.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn used(&mut self, ask: &Ask<'_>, used: Option<Use>) -> Option<Use> {
        if used.is_some() {
            let cx = self.context(self.recorded_at, ask.actor, self.decided.seq, ask.key);
            (self.tamper).sell_again(&mut self.systems, &cx, &ask.command);
        }
        self.tamper.used(used)
    }

    /// Time does not fall along the log, whatever the clock does.
    pub(super) fn context(&self, now: u64, actor: UserId, seq: Seq, key: Key) -> Context {
        Context {
            seq,
            now: now.max(self.recorded_at),
            actor,
            roles: self.systems.roles(actor),
            key,
        }
    }

    /// The body of `ask` as it is logged at `seq`.
    fn logged<'a>(&self, seq: Seq, ask: &Ask<'a>, sealed: &'a mut Vec<u8>) -> &'a [u8] {
        let place = Place {
            seq,
            actor: ask.actor,
        };
        sealed.clear();
        if Systems::seal(place, &ask.command, &self.keyring, sealed) {
            return sealed;
        }
        ask.command.body
    }

    pub(super) fn note(
        &mut self,
        record: &Record<'_>,
        vacancy: Option<VacantKey>,
        (target, concerns): (u64, UserId),
        passage: Option<Lifecycle>,
    ) {
        self.trail.insert(record, target, concerns);
        if let Some(Lifecycle::Erased(user)) = passage {
            self.trail.forget(user);
            self.feed.remove(Stream::Person(user));
        }
        let digest = digest(record.kind, record.schema, record.body);
        let used = Use {
            seq: record.seq,
            digest,
        };
        match vacancy {
            Some(vacancy) => (self.keys).insert_new(vacancy, record.actor, record.key, used),
            None => self.keys.insert(record.actor, record.key, used),
        }
    }

    /// A key that was used before: the same command gets the same answer, another is refused. Both
    /// tell where the first stands, and a log-in's answer what its person may do by now; so both
    /// wait for the newest round, also when the first has been durable for long.
    pub(super) fn answer_again(&mut self, ask: &Ask<'_>, used: Use) -> Submitted {
        #[cfg(feature = "planted-bugs")]
        let mut heard = Vec::new();
        #[cfg(feature = "planted-bugs")]
        let ask = &self.tamper.hear(ask, &mut heard);
        let CommandBytes { kind, schema, .. } = ask.command;
        // The log has it sealed, and the same text at the same place is sealed to the same bytes.
        let mut sealed = std::mem::take(&mut self.sealed);
        let asked = digest(kind, schema, self.logged(used.seq, ask, &mut sealed));
        self.sealed = sealed;
        #[cfg(feature = "planted-bugs")]
        let asked = self.tamper.asked(asked, used.digest);
        if used.digest != asked {
            return self.refuse_ask(ask, Refusal::with(Code::KEY_REUSED, used.seq.0, 0));
        }
        if let Some(origin) = ask.origin {
            let seq = used.seq;
            self.newest_round()
                .waiting
                .push(Waiting::Again { origin, seq });
        }
        Submitted::Again(used.seq)
    }

    pub(super) fn refuse_ask(&mut self, ask: &Ask<'_>, refusal: Refusal) -> Submitted {
        if let Some(origin) = ask.origin {
            self.refuse(origin, refusal);
        }
        Submitted::Refused
    }
}
