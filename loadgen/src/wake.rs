//! Descriptors of ours that tokio wakes us for: the pacer's timer and the target's epoll.

use std::{io, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

/// Has the runtime watch a descriptor until it can be read.
///
/// # Errors
/// If the kernel cannot wait for it.
#[expect(
    deprecated,
    reason = "its successor is unsafe for descriptors that may change hands; an `OwnedFd` cannot"
)]
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
