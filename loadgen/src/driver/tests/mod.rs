//! The driver against targets of known behaviour: nothing, and a responder that follows orders.

mod responder;

use std::{collections::BTreeMap, path::Path, rc::Rc, sync::atomic::Ordering};

use ::client::Session;
use protocol::{
    ChainHash, Seq, UserId,
    words::{accounts::Token, presence::Signal},
};

use super::*;
use crate::{
    history::{HistoryHead, HistoryReader, HistoryWriter, Recording},
    id_map::IdMap,
    intervals,
    operation::{
        Answer, Call, KeyMint, LinkChange, Nanos, News, Observed, Operation, Outcome, Push,
    },
    plan::PlanOptions,
    scenario::Scenario,
    target::{CallError, Caller, LinkLost, NullTarget, TcpTarget},
};
use responder::{Order, Responder, Strange};

/// Sees everything and keeps it.
#[derive(Default)]
struct Witness {
    invoked: Vec<(u32, u32, Nanos)>,
    completed: Vec<Operation>,
    duplicates: Vec<(Operation, Operation)>,
    reused: Vec<Operation>,
    links: Vec<(u32, LinkChange)>,
    drained: Vec<(u32, u64, bool)>,
    stop_after: Option<(usize, Arc<AtomicBool>)>,
}

impl Observer for Witness {
    fn handle_invoke(&mut self, client: u32, counter: u32, _call: &Call, now: Nanos) -> u64 {
        self.invoked.push((client, counter, now));
        7
    }

    fn handle_complete(&mut self, operation: &Operation, _observed: &Observed) {
        self.completed.push(*operation);
        if let Some((count, stop)) = &self.stop_after
            && *count <= self.completed.len()
        {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn handle_duplicate(&mut self, first: &Operation, second: &Operation) {
        self.duplicates.push((*first, *second));
    }

    fn handle_answer(&mut self, _operation: &Operation, _answer: &Answer) {}
    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        // The null target keeps no keys, so it takes what it should refuse.
        assert_eq!(outcome, Outcome::Ok);
        self.reused.push(*first);
    }

    fn handle_push(&mut self, _: u32, _: (u64, ChainHash), _: &Push, _now: Nanos) {}
    fn handle_signal(&mut self, _client: u32, _signal: &Signal, _now: Nanos) {}
    fn handle_fault(&mut self, _now: Nanos) {}
    fn handle_news(&mut self, _client: u32, _news: &News, _now: Nanos) {}

    fn handle_link(&mut self, client: u32, change: LinkChange, _now: Nanos) {
        self.links.push((client, change));
    }

    fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool) {
        self.drained.push((client, seq, is_settled));
    }
}

/// A plan of one phase over eight users.
fn plan(phase: &str) -> Plan {
    plan_for("users = 8", phase)
}

/// The same over others.
fn plan_for(users: &str, phase: &str) -> Plan {
    let text = format!(
        r#"
name = "small"
[world]
{users}
agendas = 3
days = 2
slots = 4
[[phase]]
name = "only"
{phase}
[flow.book]
steps = [{{ reserve = {{ agenda = "uniform" }} }}]
[flow.queue]
steps = [{{ join_waitlist = {{ agenda = "uniform" }} }}]
[flow.churn]
steps = [
  {{ reserve = {{ agenda = "uniform" }}, save = "booking" }},
  {{ wait = "2ms..4ms" }},
  {{ cancel = {{ booking = "$booking" }} }},
]
[flow.hurry]
steps = [
  {{ reserve = {{ agenda = "uniform" }} }},
  {{ reserve = {{ agenda = "uniform" }} }},
  {{ reserve = {{ agenda = "uniform" }} }},
]
[flow.part]
steps = [
  {{ reserve = {{ agenda = "uniform" }} }},
  {{ erase_me = {{}} }},
  {{ reserve = {{ agenda = "uniform" }} }},
]
[flow.wander]
steps = [{{ go_offline = "20ms" }}]
[flow.leave]
steps = [{{ erase_me = {{}} }}]
[flow.dream]
steps = [
  {{ reserve = {{ agenda = "uniform" }}, save = "booking" }},
  {{ wait = "1h" }},
  {{ cancel = {{ booking = "$booking" }} }},
]
"#
    );
    let scenario = Scenario::parse("small.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    Plan::new(&scenario, &PlanOptions::default()).unwrap()
}

const CLOSED: &str = r#"duration = "50ms"
load = [{ flow = "book", clients = 8, in_flight = 2 }]"#;
const OPEN: &str = r#"duration = "120ms"
load = [{ flow = "book", rate = 2_000 }]"#;
const CHURN: &str = r#"duration = "60ms"
load = [{ flow = "churn", clients = 4 }]"#;
const QUEUE: &str = r#"duration = "20ms"
load = [{ flow = "queue", clients = 8, think = "5ms" }]"#;
const TOGETHER: &str = r#"rendezvous = { clients = 8, times = 5, spread_max = "1s" }
load = [{ flow = "book" }]"#;

const SESSION: Session = Session {
    user: UserId(2),
    session: 3,
    token: Token([4; 32]),
    cursor: Seq(2),
};

fn clients() -> Vec<Client> {
    let world = Rc::new(IdMap {
        agendas: vec![11, 12, 13],
        first_day: 20_000,
        ..IdMap::default()
    });
    let client = |id| Client::new(id, KeyMint::new([7; 32]), Rc::clone(&world), SESSION);
    (0..8).map(client).collect()
}

fn options() -> DriveOptions {
    DriveOptions::new(Clock::start())
}

async fn drive_on(
    phase: &str,
    target: &mut impl Target,
    witness: &mut Witness,
    options: DriveOptions,
) -> Driven {
    let driven = drive(&plan(phase), clients(), target, witness, options).await;
    let driven = driven.expect("a run whatever the server does");
    check_books(&driven, witness);
    driven
}

async fn drive_against(order: Order, phase: &str, options: DriveOptions) -> (Driven, Witness) {
    let responder = Responder::start(order).await;
    let mut target = TcpTarget::new(responder.connect(8)).unwrap();
    let mut witness = Witness::default();
    let driven = drive_on(phase, &mut target, &mut witness, options).await;
    (driven, witness)
}

/// What must hold of every run: the books are even, and everybody saw the same.
fn check_books(driven: &Driven, witness: &Witness) {
    let counts = driven.phases[0].conservation;
    assert!(counts.holds(), "{counts:?}");
    let sent = usize::try_from(counts.sent).unwrap();
    assert_eq!(
        (witness.invoked.len(), witness.completed.len()),
        (sent, sent)
    );
    let recorded = driven.phases[0].operations.values();
    let delays: u64 = recorded.map(|record| record.delay.quantiles.count).sum();
    assert_eq!(delays, counts.sent);
    for operation in &witness.completed {
        assert!(operation.intended_at <= operation.sent_at);
        assert!(operation.sent_at <= operation.completed_at);
        assert_eq!(operation.floor, 7);
    }
}

#[tokio::test]
async fn closed_loops_keep_their_lanes_busy_and_nothing_is_lost() {
    let (mut null, mut witness) = (NullTarget::new(8), Witness::default());
    let driven = drive_on(CLOSED, &mut null, &mut witness, options()).await;
    let counts = driven.phases[0].conservation;
    assert!(16 < counts.ok, "{counts:?}");
    assert_eq!((counts.ok, counts.shed), (counts.intended, 0));
    assert_eq!(driven.phases[0].offered_rate, None);
    assert!(0 < driven.contention.keys && 0 < driven.contention.contended_keys);
}

#[tokio::test]
async fn open_loops_intend_exactly_what_was_planned_when_it_was_planned() {
    let (driven, witness) = drive_against(Order::Answer, OPEN, options()).await;
    let plan = plan(OPEN);
    let planned: Vec<_> = plan.arrivals(0, 0).map(|arrival| arrival.at).collect();
    let started_at = driven.phases[0].started_ns;
    let mut intended: Vec<_> = witness
        .completed
        .iter()
        .map(|done| done.intended_at)
        .collect();
    intended.sort_unstable();
    let intended: Vec<_> = intended.iter().map(|at| at - started_at).collect();
    assert_eq!(intended, planned);
    assert_eq!(driven.phases[0].conservation.ok, 240);
}

#[tokio::test]
async fn a_stalled_server_is_charged_from_the_instant_each_call_was_due() {
    // Nobody is answered before the 200th request has come, which is due 99.5 ms after the first.
    let (driven, _witness) = drive_against(Order::WithholdUntil(200), OPEN, options()).await;
    let response = &driven.phases[0].operations["reserve"].response.quantiles;
    assert_eq!(response.count, 240);
    assert!(99_000_000 <= response.max, "{response:?}");
    assert!(39_000_000 <= response.p50, "{response:?}");
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_what_it_left_is_asked_again() {
    let (driven, witness) = drive_against(Order::HangUpAfter(5), OPEN, options()).await;
    let counts = driven.phases[0].conservation;
    assert_eq!(driven.connections.lost, 1);
    assert_eq!((counts.ok, counts.unknown), (counts.sent, 0), "{counts:?}");
    let retried = witness.completed.iter().find(|done| 1 < done.attempts);
    let retried = retried.expect("one that was outstanding");
    assert_eq!(retried.attempts, 2);
    let lost = retried.client;
    let changes: Vec<_> = witness
        .links
        .iter()
        .filter(|(client, _change)| *client == lost)
        .map(|(_client, change)| *change)
        .collect();
    let subscribed = LinkChange::Subscribed { from: 2, newest: 3 };
    assert_eq!(changes, [subscribed, LinkChange::Ended, subscribed]);
}

#[tokio::test]
async fn clients_that_are_pushed_nothing_are_waited_for_until_nothing_comes_any_more() {
    // Everybody is said to have five entries to be shown, and is shown none.
    let (driven, witness) = drive_against(Order::Answer, QUEUE, options()).await;
    let expected: Vec<_> = (0..8).map(|client| (client, 3, true)).collect();
    assert_eq!(witness.drained, expected);
    let behind = driven.phases[0].deliveries.as_ref();
    assert!(
        behind.is_none(),
        "nobody can say whether these entries are theirs"
    );
}

#[tokio::test]
async fn what_is_known_to_be_missing_is_counted_although_nobody_said_anything_in_the_phase() {
    let quick = DriveOptions {
        drain: Duration::from_millis(5),
        ..options()
    };
    let (driven, witness) = drive_against(Order::Owe, QUEUE, quick).await;
    let expected: Vec<_> = (0..8).map(|client| (client, 3, true)).collect();
    assert_eq!(witness.drained, expected);
    let drain = &driven.phases[0]
        .deliveries
        .as_ref()
        .expect("it is told")
        .drain;
    assert_eq!((drain.missing, drain.waiting), (40, 8));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_timeout_and_no_latency() {
    let quick = DriveOptions {
        timeout: Duration::from_millis(10),
        ..options()
    };
    let (driven, _witness) = drive_against(Order::Silence, CLOSED, quick).await;
    let phase = &driven.phases[0];
    assert_eq!(phase.conservation.timeout, phase.conservation.sent);
    assert!(16 <= phase.conservation.timeout);
    let reserve = &phase.operations["reserve"];
    assert_eq!(reserve.response.quantiles.count, 0);
    assert_eq!(reserve.failed.quantiles.count, reserve.timeout);
    assert!(10_000_000 <= reserve.failed.quantiles.min);
}

#[tokio::test]
async fn what_is_still_open_after_the_drain_is_censored() {
    let hasty = DriveOptions {
        drain: Duration::from_millis(5),
        ..options()
    };
    let (driven, _witness) = drive_against(Order::Silence, CLOSED, hasty).await;
    assert_eq!(driven.phases[0].conservation.timeout, 16);
}

#[tokio::test]
async fn a_busy_server_is_an_error_with_a_histogram_of_its_own() {
    let (driven, witness) = drive_against(Order::Busy, CLOSED, options()).await;
    let reserve = &driven.phases[0].operations["reserve"];
    assert_eq!(reserve.error, driven.phases[0].conservation.sent);
    assert_eq!(reserve.failed.quantiles.count, reserve.error);
    assert_eq!(reserve.response.quantiles.count, 0);
    let busy = Outcome::Error(protocol::Code::BUSY);
    assert!(witness.completed.iter().all(|done| done.outcome == busy));
}

#[tokio::test]
async fn commands_asked_again_are_told_apart_and_not_counted() {
    let (mut null, mut witness) = (NullTarget::new(8), Witness::default());
    let twice = DriveOptions {
        duplicate_every: NonZeroU32::new(3),
        ..options()
    };
    let driven = drive_on(CLOSED, &mut null, &mut witness, twice).await;
    assert!(0 < driven.duplicates);
    assert_eq!(
        u64::try_from(witness.duplicates.len()).unwrap(),
        driven.duplicates
    );
    for (first, second) in &witness.duplicates {
        assert_eq!(
            (first.client, first.counter),
            (second.client, second.counter)
        );
        // The null target keeps no keys: a law would convict it of exactly this.
        assert!(first.seq < second.seq && first.completed_at <= second.sent_at);
    }
    let reused = witness.reused.len();
    assert!(
        0 < reused && reused < witness.duplicates.len(),
        "now and then another command comes under the key"
    );
}

#[tokio::test]
async fn each_rendezvous_is_released_when_the_last_is_answered() {
    let (driven, witness) = drive_against(Order::Answer, TOGETHER, options()).await;
    let record = driven.phases[0]
        .rendezvous
        .clone()
        .expect("a rendezvous phase");
    assert_eq!((record.clients, record.times, record.within), (8, 5, 5));
    assert_eq!(record.spread.count, 5);
    let mut rounds: BTreeMap<Nanos, Vec<Operation>> = BTreeMap::new();
    for done in &witness.completed {
        rounds.entry(done.intended_at).or_default().push(*done);
    }
    assert_eq!(rounds.len(), 5);
    let mut answered_at = 0;
    for (released_at, round) in rounds {
        assert_eq!(round.len(), 8);
        assert!(answered_at <= released_at);
        answered_at = round
            .iter()
            .map(|done| done.completed_at)
            .max()
            .unwrap_or(0);
    }
}

#[tokio::test]
async fn a_flow_waits_between_steps_and_gives_back_the_booking_it_made() {
    let (mut null, mut witness) = (NullTarget::new(8), Witness::default());
    let driven = drive_on(CHURN, &mut null, &mut witness, options()).await;
    assert!(0 < driven.phases[0].operations["cancel"].ok);
    let mut last: BTreeMap<u32, Operation> = BTreeMap::new();
    for done in &witness.completed {
        if let Call::Cancel { booking, slot } = done.call {
            let made = last[&done.client];
            assert_eq!((booking, Some(slot)), (made.seq, made.call.slot()));
            let wait = done.intended_at - made.completed_at;
            assert!((2_000_000..=4_000_000).contains(&wait), "{wait}");
        }
        last.insert(done.client, *done);
    }
}

#[tokio::test]
async fn what_is_due_after_the_end_was_never_intended() {
    let dream = r#"duration = "60ms"
load = [{ flow = "dream", clients = 4 }]"#;
    let (mut null, mut witness) = (NullTarget::new(8), Witness::default());
    let driven = drive_on(dream, &mut null, &mut witness, options()).await;
    let phase = &driven.phases[0];
    assert_eq!(phase.conservation.intended, 4);
    assert_eq!(phase.conservation.cancelled_at_end, 0);
    assert!(!phase.operations.contains_key("cancel"));
}

#[tokio::test]
async fn what_would_follow_an_answer_after_the_end_was_never_intended() {
    let hurry = r#"duration = "60ms"
load = [{ flow = "hurry", clients = 8, in_flight = 4 }]"#;
    let (driven, _witness) = drive_against(Order::Answer, hurry, options()).await;
    let counts = driven.phases[0].conservation;
    assert!(32 < counts.ok, "{counts:?}");
    assert_eq!(counts.intended, counts.sent, "{counts:?}");
}

#[tokio::test]
async fn whoever_is_erased_finishes_first_and_asks_for_nothing_more_on_any_device() {
    let responder = Responder::start(Order::Answer).await;
    let mut target = TcpTarget::new(responder.connect(8)).unwrap();
    let (mut witness, plan) = (
        Witness::default(),
        plan_for(
            "users = 4\ndevices = 2",
            r#"duration = "500ms"
load = [{ flow = "part", clients = 8, in_flight = 2 }]"#,
        ),
    );
    let driven = drive(&plan, clients(), &mut target, &mut witness, options()).await;
    let driven = driven.expect("a run");
    check_books(&driven, &witness);
    // Of four lanes each, one parts; the others come to that step too late, and begin no more.
    let counted = driven.phases[0].erasure.expect("people were erased");
    assert_eq!((counted.people, counted.left_out), (4, 4 * 3 + 4));
    assert_eq!(driven.phases[0].operations["erase-me"].ok, 4);
    assert_eq!(driven.phases[0].operations["reserve"].ok, 16);
    for parted in &witness.completed {
        if parted.call == Call::EraseMe {
            let mut all = witness.completed.iter();
            let is_before = |other: &Operation| {
                other.client / 2 != parted.client / 2
                    || other == parted
                    || other.completed_at <= parted.sent_at
            };
            assert!(all.all(is_before), "{parted:?}");
        }
    }
}

#[tokio::test]
async fn whoever_is_erased_is_not_waited_for_at_a_rendezvous() {
    let together = TOGETHER.replace("book", "part");
    let (driven, _witness) = drive_against(Order::Answer, &together, options()).await;
    let phase = &driven.phases[0];
    let record = phase.rendezvous.clone().expect("a rendezvous phase");
    assert_eq!((record.times, record.spread.count), (5, 1));
    let counted = phase.erasure.expect("people were erased");
    // The last step of the first round, and the first of each of the others.
    assert_eq!((counted.people, counted.left_out), (8, 8 + 4 * 8));
}

#[tokio::test]
async fn whoever_has_something_unanswered_waits_to_be_erased_and_stays_if_it_never_comes() {
    let wait = r#"duration = "60ms"
load = [{ flow = "book", clients = 8 }, { flow = "leave", clients = 8 }]"#;
    let hasty = DriveOptions {
        drain: Duration::from_millis(5),
        ..options()
    };
    let (driven, _witness) = drive_against(Order::Silence, wait, hasty).await;
    let phase = &driven.phases[0];
    let counts = phase.conservation;
    assert_eq!((counts.sent, counts.cancelled_at_end), (8, 8), "{counts:?}");
    assert_eq!(phase.erasure, None);
}

#[tokio::test]
async fn whoever_is_away_is_erased_when_they_are_back() {
    let away = r#"duration = "300ms"
load = [
  { flow = "wander", clients = 8, think = "20ms" },
  { flow = "leave", clients = 8, think = "30ms" },
]"#;
    let (mut null, mut witness) = (NullTarget::new(8), Witness::default());
    let driven = drive_on(away, &mut null, &mut witness, options()).await;
    assert_eq!(driven.phases[0].erasure.map(|it| it.people), Some(8));
    let come_back = |client| {
        let of_client = |link: &&(u32, LinkChange)| link.0 == client;
        witness.links.iter().filter(of_client).count()
    };
    assert!((0..8).all(|client| 1 < come_back(client)), "they were away");
}

#[tokio::test]
async fn a_step_whose_booking_was_refused_is_skipped() {
    let (driven, _witness) = drive_against(Order::Refuse, CHURN, options()).await;
    let operations = &driven.phases[0].operations;
    assert!(!operations.contains_key("cancel"));
    assert!(0 < operations["reserve"].refused_by_code["slot-taken"]);
}

#[tokio::test]
async fn an_interrupted_run_still_has_its_results() {
    let asked = options();
    let mut witness = Witness {
        stop_after: Some((20, Arc::clone(&asked.stop))),
        ..Witness::default()
    };
    let forever = CLOSED.replace("50ms", "1h");
    let driven = drive_on(&forever, &mut NullTarget::new(8), &mut witness, asked).await;
    assert!(driven.interrupted);
    assert!(20 <= driven.phases[0].conservation.ok);
}

#[tokio::test]
async fn answers_arrive_whole_however_they_are_cut() {
    let (mut trickle, mut witness) = (Trickle::new(), Witness::default());
    let driven = drive_on(CLOSED, &mut trickle, &mut witness, options()).await;
    assert!(16 < driven.phases[0].conservation.ok);
}

#[tokio::test]
async fn too_few_clients_are_refused_before_anything_is_sent() {
    let mut witness = Witness::default();
    let mut null = NullTarget::new(7);
    let told = drive(&plan(OPEN), clients(), &mut null, &mut witness, options()).await;
    let told = told.expect_err("refused").to_string();
    assert!(told.contains("needs 8 clients"), "{told}");
    assert!(witness.invoked.is_empty());
}

#[tokio::test]
async fn the_history_holds_what_the_watch_saw() {
    let mut bytes = Vec::new();
    let mut witness = Witness::default();
    let history = HistoryWriter::new(&mut bytes, &head()).unwrap();
    let mut recording = Recording::new(&mut witness, history);
    let mut null = NullTarget::new(8);
    drive(
        &plan(CLOSED),
        clients(),
        &mut null,
        &mut recording,
        options(),
    )
    .await
    .unwrap();
    let history = recording.into_history().unwrap();
    history.finish().unwrap();
    let mut again = Witness::default();
    for event in HistoryReader::new(bytes.as_slice(), Path::new("h")).unwrap() {
        event.unwrap().play(&mut again);
    }
    assert!(!again.completed.is_empty() && !again.links.is_empty());
    assert_eq!(again.invoked, witness.invoked);
    assert_eq!(again.completed, witness.completed);
    assert_eq!(again.duplicates, witness.duplicates);
    assert_eq!(again.reused, witness.reused);
    assert_eq!(again.links, witness.links);
    assert_eq!(again.drained, witness.drained);
}

#[tokio::test]
async fn a_load_ends_when_what_the_laws_are_told_cannot_be_kept() {
    /// Room for the header and no more.
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut witness = Witness::default();
    let history = HistoryWriter::new(Full(72), &head()).unwrap();
    let mut recording = Recording::new(&mut witness, history);
    let mut null = NullTarget::new(8);
    let long = CLOSED.replace("50ms", "1h");
    assert_ne!(long, CLOSED, "it would last for ever");
    drive(
        &plan(&long),
        clients(),
        &mut null,
        &mut recording,
        options(),
    )
    .await
    .unwrap();
    let error = recording.into_history().expect_err("it is full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

const fn head() -> HistoryHead {
    HistoryHead {
        secret: [7; 32],
        started_at: 1,
        capacity: 1,
        began_at: 7,
    }
}

#[tokio::test]
async fn a_caller_says_hello_and_takes_refusals_for_answers() {
    let responder = Responder::start(Order::Refuse).await;
    let mut caller = Caller::connect(&responder.address)
        .await
        .expect("a welcome");
    assert_eq!(caller.welcome().seq, Seq(3));
    let body = (protocol::Kind::new(2, 2), 1);
    let answered = caller
        .command(protocol::Key([1; 16]), body, &[])
        .await
        .expect("an answer");
    assert!(matches!(answered.accepted(), Err(CallError::Refused(_))));
    assert!(caller.into_link().is_ok());
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    // Bound and dropped: nobody listens there now.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let told = Caller::connect(&address)
        .await
        .expect_err("nobody")
        .to_string();
    assert!(
        told.contains(&address) && told.contains("no server answers"),
        "{told}"
    );
}

/// The null target, a few bytes at a time.
struct Trickle {
    null: NullTarget,
    again: Vec<u32>,
}

impl Trickle {
    fn new() -> Self {
        Self {
            null: NullTarget::new(8),
            again: Vec::new(),
        }
    }
}

impl Target for Trickle {
    fn links(&self) -> usize {
        self.null.links()
    }

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
        ready: &mut Vec<u32>,
    ) -> std::task::Poll<io::Result<()>> {
        if self.again.is_empty() {
            return self.null.poll_ready(context, ready);
        }
        ready.append(&mut self.again);
        std::task::Poll::Ready(Ok(()))
    }

    fn receive(&mut self, link: u32, into: &mut [u8]) -> Result<usize, LinkLost> {
        let received = self.null.receive(link, &mut into[..7])?;
        if 0 < received {
            self.again.push(link);
        }
        Ok(received)
    }

    fn transmit(&mut self, link: u32, out: &mut Vec<u8>) -> Result<(), LinkLost> {
        self.null.transmit(link, out)
    }

    fn close(&mut self, link: u32) {
        self.null.close(link);
    }

    fn reopen(&mut self, link: u32) -> Result<(), LinkLost> {
        self.null.reopen(link)
    }

    fn redirect(&mut self, address: std::net::SocketAddr) {
        self.null.redirect(address);
    }
}

#[tokio::test]
async fn every_answer_is_in_the_interval_logs_and_in_the_heat_map() {
    let dir = tempfile::tempdir().unwrap();
    let intervals = IntervalLog::create(dir.path(), std::time::SystemTime::UNIX_EPOCH).unwrap();
    let options = DriveOptions {
        intervals: Some(intervals),
        ..options()
    };
    let (mut null, mut witness) = (NullTarget::new(8), Witness::default());
    let driven = drive_on(CLOSED, &mut null, &mut witness, options).await;
    let phase = &driven.phases[0];
    let answered = phase.conservation.ok + phase.conservation.refused;
    let log = intervals::tests::read(dir.path(), intervals::LATENCY_FILE);
    let logged: u64 = log.iter().map(|line| line.histogram.len()).sum();
    assert_eq!(logged, answered);
    let heat = phase.heat.as_ref().unwrap().decode().unwrap();
    assert_eq!(
        heat.iter().map(hdrhistogram::Histogram::len).sum::<u64>(),
        answered
    );
    let began = log.first().unwrap().start_ns;
    assert!(began.abs_diff(phase.started_ns) < 1_000_000, "{began}");
}

/// A load that a server answers strangely ends, with even books and with everything counted.
async fn end_in_spite_of(order: Order) -> Driven {
    let patient = || DriveOptions {
        timeout: Duration::from_millis(200),
        drain: Duration::from_millis(200),
        ..options()
    };
    let (_driven, _witness) = drive_against(order, TOGETHER, patient()).await;
    drive_against(order, OPEN, patient()).await.0
}

#[tokio::test]
async fn what_clients_may_not_know_they_ignore() {
    let driven = end_in_spite_of(Order::Strange(Strange::UnknownKinds)).await;
    let counts = driven.phases[0].conservation;
    assert_eq!(driven.connections, ConnectionsRecord::default());
    assert_eq!(counts.ok, counts.sent, "{counts:?}");
}

#[tokio::test]
async fn what_nobody_understands_ends_its_connection_and_is_told() {
    for strange in [
        Strange::UnknownType,
        Strange::TrailingBytes,
        Strange::EndlessFrame,
        Strange::Garbage,
        Strange::HalfPush,
    ] {
        let driven = end_in_spite_of(Order::Strange(strange)).await;
        let found = &driven.connections;
        assert!(0 < found.unread, "{strange:?}: {found:?}");
        assert!(found.unread <= found.lost, "{strange:?}: {found:?}");
        assert!(found.why.is_some(), "{strange:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_behind_each_answer_holds_nobody_up() {
    let driven = end_in_spite_of(Order::HangUpEach).await;
    assert!(0 < driven.connections.lost);
    assert_eq!(driven.connections.unread, 0);
}

#[tokio::test]
async fn rendezvous_that_nobody_answers_are_over_when_their_time_is() {
    let patient = DriveOptions {
        timeout: Duration::from_secs(3_600),
        drain: Duration::from_millis(10),
        overtime: Duration::from_millis(10),
        ..options()
    };
    let phase = TOGETHER.to_owned() + "\nduration = \"20ms\"";
    let (driven, _witness) = drive_against(Order::Silence, &phase, patient).await;
    let meeting = driven.phases[0].rendezvous.as_ref();
    let meeting = meeting.map(|meeting| (meeting.times, meeting.planned));
    assert_eq!(meeting, Some((1, 5)));
}
