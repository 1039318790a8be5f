//! Conversations over TCP: one task a connection, one turn for all of them.
//!
//! A connection's task waits for bytes and hands them to the hub, a turn's work at a time (`turns`). What that
//! leads to is done once for everybody, at the end of the turn: one batch to the writer, one write a
//! connection. Whatever is sent to the server, and however much, no task goes on for longer than its turn: so clocks,
//! signals and new connections come round. Input buffers are shared, so an idle connection costs
//! little. Deliberately absent: frames, commands.

use std::{cell::RefCell, io, ops::ControlFlow, rc::Rc, sync::Arc, time::Duration};

use protocol::Seq;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, mpsc},
    task, time,
};

use crate::{
    archive,
    auth::{AuthJob, Authenticator},
    clock::{Clock, Monotonic},
    engine::Origin,
    hashing::Hashers,
    health::{Serving, Stats},
    hub::{Flow, Hub, Job, READ_BYTES, READ_WORK, Work},
    log::{LogError, LogReader},
    net::{Complaints, Dialect, Link, Read, turns::Turns},
    writer::{Synced, Writer},
};

/// How often clocks are looked at: the precision of holds that end and of timeouts.
const TICK: Duration = Duration::from_millis(50);

/// How long to wait before accepting again when the system gives no descriptor. Until then whoever connects
/// waits with the system.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(250);

/// How long somebody who says no more may take to hear the answers, and how often to look.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const DRAIN_STEP: Duration = Duration::from_millis(5);

/// Opens another view of the durable records, for work that takes long.
pub type OpenReader = dyn Fn() -> Result<Box<dyn LogReader>, LogError>;

/// What a server over TCP is made of.
pub struct TcpParts {
    /// The engine and the conversations.
    pub hub: Hub<Link>,
    /// The thread that syncs.
    pub writer: Writer,
    /// Wakes the delivery: others are to be told something.
    pub delivery: Arc<Notify>,
    /// Finds out who people are.
    pub authenticator: Authenticator,
    /// The threads that hash for it, as many as it was told.
    pub hashers: Hashers,
    /// The server's clocks.
    pub clock: Rc<Clock>,
    /// Opens readers for jobs.
    pub open_reader: Box<OpenReader>,
    /// How it all stands.
    pub stats: Arc<Stats>,
}

impl std::fmt::Debug for TcpParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpParts").finish_non_exhaustive()
    }
}

/// What every task of the server shares.
pub struct TcpServer {
    /// The engine and the conversations.
    pub hub: Rc<RefCell<Hub<Link>>>,
    /// Wakes the turn: something is to be synced or sent.
    pub turn: Notify,
    writer: RefCell<Writer>,
    delivery: Arc<Notify>,
    authenticator: RefCell<Authenticator>,
    hashers: Hashers,
    clock: Rc<Clock>,
    open_reader: Box<OpenReader>,
    /// The one replay that may go on: each takes the memory of a whole state, and a processor.
    replaying: Semaphore,
    stats: Arc<Stats>,
    turns: Turns,
    input: RefCell<Vec<u8>>,
}

impl std::fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpServer").finish_non_exhaustive()
    }
}

impl TcpServer {
    /// A shell around a hub.
    #[must_use]
    pub fn new(parts: TcpParts) -> Self {
        Self {
            hub: Rc::new(RefCell::new(parts.hub)),
            turn: Notify::new(),
            writer: RefCell::new(parts.writer),
            delivery: parts.delivery,
            authenticator: RefCell::new(parts.authenticator),
            hashers: parts.hashers,
            replaying: Semaphore::new(1),
            clock: parts.clock,
            open_reader: parts.open_reader,
            stats: parts.stats,
            turns: Turns::default(),
            input: RefCell::new(vec![0; READ_BYTES]),
        }
    }

    /// Brings the log to rest. Nothing can be submitted afterwards.
    ///
    /// # Errors
    /// See [`Writer::close`].
    pub fn close(&self) -> Result<(), LogError> {
        self.writer.borrow_mut().close()
    }

    /// Accepts connections until it is dropped.
    pub async fn accept(self: Rc<Self>, listener: TcpListener, speech: Dialect) {
        let (clock, mut complaints) = (Monotonic::start(), Complaints::default());
        loop {
            match listener.accept().await {
                Ok((stream, _peer)) => {
                    // Answers are whole when they are written; waiting for more only delays them.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection was gone before it began");
                        continue;
                    }
                    task::spawn_local(Rc::clone(&self).serve_connection(Link::new(stream), speech));
                }
                Err(error) => {
                    if let Some(times) = complaints.note(clock.elapsed()) {
                        tracing::warn!(%error, times, "cannot accept connections; trying again until it goes");
                    }
                    time::sleep(ACCEPT_RETRY_AFTER).await;
                }
            }
        }
    }

    async fn serve_connection(self: Rc<Self>, link: Link, speech: Dialect) {
        let id = match speech {
            Dialect::Native => (self.hub.borrow_mut()).connect(self.clock.now(), link.clone()),
            Dialect::Lines(options) => {
                let mut hub = self.hub.borrow_mut();
                hub.connect_lines(self.clock.now(), link.clone(), &options)
            }
        };
        self.turn.notify_one();
        let is_over = self.hear(id, &link).await;
        if is_over {
            break_off(&link).await;
        } else if matches!(speech, Dialect::Lines(_)) {
            self.end_last_line(id).await;
            self.drain_output(id).await;
        }
        self.hub.borrow_mut().disconnect(self.clock.now(), id);
        self.turn.notify_one();
    }

    /// Hears a connection, turn after turn, to its end. Returns whether the conversation is over, and not just
    /// the connection.
    async fn hear(self: &Rc<Self>, id: u64, link: &Link) -> bool {
        let mut work = Work::fresh();
        loop {
            let max = self.hub.borrow().read_len();
            let Ok(read) = link.read(&self.input, max).await else {
                return false;
            };
            if read.len == 0 {
                return false;
            }
            // Whoever always has something in its socket is never waited for: all of that is one turn.
            if read.has_waited {
                work = Work::fresh();
            }
            work.spend(READ_WORK);
            if self.hear_out(id, read.len, &mut work).await.is_break() {
                return true;
            }
        }
    }

    /// The last line may come without its end; an empty one says nothing.
    async fn end_last_line(self: &Rc<Self>, id: u64) {
        if let Some(first) = self.input.borrow_mut().first_mut() {
            *first = b'\n';
        }
        let _either_way = self.hear_out(id, 1, &mut Work::fresh()).await;
    }

    /// Shows the hub the first bytes of what was read, turn after turn until all of them were considered. Breaks
    /// when the conversation is over.
    async fn hear_out(self: &Rc<Self>, id: u64, len: usize, work: &mut Work) -> ControlFlow<()> {
        let mut flow = self.consider(id, len, work);
        loop {
            match flow {
                Flow::Over => return ControlFlow::Break(()),
                Flow::Read if !work.is_spent() => return ControlFlow::Continue(()),
                Flow::Read | Flow::Again => self.turns.queue(id),
                Flow::Held => {}
            }
            self.turns.wait(id, work.spent()).await;
            *work = Work::turn();
            flow = self.consider(id, 0, work);
        }
    }

    /// Shows the hub what was read.
    fn consider(self: &Rc<Self>, id: u64, len: usize, work: &mut Work) -> Flow {
        let flow = {
            let (mut hub, input) = (self.hub.borrow_mut(), self.input.borrow());
            hub.handle_input(self.clock.now(), id, &input[..len], work)
        };
        self.turn.notify_one();
        self.start_jobs();
        flow
    }

    /// Waits until everything is answered: whoever says no more may still listen, as `nc` does at
    /// the end of its input.
    async fn drain_output(&self, id: u64) {
        let answered = async {
            while self.hub.borrow().is_waiting(id) {
                time::sleep(DRAIN_STEP).await;
            }
        };
        // Whoever does not take its answers by then is as good as gone.
        let _is_answered = time::timeout(DRAIN_MAX, answered).await;
    }

    fn start_jobs(self: &Rc<Self>) {
        let mut hub = self.hub.borrow_mut();
        while let Some(job) = hub.poll_job() {
            task::spawn_local(Rc::clone(self).run_job(job));
        }
    }

    async fn run_job(self: Rc<Self>, job: Job) {
        match job {
            Job::Auth { origin, key, shown } => {
                let mut authenticator = self.authenticator.borrow_mut();
                authenticator.begin(&mut self.hub.borrow_mut(), origin, key, shown);
                drop(authenticator);
                self.start_hashing();
            }
            Job::Replay { origin, upto } => self.replay(origin, upto).await,
        }
        self.turn.notify_one();
    }

    fn start_hashing(self: &Rc<Self>) {
        while let Some(job) = self.poll_hash() {
            task::spawn_local(Rc::clone(self).hash(job));
        }
    }

    fn poll_hash(&self) -> Option<AuthJob> {
        self.authenticator.borrow_mut().poll_job()
    }

    async fn hash(self: Rc<Self>, AuthJob { id, job }: AuthJob) {
        let done = self.hashers.run(job).await;
        let mut authenticator = self.authenticator.borrow_mut();
        authenticator.finish(self.clock.now(), &mut self.hub.borrow_mut(), id, done);
        drop(authenticator);
        self.start_hashing();
        self.turn.notify_one();
    }

    async fn replay(&self, origin: Origin, upto: Seq) {
        let _turn = self
            .replaying
            .acquire()
            .await
            .expect("nobody closes it while the server is there");
        let at = self.hub.borrow().engine().durable();
        let reader = (self.open_reader)();
        let replayed = task::spawn_blocking(move || archive::replay_state(&mut *reader?, upto));
        match replayed
            .await
            .expect("replaying does not panic and is never cancelled")
        {
            Ok(outcome) => self.hub.borrow_mut().answer(origin, at, &outcome),
            Err(error) => self
                .hub
                .borrow_mut()
                .refuse_unreadable(origin, upto, &error),
        }
    }

    /// Once a turn, when everybody who was ready has been heard: one batch, one write each.
    pub async fn take_turns(self: Rc<Self>) {
        loop {
            self.turn.notified().await;
            // To the end of the queue: everybody who is ready now shares this batch.
            task::yield_now().await;
            self.end_turn();
            if self.turns.let_on() {
                self.turn.notify_one();
            }
        }
    }

    /// Lets go of what each synced batch held back.
    pub async fn release_synced(self: Rc<Self>, mut synced: mpsc::Receiver<Synced>) {
        while let Some((proof, batch)) = synced.recv().await {
            self.hub.borrow_mut().handle_synced(&proof, batch);
            self.end_turn();
        }
    }

    /// Looks at the clock now and then, and lays out how it all stands.
    pub async fn tick(self: Rc<Self>) {
        let mut ticks = time::interval(TICK);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.clock.now();
            self.clock.warn_of_drift();
            self.hub.borrow_mut().handle_timeout(now);
            let waiting_auths = self.authenticator.borrow().waiting();
            self.stats.lay_out(Serving {
                waiting_auths,
                drift: self.clock.drift(),
                ..self.hub.borrow().stats()
            });
            self.turn.notify_one();
        }
    }

    /// Tells others what they are to be told, a slice at a time, with everybody else's turn in
    /// between.
    pub async fn deliver(self: Rc<Self>) {
        loop {
            self.delivery.notified().await;
            while self.hub.borrow().has_deliveries() {
                let blocked = self.hub.borrow_mut().deliver(self.clock.now());
                self.wait_for(blocked);
                task::yield_now().await;
            }
        }
    }

    /// Answers leave first; then what they mean for others is to be told.
    fn end_turn(self: &Rc<Self>) {
        let sync = |batch| self.writer.borrow().sync(batch);
        let blocked = (self.hub.borrow_mut()).end_turn(self.clock.now(), sync);
        self.wait_for(blocked);
        if self.hub.borrow().has_deliveries() {
            self.delivery.notify_one();
        }
    }

    fn wait_for(self: &Rc<Self>, blocked: Vec<(u64, Link)>) {
        self.resume();
        self.start_jobs();
        for (id, link) in blocked {
            let shell = Rc::clone(self);
            task::spawn_local(async move {
                while link.writable().await.is_ok() {
                    let now = shell.clock.now();
                    if !shell.hub.borrow_mut().handle_writable(now, id) {
                        break;
                    }
                    task::yield_now().await;
                }
                shell.resume();
                shell.delivery.notify_one();
            });
        }
    }

    /// Queues the connections that were held and may go on, and sees to it that there is a turn if one is wanted.
    fn resume(&self) {
        let mut hub = self.hub.borrow_mut();
        for id in hub.take_resumed() {
            self.turns.queue(id);
        }
        if hub.take_turn_wanted() || self.turns.is_wanted() {
            self.turn.notify_one();
        }
    }
}

/// Reads what the peer still sends, until the hub has sent its last words and ended the link: a
/// socket closed with unread input would throw those words away.
async fn break_off(link: &Link) {
    let scratch = RefCell::new(vec![0; 4096]);
    while matches!(
        link.read(&scratch, usize::MAX).await,
        Ok(Read { len: 1.., .. })
    ) {
        task::yield_now().await;
    }
}

/// Binds a listener.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn bind(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
