//! One call of each that a target file describes, and how its answer was understood.
//!
//! A mapping goes in; the server is started if the file says how, two people meet at one slot, and each call
//! comes out with its request, its answer and its meaning. Deliberately absent: load, and any verdict.

use std::{fs, path::Path, process, sync::Arc};

use tokio::{runtime, task::LocalSet};

use super::{
    RunError,
    trial::{Court, id_map, start_mapped},
};
use crate::{
    clock,
    mapping::{Exchanged, Mapping, Meaning, Request, Scope, Understood},
    plan::World,
};

/// The most of a body that is shown, characters.
const SHOWN_CHARS: usize = 300;

/// A call that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct CallChecked {
    /// What it was.
    pub name: &'static str,
    /// The request line, and the body if there was one.
    pub request: String,
    /// What came, in words.
    pub answer: String,
    /// What it was understood to mean.
    pub understood: Understood,
    /// Whether that is what such a call should come to.
    pub is_expected: bool,
}

/// Makes one call of each.
///
/// # Errors
/// If the server does not start, or the people and slots cannot be made.
pub fn check_target(mapping: Mapping) -> Result<Vec<CallChecked>, RunError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::System)?;
    let name = format!("stampede-check-{}-{}", process::id(), clock::wall_ms());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir(&dir).map_err(|source| RunError::File {
        path: dir.clone(),
        source,
    })?;
    let checked = LocalSet::new().block_on(&runtime, check_in(Arc::new(mapping), &dir));
    // It is the system's directory for what nobody keeps.
    let _kept = fs::remove_dir_all(&dir);
    checked
}

async fn check_in(mapping: Arc<Mapping>, dir: &Path) -> Result<Vec<CallChecked>, RunError> {
    let (_server, address, host) = start_mapped(&mapping, dir).await?;
    let world = World {
        users: 2,
        devices: 1,
        agendas: 1,
        days: 1,
        slots: 1,
        capacity: 1,
        ..World::default()
    };
    let run = format!("{:08x}", clock::wall_ms() & 0xffff_ffff);
    let mut court = Court::new(mapping, (address, host));
    court.people = court.log_in(&world, &run).await?;
    court.slots = court.open_slots(&world, &id_map(&world), &run).await?;
    Ok(meet(&court).await)
}

/// Two people want one slot, both look, and the first gives it back.
async fn meet(court: &Court) -> Vec<CallChecked> {
    let mapping = Arc::clone(&court.mapping);
    let slot = court.slots.values().next().cloned().unwrap_or_default();
    let scope = |person: usize, more: &Scope| {
        let mut scope = court
            .people
            .get(person)
            .map(|one| one.scope.clone())
            .unwrap_or_default();
        scope.extend(slot.clone());
        scope.extend(more.clone());
        scope.insert("key".to_owned(), format!("check-{person}").into());
        scope
    };
    let (mut checked, none) = (Vec::new(), Scope::new());
    let mut taken = Scope::new();
    if let Some(reserve) = &mapping.reserve {
        let first = call(court, ("reserve", reserve), &scope(0, &none), is_ok).await;
        taken = first
            .understood
            .entries
            .first()
            .cloned()
            .unwrap_or_default();
        checked.push(first);
        let is_refused = |meaning| matches!(meaning, Meaning::Refused(_));
        checked.push(
            call(
                court,
                ("reserve, taken", reserve),
                &scope(1, &none),
                is_refused,
            )
            .await,
        );
    }
    for (name, read) in [
        ("slots", &mapping.list_slots),
        ("bookings", &mapping.my_bookings),
    ] {
        if let Some(read) = read {
            checked.push(call(court, (name, read), &scope(0, &none), is_ok).await);
        }
    }
    if let Some(cancel) = &mapping.cancel {
        checked.push(call(court, ("cancel", cancel), &scope(0, &taken), is_ok).await);
    }
    checked
}

const fn is_ok(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Ok)
}

async fn call(
    court: &Court,
    (name, request): (&'static str, &Request),
    scope: &Scope,
    expected: impl Fn(Meaning) -> bool,
) -> CallChecked {
    let exchanged = court.exchange(request, scope).await;
    let understood = request.understand(&exchanged);
    let body = request.body(scope).map(|body| format!(" {body}"));
    CallChecked {
        name,
        request: format!("{}{}", request.line(scope), body.unwrap_or_default()),
        answer: words(&exchanged),
        is_expected: expected(understood.meaning),
        understood,
    }
}

fn words(exchanged: &Exchanged) -> String {
    match exchanged {
        Exchanged::NotSent(why) | Exchanged::Lost(why) => why.clone(),
        Exchanged::Answer { status, body } => {
            let body = String::from_utf8_lossy(body);
            let shown: String = body.chars().take(SHOWN_CHARS).collect();
            let more = if shown.len() < body.len() { " ..." } else { "" };
            format!("{status} {shown}{more}").trim_end().to_owned()
        }
    }
}
