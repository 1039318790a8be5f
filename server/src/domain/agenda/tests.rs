//! The rules of the agenda, one table a feature, and what must hold whatever happens.

use proptest::prelude::*;
use protocol::{
    Code, Key, Refusal, Roles, Seq, UserId,
    limits::{CAPACITY_MAX, WAITERS_MAX},
    words::agenda::{
        AgendaOpened, AgendaView, Agendas, BookingCancelled, BookingView, Bookings, Cancel,
        Cancelled, Command, Confirm, Confirmed, Event, Expire, Expired, Held, Hold, JoinWaitlist,
        LeaveWaitlist, ListAgendas, ListSlots, MyBookings, OpenAgenda, Promote, Promoted, Reserve,
        Reserved, SlotId, SlotView, Slots, WaitlistJoined, WaitlistLeft,
    },
};

use super::{Agenda, default_agenda};
use crate::domain::{
    Context, Stream, System,
    given::{Actor, Given, SERVER, STRANGER, given, key_at, member},
};

const DAY: u32 = 20_000;
/// Ten o'clock of that day: the slots 0 and 1 have begun, slot 2 begins now.
const NOW: u64 = 20_000 * 86_400_000 + 10 * 3_600_000;
const HOUR: u64 = 3_600_000;

const ANN: Actor = member(101);
const BOB: Actor = member(102);
const EVE: Actor = member(103);
const BOSS: Actor = Actor(UserId(104), Roles::MANAGER);
const ROOT: Actor = Actor(UserId(105), Roles::ADMIN);

/// A slot of the first agenda on that day.
const fn slot(slot: u16) -> SlotId {
    SlotId {
        agenda: 1,
        day: DAY,
        slot,
    }
}

fn open(capacity: u16) -> (Actor, u64, Command) {
    let agenda = OpenAgenda {
        capacity,
        ..default_agenda()
    };
    (SERVER, NOW, agenda.into())
}

fn at(actor: Actor, command: impl Into<Command>) -> (Actor, u64, Command) {
    (actor, NOW, command.into())
}

/// After these commands, the last of them is refused for this reason.
#[track_caller]
fn check_refused(
    before: &[(Actor, u64, Command)],
    (actor, now, command): (Actor, u64, Command),
    refusal: Refusal,
) {
    let mut given: Given<Agenda> = given(before);
    let hash = given.system.state_hash();
    given.when(actor, now, command).refused(refusal);
    assert_eq!(given.system.state_hash(), hash, "a refusal changes nothing");
}

fn reserve(number: u16) -> Reserve {
    Reserve { slot: slot(number) }
}

fn hold(number: u16, seconds: u32) -> Hold {
    Hold {
        slot: slot(number),
        seconds,
    }
}

fn join(number: u16) -> JoinWaitlist {
    JoinWaitlist { slot: slot(number) }
}

#[test]
fn an_agenda_has_as_many_slots_as_fit_its_hours() {
    given::<Agenda>(&[])
        .when(SERVER, NOW, default_agenda())
        .then(AgendaOpened { slots: 12 });
    let lunch = OpenAgenda {
        name: "lunch".to_owned(),
        opens_minute: 0,
        closes_minute: 1_440,
        slot_minutes: 1,
        capacity: CAPACITY_MAX,
    };
    for actor in [BOSS, ROOT] {
        given::<Agenda>(&[open(1)])
            .when(actor, NOW, lunch.clone())
            .then(AgendaOpened { slots: 1_440 });
    }
}

/// A good agenda with another name than the first one.
fn second() -> OpenAgenda {
    OpenAgenda {
        name: "second".to_owned(),
        ..default_agenda()
    }
}

#[test]
fn an_agenda_is_opened_by_managers_and_admins_only() {
    let seller = Actor(UserId(9), Roles::SELLER);
    let cases = [
        (ANN, Refusal::with(Code::NOT_ALLOWED, 0, 2)),
        (seller, Refusal::with(Code::NOT_ALLOWED, 1, 2)),
        (STRANGER, Refusal::new(Code::LOG_IN_FIRST)),
    ];
    for (actor, refusal) in cases {
        check_refused(&[open(1)], at(actor, second()), refusal);
    }
}

#[test]
fn an_agenda_that_makes_no_sense_is_refused() {
    let named = |name: &str| OpenAgenda {
        name: name.to_owned(),
        ..second()
    };
    let sized = |capacity| OpenAgenda {
        capacity,
        ..second()
    };
    let cases = [
        (named(""), Refusal::with(Code::AGENDA_NAME_LENGTH, 0, 64)),
        (
            named(&"x".repeat(65)),
            Refusal::with(Code::AGENDA_NAME_LENGTH, 65, 64),
        ),
        (
            named("default"),
            Refusal::with(Code::AGENDA_NAME_TAKEN, 1, 0),
        ),
        (sized(0), Refusal::with(Code::AGENDA_CAPACITY, 0, 1_000)),
        (
            sized(1_001),
            Refusal::with(Code::AGENDA_CAPACITY, 1_001, 1_000),
        ),
    ];
    for (agenda, refusal) in cases {
        check_refused(&[open(1)], at(BOSS, agenda), refusal);
    }
}

#[test]
fn hours_that_hold_no_whole_slots_are_refused() {
    let cases = [
        ((480, 480, 60), 0),
        ((481, 480, 60), 0),
        ((480, 541, 60), 61),
        ((480, 540, 0), 60),
        ((480, 540, 61), 60),
        ((1_380, 1_500, 60), 120),
    ];
    for ((opens_minute, closes_minute, slot_minutes), open_minutes) in cases {
        let agenda = OpenAgenda {
            opens_minute,
            closes_minute,
            slot_minutes,
            ..second()
        };
        let refusal = Refusal::with(Code::AGENDA_HOURS, open_minutes, slot_minutes.into());
        check_refused(&[open(1)], at(BOSS, agenda), refusal);
    }
}

#[test]
fn a_slot_has_one_winner() {
    let mut given = given::<Agenda>(&[open(1)]);
    given
        .when(ANN, NOW, reserve(2))
        .then(Reserved { slot: slot(2) });
    given
        .when(BOB, NOW, reserve(2))
        .refused(Refusal::with(Code::SLOT_TAKEN, 1, 1));
    given
        .when(ANN, NOW, reserve(2))
        .refused(Refusal::with(Code::SLOT_TAKEN, 1, 1));
    given
        .when(BOB, NOW, reserve(3))
        .then(Reserved { slot: slot(3) });
}

#[test]
fn a_wide_slot_has_a_place_for_each_of_its_people_and_one_for_nobody_twice() {
    let mut given = given::<Agenda>(&[open(2)]);
    given
        .when(BOB, NOW, reserve(2))
        .then(Reserved { slot: slot(2) });
    given
        .when(BOB, NOW, reserve(2))
        .refused(Refusal::with(Code::ALREADY_BOOKED, 2, 0));
    given
        .when(BOB, NOW, hold(2, 5))
        .refused(Refusal::with(Code::ALREADY_BOOKED, 2, 0));
    given
        .when(ANN, NOW, reserve(2))
        .then(Reserved { slot: slot(2) });
    given
        .when(EVE, NOW, reserve(2))
        .refused(Refusal::with(Code::SLOT_TAKEN, 2, 2));
    given
        .when(BOB, NOW, reserve(2))
        .refused(Refusal::with(Code::SLOT_TAKEN, 2, 2));
    given
        .when(BOB, NOW, Cancel { booking: 2 })
        .then(Cancelled { slot: slot(2) });
    given
        .when(EVE, NOW, reserve(2))
        .then(Reserved { slot: slot(2) });
}

#[test]
fn only_slots_that_exist_and_have_not_begun_can_be_taken_or_waited_for() {
    let other = |agenda, day, number| SlotId {
        agenda,
        day,
        slot: number,
    };
    let begun = NOW - HOUR;
    let yesterday = NOW - 24 * HOUR + 9 * HOUR;
    let cases = [
        (other(7, DAY, 2), Refusal::with(Code::UNKNOWN_AGENDA, 7, 0)),
        (other(0, DAY, 2), Refusal::with(Code::UNKNOWN_AGENDA, 0, 0)),
        (
            other(1, DAY + 367, 2),
            Refusal::with(Code::DAY_OUT_OF_RANGE, 20_367, 20_366),
        ),
        (
            other(1, u32::MAX, 2),
            Refusal::with(Code::DAY_OUT_OF_RANGE, u32::MAX.into(), 20_366),
        ),
        (other(1, DAY, 12), Refusal::with(Code::UNKNOWN_SLOT, 12, 12)),
        (
            other(1, DAY, u16::MAX),
            Refusal::with(Code::UNKNOWN_SLOT, u16::MAX.into(), 12),
        ),
        (other(1, DAY, 1), Refusal::with(Code::SLOT_PAST, begun, NOW)),
        (
            other(1, DAY - 1, 11),
            Refusal::with(Code::SLOT_PAST, yesterday, NOW),
        ),
        (
            other(1, 0, 0),
            Refusal::with(Code::SLOT_PAST, 8 * HOUR, NOW),
        ),
    ];
    for (slot, refusal) in cases {
        check_refused(&[open(1)], at(ANN, Reserve { slot }), refusal);
        check_refused(&[open(1)], at(ANN, Hold { slot, seconds: 1 }), refusal);
        check_refused(&[open(1)], at(ANN, JoinWaitlist { slot }), refusal);
    }
    let last = SlotId {
        day: DAY + 366,
        ..slot(11)
    };
    given::<Agenda>(&[open(1)])
        .when(ANN, NOW, Reserve { slot: last })
        .then(Reserved { slot: last });
    let late = (ANN, NOW + 1, reserve(2).into());
    check_refused(
        &[open(1)],
        late,
        Refusal::with(Code::SLOT_PAST, NOW, NOW + 1),
    );
}

#[test]
fn everything_but_opening_the_first_agenda_needs_a_person() {
    let before = [open(1), at(ANN, hold(2, 5))];
    let commands: [Command; 6] = [
        reserve(3).into(),
        hold(3, 5).into(),
        Cancel { booking: 2 }.into(),
        Confirm { booking: 2 }.into(),
        join(2).into(),
        LeaveWaitlist { slot: slot(2) }.into(),
    ];
    for command in commands {
        assert!(Agenda::is_client_command(&command));
        for nobody in [STRANGER, SERVER] {
            let refusal = Refusal::new(Code::LOG_IN_FIRST);
            check_refused(&before, at(nobody, command.clone()), refusal);
        }
    }
    assert!(Agenda::is_client_command(&default_agenda().into()));
    assert!(!Agenda::is_client_command(&Expire { booking: 2 }.into()));
    assert!(!Agenda::is_client_command(
        &Promote { slot: slot(2) }.into()
    ));
}

#[test]
fn a_booking_is_cancelled_by_its_holder_or_an_admin_only() {
    let before = [open(1), at(ANN, reserve(2))];
    for actor in [BOB, BOSS] {
        let refusal = Refusal::with(Code::NOT_HOLDER, 2, 0);
        check_refused(&before, at(actor, Cancel { booking: 2 }), refusal);
    }
    let by_admin = BookingCancelled {
        booking: 2,
        user: ANN.0,
        slot: slot(2),
        by: ROOT.0,
    };
    let ends: [(Actor, Event); 2] = [
        (ANN, Cancelled { slot: slot(2) }.into()),
        (ROOT, by_admin.into()),
    ];
    for (actor, event) in ends {
        let mut given = given::<Agenda>(&before);
        given.when(actor, NOW, Cancel { booking: 2 }).then(event);
        let gone = Refusal::with(Code::UNKNOWN_BOOKING, 2, 0);
        given.when(actor, NOW, Cancel { booking: 2 }).refused(gone);
        given
            .when(BOB, NOW, reserve(2))
            .then(Reserved { slot: slot(2) });
    }
}

#[test]
fn a_cancelled_booking_leaves_nothing_behind() {
    let mut given = given::<Agenda>(&[open(3)]);
    let hash = given.system.state_hash();
    for actor in [ANN, BOB, EVE] {
        given
            .when(actor, NOW, reserve(2))
            .then(Reserved { slot: slot(2) });
    }
    for (booking, holder) in [(3, BOB), (2, ANN), (4, EVE)] {
        given
            .when(ROOT, NOW, Cancel { booking })
            .then(BookingCancelled {
                booking,
                user: holder.0,
                slot: slot(2),
                by: ROOT.0,
            });
    }
    assert_eq!(given.system.state_hash(), hash);
    assert!(given.system.held_slots().is_empty());
    assert!(given.system.bookings_of(ANN.0, 0, 1).is_empty());
}

#[test]
fn a_hold_lasts_from_a_second_to_an_hour() {
    for (seconds, until) in [(1, NOW + 1_000), (3_600, NOW + HOUR)] {
        let held = Held {
            slot: slot(2),
            until,
        };
        given::<Agenda>(&[open(1)])
            .when(ANN, NOW, hold(2, seconds))
            .then(held);
    }
    for seconds in [0, 3_601, u32::MAX] {
        let refusal = Refusal::with(Code::HOLD_LENGTH, seconds.into(), 3_600);
        check_refused(&[open(1)], at(ANN, hold(2, seconds)), refusal);
    }
    let taken = Refusal::with(Code::SLOT_TAKEN, 1, 1);
    check_refused(&[open(1), at(ANN, hold(2, 5))], at(BOB, reserve(2)), taken);
}

#[test]
fn a_confirmed_hold_lasts_forever() {
    let mut given = given::<Agenda>(&[open(1), at(ANN, hold(2, 5))]);
    assert_eq!(given.system.deadline(), Some(NOW + 5_000));
    given
        .when(BOB, NOW, Confirm { booking: 2 })
        .refused(Refusal::with(Code::NOT_HOLDER, 2, 0));
    given
        .when(ROOT, NOW, Confirm { booking: 2 })
        .refused(Refusal::with(Code::NOT_HOLDER, 2, 0));
    given
        .when(ANN, NOW + 4_999, Confirm { booking: 2 })
        .then(Confirmed { slot: slot(2) });
    assert_eq!(given.system.deadline(), None);
    assert_eq!(given.system.due(u64::MAX), None);
    let confirmed = Refusal::with(Code::NOT_ON_HOLD, 2, 0);
    given
        .when(ANN, NOW, Confirm { booking: 2 })
        .refused(confirmed);
    given
        .when(SERVER, NOW + HOUR, Expire { booking: 2 })
        .refused(confirmed);
    let unknown = Refusal::with(Code::UNKNOWN_BOOKING, 9, 0);
    given
        .when(ANN, NOW, Confirm { booking: 9 })
        .refused(unknown);
}

#[test]
fn a_hold_ends_at_its_deadline_and_not_before() {
    let mut given = given::<Agenda>(&[open(1), at(ANN, hold(2, 5)), at(BOB, hold(3, 2))]);
    assert_eq!(given.system.deadline(), Some(NOW + 2_000));
    assert_eq!(given.system.due(NOW + 1_999), None);
    assert_eq!(
        given.system.due(NOW + 2_000),
        Some(Expire { booking: 3 }.into())
    );
    let early = Refusal::with(Code::HOLD_NOT_DUE, 2, NOW + 5_000);
    given
        .when(SERVER, NOW + 4_999, Expire { booking: 2 })
        .refused(early);
    let over = Refusal::with(Code::UNKNOWN_BOOKING, 2, 0);
    given
        .when(ANN, NOW + 5_000, Confirm { booking: 2 })
        .refused(over);
    let expired = Expired {
        booking: 2,
        user: ANN.0,
        slot: slot(2),
    };
    assert_eq!(
        told(&Expire { booking: 2 }.into(), &expired.into()),
        Some(ANN.0)
    );
    given
        .when(SERVER, NOW + 5_000, Expire { booking: 2 })
        .then(expired);
    given
        .when(SERVER, NOW + 5_000, Expire { booking: 2 })
        .refused(over);
    given.pass_time(NOW + 5_000);
    assert_eq!(given.system.deadline(), None);
    assert!(given.system.held_slots().is_empty());
}

#[test]
fn a_freed_place_goes_to_the_first_in_line() {
    let queue = [
        open(1),
        at(ANN, reserve(3)),
        at(BOB, join(3)),
        at(EVE, join(3)),
    ];
    let mut given = given::<Agenda>(&queue);
    given
        .when(ANN, NOW, Cancel { booking: 2 })
        .then(Cancelled { slot: slot(3) });
    // The cancel was record 5 and the promotion 6; the booking carries the key of the join, 3.
    let booking = BookingView {
        booking: 6,
        slot: slot(3),
        until: 0,
        key: key_at(3),
    };
    let page = MyBookings {
        after: 0,
        limit: 10,
    };
    given.asked(BOB, NOW, page).then(Bookings {
        bookings: vec![booking],
    });
    given
        .when(ANN, NOW, reserve(3))
        .refused(Refusal::with(Code::SLOT_TAKEN, 1, 1));
    given
        .when(BOB, NOW, Cancel { booking: 6 })
        .then(Cancelled { slot: slot(3) });
    let booked = Refusal::with(Code::ALREADY_BOOKED, 9, 0);
    given
        .when(EVE, NOW, join(3))
        .refused(Refusal { value: 9, ..booked });
    assert!(given.system.queued_slots().is_empty());
    let promoted = Event::from(Promoted {
        slot: slot(3),
        user: BOB.0,
    });
    let promote = Promote { slot: slot(3) };
    assert_eq!(told(&promote.into(), &promoted), Some(BOB.0));
}

#[test]
fn a_hold_that_ends_promotes_too() {
    let mut given = given::<Agenda>(&[open(1), at(ANN, hold(3, 5)), at(BOB, join(3))]);
    given.pass_time(NOW + 5_000);
    // The end was record 4.
    let bookings = given.system.bookings_of(BOB.0, 0, 10);
    assert_eq!(bookings, [5]);
    assert!(given.system.queued_slots().is_empty());
}

#[test]
fn a_slot_that_began_is_given_to_nobody_and_keeps_its_queue() {
    let mut given = given::<Agenda>(&[open(1), at(ANN, reserve(2)), at(BOB, join(2))]);
    let late = NOW + 1;
    given
        .when(ANN, late, Cancel { booking: 2 })
        .then(Cancelled { slot: slot(2) });
    assert!(given.system.held_slots().is_empty());
    let past = Refusal::with(Code::SLOT_PAST, NOW, late);
    given
        .when(SERVER, late, Promote { slot: slot(2) })
        .refused(past);
    given
        .when(BOB, late, LeaveWaitlist { slot: slot(2) })
        .then(WaitlistLeft { slot: slot(2) });
    assert!(given.system.queued_slots().is_empty());
}

#[test]
fn nobody_is_promoted_without_a_queue_or_a_place() {
    let promote = at(SERVER, Promote { slot: slot(2) });
    let cases: [(&[_], _); 3] = [
        (&[], Refusal::with(Code::UNKNOWN_AGENDA, 1, 0)),
        (
            &[open(1), at(ANN, reserve(2))],
            Refusal::new(Code::NOT_WAITING),
        ),
        (
            &[open(1), at(ANN, reserve(2)), at(BOB, join(2))],
            Refusal::with(Code::SLOT_TAKEN, 1, 1),
        ),
    ];
    for (before, refusal) in cases {
        check_refused(before, promote.clone(), refusal);
    }
}

#[test]
fn a_queue_is_joined_once_and_only_for_a_full_slot() {
    let mut given = given::<Agenda>(&[open(2), at(ANN, reserve(2))]);
    given
        .when(BOB, NOW, join(2))
        .refused(Refusal::with(Code::SLOT_FREE, 1, 0));
    given
        .when(ANN, NOW, join(2))
        .refused(Refusal::with(Code::SLOT_FREE, 1, 0));
    given
        .when(BOB, NOW, join(3))
        .refused(Refusal::with(Code::SLOT_FREE, 2, 0));
    given
        .when(BOSS, NOW, reserve(2))
        .then(Reserved { slot: slot(2) });
    given
        .when(ANN, NOW, join(2))
        .refused(Refusal::with(Code::ALREADY_BOOKED, 2, 0));
    given.when(EVE, NOW, join(2)).then(WaitlistJoined {
        slot: slot(2),
        place: 1,
    });
    given.when(BOB, NOW, join(2)).then(WaitlistJoined {
        slot: slot(2),
        place: 2,
    });
    given
        .when(BOB, NOW, join(2))
        .refused(Refusal::with(Code::ALREADY_WAITING, 2, 0));
}

#[test]
fn a_queue_can_be_left_from_anywhere_in_it() {
    let queue = [
        open(1),
        at(ANN, reserve(2)),
        at(BOB, join(2)),
        at(EVE, join(2)),
    ];
    let leave = LeaveWaitlist { slot: slot(2) };
    let mut given = given::<Agenda>(&queue);
    given
        .when(ANN, NOW, leave)
        .refused(Refusal::new(Code::NOT_WAITING));
    given
        .when(BOB, NOW, leave)
        .then(WaitlistLeft { slot: slot(2) });
    given
        .when(BOB, NOW, leave)
        .refused(Refusal::new(Code::NOT_WAITING));
    given
        .when(EVE, NOW, join(2))
        .refused(Refusal::with(Code::ALREADY_WAITING, 1, 0));
    given.when(BOB, NOW, join(2)).then(WaitlistJoined {
        slot: slot(2),
        place: 2,
    });
    let elsewhere = LeaveWaitlist {
        slot: SlotId {
            agenda: 7,
            ..slot(2)
        },
    };
    given
        .when(BOB, NOW, elsewhere)
        .refused(Refusal::with(Code::UNKNOWN_AGENDA, 7, 0));
}

#[test]
fn a_queue_has_an_end() {
    let mut given = given::<Agenda>(&[open(1), at(ANN, reserve(2))]);
    let full = u64::try_from(WAITERS_MAX).unwrap();
    for user in 1_000..1_000 + full {
        assert!(given.execute(member(user), NOW, &join(2).into()).is_ok());
    }
    given
        .when(BOB, NOW, join(2))
        .refused(Refusal::with(Code::WAITLIST_FULL, full, full));
}

#[test]
fn slots_show_how_many_hold_them_and_only_ones_own_booking() {
    let wide = [
        open(2),
        at(ANN, reserve(2)),
        at(BOB, hold(2, 5)),
        at(EVE, join(2)),
    ];
    let given = given::<Agenda>(&wide);
    for (actor, mine) in [(ANN, 2), (BOB, 3), (EVE, 0), (STRANGER, 0)] {
        for day in [0, DAY] {
            let mut slots: Vec<SlotView> = (0..12)
                .map(|number| SlotView {
                    held: 0,
                    waiting: 0,
                    mine: 0,
                    past: number < 2,
                })
                .collect();
            slots[2] = SlotView {
                held: 2,
                waiting: 1,
                mine,
                past: false,
            };
            let query = ListSlots { agenda: 1, day };
            given
                .asked(actor, NOW, query)
                .then(Slots { day: DAY, slots });
        }
    }
    let unknown = ListSlots { agenda: 9, day: 0 };
    given
        .asked(ANN, NOW, unknown)
        .refused(Refusal::with(Code::UNKNOWN_AGENDA, 9, 0));
    let far = ListSlots {
        agenda: 1,
        day: DAY + 367,
    };
    let refusal = Refusal::with(Code::DAY_OUT_OF_RANGE, 20_367, 20_366);
    given.asked(ANN, NOW, far).refused(refusal);
}

#[test]
fn lists_come_in_pages() {
    let second = OpenAgenda {
        name: "second".to_owned(),
        ..default_agenda()
    };
    let commands = [
        open(1),
        at(BOSS, second.clone()),
        at(ANN, reserve(2)),
        at(BOB, reserve(3)),
        at(ANN, hold(4, 9)),
    ];
    let given = given::<Agenda>(&commands);
    let agendas = [
        AgendaView {
            agenda: 1,
            opened: default_agenda(),
        },
        AgendaView {
            agenda: 2,
            opened: second,
        },
    ];
    let bookings = [
        BookingView {
            booking: 3,
            slot: slot(2),
            until: 0,
            key: key_at(3),
        },
        BookingView {
            booking: 5,
            slot: slot(4),
            until: NOW + 9_000,
            key: key_at(5),
        },
    ];
    for (after, limit, range) in [(0, 500, 0..2), (0, 1, 0..1)] {
        let agendas = agendas[range.clone()].to_vec();
        given
            .asked(ANN, NOW, ListAgendas { after, limit })
            .then(Agendas { agendas });
        let bookings = bookings[range].to_vec();
        given
            .asked(ANN, NOW, MyBookings { after, limit })
            .then(Bookings { bookings });
    }
    let page = given.asked(ANN, NOW, ListAgendas { after: 1, limit: 9 });
    page.then(Agendas {
        agendas: agendas[1..].to_vec(),
    });
    let page = given.asked(ANN, NOW, MyBookings { after: 3, limit: 9 });
    page.then(Bookings {
        bookings: bookings[1..].to_vec(),
    });
    for limit in [0, 501] {
        let refusal = Refusal::with(Code::PAGE_LEN, limit.into(), 500);
        given
            .asked(ANN, NOW, ListAgendas { after: 0, limit })
            .refused(refusal);
        given
            .asked(ANN, NOW, MyBookings { after: 0, limit })
            .refused(refusal);
    }
    let nobody = given.asked(STRANGER, NOW, MyBookings { after: 0, limit: 9 });
    nobody.refused(Refusal::new(Code::LOG_IN_FIRST));
}

#[test]
fn a_trail_finds_every_command_of_an_agenda() {
    let given = given::<Agenda>(&[open(1), at(ANN, hold(2, 5))]);
    let cases: [(Command, u64); 10] = [
        (default_agenda().into(), 0),
        (reserve(3).into(), 1),
        (hold(3, 5).into(), 1),
        (join(2).into(), 1),
        (LeaveWaitlist { slot: slot(2) }.into(), 1),
        (Promote { slot: slot(2) }.into(), 1),
        (Cancel { booking: 2 }.into(), 1),
        (Confirm { booking: 2 }.into(), 1),
        (Expire { booking: 2 }.into(), 1),
        (Expire { booking: 9 }.into(), 0),
    ];
    for (command, target) in cases {
        assert_eq!(given.system.target(&command), target, "{}", command.name());
    }
}

/// Few slots, so that people meet; rarely one that is not there or over.
fn any_slot() -> impl Strategy<Value = SlotId> {
    let agenda = prop_oneof![9 => 1..3_u64, 1 => 3..5_u64];
    let number = prop_oneof![9 => 2..5_u16, 1 => 0..14_u16];
    (agenda, DAY..DAY + 2, number).prop_map(|(agenda, day, slot)| SlotId { agenda, day, slot })
}

fn any_command() -> impl Strategy<Value = Command> {
    let booking = || 3..40_u64;
    prop_oneof![
        1 => ("[ab]", 1..4_u16).prop_map(|(name, capacity)| OpenAgenda { name, capacity, ..default_agenda() }.into()),
        8 => any_slot().prop_map(|slot| Reserve { slot }.into()),
        6 => (any_slot(), 0..4_000_u32).prop_map(|(slot, seconds)| Hold { slot, seconds }.into()),
        6 => any_slot().prop_map(|slot| JoinWaitlist { slot }.into()),
        2 => any_slot().prop_map(|slot| LeaveWaitlist { slot }.into()),
        5 => booking().prop_map(|booking| Cancel { booking }.into()),
        3 => booking().prop_map(|booking| Confirm { booking }.into()),
        1 => booking().prop_map(|booking| Expire { booking }.into()),
        1 => any_slot().prop_map(|slot| Promote { slot }.into()),
    ]
}

fn any_actor() -> impl Strategy<Value = Actor> {
    (0..6_u64, 0..8_u8).prop_map(|(user, roles)| Actor(UserId(user), Roles(roles)))
}

/// What must hold between any two commands.
fn check_state(given: &Given<Agenda>, now: u64) {
    let agenda = &given.system;
    let held = agenda.held_slots();
    for (slot, count) in &held {
        let row = agenda
            .agenda(slot.agenda)
            .expect("a held slot has its agenda");
        assert!(
            (1..=usize::from(row.opened.capacity)).contains(count),
            "{slot:?}: {count}"
        );
    }
    for slot in agenda.queued_slots() {
        let row = agenda.agenda(slot.agenda).expect("a queue has its agenda");
        let is_full = held.get(&slot) == Some(&row.opened.capacity.into());
        assert!(
            is_full || row.starts_at(slot.day, slot.slot) < now,
            "{slot:?} has place and queue"
        );
    }
    assert_eq!(agenda.recomputed_digest(), agenda.digest());
}

proptest! {
    #[test]
    fn whatever_is_asked_no_slot_overflows_and_replay_gives_the_same_state(
        steps in prop::collection::vec((any_actor(), 0..600_000_u64, any_command()), 1..80),
    ) {
        let mut given = given::<Agenda>(&[open(1), at(SERVER, OpenAgenda { name: "wide".to_owned(), capacity: 3, ..default_agenda() })]);
        let mut now = NOW;
        for (actor, pause, command) in steps {
            now += pause;
            given.pass_time(now);
            let _refusals_are_fine = given.execute(actor, now, &command);
            given.reload();
            check_state(&given, now);
        }
        prop_assert_eq!(given.replayed().state_hash(), given.system.state_hash());
    }
}

/// Who alone is told of this event.
fn told(command: &Command, event: &Event) -> Option<UserId> {
    let cx = Context {
        seq: Seq(9),
        now: NOW,
        actor: UserId::NOBODY,
        roles: Roles::ADMIN,
        key: Key::default(),
    };
    match Agenda::push(&cx, command, event)?.stream {
        Stream::Person(user) => Some(user),
        Stream::Everybody | Stream::Conversation(_) => None,
    }
}
