//! What an operator chooses: where the log is, how safe, how many, how patient.
//!
//! Values come from the command line, checked; rooms of the server read them. Deliberately absent:
//! bounds that no operator needs to choose (they stand beside what they bound).

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use protocol::Seq;

use crate::{line::Language, log::Durability, passwords::PasswordCost, session::SessionTimeouts};

/// How to run a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where the log and the server's secret are.
    pub data_dir: PathBuf,
    /// Where to listen for the native protocol. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to listen for lines of JSON, if anywhere. Port 0 takes a free one.
    pub jsonl: Option<SocketAddr>,
    /// What people of the classic dialect are spoken to in.
    pub classic_language: Language,
    /// Where to answer how the server is, over HTTP, if anywhere. Port 0 takes a free one.
    pub http: Option<SocketAddr>,
    /// When a commit counts as durable.
    pub durability: Durability,
    /// Start although acknowledged records are missing behind this position, where the log ends, and
    /// erase again whoever was erased by them.
    pub accept_loss_after: Option<Seq>,
    /// Take this machine's clock as right, although it is far ahead of the log, or behind it.
    pub trust_clock: bool,
    /// Go on with a new secret in the place of the one there is, or is not.
    pub new_secret: bool,
    /// What hashing one password costs.
    pub password_cost: PasswordCost,
    /// Connections held at once; the next one is told so and closed. Each needs a descriptor.
    pub connections_max: usize,
    /// How patient conversations are.
    pub timeouts: SessionTimeouts,
    /// Records between two snapshots, at least; 0 for no snapshots at all.
    pub snapshot_every: u64,
    /// What it does wrong, on purpose.
    #[cfg(feature = "planted-bugs")]
    pub planted_bug: Option<crate::tamper::PlantedBug>,
}

impl ServerConfig {
    /// A server inside another program: on a free port of this machine alone, safe and patient as the
    /// program `stampede` is by default, for a hundred connections, without snapshots.
    #[must_use]
    pub fn on_loopback(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            jsonl: None,
            classic_language: Language::default(),
            http: None,
            durability: Durability::Full,
            accept_loss_after: None,
            trust_clock: false,
            new_secret: false,
            password_cost: PasswordCost::DEFAULT,
            connections_max: 100,
            timeouts: SessionTimeouts::default(),
            snapshot_every: 0,
            #[cfg(feature = "planted-bugs")]
            planted_bug: None,
        }
    }
}
