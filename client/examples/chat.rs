//! A message for somebody who is away, read later, with the ticks on the way; and a session that
//! goes on in another life of the program.
//!
//! ```text
//! stampede serve --listen 127.0.0.1:7400
//! cargo run -p client --example chat -- 127.0.0.1:7400
//! ```
//!
//! Registers its people itself. Ends with an error if the server does anything else. Kill the server
//! and start it again meanwhile: nothing is lost, and nothing comes twice.
#![expect(clippy::print_stdout, reason = "an example speaks")]

use client::{
    Handle, Identity, Pushes, Told, connect, new_key,
    protocol::{
        Seq, UserId,
        words::{
            chat::{Content, Entry, MarkRead, Push, Target},
            presence::News,
        },
    },
    register,
};

type Failure = Box<dyn std::error::Error>;

const PASSWORD: &str = "correct horse";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = std::env::args_os()
        .nth(1)
        .and_then(|word| word.into_string().ok());
    let address = address.ok_or("give the server's ADDRESS")?;
    run(&address).await
}

/// Sends, receives, marks as read, and resumes.
pub(crate) async fn run(address: &str) -> Result<(), Failure> {
    let [a, b, c, d, ..] = new_key()?.0;
    let name = |name| format!("{name}-{a:02x}{b:02x}{c:02x}{d:02x}");
    let ana_id = register(address, &name("ana"), PASSWORD).await?;
    register(address, &name("bob"), PASSWORD).await?;
    let (bob, mut to_bob) = log_in(address, name("bob")).await?;
    let to_ana = Target::Person(ana_id);
    let sent = bob.send(to_ana, "are you there?").await?;
    println!("sent: message {} of {}", sent.index, sent.conversation);
    bob.watch_presence(vec![ana_id]).await?;

    let (ana, mut pushes) = log_in(address, name("ana")).await?;
    let (at, entry) = next_entry(&mut pushes, "are you there?").await?;
    println!("ana reads it; it was said while she was away");
    let conversation = entry.conversation;
    let index = entry.index;
    ana.command(MarkRead {
        conversation,
        index,
    })
    .await?;
    let to_them = Target::Conversation(conversation);
    ana.typing(to_them, true).await?;
    await_news(&mut to_bob, ana_id).await?;
    println!("bob knows that she came, has read it, and writes");

    // Her program ends, and begins again where it was.
    let session = ana.session().ok_or("whoever has logged in has a session")?;
    drop((ana, pushes));
    bob.send(to_ana, "still there?").await?;
    let identity = Identity::Resume(session.token);
    let (ana, mut pushes) = connect(address, identity, Some(at)).await?;
    let (at, _) = next_entry(&mut pushes, "still there?").await?;
    println!("ana is back, and reads the next one");
    ana.move_cursor(at).await?;
    ana.log_out().await?;
    Ok(())
}

/// The next message, which must say this, and where in the log it is.
async fn next_entry(pushes: &mut Pushes, text: &str) -> Result<(Seq, Entry), Failure> {
    while let Some(pushed) = pushes.next().await {
        match (pushed.seq, pushed.told()) {
            (Some(seq), Told::Chat(Push::Entry(entry))) => {
                let is_it = entry.content == Content::Text(text.into());
                return if is_it {
                    Ok((seq, entry))
                } else {
                    Err(format!("{entry:?} instead of {text:?}").into())
                };
            }
            (_, _another) => {}
        }
    }
    Err(format!("the conversation ended before {text:?} came").into())
}

/// Waits until somebody is here, has read what was said, and writes.
async fn await_news(pushes: &mut Pushes, user: UserId) -> Result<(), Failure> {
    let (mut is_here, mut has_read, mut writes) = (false, false, false);
    while !(is_here && has_read && writes) {
        let pushed = pushes.next().await.ok_or("the conversation ended")?;
        match pushed.told() {
            Told::News(News::PresenceChanged(changed)) => is_here |= changed.online,
            Told::News(News::TypingChanged(typing)) => writes |= typing.on,
            Told::Chat(Push::Receipt(receipt)) => {
                has_read |= receipt.user == user && 0 < receipt.read;
            }
            Told::Chat(Push::Entry(_)) | Told::Agenda(_) | Told::Unknown => {}
        }
    }
    Ok(())
}

async fn log_in(address: &str, name: String) -> Result<(Handle, Pushes), Failure> {
    let identity = Identity::LogIn {
        name,
        password: PASSWORD.to_owned(),
        key: new_key()?,
    };
    Ok(connect(address, identity, None).await?)
}
