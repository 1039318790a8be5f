//! A conversation over TCP, for programs on tokio.
//!
//! [`connect`] gives a [`Handle`] to ask through, from as many tasks as one likes, and the
//! [`Pushes`] that come unasked. Behind them one task owns the socket and the conversation, and
//! lives until the last handle is dropped or the server will not have this person any more. This
//! file is the one that reads the clock and draws keys. Deliberately absent: everything the
//! conversation decides.

use std::{future::pending, io, time::Duration};

use protocol::{ChainHash, Key, Kind, Outcome, Refusal, Seq};
use rand::{TryRng, rngs::SysRng};
use tokio::{
    io::Interest,
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Nanos,
    conversation::{Broken, Conversation, ENTER_TIMEOUT, Event, Identity, OnBusy, Options, Word},
};

/// Questions of handles that wait for room in the conversation. Whoever asks more waits.
const ASKED_LEN_MAX: usize = 64;
/// Pushes nobody took yet. Beyond, nothing more is read: the server sees a slow reader, and goes on
/// at the cursor when there is room again.
const PUSHES_LEN_MAX: usize = 256;
/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1_024;

/// What asks: cheap to clone, and every clone asks the same server as the same person.
#[derive(Debug, Clone)]
pub struct Handle {
    asked: mpsc::Sender<Asked>,
}

/// What comes unasked, in the order of the log. Take it, or drop this, or answers wait behind it.
#[derive(Debug)]
pub struct Pushes {
    pushed: mpsc::Receiver<Pushed>,
}

/// Something that came unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where in the log it happened: keep it, to go on from there in another life of the program.
    /// `None` for what was said in passing.
    pub seq: Option<Seq>,
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where it took effect, or what it reflects.
    pub seq: Seq,
    /// The chain hash there.
    pub hash: ChainHash,
    /// The word that says what happened (kind, schema, body), or why nothing did.
    pub outcome: Result<(Kind, u8, Vec<u8>), Refusal>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It was not considered, and asking again is of no use.
    #[error("{0}")]
    Unconsidered(Refusal),
    /// The server will not have this person: the conversation is over.
    #[error("the conversation is over: {0}")]
    Over(Refusal),
    /// The runtime ended first.
    #[error("the program is ending")]
    Ending,
}

type Asker = oneshot::Sender<Result<Answer, AskError>>;

#[derive(Debug)]
struct Asked {
    /// The key of a command.
    key: Option<Key>,
    word: (Kind, u8),
    body: Vec<u8>,
    asker: Asker,
}

/// Becomes somebody at a server, and stays it, whatever becomes of connections. `cursor` is the
/// last position this device has; `None` to begin where the server knows it to be. Waits until the
/// server was reached and took us, however long that takes. Must be called within a tokio runtime.
///
/// # Errors
/// If the server does not take us.
pub async fn connect(
    address: &str,
    identity: Identity,
    cursor: Option<Seq>,
) -> Result<(Handle, Pushes), AskError> {
    let (asked, asks) = mpsc::channel(ASKED_LEN_MAX);
    let (pushes, pushed) = mpsc::channel(PUSHES_LEN_MAX);
    let (entered, has_entered) = oneshot::channel();
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
        entered: Some(entered),
    };
    tokio::spawn(shell.serve(asks));
    has_entered.await.unwrap_or(Err(AskError::Ending))?;
    Ok((Handle { asked }, Pushes { pushed }))
}

impl Handle {
    /// Changes something, under a key of its own, once, however often it has to be asked.
    ///
    /// # Errors
    /// If there is no answer. A refusal is an answer.
    pub async fn command(&self, word: (Kind, u8), body: Vec<u8>) -> Result<Answer, AskError> {
        let key = Key(random()?);
        self.command_under(key, word, body).await
    }

    /// Changes something under this key, which another life of the program may have used for it.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn command_under(
        &self,
        key: Key,
        word: (Kind, u8),
        body: Vec<u8>,
    ) -> Result<Answer, AskError> {
        self.ask(Some(key), word, body).await
    }

    /// Asks something.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn query(&self, word: (Kind, u8), body: Vec<u8>) -> Result<Answer, AskError> {
        self.ask(None, word, body).await
    }

    async fn ask(
        &self,
        key: Option<Key>,
        word: (Kind, u8),
        body: Vec<u8>,
    ) -> Result<Answer, AskError> {
        let (asker, answer) = oneshot::channel();
        let asked = Asked {
            key,
            word,
            body,
            asker,
        };
        let sent = self.asked.send(asked).await;
        sent.map_err(|_task_ended| AskError::Ending)?;
        answer.await.unwrap_or(Err(AskError::Ending))
    }
}

impl Pushes {
    /// The next one; `None` when the conversation is over.
    pub async fn next(&mut self) -> Option<Pushed> {
        self.pushed.recv().await
    }
}

/// The task behind the handles.
struct Shell {
    conversation: Conversation<Asker>,
    address: String,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    began_at: Instant,
    pushes: mpsc::Sender<Pushed>,
    entered: Option<oneshot::Sender<Result<(), AskError>>>,
}

impl Shell {
    async fn serve(mut self, mut asks: mpsc::Receiver<Asked>) {
        while self.conversation.ended().is_none() {
            if self.conversation.poll_connect(self.now()) {
                self.connect().await;
            }
            let wants_to_write = !self.conversation.poll_transmit().is_empty();
            let deadline = self.conversation.poll_timeout();
            tokio::select! {
                asked = asks.recv(), if self.conversation.has_room() => match asked {
                    Some(asked) => self.ask(asked),
                    None => return,
                },
                () = ready(self.stream.as_ref(), wants_to_write) => self.exchange().await,
                () = self.until(deadline) => self.handle_timeout(),
            }
        }
        self.end();
    }

    fn now(&self) -> Nanos {
        u64::try_from(self.began_at.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    async fn until(&self, deadline: Option<Nanos>) {
        match deadline {
            Some(at) => sleep_until(self.began_at + Duration::from_nanos(at)).await,
            None => pending().await,
        }
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

    fn ask(&mut self, asked: Asked) {
        let now = self.now();
        let Asked {
            key,
            word,
            body,
            asker,
        } = asked;
        let word = Word {
            kind: word.0,
            schema: word.1,
            body: &body,
        };
        match key {
            Some(key) => self.conversation.command(key, word, asker, now),
            None => self.conversation.query(word, asker, now),
        }
    }

    fn handle_timeout(&mut self) {
        let now = self.now();
        if self.conversation.handle_timeout(now).is_err() {
            self.lose();
        }
    }

    /// Reads and writes what the socket takes and has.
    async fn exchange(&mut self) {
        let exchanged = self.write().and_then(|()| self.read());
        let handled = self.handle_input().await;
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

    async fn handle_input(&mut self) -> Result<(), Broken> {
        let bytes = std::mem::take(&mut self.input);
        let mut input = bytes.as_slice();
        let now = self.now();
        while let Some(event) = self.conversation.handle_bytes(&mut input, now)? {
            if let Some(pushed) = self.tell(event) {
                // Nobody may take them any more: then they are for nobody.
                let _nobody_listens = self.pushes.send(pushed).await;
            }
        }
        self.input = input.to_vec();
        Ok(())
    }

    /// Tells whoever waits for it. What nobody waits for is to be pushed.
    fn tell(&mut self, event: Event<'_, Asker>) -> Option<Pushed> {
        // Askers that stopped waiting are not told.
        match event {
            Event::Subscribed { .. } => {
                let _told_once = self.entered.take().map(|entered| entered.send(Ok(())));
            }
            Event::Answered(answered) => {
                let outcome = match answered.outcome {
                    Outcome::Accepted { kind, schema, body } => Ok((kind, schema, body.to_vec())),
                    Outcome::Refused(refusal) => Err(refusal),
                };
                let _gone = answered.tag.send(Ok(Answer {
                    seq: answered.seq,
                    hash: answered.hash,
                    outcome,
                }));
            }
            Event::Unconsidered(unconsidered) => {
                let error = AskError::Unconsidered(unconsidered.refusal);
                let _gone = unconsidered.tag.send(Err(error));
            }
            Event::Pushed {
                seq,
                kind,
                schema,
                body,
            } => return Some(pushed(Some(seq), kind, schema, body)),
            Event::News { kind, schema, body } => return Some(pushed(None, kind, schema, body)),
        }
        None
    }

    /// Nothing more will come: everybody who waits is told why.
    fn end(mut self) {
        let Some(refusal) = self.conversation.ended().copied() else {
            return;
        };
        let over = AskError::Over(refusal);
        let _told_once = self.entered.take().map(|entered| entered.send(Err(over)));
        while let Some(given_up) = self.conversation.give_up() {
            let _gone = given_up.tag.send(Err(over));
        }
    }
}

fn pushed(seq: Option<Seq>, kind: Kind, schema: u8, body: &[u8]) -> Pushed {
    Pushed {
        seq,
        kind,
        schema,
        body: body.to_vec(),
    }
}

/// Waits until the socket has something, or takes something if there is something to write.
async fn ready(stream: Option<&TcpStream>, wants_to_write: bool) {
    let interest = if wants_to_write {
        Interest::READABLE | Interest::WRITABLE
    } else {
        Interest::READABLE
    };
    match stream {
        // What is wrong with it, reading will tell.
        Some(stream) => drop(stream.ready(interest).await),
        None => pending().await,
    }
}

fn random<const N: usize>() -> Result<[u8; N], AskError> {
    let mut bytes = [0; N];
    let drawn = SysRng.try_fill_bytes(&mut bytes);
    drawn.map_err(|_no_randomness| AskError::Ending)?;
    Ok(bytes)
}
