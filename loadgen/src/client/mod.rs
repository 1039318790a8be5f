//! One user of the plan, without a socket and without a clock.
//!
//! Calls go in and become requests of a [`Conversation`], which keeps them until they are answered,
//! over as many connections as that takes; bytes of the server go in and become finished
//! operations, pushes and news. A client knows who it is, what it counted to, and how far it was
//! shown each conversation. What it asks is decided by the plan, when by the driver, how its bytes
//! travel by a target.
//!
//! Here is who it is and how it comes and goes; `asking` is what it asks, `hearing` what it hears,
//! `outstanding` a call in between, `told` the values that the driver sees of all that.

mod asking;
mod hearing;
mod outstanding;
mod told;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use ::client::{Conversation, OnBusy, Session};

use self::outstanding::Tag;
pub use self::told::{Ask, ClientError, Finished, Told, Unanswered};
use crate::{
    client_memory::ClientMemory,
    id_map::IdMap,
    operation::{KeyMint, Nanos},
    shown::Shown,
};

/// One user.
#[derive(Debug)]
pub struct Client {
    id: u32,
    mint: KeyMint,
    world: Rc<IdMap>,
    session: u64,
    knowledge: ClientMemory,
    counter: u32,
    talk: Conversation<Tag>,
    shown: Shown,
    /// Until when it is away because the plan wants it.
    offline_until: Nanos,
    /// When the pushes of its connection began.
    subscribed_at: Nanos,
    /// Whether they did.
    is_subscribed: bool,
    /// The newest position when it came back the last time, before it asked anything again.
    newest_at_return: u64,
    body: Vec<u8>,
    partial: Vec<u8>,
}

impl Client {
    /// The client with number `id`, on a connection that has logged in by this session. The first
    /// it says is that it wants to be told of pushes.
    #[must_use]
    pub fn new(id: u32, mint: KeyMint, world: Rc<IdMap>, session: Session) -> Self {
        // Somebody who measures a server counts what it is too busy for.
        let talk = Conversation::carry_on(session, u64::from(id), OnBusy::Tell, 0);
        Self {
            id,
            mint,
            world,
            session: session.session,
            knowledge: ClientMemory::default(),
            // The first key of the first client would begin like the server's own.
            counter: 1,
            talk,
            shown: Shown::default(),
            offline_until: 0,
            subscribed_at: 0,
            is_subscribed: false,
            newest_at_return: 0,
            body: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// Its number in the plan.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The count of its next call.
    #[must_use]
    pub const fn counter(&self) -> u32 {
        self.counter
    }

    /// The key of one of its calls.
    #[must_use]
    pub fn key(&self, counter: u32) -> protocol::Key {
        self.mint.mint(self.id, counter)
    }

    /// Where the plan's places are.
    #[must_use]
    pub fn world(&self) -> &IdMap {
        &self.world
    }

    /// What it remembers of what it was shown.
    #[must_use]
    pub const fn knowledge(&self) -> &ClientMemory {
        &self.knowledge
    }

    /// How far it was shown each conversation.
    #[must_use]
    pub const fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Since when its connection is told of pushes; later than anything while it is not.
    #[must_use]
    pub const fn subscribed_at(&self) -> Nanos {
        self.subscribed_at
    }

    /// Whether its connection was told of pushes and is not known to be lost: also where the server
    /// has just ended the conversation, so that no request reaches it any more.
    #[must_use]
    pub const fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    /// Whether its requests reach the server now.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.talk.is_open()
    }

    /// Whether it has no connection, and makes none.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.talk.is_away()
    }

    /// Whether it is away because the plan wants it.
    #[must_use]
    pub const fn is_offline(&self, now: Nanos) -> bool {
        now < self.offline_until
    }

    /// Whether it will never come back.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.talk.ended().is_some()
    }

    /// When it wants its next connection, if it wants one.
    #[must_use]
    pub const fn connect_at(&self) -> Option<Nanos> {
        self.talk.connect_at()
    }

    /// Whether another call may be taken now. What a lost connection cannot carry waits for the
    /// next one; whoever is away because the plan wants it asks nothing.
    #[must_use]
    pub fn has_room(&self, now: Nanos) -> bool {
        !self.is_offline(now) && self.talk.has_room()
    }

    /// Frames that wait to be written. A target takes them from the front.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        self.talk.poll_transmit()
    }

    /// Whether nothing it asked is unanswered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.talk.oldest().is_none()
    }

    /// Whether it wants a connection now. It says so once.
    pub fn poll_connect(&mut self, now: Nanos) -> bool {
        self.talk.poll_connect(now)
    }

    /// There is a connection, or will be.
    pub fn handle_connected(&mut self, now: Nanos) {
        self.talk.handle_connected(now);
    }

    /// Does what is due by itself.
    ///
    /// # Errors
    /// If the connection is of no further use.
    pub fn handle_timeout(&mut self, now: Nanos) -> Result<(), ClientError> {
        Ok(self.talk.handle_timeout(now)?)
    }

    /// The connection is gone: what was unanswered is asked again on the next.
    pub fn handle_loss(&mut self, now: Nanos) {
        self.talk.handle_lost(now);
        self.forget_connection();
    }

    /// Away from now on, until then.
    pub fn go_offline(&mut self, until: Nanos) {
        self.talk.go_away(Some(until));
        self.offline_until = until;
        self.forget_connection();
    }

    fn forget_connection(&mut self) {
        (self.subscribed_at, self.is_subscribed) = (Nanos::MAX, false);
        self.partial = Vec::new();
    }
}
