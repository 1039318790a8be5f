//! What the bytes of clients travel over.
//!
//! A target holds one link for each client, by the same number. The driver waits for links that
//! have something to say, takes their bytes, and hands over what clients want sent, all without a
//! task or an allocation for each operation. What the bytes mean is the client's business.

mod caller;
mod jsonl;
mod null;
mod tcp;

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

pub use caller::{Answered, CallError, Caller, OwnedOutcome};
pub use jsonl::{JsonlTarget, Wire};
pub use null::NullTarget;
pub use tcp::TcpTarget;
pub(crate) use tcp::begin_connecting;

/// A link that is gone, and why.
#[derive(Debug, thiserror::Error)]
pub enum LinkLost {
    /// The other side closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// What came is not what is spoken there.
    #[error("the server said what this program does not understand: {0}")]
    Foreign(String),
}

/// What the bytes of clients travel over.
pub trait Target {
    /// How many links it holds.
    fn links(&self) -> usize;

    /// Ready once some links have bytes to read, room to write after they had none, or are lost.
    /// Appends their numbers to `ready`. A link is named once for each change: whoever is told
    /// must read until [`Self::receive`] fills less than it was given.
    ///
    /// # Errors
    /// If waiting itself is impossible.
    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
        ready: &mut Vec<u32>,
    ) -> Poll<io::Result<()>>;

    /// Reads what has arrived on a link, at most `into.len()` bytes. 0 when nothing has.
    ///
    /// # Errors
    /// If the link is gone.
    fn receive(&mut self, link: u32, into: &mut [u8]) -> Result<usize, LinkLost>;

    /// Sends as much of `out` as the link takes now, and removes it from `out`. When something
    /// stays, the link becomes ready once there is room.
    ///
    /// # Errors
    /// If the link is gone.
    fn transmit(&mut self, link: u32, out: &mut Vec<u8>) -> Result<(), LinkLost>;

    /// Closes a link that is of no further use now.
    fn close(&mut self, link: u32);

    /// Opens a link again, after it was closed: to the same server, and nobody's yet. What is
    /// written before it stands waits until it does; that it cannot be made is told like a loss.
    ///
    /// # Errors
    /// If it cannot even be begun.
    fn reopen(&mut self, link: u32) -> Result<(), LinkLost>;

    /// The server is at this address now: links opened again from now on go there.
    fn redirect(&mut self, address: SocketAddr);
}
