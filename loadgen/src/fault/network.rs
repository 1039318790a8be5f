//! Faults between clients and server, as values, and what really came of each.
//!
//! Deliberately absent: sockets, clocks and chance (see `proxy`).

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

/// What can be done to the connections between clients and server.
///
/// Bytes never change their order and are never made up. Where they vanish, the connection they
/// were on carries nothing more in that direction: TCP has no holes, so the proxy makes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    /// Ends connections at once. Both sides are sent RST, as by a firewall that forgot them; what
    /// was on its way is lost. Connections made afterwards are not touched.
    Cut {
        /// How many of those that stand.
        share: Share,
    },
    /// Everything arrives later, in order: all bytes of every connection, both ways. Between 0 and
    /// `jitter` is added to `by`, drawn for each piece that is read.
    Delay {
        /// At least so much.
        by: Duration,
        /// At most so much more.
        jitter: Duration,
    },
    /// Each connection carries no more than this, each way.
    Throttle {
        /// The most.
        bytes_per_second: NonZeroU64,
    },
    /// Connections stay open and carry nothing more; not even their end is told. Connections made
    /// afterwards are not touched. What nobody has given up when this is healed is sent RST.
    HalfOpen {
        /// How many of those that stand.
        share: Share,
        /// Which way bytes vanish.
        way: Way,
    },
    /// Bytes arrive in pieces of 1 to `piece_max` bytes, or wait a moment and arrive together with
    /// the next ones, whichever chance says.
    SplitBytes {
        /// The longest piece.
        piece_max: NonZeroU16,
    },
    /// Ends all connections like a cut, then lets nobody in: new connections are taken and held,
    /// unheard. Healing lets them all in at once.
    ReconnectStorm,
}

/// Which part of the connections, in percent: at least one of them, if there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    /// Every one.
    pub const ALL: Self = Self(100);

    /// From 1 to 100 percent; `None` for anything else.
    #[must_use]
    pub const fn percent(percent: u8) -> Option<Self> {
        match percent {
            1..=100 => Some(Self(percent)),
            _ => None,
        }
    }

    /// So many of `count`, rounded up.
    #[must_use]
    pub fn of(self, count: usize) -> usize {
        count.saturating_mul(self.0.into()).div_ceil(100)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", self.0)
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server.
    ToServer,
    /// From the server to clients.
    ToClient,
    /// Both.
    Both,
}

/// What really came of a fault, from when it was applied until it was healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    /// Connections on which it had an effect: ended, or bytes held, dropped or cut to pieces.
    pub connections: u64,
    /// Bytes that arrived later because of it.
    pub bytes_held: u64,
    /// Bytes that never arrived: those known here, not those that the kernel dropped.
    pub bytes_dropped: u64,
    /// ChunkedVec that bytes were delivered in.
    pub pieces: u64,
    /// Connections that were held and then let in, all at once.
    pub let_in: u64,
    /// Half-open connections that neither side had given up when it was healed.
    pub unnoticed: u64,
}

impl NetworkFault {
    /// Whether this is what the fault was meant to do. A storm in which nobody came back is none.
    #[must_use]
    pub const fn took_effect(self, injected: &Effects) -> bool {
        match self {
            Self::Cut { .. } => 0 < injected.connections,
            Self::Delay { .. } | Self::Throttle { .. } => 0 < injected.bytes_held,
            Self::HalfOpen { .. } => 0 < injected.bytes_dropped,
            Self::SplitBytes { .. } => 0 < injected.pieces,
            Self::ReconnectStorm => 0 < injected.let_in,
        }
    }
}
