//! Thin shells around the hub: each turns one kind of socket into bytes in and bytes out.
//!
//! Deliberately absent: what the bytes mean.

pub mod tcp;

use std::{io, sync::Arc};

use rustix::net::Shutdown;
use tokio::net::TcpStream;

use crate::hub::LineOptions;

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Frames of the native protocol.
    Native,
    /// Lines of JSON, and the classic dialect.
    Lines(LineOptions),
}

/// What a conversation is held over.
#[derive(Debug, Clone)]
pub struct Link(Arc<Socket>);

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(test)]
    Pipe(pipe::Pipe),
}

impl Link {
    /// A link over a connected socket.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Socket::Tcp(stream)))
    }

    /// A link that takes no more than a test says, and keeps what it took.
    #[cfg(test)]
    pub(crate) fn pipe() -> Self {
        Self(Arc::new(Socket::Pipe(pipe::Pipe::default())))
    }

    /// What a test gave.
    #[cfg(test)]
    pub(crate) fn as_pipe(&self) -> &pipe::Pipe {
        match &*self.0 {
            Socket::Tcp(_) => panic!("a socket is no pipe"),
            Socket::Pipe(pipe) => pipe,
        }
    }

    fn tcp(&self) -> &TcpStream {
        match &*self.0 {
            Socket::Tcp(stream) => stream,
            #[cfg(test)]
            Socket::Pipe(_) => panic!("nobody waits for a pipe"),
        }
    }

    /// Sends as much as fits now.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; anything else when the peer is gone.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0 {
            Socket::Tcp(stream) => stream.try_write(bytes),
            #[cfg(test)]
            Socket::Pipe(pipe) => pipe.try_write(bytes),
        }
    }

    /// Says that nothing more is sent; what was sent still arrives.
    pub fn finish(&self) {
        // The peer may have ended it already, which is what we want.
        let _already_gone = self.end(Shutdown::Write);
    }

    /// Ends the conversation both ways; whoever reads from the link sees its end.
    pub fn shutdown(&self) {
        // The peer may have ended it already, which is what we want.
        let _already_gone = self.end(Shutdown::Both);
    }

    fn end(&self, how: Shutdown) -> rustix::io::Result<()> {
        match &*self.0 {
            Socket::Tcp(stream) => rustix::net::shutdown(stream, how),
            #[cfg(test)]
            Socket::Pipe(pipe) => {
                pipe.end();
                Ok(())
            }
        }
    }

    /// Waits until more can be sent.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// Waits until there is something to read, and reads it. 0 at the end.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn read(&self, buffer: &std::cell::RefCell<Vec<u8>>) -> io::Result<usize> {
        let stream = self.tcp();
        loop {
            stream.readable().await?;
            match stream.try_read(&mut buffer.borrow_mut()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod pipe {
    //! What stands for a socket where there is none.

    use std::{
        io,
        sync::{Mutex, MutexGuard},
    };

    /// Takes as many bytes as it has room for.
    #[derive(Debug, Default)]
    pub(crate) struct Pipe(Mutex<Inner>);

    #[derive(Debug, Default)]
    struct Inner {
        room: usize,
        taken: Vec<u8>,
        is_ended: bool,
        writes: usize,
    }

    impl Pipe {
        /// Makes room for so many more bytes.
        pub(crate) fn give(&self, room: usize) {
            self.inner().room += room;
        }

        /// It takes no more from now on.
        pub(crate) fn fill(&self) {
            self.inner().room = 0;
        }

        /// Everything it took.
        pub(crate) fn taken(&self) -> Vec<u8> {
            self.inner().taken.clone()
        }

        /// How often it took something since this was asked.
        pub(crate) fn take_writes(&self) -> usize {
            std::mem::take(&mut self.inner().writes)
        }

        pub(super) fn end(&self) {
            self.inner().is_ended = true;
        }

        pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut inner = self.inner();
            let len = bytes.len().min(inner.room);
            if len == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            inner.room -= len;
            inner.writes += 1;
            inner.taken.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn inner(&self) -> MutexGuard<'_, Inner> {
            self.0.lock().expect("nobody panics with it")
        }
    }
}
