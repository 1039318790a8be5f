//! A server of one agenda room, as a value: bytes of requests in, bytes of answers out.
//!
//! Each slot has one place, who comes first has it, and a key is answered once and for all.

use std::collections::BTreeMap;

use protocol::{
    ChainHash, Code, Key, Kind, Refusal, Roles, Seq, UserId, frame,
    limits::REQUEST_BYTES_MAX,
    message::{ErrorReply, Reply, Request},
    outcome,
    words::{
        accounts::{self, SessionResumed},
        chat, presence,
    },
};

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct BookingServer {
    taken: BTreeMap<Vec<u8>, Seq>,
    /// What was asked under each key, and how it was answered.
    keys: BTreeMap<[u8; 16], (Vec<u8>, Seq, Vec<u8>)>,
    seq: u64,
}

impl BookingServer {
    /// Answers each whole request, in order.
    pub(super) fn handle_bytes(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        while let Some((frame, rest)) = frame::split(bytes, REQUEST_BYTES_MAX).expect("frames") {
            let request = Request::decode(frame).expect("a request");
            answers.extend(self.answer(&request));
            bytes = rest;
        }
        assert!(bytes.is_empty(), "what is written at once is whole");
        answers
    }

    fn answer(&mut self, request: &Request<'_>) -> Option<Vec<u8>> {
        let mut decided = Vec::new();
        let (correlation, seq) = match request {
            Request::Command {
                correlation,
                key,
                kind,
                body,
                ..
            } => {
                let Some((seq, outcome)) = self.command(*key, (*kind, body)) else {
                    let refusal = Refusal::new(Code::KEY_REUSED);
                    return Some(error(*correlation, refusal));
                };
                decided = outcome;
                (*correlation, seq)
            }
            Request::Query {
                correlation,
                kind,
                schema,
                body,
            } => {
                self.show(*kind, *schema, body, &mut decided);
                (*correlation, Seq(self.seq))
            }
            Request::Auth { correlation, .. } => {
                let resumed = accounts::Answer::from(SessionResumed {
                    user: UserId(1),
                    roles: Roles::MEMBER,
                    session: 1,
                    expires_at: 0,
                    cursor: Seq(self.seq),
                });
                outcome::encode_accepted(resumed.kind().0, resumed.kind().1, &mut decided);
                resumed.encode(&mut decided);
                (*correlation, Seq(self.seq))
            }
            Request::Ping { correlation } => {
                return Some(encoded(&Reply::Pong {
                    correlation: *correlation,
                }));
            }
            Request::Hello { .. } | Request::Signal { .. } | Request::Alive => return None,
        };
        Some(encoded(&Reply::Answer {
            correlation,
            seq,
            hash: ChainHash([u8::try_from(seq.0 % 251).expect("a byte"); 32]),
            outcome: &decided,
        }))
    }

    /// Pushes begin where the client is, and nobody is in any conversation.
    fn show(&self, kind: Kind, schema: u8, body: &[u8], decided: &mut Vec<u8>) {
        if let Ok(chat::Query::ListConversations(_)) = chat::Query::decode(kind, schema, body) {
            let conversations = Vec::new();
            let answer = chat::Answer::from(chat::Conversations { conversations });
            outcome::encode_accepted(answer.kind().0, answer.kind().1, decided);
            return answer.encode(decided);
        }
        let asked = presence::Query::decode(kind, schema, body);
        let Ok(presence::Query::Subscribe(subscribe)) = asked else {
            panic!("the driver asks for nothing else: {asked:?}");
        };
        let from = subscribe.from.unwrap_or(Seq(self.seq));
        let answer = presence::Answer::from(presence::Subscribed { from });
        outcome::encode_accepted(answer.kind().0, answer.kind().1, decided);
        answer.encode(decided);
    }

    /// Where it was decided and how; nothing if the key stands for something else.
    fn command(&mut self, Key(key): Key, word: (Kind, &[u8])) -> Option<(Seq, Vec<u8>)> {
        let asked = [&word.0.0.to_le_bytes(), word.1].concat();
        if let Some((first, seq, outcome)) = self.keys.get(&key) {
            return (*first == asked).then(|| (*seq, outcome.clone()));
        }
        self.seq += 1;
        let (seq, mut decided) = (Seq(self.seq), Vec::new());
        if self.taken.contains_key(word.1) {
            let refusal = Refusal::new(Code::SLOT_TAKEN);
            outcome::encode_refused(&refusal, &mut decided);
        } else {
            self.taken.insert(word.1.to_owned(), seq);
            // Reserving and its event hold the same: the slot.
            outcome::encode_accepted(word.0, 1, &mut decided);
            decided.extend_from_slice(word.1);
        }
        self.keys.insert(key, (asked, seq, decided.clone()));
        Some((seq, decided))
    }
}

fn error(correlation: u64, refusal: Refusal) -> Vec<u8> {
    encoded(&Reply::Error(ErrorReply {
        correlation,
        refusal,
        retry_after_ms: 0,
        fatal: false,
    }))
}

fn encoded(reply: &Reply<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    reply.encode(&mut out);
    out
}
