//! Thin shells around the hub: each turns one kind of socket into bytes in and bytes out.
//!
//! Deliberately absent: what the bytes mean.

pub mod tcp;
mod turns;
pub mod write_pool;

use std::{cell::RefCell, io, sync::Arc};

use rustix::net::Shutdown;
use tokio::net::TcpStream;

use self::write_pool::WritePool;
pub(crate) use crate::complaints::Complaints;
use crate::hub::{LineOptions, Transport};

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Frames of the native protocol.
    Native,
    /// Lines of JSON, and the classic dialect.
    Lines(LineOptions),
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// How many bytes; 0 at the end.
    pub len: usize,
    /// Whether it had to be waited for, so that others had their turn. If not, it is the reader who must see to that.
    pub has_waited: bool,
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

    /// Waits until there is something to read, and reads it, as much as fits and `max` bytes at most.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn read(&self, buffer: &RefCell<Vec<u8>>, max: usize) -> io::Result<Read> {
        let stream = self.tcp();
        let mut has_waited = false;
        loop {
            stream.readable().await?;
            let mut buffer = buffer.borrow_mut();
            let room = buffer.len().min(max);
            match stream.try_read(&mut buffer[..room]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => has_waited = true,
                done => return done.map(|len| Read { len, has_waited }),
            }
        }
    }
}

impl Transport for Link {
    type Writers = WritePool;

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0 {
            Socket::Tcp(stream) => stream.try_write(bytes),
            #[cfg(test)]
            Socket::Pipe(pipe) => pipe.try_write(bytes),
        }
    }

    fn finish(&self) {
        // The peer may have ended it already, which is what we want.
        let _already_gone = self.end(Shutdown::Write);
    }

    fn shutdown(&self) {
        // The peer may have ended it already, which is what we want.
        let _already_gone = self.end(Shutdown::Both);
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
