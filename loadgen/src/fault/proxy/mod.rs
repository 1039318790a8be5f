//! A TCP proxy in this process, between the clients and the server, that breaks what passes.
//!
//! Connections to its address go on to the server; faults come in, what they struck goes out. It
//! runs on a thread of its own, which ends with the [`Proxy`]. Deliberately absent: what the bytes
//! mean, when to strike.

use std::{io, net::SocketAddr};

use super::{NetworkFault, Struck};

/// A fault that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

/// A proxy that does not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its thread ended.
    #[error("the fault proxy ended by itself; its last words are in the log of this program")]
    Ended,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback. Whatever chance decides is drawn from `seed`.
    ///
    /// # Errors
    /// If the system gives no socket or no thread.
    pub fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let _to_come = (upstream, seed);
        Err(io::ErrorKind::Unsupported.into())
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
        let _to_come = upstream;
        Err(ProxyError::Ended)
    }

    /// Applies a fault, and returns when it is. Several may be on at once.
    ///
    /// # Errors
    /// If the proxy ended.
    pub async fn apply(&self, fault: NetworkFault) -> Result<FaultId, ProxyError> {
        let _to_come = fault;
        Err(ProxyError::Ended)
    }

    /// Ends a fault and tells what it did. A fault that was over at once (a cut) is healed as well,
    /// to be told of.
    ///
    /// # Errors
    /// If the proxy ended.
    pub async fn heal(&self, fault: FaultId) -> Result<Struck, ProxyError> {
        let _to_come = fault;
        Err(ProxyError::Ended)
    }
}
