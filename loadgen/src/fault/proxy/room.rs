//! Whether the system gives enough descriptors: for clients and proxy in one process, or for clients alone
//! here and in the server that they connect to.
//!
//! Deliberately absent: raising the limit, which the program does when it starts.

use rustix::process::{Resource, getrlimit};

use crate::fault::NetworkFault;

/// Sockets a client costs this process: its own, and the two of the proxy.
const SOCKETS: u64 = 3;

/// The same where connections go half-open: when its client has given one up and made another, the
/// server's side of the old one still stands, since nobody told the server.
const SOCKETS_HALF_OPEN: u64 = SOCKETS + 1;

/// Descriptors for everything else behind a proxy: files, timers, the embedded server's pipes.
const OTHERS: u64 = 512;

/// The same without a proxy: also the connections on which an admin makes the world.
const OTHERS_DIRECT: u64 = 128;

/// Too many clients for the open files that a process may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{clients} clients{behind} need {needed} open files ({sockets} {} a client and {others} for all else) and this process may open {limit}; lower the number of clients to {most}, or raise the limit with `ulimit -n {needed}`",
    if *.sockets == 1 { "socket" } else { "sockets" }
)]
pub struct NoRoom {
    /// Asked for.
    pub clients: u64,
    /// What stands between them and the server, in words.
    pub behind: &'static str,
    /// What each of them costs.
    pub sockets: u64,
    /// Descriptors for all else.
    pub others: u64,
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
    check_against(
        clients,
        (sockets, OTHERS),
        " behind the fault proxy",
        limit(),
    )
}

/// The same where clients connect to the server itself, which has as many connections.
///
/// # Errors
/// If they do not fit.
pub fn check_direct_room(clients: u64) -> Result<(), NoRoom> {
    check_against(clients, (1, OTHERS_DIRECT), "", limit())
}

/// No limit is a limit that nobody reaches.
fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn check_against(
    clients: u64,
    (sockets, others): (u64, u64),
    behind: &'static str,
    limit: u64,
) -> Result<(), NoRoom> {
    let needed = clients.saturating_mul(sockets).saturating_add(others);
    if needed <= limit {
        return Ok(());
    }
    Err(NoRoom {
        clients,
        behind,
        sockets,
        others,
        needed,
        limit,
        most: limit.saturating_sub(others) / sockets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_do_not_fit_are_told_how_many_do() {
        let proxy = " behind the fault proxy";
        let refused = check_against(10_000, (SOCKETS, OTHERS), proxy, 20_000).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "10000 clients behind the fault proxy need 30512 open files (3 sockets a client and 512 for all else) and this process may open 20000; lower the number of clients to 6496, or raise the limit with `ulimit -n 30512`"
        );
        for costs in [
            (SOCKETS, OTHERS),
            (SOCKETS_HALF_OPEN, OTHERS),
            (1, OTHERS_DIRECT),
        ] {
            let most = check_against(30_000, costs, "", 20_000).unwrap_err().most;
            assert_eq!(check_against(most, costs, "", 20_000), Ok(()));
            assert!(check_against(most + 1, costs, "", 20_000).is_err());
        }
    }

    #[test]
    fn clients_without_a_proxy_are_told_too() {
        let refused = check_against(200, (1, OTHERS_DIRECT), "", 256).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "200 clients need 328 open files (1 socket a client and 128 for all else) and this process may open 256; lower the number of clients to 128, or raise the limit with `ulimit -n 328`"
        );
    }
}
