//! Whether the system gives enough descriptors for clients and proxy in one process.
//!
//! Deliberately absent: raising the limit, which the program does when it starts.

use rustix::process::{Resource, getrlimit};

/// Sockets a client costs this process: its own, and the two of the proxy.
const SOCKETS_A_CLIENT: u64 = 3;

/// Descriptors for everything else: files, timers, the embedded server's pipes, and the server's
/// sides of connections that went half-open.
const OTHERS: u64 = 512;

/// Too many clients for a run with faults of the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{clients} clients behind the fault proxy need {needed} open files ({SOCKETS_A_CLIENT} sockets a client and {OTHERS} for all else) and this process may open {limit}; lower the number of clients to {most}, or raise the limit with `ulimit -n {needed}`"
)]
pub struct NoRoom {
    /// Asked for.
    pub clients: u64,
    /// Descriptors they need.
    pub needed: u64,
    /// Descriptors there are.
    pub limit: u64,
    /// As many clients as fit.
    pub most: u64,
}

/// Checks that so many clients fit, before anybody connects.
///
/// # Errors
/// If they do not.
pub fn check_room(clients: u64) -> Result<(), NoRoom> {
    // No limit is a limit that nobody reaches.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    check_against(clients, limit)
}

fn check_against(clients: u64, limit: u64) -> Result<(), NoRoom> {
    let needed = clients
        .saturating_mul(SOCKETS_A_CLIENT)
        .saturating_add(OTHERS);
    if needed <= limit {
        return Ok(());
    }
    Err(NoRoom {
        clients,
        needed,
        limit,
        most: limit.saturating_sub(OTHERS) / SOCKETS_A_CLIENT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_do_not_fit_are_told_how_many_do() {
        assert_eq!(check_against(6_496, 20_000), Ok(()));
        let refused = check_against(10_000, 20_000).unwrap_err();
        let most = refused.most;
        assert_eq!(check_against(most, 20_000), Ok(()));
        assert!(check_against(most + 1, 20_000).is_err());
        assert_eq!(
            refused.to_string(),
            "10000 clients behind the fault proxy need 30512 open files (3 sockets a client and 512 for all else) and this process may open 20000; lower the number of clients to 6496, or raise the limit with `ulimit -n 30512`"
        );
    }
}
