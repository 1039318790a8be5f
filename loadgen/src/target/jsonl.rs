//! The same protocol in lines of JSON: what clients write as frames travels as lines.
//!
//! Clients go on speaking frames; they are translated at this edge, both ways, so that a scenario is
//! the same whatever it travels over. Translating costs the generator's time too, which its
//! saturation shows. Deliberately absent: sockets (they are [`TcpTarget`]'s) and the translation
//! itself ([`protocol::json`]).

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use protocol::{
    frame,
    json::{parse_reply, render_request},
    limits::{REPLY_LINE_BYTES_MAX, REQUEST_BYTES_MAX},
    message::Request,
};

use super::{LinkLost, Target, TcpTarget};

/// How an address begins where lines are spoken.
const SCHEME: &str = "jsonl://";

/// Bytes read off a connection at once.
const READ_BYTES: usize = 64 * 1_024;

/// What travels between a client and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Frames.
    Native,
    /// Lines of JSON.
    Lines,
}

impl Wire {
    /// What is spoken at an address, and the address without it: `jsonl://HOST:PORT` for lines,
    /// `tcp://HOST:PORT` or `HOST:PORT` for frames.
    #[must_use]
    pub fn of(address: &str) -> (Self, &str) {
        match address.strip_prefix(SCHEME) {
            Some(bare) => (Self::Lines, bare),
            None => (
                Self::Native,
                address.strip_prefix("tcp://").unwrap_or(address),
            ),
        }
    }
}

/// Connections that speak lines, one a client.
#[derive(Debug)]
pub struct JsonlTarget {
    sockets: TcpTarget,
    links: Vec<LineLink>,
    scratch: Vec<u8>,
    /// Links that are lost and have frames to hand over first: each is named once more for its end,
    /// which no socket tells of again.
    ending: Vec<u32>,
}

/// What waits on one connection.
#[derive(Debug, Default)]
struct LineLink {
    replies: ReplyLines,
    /// Frames that the client has not taken yet.
    frames: Vec<u8>,
    /// Lines that the socket has not taken yet.
    lines: Vec<u8>,
    /// Why nothing more is read, to be told once the client has taken the frames.
    lost: Option<LinkLost>,
}

/// Lines of a server, on their way to becoming frames.
#[derive(Debug, Default)]
pub(super) struct ReplyLines {
    /// Bytes of a line that has not arrived whole.
    partial: Vec<u8>,
}

/// A line that is no reply of this protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct ForeignLine(String);

impl ReplyLines {
    /// Takes bytes in and appends the frames of the whole lines among them: each line once, whatever
    /// stands behind it.
    pub(super) fn handle_bytes(
        &mut self,
        bytes: &[u8],
        frames: &mut Vec<u8>,
    ) -> Result<(), ForeignLine> {
        self.partial.extend_from_slice(bytes);
        let whole = self.partial.iter().rposition(|byte| *byte == b'\n');
        let end = whole.map_or(0, |last| last + 1);
        let mut taken = 0;
        let mut parsed = Ok(());
        for line in self.partial[..end].split_inclusive(|byte| *byte == b'\n') {
            taken += line.len();
            parsed = parse_line(line, frames);
            if parsed.is_err() {
                break;
            }
        }
        self.partial.drain(..taken);
        parsed?;
        if REPLY_LINE_BYTES_MAX < self.partial.len() {
            let len = self.partial.len();
            return Err(ForeignLine(format!(
                "{len} bytes without the end of a line, where a line has at most {REPLY_LINE_BYTES_MAX}"
            )));
        }
        Ok(())
    }
}

/// Appends the frame of one line.
fn parse_line(line: &[u8], frames: &mut Vec<u8>) -> Result<(), ForeignLine> {
    const SHOWN_CHARS: usize = 80;
    let told = |reason: &dyn std::fmt::Display| {
        let text = String::from_utf8_lossy(line);
        let text: String = text.trim_end().chars().take(SHOWN_CHARS).collect();
        ForeignLine(format!("{reason}, in the line {text:?}"))
    };
    let text = str::from_utf8(line).map_err(|error| told(&error))?;
    parse_reply(text.trim_end(), frames).map_err(|error| told(&error))
}

/// Appends the lines of whole frames.
pub(super) fn say(mut frames: &[u8], lines: &mut Vec<u8>) -> io::Result<()> {
    while let Some((frame, rest)) =
        frame::split(frames, REQUEST_BYTES_MAX).map_err(io::Error::other)?
    {
        let request = Request::decode(frame).map_err(io::Error::other)?;
        render_request(&request, lines).map_err(io::Error::other)?;
        frames = rest;
    }
    Ok(())
}

impl JsonlTarget {
    /// A target of these connections, by number of client.
    ///
    /// # Errors
    /// As [`TcpTarget::new`].
    pub fn new(links: Vec<std::net::TcpStream>) -> io::Result<Self> {
        let count = links.len();
        Ok(Self {
            sockets: TcpTarget::new(links)?,
            links: (0..count).map(|_| LineLink::default()).collect(),
            scratch: vec![0; READ_BYTES],
            ending: Vec::new(),
        })
    }

    fn link(&mut self, link: u32) -> Result<&mut LineLink, LinkLost> {
        let index = usize::try_from(link).unwrap_or(usize::MAX);
        self.links.get_mut(index).ok_or(LinkLost::Closed)
    }

    /// Makes frames of what has arrived until there are `enough` bytes of them, or nothing is left, or
    /// the link is lost.
    fn read(&mut self, link: u32, enough: usize) -> Result<(), LinkLost> {
        let mut scratch = std::mem::take(&mut self.scratch);
        loop {
            let line_link = self.link(link)?;
            if line_link.lost.is_some() || enough <= line_link.frames.len() {
                break;
            }
            let read = self.sockets.receive(link, &mut scratch);
            let LineLink {
                replies,
                frames,
                lost,
                ..
            } = self.link(link)?;
            match read {
                Ok(read) => {
                    if let Err(foreign) = replies.handle_bytes(&scratch[..read], frames) {
                        *lost = Some(LinkLost::Foreign(foreign.to_string()));
                    }
                    if read < scratch.len() {
                        break;
                    }
                }
                Err(error) => *lost = Some(error),
            }
        }
        self.scratch = scratch;
        Ok(())
    }

    fn flush(&mut self, link: u32) -> Result<(), LinkLost> {
        let mut lines = std::mem::take(&mut self.link(link)?.lines);
        let sent = match lines.is_empty() {
            true => Ok(()),
            false => self.sockets.transmit(link, &mut lines),
        };
        self.link(link)?.lines = lines;
        sent
    }
}

impl Target for JsonlTarget {
    fn links(&self) -> usize {
        self.sockets.links()
    }

    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
        ready: &mut Vec<u32>,
    ) -> Poll<io::Result<()>> {
        let told = self.sockets.poll_ready(context, ready);
        if self.ending.is_empty() {
            return told;
        }
        ready.append(&mut self.ending);
        match told {
            Poll::Pending => Poll::Ready(Ok(())),
            told @ Poll::Ready(_) => told,
        }
    }

    fn receive(&mut self, link: u32, into: &mut [u8]) -> Result<usize, LinkLost> {
        // Whoever is ready may be so because there is room for what waits.
        self.flush(link)?;
        self.read(link, into.len())?;
        let LineLink { frames, lost, .. } = self.link(link)?;
        // Last words are heard before the end is.
        if frames.is_empty() {
            return lost.take().map_or(Ok(0), Err);
        }
        let len = frames.len().min(into.len());
        into[..len].copy_from_slice(&frames[..len]);
        frames.drain(..len);
        if lost.is_some() && len < into.len() {
            self.ending.push(link);
        }
        Ok(len)
    }

    fn transmit(&mut self, link: u32, out: &mut Vec<u8>) -> Result<(), LinkLost> {
        say(out, &mut self.link(link)?.lines)?;
        out.clear();
        self.flush(link)
    }

    fn close(&mut self, link: u32) {
        self.sockets.close(link);
    }

    fn reopen(&mut self, link: u32) -> Result<(), LinkLost> {
        // What waited was of the connection before.
        self.ending.retain(|ending| *ending != link);
        *self.link(link)? = LineLink::default();
        self.sockets.reopen(link)
    }

    fn redirect(&mut self, address: SocketAddr) {
        self.sockets.redirect(address);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn an_address_says_what_is_spoken() {
        let address = "127.0.0.1:7401";
        assert_eq!(Wire::of("jsonl://127.0.0.1:7401"), (Wire::Lines, address));
        assert_eq!(Wire::of("tcp://127.0.0.1:7401"), (Wire::Native, address));
        assert_eq!(Wire::of(address), (Wire::Native, address));
    }

    #[tokio::test]
    async fn frames_travel_as_lines_and_come_back_as_frames() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _address) = listener.accept().unwrap();
        let mut target = JsonlTarget::new(vec![near]).unwrap();
        let mut out = Vec::new();
        Request::Ping { correlation: 7 }.encode(&mut out);
        target.transmit(0, &mut out).unwrap();
        assert!(out.is_empty());
        let wanted = b"{\"id\":7,\"do\":\"ping\"}\n";
        let mut line = vec![0; wanted.len()];
        far.read_exact(&mut line).unwrap();
        assert_eq!(line, wanted);
        far.write_all(b"{\"id\":7,\"ok\":\"pong\"}\n{\"id\":8,\"ok\":\"pong\"}\n")
            .unwrap();
        drop(far);
        let (mut heard, mut is_over, mut into) = (Vec::new(), false, [0; 16]);
        while !is_over {
            let mut ready = Vec::new();
            let waiting = poll_fn(|context| target.poll_ready(context, &mut ready));
            waiting.await.unwrap();
            for link in ready {
                loop {
                    match target.receive(link, &mut into) {
                        Ok(0) => break,
                        Ok(count) => heard.extend_from_slice(&into[..count]),
                        Err(lost) => {
                            is_over = matches!(lost, LinkLost::Closed);
                            break;
                        }
                    }
                }
            }
        }
        let mut wanted = Vec::new();
        for correlation in [7, 8] {
            protocol::message::Reply::Pong { correlation }.encode(&mut wanted);
        }
        assert_eq!(heard, wanted);
    }

    /// What a client hears of these bytes of a server, and what becomes of its link.
    async fn heard(said: &[&[u8]]) -> (Vec<u8>, LinkLost) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _address) = listener.accept().unwrap();
        let mut target = JsonlTarget::new(vec![near]).unwrap();
        let (mut heard, mut into) = (Vec::new(), [0; 16]);
        let mut said = said.iter();
        loop {
            // Each piece arrives by itself, and behind the last the server hangs up.
            match said.next() {
                Some(bytes) => far.write_all(bytes).unwrap(),
                None => far.shutdown(std::net::Shutdown::Both).unwrap_or(()),
            }
            let mut ready = Vec::new();
            let waiting = poll_fn(|context| target.poll_ready(context, &mut ready));
            waiting.await.unwrap();
            for link in ready {
                // As the driver reads: until less comes than there is room for.
                loop {
                    match target.receive(link, &mut into) {
                        Ok(count) => {
                            heard.extend_from_slice(&into[..count]);
                            if count < into.len() {
                                break;
                            }
                        }
                        Err(lost) => return (heard, lost),
                    }
                }
            }
        }
    }

    fn pongs(correlations: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut frames = Vec::new();
        for correlation in correlations {
            protocol::message::Reply::Pong { correlation }.encode(&mut frames);
        }
        frames
    }

    #[tokio::test]
    async fn a_line_that_says_nothing_known_is_the_last_and_those_before_it_are_heard_once() {
        let good = b"{\"id\":7,\"ok\":\"pong\"}\n{\"id\":8,\"ok\":\"pong\"}\n".as_slice();
        let word = b"{\"id\":9,\"ok\":\"to-come\",\"seq\":1}\n".as_slice();
        for bad in [b"no line at all\n", word, b"\xff\xfe\n".as_slice()] {
            for said in [
                vec![[good, bad, good].concat()],
                vec![good.to_vec(), [bad, good].concat(), good.to_vec()],
            ] {
                let said: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
                let (heard, lost) = heard(&said).await;
                assert_eq!(heard, pongs([7, 8]), "{}", String::from_utf8_lossy(bad));
                assert!(matches!(lost, LinkLost::Foreign(_)), "{lost:?}");
            }
        }
    }

    #[tokio::test]
    async fn pushes_and_news_of_kinds_to_come_are_ignored() {
        let hash = "00".repeat(32);
        let push = format!("{{\"push\":\"to-come\",\"seq\":4,\"hash\":\"{hash}\",\"who\":1}}\n");
        let said = [
            b"{\"id\":7,\"ok\":\"pong\"}\n".as_slice(),
            push.as_bytes(),
            b"{\"news\":\"to-come\",\"who\":1}\n{\"id\":8,\"ok\":\"pong\"}\n",
        ];
        let (heard, lost) = heard(&said).await;
        assert_eq!(heard, pongs([7, 8]));
        assert!(!matches!(lost, LinkLost::Foreign(_)), "{lost:?}");
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_waited_for() {
        let mut replies = ReplyLines::default();
        let (mut frames, piece) = (Vec::new(), vec![b' '; READ_BYTES]);
        let pieces = REPLY_LINE_BYTES_MAX / READ_BYTES + 1;
        let ended = (0..=pieces).find_map(|_| replies.handle_bytes(&piece, &mut frames).err());
        assert!(ended.is_some());
        assert!(frames.is_empty());
    }
}
