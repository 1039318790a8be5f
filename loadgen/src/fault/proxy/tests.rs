//! Every fault, over real sockets, before a server that echoes.

use std::{
    io::ErrorKind,
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task,
};

use super::*;
use crate::{
    clock::Clock,
    fault::{Share, Way},
};

/// A server that says everything back, and how each conversation ended.
struct Echo {
    address: SocketAddr,
    ends: mpsc::Receiver<Result<u64, ErrorKind>>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, ends) = mpsc::channel(4_096);
        task::spawn(async move {
            while let Ok((mut stream, _address)) = listener.accept().await {
                let told = told.clone();
                task::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let echoed = tokio::io::copy(&mut from, &mut to).await;
                    let _heard = told.send(echoed.map_err(|error| error.kind())).await;
                });
            }
        });
        Self { address, ends }
    }
}

async fn echo_and_proxy(seed: u64) -> (Echo, Proxy) {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address, seed).unwrap();
    (echo, proxy)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Connects and waits until the server was reached: from then on the connection stands.
async fn connected(proxy: &Proxy) -> TcpStream {
    let mut stream = connect(proxy).await;
    assert_eq!(
        ask(&mut stream, b"are you there").await.unwrap(),
        b"are you there"
    );
    stream
}

async fn ask(stream: &mut TcpStream, words: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(words).await?;
    let mut heard = vec![0; words.len()];
    stream.read_exact(&mut heard).await?;
    Ok(heard)
}

/// How a connection ends that nothing more is said on.
async fn end_of(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest).await;
    read.map_err(|error| error.kind())
}

/// Numbers that show any byte lost, doubled or out of place.
fn pattern(len: u32) -> Vec<u8> {
    (0..len / 4).flat_map(u32::to_be_bytes).collect()
}

/// Says it all and then that there is no more, while listening; returns what came back.
async fn converse(stream: TcpStream, words: Vec<u8>) -> Vec<u8> {
    let (mut from, mut to) = stream.into_split();
    let saying = task::spawn(async move {
        to.write_all(&words).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut heard = Vec::new();
    from.read_to_end(&mut heard).await.unwrap();
    saying.await.unwrap();
    heard
}

#[tokio::test]
async fn without_a_fault_everything_passes_both_ways_and_so_does_the_end() {
    let (mut echo, proxy) = echo_and_proxy(1).await;
    let words = pattern(3_000_000);
    let heard = converse(connect(&proxy).await, words.clone()).await;
    assert!(heard == words);
    assert_eq!(echo.ends.recv().await, Some(Ok(3_000_000)));
}

#[tokio::test]
async fn a_thousand_connections_pass_at_once() {
    let (_echo, proxy) = echo_and_proxy(1).await;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        streams.push(connect(&proxy).await);
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let words = number.to_be_bytes();
        assert_eq!(ask(stream, &words).await.unwrap(), words);
    }
}

#[tokio::test]
async fn both_sides_of_a_cut_connection_are_reset_and_the_next_one_passes() {
    let (mut echo, proxy) = echo_and_proxy(1).await;
    let mut cut = connected(&proxy).await;
    let share = Share::ALL;
    let fault = proxy.apply(NetworkFault::Cut { share }).await.unwrap();
    assert_eq!(end_of(&mut cut).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(
        echo.ends.recv().await,
        Some(Err(ErrorKind::ConnectionReset))
    );
    connected(&proxy).await;
    let injected = proxy.heal(fault).await.unwrap();
    assert_eq!(injected.connections, 1);
    assert!(NetworkFault::Cut { share }.took_effect(&injected));
}

#[tokio::test]
async fn a_cut_of_nobody_did_not_strike() {
    let (_echo, proxy) = echo_and_proxy(1).await;
    let cut = NetworkFault::Cut { share: Share::ALL };
    let fault = proxy.apply(cut).await.unwrap();
    assert!(!cut.took_effect(&proxy.heal(fault).await.unwrap()));
}

/// Which of twenty connections a cut of a quarter ends.
async fn victims(seed: u64) -> Vec<usize> {
    let (_echo, proxy) = echo_and_proxy(seed).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(connected(&proxy).await);
    }
    let share = Share::percent(25).unwrap();
    let fault = proxy.apply(NetworkFault::Cut { share }).await.unwrap();
    assert_eq!(proxy.heal(fault).await.unwrap().connections, 5);
    let mut ended = Vec::new();
    for (number, stream) in streams.iter_mut().enumerate() {
        if ask(stream, b"still there").await.is_err() {
            ended.push(number);
        }
    }
    ended
}

#[tokio::test]
async fn the_same_seed_cuts_the_same_connections() {
    let drawn = victims(7).await;
    assert_eq!(drawn.len(), 5);
    assert_eq!(victims(7).await, drawn);
    assert_ne!(victims(8).await, drawn);
}

#[tokio::test]
async fn delayed_bytes_arrive_later_and_in_order() {
    let (_echo, proxy) = echo_and_proxy(1).await;
    let mut stream = connected(&proxy).await;
    let delay = NetworkFault::Delay {
        by: Duration::from_millis(30),
        jitter: Duration::from_millis(20),
    };
    let fault = proxy.apply(delay).await.unwrap();
    let clock = Clock::start();
    assert_eq!(
        ask(&mut stream, b"there and back").await.unwrap(),
        b"there and back"
    );
    assert!(60_000_000 <= clock.now(), "{} ns", clock.now());
    let words = pattern(400_000);
    assert!(converse(stream, words.clone()).await == words);
    let injected = proxy.heal(fault).await.unwrap();
    assert_eq!(injected.bytes_held, 2 * (400_000 + 14));
    assert!(delay.took_effect(&injected));
}

#[tokio::test]
async fn a_throttled_connection_takes_its_time_and_its_sender_feels_it() {
    let (_echo, proxy) = echo_and_proxy(1).await;
    let stream = connected(&proxy).await;
    let throttle = NetworkFault::Throttle {
        bytes_per_second: NonZeroU64::new(1_000_000).unwrap(),
    };
    let fault = proxy.apply(throttle).await.unwrap();
    let clock = Clock::start();
    let words = pattern(300_000);
    assert!(converse(stream, words.clone()).await == words);
    // 0.3 s, less the first step.
    assert!(280_000_000 < clock.now(), "{} ns", clock.now());
    let injected = proxy.heal(fault).await.unwrap();
    assert!(200_000 < injected.bytes_held, "{injected:?}");
}

#[tokio::test]
async fn a_reader_that_stops_stops_its_sender() {
    let (_echo, proxy) = echo_and_proxy(1).await;
    let stream = connected(&proxy).await;
    let mut pushed = 0_usize;
    let block = vec![0; 64 * 1024];
    // The echo is not read: its way back fills up, then the way there.
    loop {
        let writing = async {
            stream.writable().await.unwrap();
            stream.try_write(&block)
        };
        match tokio::time::timeout(Duration::from_millis(300), writing).await {
            Ok(Ok(written)) => pushed += written,
            Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(Err(error)) => panic!("{error}"),
            Err(_stopped) => break,
        }
        assert!(pushed < 200_000_000, "it takes whatever comes");
    }
    assert!(0 < pushed);
}

const HALF_OPEN: NetworkFault = NetworkFault::HalfOpen {
    share: Share::ALL,
    way: Way::ToServer,
};

#[tokio::test]
async fn a_half_open_connection_swallows_bytes_and_is_reset_when_healed() {
    let (mut echo, proxy) = echo_and_proxy(1).await;
    let mut lost = connected(&proxy).await;
    let fault = proxy.apply(HALF_OPEN).await.unwrap();
    lost.write_all(b"does anybody hear").await.unwrap();
    // What was said before this was answered has been read.
    connected(&proxy).await;
    let injected = proxy.heal(fault).await.unwrap();
    assert_eq!((injected.bytes_dropped, injected.connections), (17, 1));
    assert_eq!(injected.unnoticed, 1);
    assert!(HALF_OPEN.took_effect(&injected));
    assert_eq!(end_of(&mut lost).await, Err(ErrorKind::ConnectionReset));
    let ends = [echo.ends.recv().await, echo.ends.recv().await];
    assert!(
        ends.contains(&Some(Err(ErrorKind::ConnectionReset))),
        "{ends:?}"
    );
}

#[tokio::test]
async fn a_client_that_gives_a_half_open_connection_up_has_noticed_and_the_server_has_not() {
    let (mut echo, proxy) = echo_and_proxy(1).await;
    let mut lost = connected(&proxy).await;
    let fault = proxy.apply(HALF_OPEN).await.unwrap();
    lost.write_all(b"hello").await.unwrap();
    drop(lost);
    connected(&proxy).await;
    let other = echo.ends.recv().await;
    assert_eq!(
        other,
        Some(Ok(13)),
        "only the one that passed has ended for the server"
    );
    let injected = proxy.heal(fault).await.unwrap();
    assert_eq!(injected.unnoticed, 0);
    assert_eq!(
        echo.ends.recv().await,
        Some(Err(ErrorKind::ConnectionReset))
    );
}

#[tokio::test]
async fn bytes_in_pieces_are_the_same_bytes() {
    let (_echo, proxy) = echo_and_proxy(1).await;
    let stream = connected(&proxy).await;
    let split = NetworkFault::SplitBytes {
        piece_max: NonZeroU16::new(9).unwrap(),
    };
    let fault = proxy.apply(split).await.unwrap();
    let words = pattern(100_000);
    assert!(converse(stream, words.clone()).await == words);
    let injected = proxy.heal(fault).await.unwrap();
    assert!(split.took_effect(&injected), "{injected:?}");
}

#[tokio::test]
async fn a_storm_cuts_everybody_and_lets_all_who_come_back_in_at_once() {
    let (mut echo, proxy) = echo_and_proxy(1).await;
    let mut cut = connected(&proxy).await;
    let storm = NetworkFault::ReconnectStorm;
    let fault = proxy.apply(storm).await.unwrap();
    assert_eq!(end_of(&mut cut).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(
        echo.ends.recv().await,
        Some(Err(ErrorKind::ConnectionReset))
    );
    let mut back = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&proxy).await;
        stream.write_all(b"let me in").await.unwrap();
        back.push(stream);
    }
    let injected = proxy.heal(fault).await.unwrap();
    assert_eq!((injected.connections, injected.let_in), (1, 50));
    assert!(storm.took_effect(&injected));
    for stream in &mut back {
        let mut heard = [0; 9];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"let me in");
    }
    connected(&proxy).await;
}

#[tokio::test]
async fn new_connections_go_where_the_server_is_now() {
    let (first, proxy) = echo_and_proxy(1).await;
    let mut old = connected(&proxy).await;
    let mut second = Echo::start().await;
    proxy.set_upstream(second.address).await.unwrap();
    drop(connected(&proxy).await);
    assert_eq!(second.ends.recv().await, Some(Ok(13)));
    assert_eq!(ask(&mut old, b"as before").await.unwrap(), b"as before");
    drop(first);
}

#[tokio::test]
async fn a_server_that_is_not_there_resets_its_clients() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let proxy = Proxy::start(address, 1).unwrap();
    // It may be over before connecting is.
    let end = match TcpStream::connect(proxy.address()).await {
        Ok(mut stream) => end_of(&mut stream).await,
        Err(error) => Err(error.kind()),
    };
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn every_connection_ends_with_the_proxy() {
    let (mut echo, proxy) = echo_and_proxy(1).await;
    let mut stream = connected(&proxy).await;
    drop(proxy);
    assert_eq!(end_of(&mut stream).await, Ok(0));
    assert!(echo.ends.recv().await.is_some());
}
