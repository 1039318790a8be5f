//! What is done with the words of one system, whichever it is: bytes are decoded, the system decides,
//! applies or answers, and what comes of it is bytes again.
//!
//! Deliberately absent: which system it is, and every rule.

use protocol::{
    Code, Kind, Outcome, Record, Refusal, Roles, Seq, UserId,
    code::Ways,
    outcome::{encode_accepted, encode_refused},
    words::{WordError, log::About},
};

use super::bytes::{
    Answered, CommandBytes, Described, Executed, OwnedCommand, PushBytes, ReplayError, Replayed,
    Source,
};
use crate::domain::{Context, Lifecycle, System, Word, accounts::Accounts};

pub(super) fn decode<S: System>(bytes: &CommandBytes<'_>) -> Result<S::Command, Refusal> {
    let command = S::Command::decode(bytes.kind, bytes.schema, bytes.body)
        .map_err(|error| refusal(&error))?;
    if bytes.source == Source::Client && !S::is_client_command(&command) {
        return Err(Refusal::with(Code::SERVER_ONLY, u64::from(bytes.kind.0), 0));
    }
    Ok(command)
}

/// What would happen, unless it is for somebody who is not there or may not do it.
pub(super) fn decide<S: System>(
    system: &S,
    accounts: &Accounts,
    cx: &Context,
    command: &S::Command,
) -> Result<S::Event, Refusal> {
    let event = system.decide(cx, command)?;
    let is_unknown = |user: &&UserId| accounts.name(**user).is_none();
    if let Some(user) = S::people(command).iter().find(is_unknown) {
        return Err(Refusal::with(Code::UNKNOWN_USER, user.0, 0));
    }
    match S::role_needed(command) {
        Some(needed) if !accounts.roles(needed.user).contains(needed.role) => {
            Err(Refusal::with(needed.code, needed.user.0, 0))
        }
        Some(_) | None => Ok(event),
    }
}

pub(super) fn prefetch<S: System>(system: &S, command: &CommandBytes<'_>) -> Option<u64> {
    let CommandBytes {
        kind, schema, body, ..
    } = *command;
    if !S::PREFETCHED.contains(&kind.number()) {
        return None;
    }
    let command = S::Command::decode(kind, schema, body).ok()?;
    Some(system.prefetch(&command))
}

pub(super) fn execute<S: System>(
    system: &mut S,
    cx: &Context,
    command: &S::Command,
    decided: Result<S::Event, Refusal>,
    out: &mut Vec<u8>,
) -> Executed {
    let target = system.target(command);
    match decided {
        Ok(event) => {
            let (kind, schema) = event.kind();
            encode_accepted(kind, schema, out);
            event.encode(out);
            system.apply(cx, command, &event);
            Executed {
                accepted: true,
                follow_up: system
                    .follow_up(&event)
                    .map(|command| Box::new(OwnedCommand::new(&command))),
                push: S::push(cx, command, &event).map(|pushed| Box::new(PushBytes::new(&pushed))),
                memberships: system.memberships(cx, command, &event),
                target,
                concerns: S::concerns(command, &event).unwrap_or_default(),
                passage: S::passage(cx, &event),
            }
        }
        Err(refusal) => {
            // What nobody asked for reaches nobody.
            let is_heard = cx.actor != UserId::NOBODY;
            debug_assert!(
                !is_heard || refusal.code.comes_as(Ways::COMMAND),
                "{refusal} to a command"
            );
            encode_refused(&refusal, out);
            Executed {
                target,
                ..Executed::default()
            }
        }
    }
}

pub(super) fn replay<S: System>(
    system: &mut S,
    record: &Record<'_>,
) -> Result<Replayed, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let target = system.target(&command);
    let mut replayed = Replayed {
        target,
        ..Replayed::default()
    };
    if let Some(event) = decode_event::<S>(record)? {
        let cx = context_of(record);
        system.apply(&cx, &command, &event);
        let kept = S::push(&cx, &command, &event).filter(|pushed| pushed.is_kept);
        replayed.accepted = true;
        replayed.kept_in = kept.map(|pushed| pushed.stream);
        replayed.concerns = S::concerns(&command, &event).unwrap_or_default();
        replayed.passage = S::passage(&cx, &event);
    }
    Ok(replayed)
}

pub(super) fn push<S: System>(record: &Record<'_>) -> Result<Option<PushBytes>, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let event = decode_event::<S>(record)?;
    Ok(event
        .and_then(|event| S::push(&context_of(record), &command, &event))
        .map(|pushed| PushBytes::new(&pushed)))
}

pub(super) fn passage<S: System>(record: &Record<'_>) -> Result<Option<Lifecycle>, ReplayError> {
    let event = decode_event::<S>(record)?;
    Ok(event.and_then(|event| S::passage(&context_of(record), &event)))
}

/// What happened at a record, if it was accepted.
fn decode_event<S: System>(record: &Record<'_>) -> Result<Option<S::Event>, ReplayError> {
    match Outcome::decode(record.outcome)? {
        Outcome::Accepted { kind, schema, body } => Ok(Some(S::Event::decode(kind, schema, body)?)),
        Outcome::Refused(_) => Ok(None),
    }
}

/// What a record says of its circumstances. What its actor was allowed is decided and over.
pub(super) const fn context_of(record: &Record<'_>) -> Context {
    Context {
        seq: record.seq,
        now: record.recorded_at,
        actor: record.actor,
        roles: Roles::MEMBER,
        key: record.key,
    }
}

pub(super) fn answer<S: System>(
    system: &S,
    cx: &Context,
    bytes: &CommandBytes<'_>,
    out: &mut Vec<u8>,
) -> Result<Answered, Refusal> {
    let query =
        S::Query::decode(bytes.kind, bytes.schema, bytes.body).map_err(|error| refusal(&error))?;
    let answer = match system.wanted(cx, &query) {
        Ok(Some(wanted)) => return Ok(Answered::FromLog(wanted)),
        Ok(None) => system.answer(cx, &query),
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(answer) => encode_answer(&answer, out),
        Err(refusal) => {
            debug_assert!(refusal.code.comes_as(Ways::QUERY), "{refusal} to a query");
            encode_refused(&refusal, out);
        }
    }
    Ok(Answered::Here)
}

pub(super) fn answer_page<S: System>(entries: &[(Seq, PushBytes)], out: &mut Vec<u8>) -> bool {
    let decode = |(seq, push): &(Seq, PushBytes)| match S::Push::decode(
        push.kind,
        push.schema,
        &push.body,
    ) {
        Ok(word) => Some((*seq, word)),
        Err(_another_systems) => None,
    };
    let answer = S::answer_page(entries.iter().filter_map(decode).collect());
    if let Some(answer) = &answer {
        encode_answer(answer, out);
    }
    answer.is_some()
}

fn encode_answer(answer: &impl Word, out: &mut Vec<u8>) {
    let (kind, schema) = answer.kind();
    encode_accepted(kind, schema, out);
    answer.encode(out);
}

pub(super) fn describe<S: System>(record: &Record<'_>) -> Result<Described, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let outcome = match Outcome::decode(record.outcome)? {
        Outcome::Accepted { kind, schema, body } => {
            Ok(S::Event::decode(kind, schema, body)?.to_json())
        }
        Outcome::Refused(refusal) => Err(refusal),
    };
    Ok(Described {
        name: command.name(),
        command: command.to_json(),
        outcome,
    })
}

/// The name of a record's command, and what it was about.
pub(super) fn step<S: System>(record: &Record<'_>) -> Result<(&'static str, About), ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let event = decode_event::<S>(record)?;
    let about = S::about(&context_of(record), &command, event.as_ref());
    Ok((command.name(), about))
}

/// Why bytes are no word.
#[must_use]
pub fn refusal(error: &WordError) -> Refusal {
    match error {
        WordError::Unknown { kind, .. } => unknown(*kind),
        WordError::Body { kind, source } => Refusal::with(
            Code::BAD_BODY,
            u64::from(kind.0),
            u64::try_from(source.at).unwrap_or(u64::MAX),
        ),
    }
}

pub(super) fn unknown(kind: Kind) -> Refusal {
    Refusal::with(Code::UNKNOWN_KIND, u64::from(kind.0), 0)
}
