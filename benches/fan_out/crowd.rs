//! Ten thousand readers in one thread, as cheap as they can be: they share the machine with the
//! server that is measured.
//!
//! Sockets go in; how many frames arrived comes out, and whether the entries of the room came in
//! order, each once. Deliberately absent: what is measured.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use protocol::{
    Key, Seq, frame,
    limits::{REPLY_BYTES_MAX, WIRE_VERSION},
    message::{Reply, Request},
    words::{
        accounts::AuthRequest,
        presence::{Query, Subscribe},
    },
};
use rustix::{
    event::{Timespec, epoll},
    fd::OwnedFd,
};

use crate::stage;

/// Bytes read at once from one socket.
const READ_BYTES: usize = 256 * 1_024;
/// Sockets looked at in one turn.
const EVENTS_MAX: usize = 1_024;
/// Before a push's body: prefix, type, position, hash, kind, schema. An entry begins with its
/// conversation and its index.
const BODY_AT: usize = 1 + 8 + 32 + 2 + 1;
const PUSH: u8 = 0x83;

/// See the head of this file.
pub(crate) struct Crowd {
    poller: OwnedFd,
    events: Vec<epoll::Event>,
    receivers: Vec<Receiver>,
    buffer: Vec<u8>,
    is_bare: bool,
}

struct Receiver {
    stream: TcpStream,
    partial: Vec<u8>,
    /// The newest entry of the room, once there is one.
    index: Option<u64>,
}

impl Crowd {
    /// Connects to what writes bare frames.
    pub(crate) fn bare(address: SocketAddr, count: u32) -> Result<Self> {
        let connect = |_nth| Ok(TcpStream::connect(address)?);
        Self::new((0..count).map(connect), true)
    }

    /// Connects, resumes everybody's session and subscribes behind a position.
    pub(crate) fn subscribed(address: SocketAddr, count: u32, from: u64) -> Result<Self> {
        Self::new((0..count).map(|nth| subscribe(address, nth, from)), false)
    }

    fn new(streams: impl Iterator<Item = Result<TcpStream>>, is_bare: bool) -> Result<Self> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut receivers = Vec::new();
        for (nth, stream) in (0..).zip(streams) {
            let stream = stream?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(nth);
            epoll::add(&poller, &stream, data, epoll::EventFlags::IN)?;
            receivers.push(Receiver {
                stream,
                partial: Vec::new(),
                index: None,
            });
        }
        Ok(Self {
            poller,
            events: Vec::with_capacity(EVENTS_MAX),
            receivers,
            buffer: vec![0; READ_BYTES],
            is_bare,
        })
    }

    /// Reads until `total` frames were counted.
    pub(crate) fn read_until(&mut self, received: &AtomicU64, total: u64) -> Result<()> {
        while received.load(Ordering::Relaxed) < total {
            self.turn(received)?;
        }
        Ok(())
    }

    /// Reads what is there now, or comes within a moment.
    pub(crate) fn turn(&mut self, received: &AtomicU64) -> Result<()> {
        const MOMENT: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        self.events.clear();
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        epoll::wait(&self.poller, buffer, Some(&MOMENT))?;
        for event in &self.events {
            let nth = usize::try_from(event.data.u64())?;
            let receiver = &mut self.receivers[nth];
            match receiver.stream.read(&mut self.buffer) {
                Ok(0) => bail!("receiver {nth} was cut off"),
                Ok(len) => {
                    let count = receiver.take(&self.buffer[..len], self.is_bare)?;
                    received.fetch_add(count, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("a receiver reads"),
            }
        }
        Ok(())
    }
}

impl Receiver {
    /// Counts the frames that are whole now.
    fn take(&mut self, bytes: &[u8], is_bare: bool) -> Result<u64> {
        if self.partial.is_empty() {
            let (count, used) = count(&mut self.index, bytes, is_bare)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(count);
        }
        self.partial.extend_from_slice(bytes);
        let (count, used) = count(&mut self.index, &self.partial, is_bare)?;
        self.partial.drain(..used);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        Ok(count)
    }
}

fn count(index: &mut Option<u64>, bytes: &[u8], is_bare: bool) -> Result<(u64, usize)> {
    let (mut rest, mut count) = (bytes, 0);
    while let Some((one, behind)) = frame::split(rest, REPLY_BYTES_MAX)? {
        rest = behind;
        count += 1;
        if !is_bare {
            ensure!(one[0] == PUSH, "a receiver asked for nothing but pushes");
            let (_conversation, body) = varint(&one[BODY_AT..])?;
            let (next, _) = varint(body)?;
            let is_next = index.is_none_or(|last| next == last + 1);
            ensure!(is_next, "entry {next} came behind {index:?}");
            *index = Some(next);
        }
    }
    Ok((count, bytes.len() - rest.len()))
}

/// A number as the codec writes it: decoding whole entries would cost more than receiving them.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8])> {
    let (first, rest) = bytes.split_first().context("an entry has an index")?;
    let len = match first {
        251 => 2,
        252 => 4,
        253 => 8,
        small => return Ok((u64::from(*small), rest)),
    };
    let (number, rest) = rest.split_at_checked(len).context("a number is whole")?;
    let mut wide = [0; 8];
    wide[..len].copy_from_slice(number);
    Ok((u64::from_le_bytes(wide), rest))
}

/// A connection of somebody, logged in.
pub(crate) fn resume(address: SocketAddr, nth: u32) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut out = Vec::new();
    let version = WIRE_VERSION;
    Request::Hello { version }.encode(&mut out);
    Request::Auth {
        correlation: 1,
        key: Key::default(),
        request: AuthRequest::Resume {
            token: stage::token(nth),
        },
    }
    .encode(&mut out);
    stream.write_all(&out)?;
    hear(&mut stream)?;
    hear(&mut stream)?;
    Ok(stream)
}

fn subscribe(address: SocketAddr, nth: u32, from: u64) -> Result<TcpStream> {
    let mut stream = resume(address, nth)?;
    let from = Some(Seq(from));
    let query = Query::from(Subscribe { from });
    let ((kind, schema), mut body) = (query.kind(), Vec::new());
    query.encode(&mut body);
    let mut out = Vec::new();
    Request::Query {
        correlation: 2,
        kind,
        schema,
        body: &body,
    }
    .encode(&mut out);
    stream.write_all(&out)?;
    hear(&mut stream)?;
    Ok(stream)
}

/// The next frame; an error is one here.
pub(crate) fn hear(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut frame = vec![0; usize::try_from(u32::from_le_bytes(prefix))?];
    stream.read_exact(&mut frame)?;
    if let Reply::Error(error) = Reply::decode(&frame)? {
        bail!("refused: {}", error.refusal);
    }
    Ok(frame)
}
