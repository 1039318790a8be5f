//! One request and its answer over one connection, within bounds of time and size.
//!
//! A request goes in, with the connection of the one before if there is one; the answer comes out, or
//! whether the request can have been heard. Of a connection that was never made, and of a request that
//! was handed back unsent, nothing can have been; of every other failure nobody knows.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// The longest body that is read. Beyond it an answer is not understood, and its connection ended.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long an answer may take, connecting included: somewhat longer than the driver waits.
pub const ANSWER_MAX: Duration = Duration::from_secs(12);

/// A connection, with nothing under way.
pub struct Link {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchanged {
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// Its body.
        body: Bytes,
    },
    /// Nothing was sent: why.
    NotSent(String),
    /// It was sent, or part of it, and there is no answer that can be read: why.
    Lost(String),
}

/// Sends a request, on `idle` if that is still there, and waits for the answer. What is left of the
/// connection can be used for the next.
pub async fn exchange(
    idle: Option<Link>,
    address: SocketAddr,
    request: hyper::Request<Full<Bytes>>,
) -> (Option<Link>, Exchanged) {
    // Where it is dropped half-way, so is the connection.
    let exchanged = timeout(ANSWER_MAX, exchange_at_length(idle, address, request)).await;
    exchanged.unwrap_or_else(|_elapsed| {
        let why = format!("no answer within {} s", ANSWER_MAX.as_secs());
        (None, Exchanged::Lost(why))
    })
}

async fn exchange_at_length(
    idle: Option<Link>,
    address: SocketAddr,
    request: hyper::Request<Full<Bytes>>,
) -> (Option<Link>, Exchanged) {
    let mut request = request;
    if let Some(mut link) = idle
        && !link.is_over().await
    {
        match send(&mut link, request).await {
            // Its other side had closed it: the request never left.
            Sent::Back(unsent) => request = *unsent,
            Sent::Came(exchanged, is_open) => return (is_open.then_some(link), exchanged),
        }
    }
    let mut link = match connect(address).await {
        Ok(link) => link,
        Err(why) => return (None, Exchanged::NotSent(why)),
    };
    match send(&mut link, request).await {
        Sent::Back(_unsent) => {
            let why = "the server closes connections before anything is sent on them";
            (None, Exchanged::NotSent(why.to_owned()))
        }
        Sent::Came(exchanged, is_open) => (is_open.then_some(link), exchanged),
    }
}

async fn connect(address: SocketAddr) -> Result<Link, String> {
    let fail = |error: &dyn std::fmt::Display| format!("no connection to {address}: {error}");
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| fail(&error))?;
    stream.set_nodelay(true).map_err(|error| fail(&error))?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| fail(&error))?;
    Ok(Link {
        sender,
        connection: Box::pin(connection),
    })
}

enum Sent {
    /// The request, of which nothing was sent.
    Back(Box<hyper::Request<Full<Bytes>>>),
    /// What came, and whether the connection is good for more.
    Came(Exchanged, bool),
}

async fn send(link: &mut Link, request: hyper::Request<Full<Bytes>>) -> Sent {
    let head = link.sender.try_send_request(request);
    let response = match drive(&mut link.connection, head).await {
        Ok(response) => response,
        Err(mut error) => {
            if let Some(unsent) = error.take_message() {
                return Sent::Back(Box::new(unsent));
            }
            return Sent::Came(Exchanged::Lost(words(error.error())), false);
        }
    };
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
    match drive(&mut link.connection, body).await {
        Ok(body) => {
            let body = body.to_bytes();
            let is_open = !link.is_over().await;
            Sent::Came(Exchanged::Answer { status, body }, is_open)
        }
        Err(error) => {
            let why = format!("the body of an answer with status {status} cannot be read: {error}");
            Sent::Came(Exchanged::Lost(why), false)
        }
    }
}

/// Waits for what comes over a connection, which does nothing unless it is polled.
async fn drive<F: Future>(
    connection: &mut Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
    what: F,
) -> F::Output {
    let mut what = std::pin::pin!(what);
    let mut is_over = false;
    poll_fn(|context: &mut Context<'_>| {
        if !is_over {
            // How it ends is told to whoever waits for an answer on it.
            is_over = connection.as_mut().poll(context).is_ready();
        }
        what.as_mut().poll(context)
    })
    .await
}

impl Link {
    /// Whether its other side has ended it, as far as is known by now.
    async fn is_over(&mut self) -> bool {
        let connection = &mut self.connection;
        let ended =
            poll_fn(|context| Poll::Ready(connection.as_mut().poll(context).is_ready())).await;
        ended || self.sender.is_closed()
    }
}

/// An error with what it came from, which says more.
fn words(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What a server that says this on every connection comes to, asked twice.
    async fn asked(says: &'static [u8], closes: bool) -> Vec<Exchanged> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut input = [0; 4096];
                    while matches!(stream.read(&mut input).await, Ok(1..)) {
                        let _gone = stream.write_all(says).await;
                        if closes {
                            return;
                        }
                    }
                });
            }
        });
        let (mut link, mut all) = (None, Vec::new());
        for _ in 0..2 {
            let request = hyper::Request::get("/x").header("host", "x");
            let request = request.body(Full::default()).expect("a request");
            let (left, exchanged) = exchange(link, address, request).await;
            link = left;
            all.push(exchanged);
        }
        all
    }

    fn answer(status: u16, body: &'static [u8]) -> Exchanged {
        Exchanged::Answer {
            status,
            body: Bytes::from_static(body),
        }
    }

    #[tokio::test]
    async fn answers_are_read_whatever_becomes_of_the_connection() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let twice = |one: Exchanged| vec![one.clone(), one];
        assert_eq!(asked(whole, false).await, twice(answer(200, b"ok")));
        assert_eq!(
            asked(whole, true).await,
            twice(answer(200, b"ok")),
            "the server closes after each"
        );
        let chunked =
            b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(asked(chunked, false).await, twice(answer(201, b"{}")));
        let none = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(asked(none, false).await, twice(answer(204, b"")));
        let until_end = b"HTTP/1.0 200 OK\r\n\r\n<html>";
        assert_eq!(asked(until_end, true).await, twice(answer(200, b"<html>")));
    }

    #[tokio::test]
    async fn of_an_answer_that_is_cut_nobody_knows_what_became() {
        for says in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"[..],
            b"HTTP/1.1 2",
            b"",
        ] {
            for exchanged in asked(says, true).await {
                assert!(matches!(exchanged, Exchanged::Lost(_)), "{exchanged:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_read_to_its_end() {
        let mut says = b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n".to_vec();
        says.resize(10 * BODY_BYTES_MAX, b'x');
        for exchanged in asked(says.leak(), false).await {
            assert!(matches!(exchanged, Exchanged::Lost(_)));
        }
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let request = hyper::Request::get("/")
            .body(Full::default())
            .expect("a request");
        let (link, exchanged) = exchange(None, address, request).await;
        assert!(
            link.is_none() && matches!(exchanged, Exchanged::NotSent(_)),
            "{exchanged:?}"
        );
    }
}
