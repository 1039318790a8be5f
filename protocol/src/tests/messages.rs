//! Messages: every frame both ways, and every word both ways.

use proptest::{collection::vec, prelude::*};

use super::{Noise, SETS, samples};
use crate::{
    code::{Code, Refusal},
    codec, frame,
    id::{ChainHash, Key, Kind, Seq},
    limits::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX},
    message::{ErrorReply, MessageError, Reply, Request, Welcome, WelcomeFlags},
    outcome::{self, Outcome},
};

/// A request of each type around these figures.
fn requests(correlation: u64, key: Key, kind: Kind, schema: u8, body: &[u8]) -> Vec<Request<'_>> {
    let auths = samples::auth_requests().map(|request| Request::Auth {
        correlation,
        key,
        request,
    });
    let mut requests = vec![
        Request::Hello { version: kind.0 },
        Request::Command {
            correlation,
            key,
            kind,
            schema,
            body,
        },
        Request::Query {
            correlation,
            kind,
            schema,
            body,
        },
        Request::Ping { correlation },
        Request::Signal { kind, schema, body },
        Request::Alive,
    ];
    requests.extend(auths);
    requests
}

/// A reply of each type around these figures.
fn replies(correlation: u64, hash: ChainHash, kind: Kind, flag: u8, body: &[u8]) -> Vec<Reply<'_>> {
    let (seq, half) = (Seq(correlation.rotate_left(17)), u32::from(kind.0) << 9);
    vec![
        Reply::Welcome(Welcome {
            version: kind.0,
            request_bytes_max: half,
            in_flight_max: half ^ 1,
            flags: WelcomeFlags(flag),
            seq,
            hash,
        }),
        Reply::Answer {
            correlation,
            seq,
            hash,
            outcome: body,
        },
        Reply::Push {
            seq,
            hash,
            kind,
            schema: flag,
            body,
        },
        Reply::Error(ErrorReply {
            correlation,
            refusal: Refusal::with(Code(kind.0), seq.0, correlation ^ 1),
            retry_after_ms: half,
            fatal: flag & 1 == 1,
        }),
        Reply::Pong { correlation },
        Reply::Ephemeral {
            kind,
            schema: flag,
            body,
        },
        Reply::Probe,
    ]
}

fn framed(len_max: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    let (frame, rest) = frame::split(&bytes, len_max)
        .expect("it is short")
        .expect("it is whole");
    assert_eq!(rest, [0_u8; 0], "a message is one frame");
    frame.to_vec()
}

proptest! {
    #[test]
    fn every_request_comes_back_as_it_was(
        (correlation, key, kind, schema) in any::<(u64, [u8; 16], u16, u8)>(),
        body in vec(any::<u8>(), 0..300),
    ) {
        for request in requests(correlation, Key(key), Kind(kind), schema, &body) {
            let frame = framed(REQUEST_BYTES_MAX, |out| request.encode(out));
            prop_assert_eq!(Request::decode(&frame), Ok(request));
        }
    }

    #[test]
    fn every_reply_comes_back_as_it_was(
        (correlation, hash, kind, flag) in any::<(u64, [u8; 32], u16, u8)>(),
        body in vec(any::<u8>(), 0..300),
    ) {
        for reply in replies(correlation, ChainHash(hash), Kind(kind), flag, &body) {
            let frame = framed(REPLY_BYTES_MAX, |out| reply.encode(out));
            prop_assert_eq!(Reply::decode(&frame), Ok(reply));
        }
    }

    #[test]
    fn every_word_comes_back_as_it_was(bytes in vec(any::<u8>(), 0..600)) {
        for set in SETS {
            for (kind, name) in set.words {
                let invented = (set.invent)(*kind, &mut Noise(&bytes));
                let read = (set.recode)(*kind, set.newest(*kind), &invented.0);
                prop_assert_eq!(read.as_ref(), Ok(&invented), "{} {}", set.name, name);
            }
        }
    }

    #[test]
    fn every_refusal_comes_back_as_it_was((code, value, limit) in any::<(u16, u64, u64)>()) {
        let refusal = Refusal::with(Code(code), value, limit);
        let mut bytes = Vec::new();
        outcome::encode_refused(&refusal, &mut bytes);
        prop_assert_eq!(Outcome::decode(&bytes), Ok(Outcome::Refused(refusal)));
    }

    #[test]
    fn every_accepted_head_comes_back_as_it_was(
        (kind, schema) in any::<(u16, u8)>(),
        body in vec(any::<u8>(), 0..50),
    ) {
        let mut bytes = Vec::new();
        outcome::encode_accepted(Kind(kind), schema, &mut bytes);
        bytes.extend_from_slice(&body);
        let expected = Outcome::Accepted { kind: Kind(kind), schema, body: &body };
        prop_assert_eq!(Outcome::decode(&bytes), Ok(expected));
    }
}

#[test]
fn varints_are_as_long_as_the_readme_says() {
    let check = |value: u128, expected: &[u8]| {
        let mut bytes = Vec::new();
        codec::encode(&value, &mut bytes);
        assert_eq!(bytes, expected, "{value}");
        assert_eq!(codec::decode::<u128>(expected), Ok(value));
    };
    check(0, &[0]);
    check(250, &[250]);
    check(251, &[251, 251, 0]);
    check(65_535, &[251, 255, 255]);
    check(65_536, &[252, 0, 0, 1, 0]);
    check(1 << 32, &[253, 0, 0, 0, 0, 1, 0, 0, 0]);
    check(
        1 << 64,
        &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    );
}

#[test]
fn a_frame_cut_short_in_its_head_is_refused_where_it_ends() {
    // The sizes of the heads, as the README draws them.
    let check = |frame: &[u8], head_len: usize, decode: fn(&[u8]) -> Result<(), MessageError>| {
        assert_eq!(
            decode(&frame[..head_len]),
            Ok(()),
            "{frame:?} at {head_len}"
        );
        for len in 0..head_len {
            let error = decode(&frame[..len]).expect_err("its head is cut short");
            assert!(error.at <= len, "{frame:?} at {len}");
        }
    };
    let request = |bytes: &[u8]| Request::decode(bytes).map(|_| ());
    let reply = |bytes: &[u8]| Reply::decode(bytes).map(|_| ());
    for (asked, head_len) in requests(1, Key([2; 16]), Kind(1), 4, &[5])
        .iter()
        .zip([7, 28, 12, 9, 4, 1])
    {
        let frame = framed(REQUEST_BYTES_MAX, |out| asked.encode(out));
        check(&frame, head_len, request);
    }
    for (said, head_len) in replies(1, ChainHash([2; 32]), Kind(3), 4, &[5])
        .iter()
        .zip([52, 49, 44, 32, 9, 4, 1])
    {
        let frame = framed(REPLY_BYTES_MAX, |out| said.encode(out));
        check(&frame, head_len, reply);
    }
}

#[test]
fn a_frame_that_goes_on_after_its_layout_is_refused() {
    let refused_at = |request: Request<'_>| {
        let mut frame = framed(REQUEST_BYTES_MAX, |out| request.encode(out));
        frame.push(0);
        Request::decode(&frame)
            .map_err(|error| error.at)
            .unwrap_err()
    };
    assert_eq!(refused_at(Request::Hello { version: 1 }), 7);
    assert_eq!(refused_at(Request::Ping { correlation: 1 }), 9);
    let auth = samples::auth_requests()[0].clone();
    let auth = Request::Auth {
        correlation: 1,
        key: Key::default(),
        request: auth,
    };
    assert_eq!(refused_at(auth), 25);
}

#[test]
fn neither_side_understands_what_only_it_may_say() {
    let hello = framed(REQUEST_BYTES_MAX, |out| {
        Request::Hello { version: 1 }.encode(out);
    });
    let pong = framed(REPLY_BYTES_MAX, |out| {
        Reply::Pong { correlation: 1 }.encode(out);
    });
    assert_eq!(Reply::decode(&hello), Err(MessageError { at: 0 }));
    assert_eq!(Request::decode(&pong), Err(MessageError { at: 0 }));
    assert_eq!(
        Request::decode(b"GET / HTTP/1.1"),
        Err(MessageError { at: 0 })
    );
    assert_eq!(
        Request::decode(b"\x01STMX\x01\0"),
        Err(MessageError { at: 1 })
    );
}

#[test]
fn secrets_are_not_shown() {
    for request in samples::auth_requests() {
        let shown = format!("{request:?}");
        assert!(
            !shown.contains("horse") && !shown.contains("195"),
            "{shown}"
        );
    }
}
