//! Thin shells around the hub: each turns one kind of socket into bytes in and bytes out.
//!
//! Deliberately absent: what the bytes mean.

pub mod tcp;

use std::{io, rc::Rc};

use rustix::net::Shutdown;
use tokio::net::TcpStream;

use crate::hub::NonceSeed;

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Frames of the native protocol.
    Native,
    /// Lines of JSON, and the classic dialect.
    Lines(NonceSeed),
}

/// What a conversation is held over.
#[derive(Debug, Clone)]
pub struct Link(Rc<TcpStream>);

impl Link {
    /// A link over a connected socket.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Rc::new(stream))
    }

    /// Sends as much as fits now.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; anything else when the peer is gone.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// Says that nothing more is sent; what was sent still arrives.
    pub fn finish(&self) {
        // The peer may have ended it already, which is what we want.
        let _already_gone = rustix::net::shutdown(&*self.0, Shutdown::Write);
    }

    /// Ends the conversation both ways; whoever reads from the link sees its end.
    pub fn shutdown(&self) {
        // The peer may have ended it already, which is what we want.
        let _already_gone = rustix::net::shutdown(&*self.0, Shutdown::Both);
    }

    /// Waits until more can be sent.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Waits until there is something to read, and reads it. 0 at the end.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn read(&self, buffer: &std::cell::RefCell<Vec<u8>>) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut buffer.borrow_mut()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}
