//! What the fault proxy costs while no fault is on: the same work with it and without.
//!
//! `cargo bench -p loadgen --bench proxy`. An echo stands for the server, on a thread of its own. One
//! connection at a time shows the time that a message takes longer, a thousand at once show the
//! processor's time a message, a long stream shows the bytes a second. Deliberately absent: faults.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot connect has nothing to say"
)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc::sync_channel,
    thread,
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadgen::fault::Proxy;
use tokio::{net::TcpListener, runtime};

const CROWD: usize = 1_000;
const MESSAGE: [u8; 100] = [7; 100];
const STREAM_BYTES: usize = 8 * 1024 * 1024;

/// An echo that lives as long as the bench.
fn echo() -> SocketAddr {
    let (tell, told) = sync_channel(1);
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut stream, _address) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ended = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
    });
    told.recv().unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn hear(stream: &mut TcpStream) {
    let mut heard = [0; MESSAGE.len()];
    stream.read_exact(&mut heard).unwrap();
}

/// Sends a stream and takes it back at the same time.
fn pour(stream: &TcpStream) {
    let (mut there, mut back) = (stream.try_clone().unwrap(), stream);
    let pouring = thread::spawn(move || there.write_all(&vec![7; STREAM_BYTES]).unwrap());
    let mut buffer = vec![0; 64 * 1024];
    let mut left = STREAM_BYTES;
    while 0 < left {
        left -= back.read(&mut buffer).unwrap();
    }
    pouring.join().unwrap();
}

fn compare(criterion: &mut Criterion) {
    let direct = echo();
    let proxy = Proxy::start(direct, 1).unwrap();
    for (way, address) in [("direct", direct), ("proxied", proxy.address())] {
        let mut group = criterion.benchmark_group("proxy");
        let mut stream = connect(address);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("one round trip, {way}"), |bencher| {
            bencher.iter(|| {
                stream.write_all(&MESSAGE).unwrap();
                hear(&mut stream);
            });
        });
        let mut crowd: Vec<_> = (0..CROWD).map(|_| connect(address)).collect();
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(format!("a round trip each of 1,000, {way}"), |bencher| {
            bencher.iter(|| {
                for stream in &mut crowd {
                    stream.write_all(&MESSAGE).unwrap();
                }
                crowd.iter_mut().for_each(hear);
            });
        });
        group.throughput(Throughput::Bytes(8 * 1024 * 1024));
        group.sample_size(20);
        group.bench_function(format!("8 MiB there and back, {way}"), |bencher| {
            bencher.iter(|| pour(&stream));
        });
        group.finish();
    }
}

criterion_group!(benches, compare);
criterion_main!(benches);
