//! A conversation over TCP, for programs on tokio.
//!
//! [`connect`] gives a [`Handle`] to ask through, from as many tasks as one likes, and the
//! [`Pushes`] that come unasked. Behind them one task owns the socket and the conversation, and
//! lives until the last handle is dropped or the server will not have this person any more. This
//! file is the one that reads the clock. Deliberately absent: everything the conversation decides.

use std::{future::pending, io, time::Duration};

use protocol::{Code, Key, Kind, Outcome, Seq, words::presence};
use tokio::{
    io::Interest,
    net::TcpStream,
    sync::{
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::{Instant, sleep_until, timeout},
};

use crate::{
    GIVE_UP_AFTER, Nanos,
    conversation::{Broken, Conversation, ENTER_TIMEOUT, Event, Identity, OnBusy, Options, Word},
    handle::{
        Answer, AskError, Asked, Asker, Handle, OpenSession, Pushed, Pushes, State, Status, random,
    },
    unanswered::GivenUp,
};

/// Questions of handles that wait for room in the conversation. Whoever asks more waits.
const ASKED_LEN_MAX: usize = 64;
/// Pushes nobody took yet. Beyond, nothing more is read: the server sees a slow reader, and goes on
/// at the cursor when there is room again.
const PUSHES_LEN_MAX: usize = 256;
/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1_024;

/// Whom to tell, and the key that was asked under.
type Waiting = (Option<Key>, Asker);

/// Becomes somebody at a server, and stays it, whatever becomes of connections. `cursor` is the
/// last position this device has; `None` to begin where the server knows it to be. Waits until the
/// server was reached and took us, however long that takes; [`start`] does not. Must be called within
/// a tokio runtime.
///
/// # Errors
/// If the server does not take us.
pub async fn connect(
    address: &str,
    identity: Identity,
    cursor: Option<Seq>,
) -> Result<(Handle, Pushes), AskError> {
    let (handle, pushes) = start(address, identity, cursor)?;
    let mut statuses = handle.watch_status();
    loop {
        match statuses.next().await {
            Some(Status::Connected) => return Ok((handle, pushes)),
            Some(Status::Ended(refusal)) => return Err(AskError::Over(refusal)),
            Some(Status::Closed) | None => return Err(AskError::Ending),
            Some(Status::Connecting | Status::Waiting { .. }) => {}
        }
    }
}

/// As [`connect`], without waiting: [`Handle::watch_status`] tells what becomes of it, and what is
/// asked meanwhile waits for a connection.
///
/// # Errors
/// If the system has no randomness.
pub fn start(
    address: &str,
    identity: Identity,
    cursor: Option<Seq>,
) -> Result<(Handle, Pushes), AskError> {
    let (asked, asks) = mpsc::channel(ASKED_LEN_MAX);
    let (pushes, pushed) = mpsc::channel(PUSHES_LEN_MAX);
    let (tell_state, state) = watch::channel(State {
        status: Status::Connecting,
        session: None,
    });
    let seed = u64::from_le_bytes(random()?);
    let options = Options {
        identity,
        cursor,
        seed,
        on_busy: OnBusy::Retry,
    };
    let shell = Shell {
        conversation: Conversation::new(options),
        address: address.to_owned(),
        stream: None,
        input: Vec::new(),
        began_at: Instant::now(),
        pushes,
        held: None,
        watched: None,
        state: tell_state,
    };
    tokio::spawn(shell.serve(asks));
    Ok((Handle { asked, state }, Pushes { pushed }))
}

/// The task behind the handles.
struct Shell {
    conversation: Conversation<Waiting>,
    address: String,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    began_at: Instant,
    pushes: mpsc::Sender<Pushed>,
    /// A push that waits for room. Until there is some nothing more is read.
    held: Option<Pushed>,
    /// Whose presence is watched, to be asked for on every connection.
    watched: Option<presence::WatchPresence>,
    state: watch::Sender<State>,
}

impl Shell {
    async fn serve(mut self, mut asks: mpsc::Receiver<Asked>) {
        while self.conversation.ended().is_none() {
            if self.conversation.poll_connect(self.now()) {
                self.tell_state();
                self.connect().await;
            }
            self.tell_state();
            let wants_to_write = !self.conversation.poll_transmit().is_empty();
            let is_held = self.held.is_some();
            // Who is not listened to is not silent.
            let deadline = match is_held {
                true => None,
                false => self.conversation.poll_timeout(),
            };
            let expires_at = self.conversation.expires_at();
            tokio::select! {
                asked = asks.recv(), if self.conversation.has_room() => match asked {
                    Some(asked) => self.handle_asked(asked),
                    None => return,
                },
                () = ready(self.stream.as_ref(), !is_held, wants_to_write) => self.exchange(),
                () = self.pushes_have_room(), if is_held => self.handle_room(),
                () = self.until(deadline) => self.handle_timeout(),
                () = self.until(expires_at) => self.expire(),
            }
        }
        self.end();
    }

    fn now(&self) -> Nanos {
        self.nanos(Instant::now())
    }

    fn nanos(&self, at: Instant) -> Nanos {
        let passed = at.saturating_duration_since(self.began_at);
        u64::try_from(passed.as_nanos()).unwrap_or(Nanos::MAX)
    }

    fn instant(&self, at: Nanos) -> Instant {
        self.began_at + Duration::from_nanos(at)
    }

    async fn until(&self, deadline: Option<Nanos>) {
        match deadline {
            Some(at) => sleep_until(self.instant(at)).await,
            None => pending().await,
        }
    }

    /// Lets handles know how it stands.
    fn tell_state(&self) {
        let talk = &self.conversation;
        let status = match (talk.ended(), talk.connect_at()) {
            (Some(refusal), _) => Status::Ended(*refusal),
            (None, Some(at)) => Status::Waiting {
                until: self.instant(at),
            },
            (None, None) if talk.is_open() => Status::Connected,
            (None, None) => Status::Connecting,
        };
        let session = talk.token().filter(|_| talk.session() != 0);
        let session = session.map(|token| OpenSession {
            user: talk.user(),
            session: talk.session(),
            token,
        });
        let state = State { status, session };
        self.state.send_if_modified(|told| {
            let is_news = *told != state;
            *told = state;
            is_news
        });
    }

    async fn connect(&mut self) {
        let limit = Duration::from_nanos(ENTER_TIMEOUT);
        let connecting = timeout(limit, TcpStream::connect(&self.address)).await;
        let stream = connecting.ok().and_then(Result::ok);
        // Answers are asked for one at a time: waiting to send more only delays them.
        self.stream = stream.filter(|stream| stream.set_nodelay(true).is_ok());
        self.input.clear();
        let now = self.now();
        if self.stream.is_some() {
            self.conversation.handle_connected(now);
        } else {
            self.conversation.handle_lost(now);
        }
    }

    fn lose(&mut self) {
        self.stream = None;
        self.input = Vec::new();
        let now = self.now();
        self.conversation.handle_lost(now);
    }

    fn handle_asked(&mut self, asked: Asked) {
        let now = self.now();
        match asked {
            Asked::Question {
                key,
                asked_at,
                word,
                body,
                asker,
            } => {
                if self.nanos(asked_at).saturating_add(GIVE_UP_AFTER) <= now {
                    let _gone = asker.send(Err(AskError::NotSent));
                    return;
                }
                let word = Word {
                    kind: word.0,
                    schema: word.1,
                    body: &body,
                };
                match key {
                    Some(key) => self
                        .conversation
                        .command(key, word, (Some(key), asker), now),
                    None => self.conversation.query(word, (None, asker), now),
                }
            }
            Asked::Signal(signal) => {
                self.signal(&signal);
                if let presence::Signal::WatchPresence(watch) = signal {
                    self.watched = Some(watch);
                }
            }
        }
    }

    fn signal(&mut self, signal: &presence::Signal) {
        let now = self.now();
        let ((kind, schema), mut body) = (signal.kind(), Vec::new());
        signal.encode(&mut body);
        let body = &body;
        self.conversation.signal(Word { kind, schema, body }, now);
    }

    fn handle_timeout(&mut self) {
        let now = self.now();
        if self.conversation.handle_timeout(now).is_err() {
            self.lose();
        }
    }

    /// Gives up what was asked too long ago.
    fn expire(&mut self) {
        let now = self.now();
        while let Some(given_up) = self.conversation.expire(now) {
            let GivenUp {
                tag: (key, asker),
                may_have_happened,
                ..
            } = given_up;
            let _gone = asker.send(Err(match key {
                _ if !may_have_happened => AskError::NotSent,
                Some(key) => AskError::UnknownFate(key),
                None => AskError::NoAnswer,
            }));
        }
    }

    /// Reads and writes what the socket takes and has.
    fn exchange(&mut self) {
        let mut exchanged = self.write();
        if exchanged.is_ok() && self.held.is_none() {
            exchanged = self.read();
        }
        let handled = self.handle_input();
        if exchanged.is_err() || handled.is_err() {
            self.lose();
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let out = self.conversation.poll_transmit();
        if out.is_empty() {
            return Ok(());
        }
        match stream.try_write(out) {
            Ok(written) => drop(out.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        self.input.reserve(READ_BYTES);
        match stream.try_read_buf(&mut self.input) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_read) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Acts on what was read, until a push has no room.
    fn handle_input(&mut self) -> Result<(), Broken> {
        let bytes = std::mem::take(&mut self.input);
        let mut input = bytes.as_slice();
        let now = self.now();
        while self.held.is_none()
            && let Some(event) = self.conversation.handle_bytes(&mut input, now)?
        {
            match event {
                Event::Subscribed { .. } => {
                    if let Some(watched) = self.watched.clone() {
                        self.signal(&watched.into());
                    }
                }
                event => self.held = tell(event).and_then(|pushed| hand_on(&self.pushes, pushed)),
            }
        }
        self.input = input.to_vec();
        Ok(())
    }

    async fn pushes_have_room(&self) {
        // Nobody may take them any more: then they are for nobody.
        let _room_or_nobody = self.pushes.reserve().await;
    }

    fn handle_room(&mut self) {
        self.held = self
            .held
            .take()
            .and_then(|pushed| hand_on(&self.pushes, pushed));
        if self.handle_input().is_err() {
            self.lose();
        }
    }

    /// Nothing more will come: everybody who waits is told why.
    fn end(mut self) {
        self.tell_state();
        let Some(refusal) = self.conversation.ended().copied() else {
            return;
        };
        while let Some(given_up) = self.conversation.give_up() {
            let (_, asker) = given_up.tag;
            let _gone = asker.send(Err(AskError::Over(refusal)));
        }
    }
}

/// WritePool a push on. It comes back if there is no room for it now.
fn hand_on(pushes: &mpsc::Sender<Pushed>, pushed: Pushed) -> Option<Pushed> {
    match pushes.try_send(pushed) {
        Err(TrySendError::Full(pushed)) => Some(pushed),
        // Nobody takes them any more: they are for nobody.
        Ok(()) | Err(TrySendError::Closed(_)) => None,
    }
}

/// Tells whoever waits for it. What nobody waits for is to be pushed.
fn tell(event: Event<'_, Waiting>) -> Option<Pushed> {
    // Askers that stopped waiting are not told.
    match event {
        Event::Subscribed { .. } => {}
        Event::Answered(answered) => {
            let (_, asker) = answered.tag;
            let (seq, hash) = (answered.seq, answered.hash);
            let _gone = asker.send(match answered.outcome {
                Outcome::Accepted { kind, schema, body } => Ok(Answer {
                    seq,
                    hash,
                    word: (kind, schema, body.to_vec()),
                }),
                Outcome::Refused(refusal) => Err(AskError::Refused(refusal)),
            });
        }
        Event::Unconsidered(unconsidered) => {
            let (key, asker) = unconsidered.tag;
            let _gone = asker.send(Err(match key {
                // It was decided before, and what became of it cannot be read.
                Some(key) if unconsidered.refusal.code == Code::LOG_DAMAGED => {
                    AskError::UnknownFate(key)
                }
                Some(_) | None => AskError::Unconsidered(unconsidered.refusal),
            }));
        }
        Event::Pushed {
            seq,
            kind,
            schema,
            body,
            hash: _,
        } => return Some(pushed(Some(seq), kind, schema, body)),
        Event::News { kind, schema, body } => return Some(pushed(None, kind, schema, body)),
    }
    None
}

fn pushed(seq: Option<Seq>, kind: Kind, schema: u8, body: &[u8]) -> Pushed {
    Pushed {
        seq,
        kind,
        schema,
        body: body.to_vec(),
    }
}

/// Waits until the socket has something to read, if that is wanted, or takes something, if there is
/// something to write.
async fn ready(stream: Option<&TcpStream>, wants_to_read: bool, wants_to_write: bool) {
    let interest = match (wants_to_read, wants_to_write) {
        (true, true) => Interest::READABLE | Interest::WRITABLE,
        (true, false) => Interest::READABLE,
        (false, true) => Interest::WRITABLE,
        (false, false) => return pending().await,
    };
    match stream {
        // What is wrong with it, reading will tell.
        Some(stream) => drop(stream.ready(interest).await),
        None => pending().await,
    }
}
