//! Whether the system gives enough descriptors for clients and proxy in one process.
//!
//! Deliberately absent: raising the limit, which the program does when it starts.

use rustix::process::{Resource, getrlimit};

use crate::fault::NetworkFault;

/// Sockets a client costs this process: its own, and the two of the proxy.
const SOCKETS: u64 = 3;

/// The same where connections go half-open: when its client has given one up and made another, the
/// server's side of the old one still stands, since nobody told the server.
const SOCKETS_HALF_OPEN: u64 = SOCKETS + 1;

/// Descriptors for everything else: files, timers, the embedded server's pipes.
const OTHERS: u64 = 512;

/// Too many clients for a run with faults of the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{clients} clients behind the fault proxy need {needed} open files ({sockets} sockets a client and {OTHERS} for all else) and this process may open {limit}; lower the number of clients to {most}, or raise the limit with `ulimit -n {needed}`"
)]
pub struct NoRoom {
    /// Asked for.
    pub clients: u64,
    /// What each of them costs.
    pub sockets: u64,
    /// Descriptors they need.
    pub needed: u64,
    /// Descriptors there are.
    pub limit: u64,
    /// As many clients as fit.
    pub most: u64,
}

/// Checks that so many clients fit under these faults, before anybody connects.
///
/// # Errors
/// If they do not.
pub fn check_room(
    clients: u64,
    faults: impl IntoIterator<Item = NetworkFault>,
) -> Result<(), NoRoom> {
    let is_half_open = |fault| matches!(fault, NetworkFault::HalfOpen { .. });
    let sockets = if faults.into_iter().any(is_half_open) {
        SOCKETS_HALF_OPEN
    } else {
        SOCKETS
    };
    // No limit is a limit that nobody reaches.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    check_against(clients, sockets, limit)
}

fn check_against(clients: u64, sockets: u64, limit: u64) -> Result<(), NoRoom> {
    let needed = clients.saturating_mul(sockets).saturating_add(OTHERS);
    if needed <= limit {
        return Ok(());
    }
    Err(NoRoom {
        clients,
        sockets,
        needed,
        limit,
        most: limit.saturating_sub(OTHERS) / sockets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_do_not_fit_are_told_how_many_do() {
        let refused = check_against(10_000, SOCKETS, 20_000).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "10000 clients behind the fault proxy need 30512 open files (3 sockets a client and 512 for all else) and this process may open 20000; lower the number of clients to 6496, or raise the limit with `ulimit -n 30512`"
        );
        for sockets in [SOCKETS, SOCKETS_HALF_OPEN] {
            let most = check_against(10_000, sockets, 20_000).unwrap_err().most;
            assert_eq!(check_against(most, sockets, 20_000), Ok(()));
            assert!(check_against(most + 1, sockets, 20_000).is_err());
        }
    }
}
