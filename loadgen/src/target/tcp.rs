//! The native protocol over TCP: one connection a client, all of them waited for at once.
//!
//! Bytes go in and out of sockets that never block. An operation costs one write and one read,
//! and one wait is shared by every connection that became ready: the sockets hang on an epoll of
//! their own, edge-triggered, and tokio waits for that one descriptor. So no operation hops
//! through a task. Connections are opened by a [`super::Caller`], which also becomes somebody.

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    task::{Context, Poll, ready},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with},
};
use tokio::io::unix::AsyncFd;

use super::{LinkLost, Target};
use crate::wake;

/// Connections told of by one wait. A bound on how long the first of them waits for the last.
const EVENTS_LEN_MAX: usize = 256;

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Both directions from the start: with edges, room to write is told of only after there was none,
/// so it costs nothing and needs no changing.
const INTEREST: epoll::EventFlags = epoll::EventFlags::IN
    .union(epoll::EventFlags::OUT)
    .union(epoll::EventFlags::RDHUP)
    .union(epoll::EventFlags::ET);

const HANG_UP: epoll::EventFlags = epoll::EventFlags::RDHUP
    .union(epoll::EventFlags::HUP)
    .union(epoll::EventFlags::ERR);

/// Open connections, one a client.
pub struct TcpTarget {
    links: Vec<TcpStream>,
    /// Where a link goes that is opened again; `None` without links.
    address: Option<SocketAddr>,
    poller: AsyncFd<OwnedFd>,
    events: Vec<epoll::Event>,
    /// The last wait told of as many as it could: there may be more.
    has_more: bool,
}

impl fmt::Debug for TcpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.links.len();
        f.debug_struct("TcpTarget")
            .field("links", &links)
            .finish_non_exhaustive()
    }
}

impl TcpTarget {
    /// A target of these connections, by number of client.
    ///
    /// # Errors
    /// If the kernel cannot wait for them. Must be called within a tokio runtime.
    pub fn new(links: Vec<TcpStream>) -> io::Result<Self> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, link) in (0_u64..).zip(&links) {
            link.set_nonblocking(true)?;
            epoll::add(&poller, link, epoll::EventData::new_u64(number), INTEREST)?;
        }
        let address = links.first().map(TcpStream::peer_addr).transpose()?;
        Ok(Self {
            links,
            address,
            poller: wake::watch(poller)?,
            events: Vec::with_capacity(EVENTS_LEN_MAX),
            has_more: false,
        })
    }

    fn link(&mut self, link: u32) -> Result<&mut TcpStream, LinkLost> {
        let index = usize::try_from(link).unwrap_or(usize::MAX);
        self.links.get_mut(index).ok_or(LinkLost::Closed)
    }
}

impl Target for TcpTarget {
    fn links(&self) -> usize {
        self.links.len()
    }

    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
        ready: &mut Vec<u32>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.has_more {
                // Cleared before asking: what happens after the question is a new edge.
                ready!(self.poller.poll_read_ready(context))?.clear_ready();
            }
            self.events.clear();
            epoll::wait(
                self.poller.get_ref(),
                spare_capacity(&mut self.events),
                Some(&AT_ONCE),
            )?;
            self.has_more = self.events.len() == self.events.capacity();
            if !self.events.is_empty() {
                ready.extend(self.events.iter().filter_map(number));
                // Last words and the end may share one edge, and a read that is not filled says
                // nothing of the end: whoever hung up is named twice, and read twice.
                let hung_up = self.events.iter().filter(|event| has_hung_up(event));
                ready.extend(hung_up.filter_map(number));
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn receive(&mut self, link: u32, into: &mut [u8]) -> Result<usize, LinkLost> {
        loop {
            return match self.link(link)?.read(into) {
                Ok(0) => Err(LinkLost::Closed),
                Ok(read) => Ok(read),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    fn transmit(&mut self, link: u32, out: &mut Vec<u8>) -> Result<(), LinkLost> {
        let stream = self.link(link)?;
        let mut sent = 0;
        while sent < out.len() {
            match stream.write(&out[sent..]) {
                Ok(0) => return Err(LinkLost::Closed),
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        out.drain(..sent);
        Ok(())
    }

    fn close(&mut self, link: u32) {
        if let Ok(stream) = self.link(link) {
            // It may be closed already, which is what was wanted.
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }

    fn reopen(&mut self, link: u32) -> Result<(), LinkLost> {
        let address = self.address.ok_or(LinkLost::Closed)?;
        let opened = begin_connecting(address)?;
        let data = epoll::EventData::new_u64(link.into());
        epoll::add(self.poller.get_ref(), &opened, data, INTEREST).map_err(io::Error::from)?;
        // The old connection is dropped, and so nothing waits for it any more.
        *self.link(link)? = opened;
        Ok(())
    }

    fn redirect(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }
}

/// A connection on its way: with a server on the same machine it mostly stands at once.
pub(crate) fn begin_connecting(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The number of the link an event is about.
fn number(event: &epoll::Event) -> Option<u32> {
    u32::try_from(event.data.u64()).ok()
}

fn has_hung_up(event: &epoll::Event) -> bool {
    let flags = event.flags; // a copy: the kernel packs events
    flags.intersects(HANG_UP)
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn last_words_are_read_and_so_is_the_end_behind_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _address) = listener.accept().unwrap();
        far.write_all(b"last words").unwrap();
        drop(far);
        let mut target = TcpTarget::new(vec![near]).unwrap();
        let (mut heard, mut is_over, mut into) = (Vec::new(), false, [0; 64]);
        while !is_over {
            let mut ready = Vec::new();
            let waiting = poll_fn(|context| target.poll_ready(context, &mut ready));
            waiting.await.unwrap();
            for link in ready {
                match target.receive(link, &mut into) {
                    Ok(count) => heard.extend_from_slice(&into[..count]),
                    Err(lost) => is_over = matches!(lost, LinkLost::Closed),
                }
            }
        }
        assert_eq!(heard, b"last words");
    }

    #[tokio::test]
    async fn what_was_written_before_a_link_stood_again_arrives_when_it_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut target = TcpTarget::new(vec![near]).unwrap();
        target.close(0);
        target.reopen(0).unwrap();
        let (_first, _address) = listener.accept().unwrap();
        let (mut far, _address) = listener.accept().unwrap();
        let mut out = b"here again".to_vec();
        while !out.is_empty() {
            target.transmit(0, &mut out).unwrap();
            if !out.is_empty() {
                let mut ready = Vec::new();
                let waiting = poll_fn(|context| target.poll_ready(context, &mut ready));
                waiting.await.unwrap();
            }
        }
        let mut heard = [0; 10];
        far.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"here again");
    }

    #[tokio::test]
    async fn a_link_that_cannot_be_opened_again_is_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut target = TcpTarget::new(vec![near]).unwrap();
        drop(listener);
        target.close(0);
        let mut lost = target.reopen(0);
        while lost.is_ok() {
            let mut ready = Vec::new();
            let waiting = poll_fn(|context| target.poll_ready(context, &mut ready));
            waiting.await.unwrap();
            lost = target.receive(0, &mut [0; 8]).map(|_read| ());
        }
        assert!(matches!(lost, Err(LinkLost::Broken(_))));
    }
}
