//! The listener that answers how the server is, on a thread of its own.
//!
//! It is up before the log is opened and answers while the serving thread is busy or stuck. Whoever
//! asks badly, slowly or too often harms only their own connection: one request a connection, a
//! bound on its bytes and its time, and when too many are open the oldest goes. When the system gives no more
//! descriptors, it has some in reserve. Deliberately
//! absent: passwords and TLS. It tells no secrets, but listen where only those who run it can ask.

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    fs::File,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
    task::{self, AbortHandle, LocalSet},
    time,
};

use crate::{clock::Monotonic, net::Complaints};

use super::{
    machine::Machine,
    metrics,
    probes::{Judgement, is_live, is_ready},
    stats::Stats,
};

/// Connections at once. A scraper needs one.
const CONNECTIONS_MAX: usize = 32;

/// Bytes of a request's head: the least that hyper allows, and more than any scraper sends.
const HEAD_BYTES_MAX: usize = 8 * 1_024;

/// Lines of a request's head.
const HEADERS_MAX: usize = 64;

/// How long a connection may take for its request and its answer.
const CONNECTION_MAX: Duration = Duration::from_secs(5);

/// Descriptors that are held for those who ask how it is when the system gives no more.
const RESERVED: usize = 2;

/// How long to wait before accepting again when the system gives no descriptor.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(100);

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The open listener; it closes when this is dropped.
#[derive(Debug)]
pub(crate) struct HttpListener {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is told of.
struct Patient {
    stats: Arc<Stats>,
    data_dir: PathBuf,
    connection_max: Duration,
}

impl HttpListener {
    /// Listens.
    ///
    /// # Errors
    /// If the address cannot be listened on, or the system gives no thread.
    pub(crate) fn open(
        address: SocketAddr,
        stats: Arc<Stats>,
        data_dir: &Path,
    ) -> io::Result<Self> {
        Self::open_within(CONNECTION_MAX, address, stats, data_dir)
    }

    /// As [`HttpListener::open`], with another time for each connection.
    pub(super) fn open_within(
        connection_max: Duration,
        address: SocketAddr,
        stats: Arc<Stats>,
        data_dir: &Path,
    ) -> io::Result<Self> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let patient = Arc::new(Patient {
            stats,
            data_dir: data_dir.to_owned(),
            connection_max,
        });
        let answer = move || {
            let answering = LocalSet::new();
            answering.block_on(&runtime, async {
                tokio::select! {
                    // Either way: told to, or nobody is left to tell.
                    _stop = stopped => {}
                    () = accept(listener, patient) => {}
                }
            });
        };
        let thread = thread::Builder::new()
            .name("health".to_owned())
            .spawn(answer)?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpListener {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ended = thread.join();
        }
    }
}

async fn accept(listener: StdListener, patient: Arc<Patient>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "nobody can be told how the server is");
            return;
        }
    };
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let (clock, mut complaints) = (Monotonic::start(), Complaints::default());
    let reserve = Rc::new(Reserve::default());
    reserve.fill();
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                open.retain(|connection| !connection.is_finished());
                while CONNECTIONS_MAX <= open.len() {
                    open.pop_front().inspect(AbortHandle::abort);
                }
                let serving = serve(stream, Arc::clone(&patient), Rc::clone(&reserve));
                let serving = task::spawn_local(serving);
                open.push_back(serving.abort_handle());
            }
            // What was closed is for whoever comes next, and for nothing else until they are served.
            Err(_none_left) if reserve.spend() => {}
            Err(error) => {
                if let Some(times) = complaints.note(clock.elapsed()) {
                    tracing::warn!(%error, times, "cannot accept who asks how the server is; trying again until it goes");
                }
                time::sleep(ACCEPT_RETRY_AFTER).await;
                reserve.fill();
            }
        }
    }
}

/// Descriptors of nothing, closed for somebody when there are no others.
#[derive(Debug, Default)]
struct Reserve(RefCell<Vec<File>>);

impl Reserve {
    fn fill(&self) {
        let mut held = self.0.borrow_mut();
        while held.len() < RESERVED
            && let Ok(file) = File::open("/dev/null")
        {
            held.push(file);
        }
    }

    /// Closes one. Returns whether there was one.
    fn spend(&self) -> bool {
        self.0.borrow_mut().pop().is_some()
    }
}

/// Refills the reserve when a connection is over, however it ends: nobody else is to have its descriptor.
struct Refill(Rc<Reserve>);

impl Drop for Refill {
    fn drop(&mut self) {
        self.0.fill();
    }
}

async fn serve(stream: TcpStream, patient: Arc<Patient>, reserve: Rc<Reserve>) {
    // Dropped behind the connection.
    let _refill = Refill(reserve);
    let connection_max = patient.connection_max;
    let service = service_fn(move |request| {
        let answer = answer(&request, &patient);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(connection_max)
        .serve_connection(TokioIo::new(stream), service);
    match time::timeout(connection_max, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for the server's health went wrong"),
        Err(_elapsed) => tracing::debug!("a request for the server's health took too long"),
    }
}

fn answer(request: &Request<Incoming>, patient: &Patient) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = say(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD are answered here",
        );
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    let reading = patient.stats.read();
    match request.uri().path() {
        "/live" => judged(is_live(&reading)),
        "/ready" => judged(is_ready(&reading)),
        "/metrics" => {
            let text = metrics::render(&reading, &Machine::ask(&patient.data_dir));
            let mut page = Response::new(Full::from(text));
            let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
            page.headers_mut().insert(CONTENT_TYPE, kind);
            page
        }
        _ => say(
            StatusCode::NOT_FOUND,
            "there is /live, /ready and /metrics here, and nothing else",
        ),
    }
}

fn judged(judgement: Judgement) -> Response<Full<Bytes>> {
    match judgement {
        Ok(why) => say(StatusCode::OK, &why),
        Err(why_not) => say(StatusCode::SERVICE_UNAVAILABLE, &why_not),
    }
}

fn say(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    let mut said = Response::new(Full::from(format!("{sentence}\n")));
    *said.status_mut() = status;
    said.headers_mut().insert(CONTENT_TYPE, PLAIN);
    said
}
