//! A client that waits for each answer, and the frames of others.
//!
//! Deliberately absent: coming back; who is cut off in a benchmark fails it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use protocol::{
    Key, Outcome, frame,
    limits::REPLY_BYTES_MAX,
    message::{Reply, Request},
    words::{
        accounts::AuthRequest,
        agenda::{self, ListSlots, Reserve, SlotId},
    },
};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// The agenda that every log begins with.
const AGENDA: u64 = 3;

/// See the head of this file.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    serial: u64,
    slot: u32,
}

impl Client {
    /// One that has said hello.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        let mut client = Self {
            stream,
            input: Vec::new(),
            serial: 0,
            slot: 0,
        };
        client.send(&Request::Hello { version: 1 })?;
        client.hear()?;
        Ok(client)
    }

    pub(crate) fn send(&mut self, request: &Request<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        Ok(self.stream.write_all(&bytes)?)
    }

    /// Whether the next answer is of something that was accepted.
    fn hear(&mut self) -> Result<bool> {
        loop {
            if let Some((one, rest)) = frame::split(&self.input, REPLY_BYTES_MAX)? {
                let heard = match Reply::decode(one)? {
                    Reply::Welcome(_) => Some(true),
                    Reply::Answer { outcome, .. } => Some(Outcome::decode(outcome)?.is_accepted()),
                    Reply::Error(error) if error.fatal => bail!("{}", error.refusal),
                    Reply::Error(_) => Some(false),
                    _other => None,
                };
                self.input = rest.to_vec();
                if let Some(heard) = heard {
                    return Ok(heard);
                }
            }
            let mut chunk = [0; 64 * 1_024];
            let len = self.stream.read(&mut chunk).context("no answer came")?;
            if len == 0 {
                bail!("the server ended the conversation");
            }
            self.input.extend_from_slice(&chunk[..len]);
        }
    }

    fn key(&mut self) -> Key {
        self.serial += 1;
        let port = self.stream.local_addr().map_or(0, |address| address.port());
        let mut key = [1; 16];
        key[..8].copy_from_slice(&self.serial.to_le_bytes());
        key[8..10].copy_from_slice(&port.to_le_bytes());
        Key(key)
    }

    pub(crate) fn register(&mut self, name: &str) -> Result<bool> {
        self.authenticate(AuthRequest::Register {
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
        })
    }

    pub(crate) fn log_in(&mut self, name: &str) -> Result<bool> {
        self.authenticate(AuthRequest::LogIn {
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
        })
    }

    fn authenticate(&mut self, request: AuthRequest) -> Result<bool> {
        let key = self.key();
        self.send(&Request::Auth {
            correlation: 1,
            key,
            request,
        })?;
        self.hear()
    }

    /// Books the next free slot.
    pub(crate) fn reserve(&mut self) -> Result<bool> {
        let nth = self.slot;
        self.slot += 1;
        let today = server::clock::wall_ms() / 86_400_000;
        let slot = SlotId {
            agenda: AGENDA,
            day: u32::try_from(today)? + 1 + nth / 12,
            slot: u16::try_from(nth % 12)?,
        };
        let command = agenda::Command::from(Reserve { slot });
        let ((kind, schema), mut body, key) = (command.kind(), Vec::new(), self.key());
        command.encode(&mut body);
        self.send(&Request::Command {
            correlation: 2,
            key,
            kind,
            schema,
            body: &body,
        })?;
        self.hear()
    }

    /// Looks at the slots of a day.
    pub(crate) fn list(&mut self) -> Result<bool> {
        let today = server::clock::wall_ms() / 86_400_000;
        let query = agenda::Query::from(ListSlots {
            agenda: AGENDA,
            day: u32::try_from(today)? + 1,
        });
        let ((kind, schema), mut body) = (query.kind(), Vec::new());
        query.encode(&mut body);
        self.send(&Request::Query {
            correlation: 3,
            kind,
            schema,
            body: &body,
        })?;
        self.hear()
    }
}
