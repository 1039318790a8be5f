//! A TCP proxy in this process, between the clients and the server, that breaks what passes.
//!
//! | file | what |
//! |---|---|
//! | `relay` | the thread: waits, accepts, gives every connection its turn |
//! | `pair` | one connection: two sockets, two pipes |
//! | `pipe` | one direction: what is due when, without its sockets |
//! | `faults` | what is on, and what came of it |
//! | `room` | whether the system gives enough descriptors |
//!
//! Connections to its address go on to the server; faults come in, what came of them goes out. It
//! runs on a thread of its own, which ends with the [`Proxy`], and so does every connection. A
//! server that cannot be reached ends a connection by RST, as it would without the proxy.
//! Deliberately absent: what the bytes mean, when to inject.

mod faults;
mod pair;
mod pipe;
mod relay;
mod room;

#[cfg(test)]
mod tests;

pub use room::{NoRoom, check_direct_room, check_room};

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::sync::oneshot;

use self::{
    faults::FaultNumber,
    relay::{Command, Relay},
};
use super::{Effects, NetworkFault};

/// Connections that may wait to be accepted: a whole stampede arrives at once. The kernel has a
/// bound of its own (`net.core.somaxconn`), usually this one.
const BACKLOG: i32 = 4_096;

/// Commands that may wait.
const COMMANDS_MAX: usize = 64;

/// A fault that is on. It is given back to be healed, so it is healed once.
#[derive(Debug, PartialEq, Eq)]
pub struct FaultId(FaultNumber);

/// A proxy that does not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its thread ended.
    #[error(
        "the fault proxy ended by itself, so nothing reaches the server any more; the warnings above say why"
    )]
    Ended,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Gone when it is to end.
    commands: Option<SyncSender<Command>>,
    alarm: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback. Whatever chance decides is drawn from `seed`.
    ///
    /// # Errors
    /// If the system gives no socket or no thread.
    pub fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = open_door()?;
        let address = listener.local_addr()?;
        let (commands, inbox) = sync_channel(COMMANDS_MAX);
        let (relay, alarm) = Relay::open(listener, upstream, seed, inbox)?;
        let relay = move || {
            if let Err(error) = relay.run() {
                tracing::error!(%error, "the fault proxy cannot wait for its connections any more");
            }
        };
        let thread = thread::Builder::new().name("fault proxy".to_owned());
        Ok(Self {
            address,
            commands: Some(commands),
            alarm,
            thread: Some(thread.spawn(relay)?),
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections go from now on: a server that was started again is elsewhere.
    ///
    /// # Errors
    /// If the proxy ended.
    pub async fn set_upstream(&self, upstream: SocketAddr) -> Result<(), ProxyError> {
        self.ask(|done| Command::SetUpstream(upstream, done)).await
    }

    /// Applies a fault, and returns when it is on. Several may be on at once: delays add up, of
    /// throttles the tightest counts, of splittings the finest.
    ///
    /// # Errors
    /// If the proxy ended.
    pub async fn apply(&self, fault: NetworkFault) -> Result<FaultId, ProxyError> {
        let number = self.ask(|done| Command::Apply(fault, done)).await?;
        Ok(FaultId(number))
    }

    /// Ends a fault and tells what it did. A fault that was over at once (a cut) is healed as well,
    /// to be told of. A fault of another proxy did nothing.
    ///
    /// # Errors
    /// If the proxy ended.
    pub async fn heal(&self, fault: FaultId) -> Result<Effects, ProxyError> {
        self.ask(|done| Command::Heal(fault.0, done)).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, ProxyError> {
        let (done, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(ProxyError::Ended)?;
        let sent = commands.send(command(done));
        sent.map_err(|_ended| ProxyError::Ended)?;
        self.ring();
        answer.await.map_err(|_ended| ProxyError::Ended)
    }

    fn ring(&self) {
        // It fails only when 2^64 rings were not heard.
        let _rung = rustix::io::write(&self.alarm, &1_u64.to_ne_bytes());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.commands = None;
        self.ring();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ended = thread.join();
        }
    }
}

fn open_door() -> io::Result<TcpListener> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
