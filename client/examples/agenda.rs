//! Two people want the same slot: one gets it, the other waits for it and is told when it is theirs.
//!
//! ```text
//! stampede serve --listen 127.0.0.1:7400
//! cargo run -p client --example agenda -- 127.0.0.1:7400
//! ```
//!
//! Registers its people itself. Ends with an error if the server does anything else.
#![expect(clippy::print_stdout, reason = "an example speaks")]

use client::{
    AskError, Handle, Identity, Pushes, Told, connect, new_key,
    protocol::{
        Code,
        words::agenda::{Cancel, Event, JoinWaitlist, ListAgendas, ListSlots, Reserve, SlotId},
    },
    register,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = std::env::args_os()
        .nth(1)
        .and_then(|word| word.into_string().ok());
    let address = address.ok_or("give the server's ADDRESS")?;
    run(&address).await
}

/// Books a slot, loses a race for it, and waits.
pub(crate) async fn run(address: &str) -> Result<(), Failure> {
    let (ana, _) = enter(address, "ana").await?;
    let (bob, mut pushes) = enter(address, "bob").await?;
    let slot = free_slot(&ana).await?;

    let (anas, bobs) = tokio::join!(ana.command(Reserve { slot }), bob.command(Reserve { slot }));
    let booking = match (anas, bobs) {
        (Ok(booking), Err(AskError::Refused(lost))) if lost.code == Code::SLOT_TAKEN => booking,
        (Err(AskError::Refused(lost)), Ok(booking)) if lost.code == Code::SLOT_TAKEN => {
            // Bob is to be the one who waits.
            let booking = booking.seq.0;
            bob.command(Cancel { booking }).await?;
            ana.command(Reserve { slot }).await?
        }
        both => return Err(format!("one of two gets a slot of one place, not {both:?}").into()),
    };
    println!("ana holds booking {}", booking.seq);

    let waiting = bob.command(JoinWaitlist { slot }).await?;
    println!("bob waits at place {}", waiting.place);
    let booking = booking.seq.0;
    ana.command(Cancel { booking }).await?;
    while let Some(pushed) = pushes.next().await {
        if let Told::Agenda(Event::Promoted(promoted)) = pushed.told() {
            println!("the slot is bob's: {promoted:?}");
            return Ok(());
        }
    }
    Err("the conversation ended before bob was told".into())
}

/// The first free slot of tomorrow, in the first agenda there is.
async fn free_slot(handle: &Handle) -> Result<SlotId, Failure> {
    let page = ListAgendas { after: 0, limit: 1 };
    let agendas = handle.query(page).await?;
    let agenda = agendas.agendas.first().ok_or("there is no agenda")?.agenda;
    let today = std::time::UNIX_EPOCH.elapsed()?.as_secs() / 86_400;
    let day = u32::try_from(today)? + 1;
    let slots = handle.query(ListSlots { agenda, day }).await?;
    let free = slots.word.slots.iter().position(|slot| slot.held == 0);
    let slot = free.ok_or("no slot is free tomorrow")?.try_into()?;
    Ok(SlotId { agenda, day, slot })
}

/// Registers somebody under a name that nobody has, and logs in.
async fn enter(address: &str, name: &str) -> Result<(Handle, Pushes), Failure> {
    let key = new_key()?;
    let [a, b, c, d, ..] = key.0;
    let name = format!("{name}-{a:02x}{b:02x}{c:02x}{d:02x}");
    let password = "correct horse".to_owned();
    register(address, &name, &password).await?;
    let identity = Identity::LogIn {
        name,
        password,
        key,
    };
    Ok(connect(address, identity, None).await?)
}
