//! The session guarantees: each client sees its own writes, and never steps back.
//!
//! Each client's own floor is noted when it asks; the answer must not come from before it. Pushes
//! count as seen. The same test as real-time order, for one client alone and across reconnects.

use crate::operation::{LawProgress, LinkChange, Operation};

use super::{
    finding::{About, Finding, Needs, Topic, Violation, Witness, call_text, time_text},
    law::{Completed, Ended, Invoked, Law, Linked, Pushed},
    laws::LawOptions,
    real_time_order::is_write,
    world::World,
};

#[derive(Debug, Default)]
struct Session {
    shown: u64,
    /// Highest push so far.
    pushed: u64,
    /// Counter and floor of each call under way.
    open: Vec<(u32, u64)>,
}

/// The law.
#[derive(Debug)]
pub(crate) struct SessionOrder {
    sessions: Vec<Session>,
    answers: u64,
    follow_ups: u64,
    pushes: u64,
    finding: Finding,
}

impl Law for SessionOrder {
    const ABOUT: About = About {
        name: "session-order",
        demands: "A client reads its own writes, and nothing it is shown is older than what it saw before.",
        confidence: "certificate: positions in the log against the order of the client's own calls",
        topic: Topic::Everything,
        needs: Needs::Answers,
    };

    fn new(options: &LawOptions) -> Self {
        let clients = options.clients;
        let mut sessions = Vec::new();
        sessions.resize_with(usize::try_from(clients).unwrap_or(0), Session::default);
        Self {
            sessions,
            answers: 0,
            follow_ups: 0,
            pushes: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        let (client, counter) = invoked.id;
        self.handle_invoke(client, counter);
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        self.handle_complete(completed.operation);
    }

    fn on_push(&mut self, pushed: &Pushed<'_>, _: &World) {
        self.handle_push(pushed.client, pushed.seq);
    }

    fn on_link(&mut self, linked: &Linked, _: &World) {
        if let LinkChange::Subscribed { from, .. } = linked.change {
            self.handle_subscribed(linked.client, from);
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("answers", self.answers))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("answers after an earlier answer", self.follow_ups);
        self.finding.count("answers", self.answers);
        self.finding.count("pushes", self.pushes);
        self.finding
    }
}

impl SessionOrder {
    fn session(&mut self, client: u32) -> &mut Session {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        if self.sessions.len() <= index {
            self.sessions.resize_with(index + 1, Session::default);
        }
        &mut self.sessions[index]
    }

    /// A call is about to be sent.
    fn handle_invoke(&mut self, client: u32, counter: u32) {
        let session = self.session(client);
        session.open.push((counter, session.shown));
    }

    /// A call is over, whatever became of it.
    fn handle_complete(&mut self, operation: &Operation) {
        let session = self.session(operation.client);
        let open = |(counter, _): &(u32, u64)| *counter == operation.counter;
        let Some(at) = session.open.iter().position(open) else {
            return;
        };
        let (_, floor) = session.open.swap_remove(at);
        if !operation.outcome.is_decided() {
            return;
        }
        session.shown = session.shown.max(operation.seq);
        self.answers += 1;
        self.follow_ups += u64::from(floor != 0);
        if operation.seq < floor
            || (operation.seq == floor && floor != 0 && is_write(&operation.call))
        {
            self.finding.convict(|| stepped_back(operation, floor));
        }
    }

    /// A connection goes on from behind `from`: what lies behind that may be pushed again.
    fn handle_subscribed(&mut self, client: u32, from: u64) {
        let session = self.session(client);
        session.pushed = session.pushed.min(from);
    }

    /// A push arrived.
    fn handle_push(&mut self, client: u32, seq: u64) {
        self.pushes += 1;
        let session = self.session(client);
        let last = session.pushed;
        session.pushed = last.max(seq);
        session.shown = session.shown.max(seq);
        if seq < last {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {client} was pushed position {seq} after position {last}"
                ),
                witnesses: vec![Witness::told(
                    format!("client {client}"),
                    "none".to_owned(),
                    "pushed".to_owned(),
                    seq,
                )],
                order: "session: the order in which this client was told",
                expected: format!("a position beyond {last}"),
            });
        }
    }
}

fn stepped_back(operation: &Operation, floor: u64) -> Violation {
    let kind = if operation.call.is_query() {
        "read"
    } else {
        "decision"
    };
    Violation {
        sentence: format!(
            "client {} got a {kind} at position {} after it had seen position {floor}: `{}`, asked at {}",
            operation.client,
            operation.seq,
            call_text(&operation.call),
            time_text(operation.sent_at),
        ),
        witnesses: vec![Witness::Operation(*operation)],
        order: "session: this client had seen the higher position before it asked",
        expected: format!("a position from {floor} on"),
    }
}
