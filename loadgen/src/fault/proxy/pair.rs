//! One connection through the proxy: a socket to the client, one to the server, two pipes.
//!
//! What the kernel says of the sockets goes in (`handle_ready`), and `advance` carries what can be
//! carried now. Deliberately absent: waiting, and which connections a fault is for (`relay`).

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use rustix::{event::epoll::EventFlags, net::sockopt::set_socket_linger};

use super::{
    faults::FaultNumber,
    pipe::{Passing, Pipe, dropped},
};
use crate::{
    fault::{Effects, Way},
    operation::Nanos,
};

/// Which of the two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What is to be done with a connection after a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another turn, after everybody else had theirs.
    Again,
    /// Nothing until a socket is ready, or until then.
    Wait(Option<Nanos>),
    /// It is over.
    Over,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Pair {
    /// The n-th connection that was accepted.
    pub(super) number: u64,
    /// Whether a turn was promised.
    pub(super) is_runnable: bool,
    /// When it is woken.
    pub(super) wakes_at: Option<Nanos>,
    client: Option<Socket>,
    server: Option<Socket>,
    /// Held at the door: not yet connected to the server.
    is_held: bool,
    to_server: Pipe,
    to_client: Pipe,
}

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    is_readable: bool,
    is_writable: bool,
    has_hung_up: bool,
    has_failed: bool,
}

/// A socket that carries nothing more.
struct Broken(Side);

impl Pair {
    /// A client that was accepted and is held.
    pub(super) fn new(number: u64, client: TcpStream) -> Self {
        Self {
            number,
            is_runnable: false,
            wakes_at: None,
            client: Some(Socket::new(client)),
            server: None,
            is_held: true,
            to_server: Pipe::new(number),
            to_client: Pipe::new(number),
        }
    }

    /// Whether it waits to be let in.
    pub(super) const fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether it waits to be let in and its client still wants to.
    pub(super) fn is_waiting_at_door(&self) -> bool {
        let wants = |client: &Socket| !client.has_hung_up;
        self.is_held && self.client.as_ref().is_some_and(wants)
    }

    /// Lets it in: this is its way to the server.
    pub(super) fn let_in(&mut self, server: TcpStream) {
        self.server = Some(Socket::new(server));
        self.is_held = false;
    }

    /// Takes what the kernel says of a socket.
    pub(super) fn handle_ready(&mut self, side: Side, flags: EventFlags) {
        let socket = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        if let Some(socket) = socket {
            let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            socket.has_hung_up |= flags.intersects(ends);
            socket.has_failed |= flags.contains(EventFlags::ERR);
            socket.is_readable |= flags.intersects(EventFlags::IN | ends);
            socket.is_writable |= flags.intersects(EventFlags::OUT | ends);
        }
    }

    /// Carries what can be carried now.
    pub(super) fn advance(&mut self, passing: &mut Passing<'_>, scratch: &mut [u8]) -> Next {
        if self.is_held {
            return if self.is_waiting_at_door() {
                Next::Wait(None)
            } else {
                Next::Over
            };
        }
        let mut has_more = false;
        for source in [Side::Client, Side::Server] {
            match self.carry(source, passing, scratch) {
                Ok(more) => has_more |= more,
                Err(Broken(side)) => self.lose(side, passing),
            }
        }
        let is_done = |socket: &Option<Socket>, pipe: &Pipe| socket.is_none() || pipe.is_over();
        if is_done(&self.client, &self.to_server) && is_done(&self.server, &self.to_client) {
            return Next::Over;
        }
        if has_more {
            return Next::Again;
        }
        let timeouts = [&self.to_server, &self.to_client];
        let timeouts = timeouts.map(|pipe| pipe.poll_timeout(passing));
        Next::Wait(timeouts.into_iter().flatten().min())
    }

    /// One way: sends what is due, reads what there is room for, sends again. Returns whether more
    /// can be done at once.
    fn carry(
        &mut self,
        source: Side,
        passing: &mut Passing<'_>,
        scratch: &mut [u8],
    ) -> Result<bool, Broken> {
        let (from, to, pipe, sink) = match source {
            Side::Client => (
                &mut self.client,
                &mut self.server,
                &mut self.to_server,
                Side::Server,
            ),
            Side::Server => (
                &mut self.server,
                &mut self.client,
                &mut self.to_client,
                Side::Client,
            ),
        };
        let sink = |_error| Broken(sink);
        let mut has_more = drain(pipe, to, passing).map_err(sink)?;
        if let Some(from) = from {
            match from.read(pipe, scratch).map_err(|_error| Broken(source))? {
                Input::Nothing => {}
                Input::Bytes(bytes) => {
                    let by_itself = if pipe.is_open_road(passing.faults) {
                        to.as_mut()
                            .map_or(Ok(0), |to| to.write(bytes))
                            .map_err(sink)?
                    } else {
                        0
                    };
                    pipe.handle_bytes(&bytes[by_itself..], passing);
                }
                Input::End if pipe.vanishing().is_some() => return Err(Broken(source)),
                Input::End => pipe.handle_end(passing),
            }
            has_more |= drain(pipe, to, passing).map_err(sink)?;
            has_more |= from.is_readable && !pipe.is_ending() && 0 < pipe.room();
        }
        if pipe.poll_end(passing.now)
            && let Some(to) = to
        {
            // The other side may be gone already, which its socket tells.
            let _told = to.stream.shutdown(Shutdown::Write);
        }
        Ok(has_more)
    }

    /// A socket is gone. The other side hears of it, unless its news vanish like all else.
    fn lose(&mut self, side: Side, passing: &mut Passing<'_>) {
        let telling = match side {
            Side::Client => &self.to_server,
            Side::Server => &self.to_client,
        };
        let Some(fault) = telling.vanishing() else {
            let _lost_with_it = self.reset();
            return;
        };
        match side {
            Side::Client => self.client = None,
            Side::Server => self.server = None,
        }
        self.vanish(Way::Both, fault, passing);
    }

    /// From now on bytes vanish that way, and so does the end.
    pub(super) fn vanish(&mut self, way: Way, fault: FaultNumber, passing: &mut Passing<'_>) {
        if matches!(way, Way::ToServer | Way::Both) {
            self.to_server.vanish(fault, passing.faults);
        }
        if matches!(way, Way::ToClient | Way::Both) {
            self.to_client.vanish(fault, passing.faults);
        }
    }

    /// Whether this fault lets its bytes vanish.
    pub(super) fn is_victim_of(&self, fault: FaultNumber) -> bool {
        let pipes = [&self.to_server, &self.to_client];
        pipes.iter().any(|pipe| pipe.vanishing() == Some(fault))
    }

    /// Whether the client has not given it up.
    pub(super) const fn is_kept_by_client(&self) -> bool {
        self.client.is_some() && !self.to_server.is_ending()
    }

    /// Ends it at once: both sides are sent RST, and what was on its way is lost.
    pub(super) fn reset(&mut self) -> Effects {
        for socket in [self.client.take(), self.server.take()]
            .into_iter()
            .flatten()
        {
            // Without it the end would be an orderly one, which is no fault.
            let _reset = set_socket_linger(&socket.stream, Some(Duration::ZERO));
        }
        dropped(self.to_server.forget() + self.to_client.forget())
    }
}

/// What a read gave.
enum Input<'a> {
    Nothing,
    Bytes(&'a [u8]),
    End,
}

impl Socket {
    const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_readable: false,
            is_writable: false,
            has_hung_up: false,
            has_failed: false,
        }
    }

    /// Reads once, no more than there is room for.
    fn read<'a>(&mut self, pipe: &Pipe, scratch: &'a mut [u8]) -> io::Result<Input<'a>> {
        if pipe.is_ending() {
            // There is nothing more to read, but RST may follow the end.
            return if self.has_failed {
                Err(ErrorKind::ConnectionReset.into())
            } else {
                Ok(Input::Nothing)
            };
        }
        let len = scratch.len().min(pipe.room());
        if !self.is_readable || len == 0 {
            return Ok(Input::Nothing);
        }
        match self.stream.read(&mut scratch[..len]) {
            Ok(0) => Ok(Input::End),
            Ok(read) => {
                // A read that was not filled emptied the socket; but an end behind it may have
                // shared its edge, and only another read tells.
                self.is_readable = read == len || self.has_hung_up;
                Ok(Input::Bytes(&scratch[..read]))
            }
            Err(error) if is_passing(&error) => {
                self.is_readable = error.kind() == ErrorKind::Interrupted;
                Ok(Input::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes once; 0 if there is no room now.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_writable {
            return Ok(0);
        }
        match self.stream.write(bytes) {
            Ok(written) => {
                self.is_writable = written == bytes.len();
                Ok(written)
            }
            Err(error) if is_passing(&error) => {
                self.is_writable = error.kind() == ErrorKind::Interrupted;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Sends what is due. Returns whether the next piece only waits for another turn.
fn drain(pipe: &mut Pipe, to: &mut Option<Socket>, passing: &mut Passing<'_>) -> io::Result<bool> {
    let Some(to) = to else {
        return Ok(false);
    };
    while to.is_writable {
        let bytes = pipe.poll_transmit(passing);
        if bytes.is_empty() {
            return Ok(false);
        }
        let sent = to.write(bytes)?;
        if pipe.handle_sent(sent, passing) {
            return Ok(to.is_writable);
        }
    }
    Ok(false)
}
