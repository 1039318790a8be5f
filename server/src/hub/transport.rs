//! What the connections write to.
//!
//! Bytes go in and as many as fit are taken; the end of a conversation is said or forced. A socket implements it
//! for the server, and memory for tests and simulations. Deliberately absent: reading, and waiting until there is
//! room again (the shell's).

use std::{fmt, io};

/// One connection's way out. Copies of it are the same connection.
pub trait Transport: Clone + fmt::Debug {
    /// Who writes one frame to many of them.
    type Writers: WriteMany<Self>;

    /// Takes as much as fits now, and never waits.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; anything else when the peer is gone.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Says that nothing more is sent; what was sent still arrives.
    fn finish(&self);

    /// Ends the conversation both ways: whoever reads from the other side, or from this one, sees the end.
    fn shutdown(&self);
}

/// Writes one frame to many transports, with helpers or without. What was begun is a round; until a round comes out
/// nobody else may write to its transports.
pub trait WriteMany<T>: fmt::Debug {
    /// How many write at once, the hub among them.
    fn count(&self) -> usize;

    /// Whether so many transports are worth a round; if not, the hub writes to each itself.
    fn is_worthwhile(&self, transports: usize) -> bool;

    /// Begins to write a frame to transports, each with its connection's id, when of the round before none is left
    /// that nobody took.
    fn begin(&mut self, ids: Vec<u64>, transports: Vec<T>, frame: &[u8]);

    /// Has the hub write to some that nobody took, `limit` at most. Returns to how many.
    fn write(&self, limit: usize) -> usize;

    /// Whether there are any that nobody took.
    fn has_untaken(&self) -> bool;

    /// A round of which every transport was written to.
    fn take_done(&mut self) -> Option<Done>;

    /// Whether the hub has something to do here.
    fn has_work(&self) -> bool;

    /// Whether nobody is being written to.
    fn is_empty(&self) -> bool;
}

/// What a transport took of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Whose it is.
    pub id: u64,
    /// Bytes of the frame; none if the transport is full, or gone.
    pub taken: usize,
}

/// A round that everybody was written to.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// What was written.
    pub frame: Box<[u8]>,
    /// To whom.
    pub written: Vec<Written>,
}

/// Nobody helps: the hub writes to each transport itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl<T> WriteMany<T> for Alone {
    fn count(&self) -> usize {
        1
    }

    fn is_worthwhile(&self, _transports: usize) -> bool {
        false
    }

    fn begin(&mut self, _ids: Vec<u64>, _transports: Vec<T>, _frame: &[u8]) {
        unreachable!("no round is worthwhile");
    }

    fn write(&self, _limit: usize) -> usize {
        0
    }

    fn has_untaken(&self) -> bool {
        false
    }

    fn take_done(&mut self) -> Option<Done> {
        None
    }

    fn has_work(&self) -> bool {
        false
    }

    fn is_empty(&self) -> bool {
        true
    }
}
