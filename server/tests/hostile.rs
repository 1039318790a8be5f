//! Strangers who send nonsense, too much, or nothing.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use protocol::{
    Code, Seq,
    message::Request,
    words::{agenda, log as log_words},
};
use server::{ServerConfig, session::SessionTimeouts};

use crate::support::{Client, Heard, block, config, fill_a_page, reserve, start_fresh, try_start};

#[test]
fn nonsense_ends_its_own_connection_only() {
    let (_data_dir, server) = start_fresh();
    let (mut bystander, _) = server.member("ana");
    let agenda = server.agenda(&mut bystander);
    let mut nonsense = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..200 {
        let mut bytes = Vec::new();
        for _ in 0..round {
            nonsense ^= nonsense << 13;
            nonsense ^= nonsense >> 7;
            nonsense ^= nonsense << 17;
            bytes.extend_from_slice(&nonsense.to_le_bytes());
        }
        let mut client = Client::connect(server.ready.address);
        if round % 2 == 0 {
            client.hello();
        }
        // The server may be quicker to end this than we are to send.
        let _either_way = client.stream.write_all(&bytes);
        let _either_way = client.stream.shutdown(Shutdown::Write);
        while client.hear().is_some() {}
    }
    assert!(bystander.agenda(reserve(agenda, 0)).is_accepted());
}

#[test]
fn a_huge_length_is_refused_before_anything_is_sent() {
    let (_data_dir, server) = start_fresh();
    let mut client = server.connect();
    client.write(&u32::MAX.to_le_bytes());
    let refusal = client.ends_with(Code::FRAME_TOO_LONG);
    assert_eq!(
        (refusal.value, refusal.limit),
        (u64::from(u32::MAX), 16 * 1_024)
    );
}

#[test]
fn last_words_arrive_although_more_is_on_its_way() {
    let (_data_dir, server) = start_fresh();
    for _ in 0..50 {
        let mut client = server.connect();
        client.write(&[0xff; 60_000]);
        // Whether these are taken is the server's choice; what it said before must arrive.
        let _either_way = client.stream.write_all(&[0; 60_000]);
        client.ends_with(Code::FRAME_TOO_LONG);
    }
}

#[test]
fn half_frames_leave_nothing_behind() {
    let (_data_dir, server) = start_fresh();
    let (mut bystander, opened) = server.member("ana");
    let agenda = server.agenda(&mut bystander);
    let mut whole = Vec::new();
    let command = agenda::Command::from(reserve(agenda, 0));
    let (kind, schema) = command.kind();
    let mut body = Vec::new();
    command.encode(&mut body);
    let key = protocol::Key([77; 16]);
    Request::Command {
        correlation: 1,
        key,
        kind,
        schema,
        body: &body,
    }
    .encode(&mut whole);
    for len in 0..whole.len() {
        let mut client = server.connect();
        client.resume(opened.token).expect("the session is open");
        client.write(&whole[..len]);
        client.finish();
        while client.hear().is_some() {}
    }
    assert!(
        bystander.agenda(reserve(agenda, 0)).is_accepted(),
        "no half frame was taken"
    );
}

#[test]
fn a_frame_may_come_a_byte_at_a_time() {
    let (_data_dir, server) = start_fresh();
    let mut client = Client::connect(server.ready.address);
    let mut bytes = Vec::new();
    Request::Hello { version: 1 }.encode(&mut bytes);
    Request::Ping { correlation: 9 }.encode(&mut bytes);
    for byte in bytes {
        client.write(&[byte]);
    }
    assert!(matches!(client.reply(), Heard::Welcome(_)));
    assert_eq!(client.reply(), Heard::Pong(9));
}

#[test]
fn one_connection_too_many_is_told_so() {
    const HELD: usize = 8;
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let few = ServerConfig {
        connections_max: HELD,
        ..config(data_dir.path())
    };
    let server = try_start(few).unwrap_or_else(|error| panic!("{error}"));
    let mut held: Vec<Client> = (0..HELD).map(|_| server.connect()).collect();
    for _ in 0..2_000 {
        let mut client = Client::connect(server.ready.address);
        // An honest client says hello before it can know.
        let mut hello = Vec::new();
        Request::Hello { version: 1 }.encode(&mut hello);
        let _either_way = client.stream.write_all(&hello);
        let refusal = client.ends_with(Code::CONNECTIONS);
        assert_eq!(refusal.value, 8);
    }
    held.iter_mut().for_each(Client::ping);
    drop(held.pop());
    // Its place is free when the server has seen the end.
    let mut next = loop {
        let mut client = Client::connect(server.ready.address);
        client.send(&Request::Hello { version: 1 });
        if matches!(client.hear(), Some(Heard::Welcome(_))) {
            break client;
        }
    };
    next.ping();
}

/// Whoever reads nothing has to go soon.
fn impatient(config: ServerConfig) -> ServerConfig {
    ServerConfig {
        timeouts: SessionTimeouts {
            unread: Duration::from_millis(300),
            ..config.timeouts
        },
        ..config
    }
}

#[test]
fn a_reader_who_never_reads_is_cut_off_and_the_server_lives() {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let server = try_start(impatient(config(data_dir.path())));
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let mut admin = server.admin();
    fill_a_page(&mut admin);
    let query = log_words::Query::from(log_words::ReadLog {
        from: Seq(1),
        limit: 500,
    });
    let mut body = Vec::new();
    query.encode(&mut body);
    let ((kind, schema), mut request) = (query.kind(), Vec::new());
    Request::Query {
        correlation: 1,
        kind,
        schema,
        body: &body,
    }
    .encode(&mut request);
    // Pages of 195 KiB until it is ended: far more of them are asked for than every buffer on the way
    // takes. A ping between them lets the server answer each, so that the limit of unanswered requests is
    // not met.
    let mut bystander = server.connect();
    let is_cut = (0..1_000_000).any(|_| {
        bystander.ping();
        admin.stream.write_all(&request).is_err()
    });
    let (mut heard, mut chunk) = (0, vec![0; 1 << 20]);
    while let Ok(len @ 1..) = admin.stream.read(&mut chunk) {
        heard += len;
    }
    assert!(
        is_cut && heard < 32 << 20,
        "{heard} bytes were kept for somebody who does not read"
    );
    server.connect().ping();
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    assert!(client.agenda(reserve(agenda, 0)).is_accepted());
    server.stop();
}

#[test]
fn a_connection_that_is_reset_leaves_the_others_alone() {
    let (_data_dir, server) = start_fresh();
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    for nth in 0..50 {
        let stream = TcpStream::connect(server.ready.address).expect("it listens");
        // Closing with unread input resets.
        let mut other = Client::over(stream);
        other.send(&Request::Hello { version: 1 });
        drop(other);
        assert!(client.agenda(reserve(agenda, nth)).is_accepted());
    }
}

#[test]
fn who_is_told_to_go_keeps_no_place() {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let one = ServerConfig {
        connections_max: 1,
        ..impatient(config(data_dir.path()))
    };
    let server = try_start(one).unwrap_or_else(|error| panic!("{error}"));
    let check = |mut guest: Client| {
        guest.write(&[0xff; 4]);
        // The guest neither reads nor hangs up.
        let next = loop {
            let mut client = Client::connect(server.ready.address);
            client.send(&Request::Hello { version: 1 });
            if matches!(client.hear(), Some(Heard::Welcome(_))) {
                break client;
            }
        };
        drop(guest);
        next
    };
    let next = check(server.connect());
    drop(next);
    let password = std::fs::read_to_string(&server.ready.admin_password_file);
    let mut blocked = loop {
        let mut client = Client::connect(server.ready.address);
        client.send(&Request::Hello { version: 1 });
        if matches!(client.hear(), Some(Heard::Welcome(_))) {
            break client;
        }
    };
    blocked
        .log_in("admin", &password.expect("a password file"))
        .expect("the first admin");
    block(&mut blocked);
    check(blocked).ping();
}
