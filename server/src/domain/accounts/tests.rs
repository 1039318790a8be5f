//! The rules of the accounts, one table a feature, and what must hold whatever happens.

use proptest::prelude::*;
use protocol::{
    Code, Refusal, Roles, Seq, UserId,
    limits::SESSIONS_MAX,
    words::accounts::{
        ClockSetBack, Command, CursorMoved, EraseMe, Erased, FindUser, FoundUser, LogIn, LoggedIn,
        Me, MoveCursor, MySessions, Register, Registered, Rehash, Rehashed, RevokeAllSessions,
        RevokeSession, RolesSet, SessionView, Sessions, SessionsEnded, SetClockBack, SetRoles,
        WhoAmI,
    },
};

use super::{Accounts, SESSION_LIFETIME, SessionFact};
use crate::domain::{
    System,
    given::{Actor, Given, SERVER, STRANGER, given, member},
};

const NOW: u64 = 1_800_000_000_000;
/// The first two to register in most tests.
const ANN: Actor = member(1);
const BOB: Actor = member(2);

fn lifetime() -> u64 {
    SESSION_LIFETIME.as_millis().try_into().unwrap()
}

fn register(name: &str) -> Register {
    Register {
        name: name.into(),
        password_hash: format!("$hash${name}").into(),
    }
}

const fn log_in(token: u64) -> LogIn {
    LogIn {
        verified: true,
        token_hash: token_hash(token),
    }
}

const fn token_hash(token: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    (hash.as_mut_slice().split_at_mut(8).0).copy_from_slice(&token.to_le_bytes());
    hash
}

const fn set_roles(user: UserId, roles: Roles) -> SetRoles {
    SetRoles { user, roles }
}

const fn move_cursor(session: u64, seq: u64) -> MoveCursor {
    MoveCursor {
        session,
        seq: Seq(seq),
    }
}

fn at(actor: Actor, command: impl Into<Command>) -> (Actor, u64, Command) {
    (actor, NOW, command.into())
}

/// Ann is 1 and Bob is 2.
fn two_people() -> Vec<(Actor, u64, Command)> {
    vec![at(STRANGER, register("Ann")), at(STRANGER, register("bob"))]
}

/// After these commands, the last of them is refused for this reason.
#[track_caller]
fn check_refused(
    before: &[(Actor, u64, Command)],
    actor: Actor,
    command: impl Into<Command>,
    refusal: Refusal,
) {
    let mut given: Given<Accounts> = given(before);
    let hash = given.system.state_hash();
    given.when(actor, NOW, command).refused(refusal);
    assert_eq!(given.system.state_hash(), hash, "a refusal changes nothing");
}

#[test]
fn names_are_short_plain_and_unique_in_any_case() {
    let cases = [
        ("", Refusal::with(Code::NAME_LENGTH, 0, 20)),
        ("ab", Refusal::with(Code::NAME_LENGTH, 2, 20)),
        (
            "abcdefghijklmnopqrstu",
            Refusal::with(Code::NAME_LENGTH, 21, 20),
        ),
        ("ab c", Refusal::with(Code::NAME_CHARACTER, 3, 0)),
        ("\u{e9}ric", Refusal::with(Code::NAME_CHARACTER, 1, 0)),
        ("nul\0", Refusal::with(Code::NAME_CHARACTER, 4, 0)),
        ("Ann", Refusal::with(Code::NAME_TAKEN, 1, 0)),
        ("aNN", Refusal::with(Code::NAME_TAKEN, 1, 0)),
        ("BOB", Refusal::with(Code::NAME_TAKEN, 2, 0)),
    ];
    for (name, refusal) in cases {
        check_refused(&two_people(), STRANGER, register(name), refusal);
    }
    for name in ["abc", "a.b-c_9", "ABCDEFGHIJKLMNOPQRST"] {
        given::<Accounts>(&two_people())
            .when(STRANGER, NOW, register(name))
            .then(Registered {});
    }
}

#[test]
fn a_person_is_found_as_they_registered_under_any_case() {
    let given = given::<Accounts>(&two_people());
    let credential = given.system.credential("ANN").unwrap();
    assert_eq!(
        (credential.user, credential.password_hash),
        (ANN.0, "$hash$Ann")
    );
    assert_eq!(given.system.credential("eve"), None);
    assert_eq!(given.system.name(ANN.0), Some("Ann"));
    assert_eq!(given.system.name(UserId(3)), None);
    assert_eq!(given.system.roles(UserId(3)), Roles::MEMBER);
    let find = |name: &str| FindUser {
        name: name.to_owned(),
    };
    given
        .asked(ANN, NOW, find("Bob"))
        .then(FoundUser { user: BOB.0 });
    given
        .asked(ANN, NOW, find("eve"))
        .refused(Refusal::new(Code::UNKNOWN_USER));
    let me = Me {
        user: ANN.0,
        name: "Ann".to_owned(),
        roles: Roles::MEMBER,
    };
    given.asked(ANN, NOW, WhoAmI {}).then(me);
    let nobody = Refusal::with(Code::UNKNOWN_USER, 9, 0);
    given.asked(member(9), NOW, WhoAmI {}).refused(nobody);
}

#[test]
fn whoever_is_nobody_must_log_in_first() {
    let refusal = Refusal::new(Code::LOG_IN_FIRST);
    let given = given::<Accounts>(&two_people());
    given.asked(STRANGER, NOW, WhoAmI {}).refused(refusal);
    given.asked(STRANGER, NOW, MySessions {}).refused(refusal);
    let find = FindUser {
        name: "Ann".to_owned(),
    };
    given.asked(STRANGER, NOW, find).refused(refusal);
    check_refused(
        &two_people(),
        STRANGER,
        RevokeSession { session: 3 },
        refusal,
    );
    check_refused(&two_people(), STRANGER, RevokeAllSessions {}, refusal);
    check_refused(
        &two_people(),
        STRANGER,
        set_roles(ANN.0, Roles::ADMIN),
        refusal,
    );
}

#[test]
fn an_unknown_name_and_a_wrong_password_are_one_refusal() {
    let wrong = LogIn {
        verified: false,
        ..log_in(1)
    };
    let refusal = Refusal::new(Code::BAD_CREDENTIALS);
    // Who asks is whose name was given; nobody has the name of a stranger, or of an erased person.
    for (actor, command) in [(ANN, wrong), (STRANGER, log_in(1)), (member(9), log_in(1))] {
        check_refused(&two_people(), actor, command, refusal);
    }
}

#[test]
fn a_session_lasts_its_lifetime_and_is_found_by_its_token() {
    let mut given = given::<Accounts>(&two_people());
    let expires_at = NOW + lifetime();
    given.when(ANN, NOW, log_in(7)).then(LoggedIn {
        user: ANN.0,
        expires_at,
        cursor: Seq(1),
    });
    let fact = SessionFact {
        session: 3,
        user: ANN.0,
        expires_at,
        cursor: Seq(1),
        roles: Roles::MEMBER,
    };
    assert_eq!(given.system.session(&token_hash(7)), Some(fact));
    assert_eq!(given.system.session(&token_hash(8)), None);
    assert!(given.system.is_session_open(3));
    let view = SessionView {
        session: 3,
        opened_at: NOW,
        expires_at,
        cursor: Seq(1),
    };
    given
        .asked(ANN, expires_at - 1, MySessions {})
        .then(Sessions {
            sessions: vec![view],
        });
    given
        .asked(ANN, expires_at, MySessions {})
        .then(Sessions { sessions: vec![] });
    let late = given.when(ANN, expires_at, RevokeSession { session: 3 });
    late.refused(Refusal::with(Code::UNKNOWN_SESSION, 3, 0));
}

#[test]
fn a_person_ends_their_own_sessions_one_by_one_or_all() {
    let mut commands = two_people();
    commands.extend(
        [(ANN, 3), (ANN, 4), (BOB, 5), (ANN, 6)].map(|(actor, token)| at(actor, log_in(token))),
    );
    let mut given = given::<Accounts>(&commands);
    let unknown = |session| Refusal::with(Code::UNKNOWN_SESSION, session, 0);
    given
        .when(ANN, NOW, RevokeSession { session: 5 })
        .refused(unknown(5));
    given
        .when(ANN, NOW, RevokeSession { session: 9 })
        .refused(unknown(9));
    given
        .when(ANN, NOW, RevokeSession { session: 4 })
        .then(SessionsEnded { sessions: vec![4] });
    given
        .when(ANN, NOW, RevokeSession { session: 4 })
        .refused(unknown(4));
    assert_eq!(given.system.session(&token_hash(4)), None);
    given
        .when(ANN, NOW, RevokeAllSessions {})
        .then(SessionsEnded {
            sessions: vec![3, 6],
        });
    given
        .when(ANN, NOW, RevokeAllSessions {})
        .then(SessionsEnded { sessions: vec![] });
    let open = [3, 4, 5, 6].map(|session| given.system.is_session_open(session));
    assert_eq!(open, [false, false, true, false]);
}

/// Ann has sessions 3 and 4, Bob has 5; the next command takes position 6.
fn three_devices() -> Given<Accounts> {
    let mut commands = two_people();
    commands.extend([(ANN, 3), (ANN, 4), (BOB, 5)].map(|(actor, token)| at(actor, log_in(token))));
    given(&commands)
}

#[test]
fn each_device_has_a_cursor_of_its_own_that_only_rises() {
    let mut given = three_devices();
    given.when(ANN, NOW, move_cursor(3, 5)).then(CursorMoved {});
    let cursors = [3, 4, 5, 6].map(|session| given.system.cursor(session));
    assert_eq!(cursors, [Some(Seq(5)), Some(Seq(1)), Some(Seq(2)), None]);
    for seq in [0, 4, 5] {
        given
            .when(ANN, NOW, move_cursor(3, seq))
            .refused(Refusal::with(Code::CURSOR_BEHIND, seq, 5));
    }
    given
        .when(ANN, NOW, move_cursor(3, 11))
        .refused(Refusal::with(Code::CURSOR_AHEAD, 11, 10));
    given
        .when(ANN, NOW, move_cursor(3, 11))
        .then(CursorMoved {});
    let stranger = given.when(STRANGER, NOW, move_cursor(3, 12));
    stranger.refused(Refusal::new(Code::LOG_IN_FIRST));
    for (session, now) in [(5, NOW), (9, NOW), (3, NOW + lifetime())] {
        given
            .when(ANN, now, move_cursor(session, 12))
            .refused(Refusal::with(Code::UNKNOWN_SESSION, session, 0));
    }
    assert_eq!(given.system.cursor(3), Some(Seq(11)));
}

#[test]
fn a_new_device_begins_where_its_person_has_got_to_on_any_other() {
    let mut given = three_devices();
    for (session, seq) in [(4, 6), (3, 3)] {
        given
            .when(ANN, NOW, move_cursor(session, seq))
            .then(CursorMoved {});
    }
    given
        .when(ANN, NOW, RevokeAllSessions {})
        .then(SessionsEnded {
            sessions: vec![3, 4],
        });
    assert_eq!(given.system.cursor(4), None);
    given.when(ANN, NOW, log_in(9)).then(LoggedIn {
        user: ANN.0,
        expires_at: NOW + lifetime(),
        cursor: Seq(6),
    });
    assert_eq!(given.system.cursor(9), Some(Seq(6)));
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
}

#[test]
fn sessions_have_a_limit_that_expired_ones_do_not_count_to() {
    let mut given = given::<Accounts>(&two_people());
    let most = u64::try_from(SESSIONS_MAX).unwrap();
    for token in 0..most {
        assert!(given.execute(ANN, NOW, &log_in(token).into()).is_ok());
    }
    let refusal = Refusal::with(Code::SESSIONS, most, most);
    given.when(ANN, NOW, log_in(most)).refused(refusal);
    given.when(BOB, NOW, log_in(most)).then(LoggedIn {
        user: BOB.0,
        expires_at: NOW + lifetime(),
        cursor: Seq(2),
    });
    // A month later all of Ann's are over, and her next log-in takes them out.
    let later = NOW + lifetime();
    assert!(given.system.is_session_open(3));
    given.when(ANN, later, log_in(most + 1)).then(LoggedIn {
        user: ANN.0,
        expires_at: later + lifetime(),
        cursor: Seq(1),
    });
    assert!(!given.system.is_session_open(3));
    assert_eq!(given.system.session(&token_hash(0)), None);
    assert_eq!(given.system.sessions_of(ANN.0).len(), 1);
}

#[test]
fn roles_are_set_by_admins_and_by_the_server() {
    let mut given = given::<Accounts>(&two_people());
    assert!(!given.system.has_admin());
    let first = RolesSet {
        user: ANN.0,
        roles: Roles::ADMIN,
    };
    given
        .when(SERVER, NOW, set_roles(ANN.0, Roles::ADMIN))
        .then(first);
    assert!(given.system.has_admin());
    assert_eq!(given.system.roles(ANN.0), Roles::ADMIN);
    let admin = Actor(ANN.0, given.system.roles(ANN.0));
    let both = Roles::SELLER.with(Roles::MANAGER);
    given
        .when(admin, NOW, set_roles(BOB.0, both))
        .then(RolesSet {
            user: BOB.0,
            roles: both,
        });
    assert_eq!(given.system.roles(BOB.0), both);
}

#[test]
fn roles_that_make_no_sense_are_refused() {
    let mut before = two_people();
    before.push(at(SERVER, set_roles(ANN.0, Roles::ADMIN)));
    let admin = Actor(ANN.0, Roles::ADMIN);
    let manager = Actor(BOB.0, Roles::MANAGER);
    let cases = [
        (
            manager,
            set_roles(BOB.0, Roles::ADMIN),
            Refusal::with(Code::NOT_ALLOWED, 2, 4),
        ),
        (
            BOB,
            set_roles(UserId(9), Roles(255)),
            Refusal::with(Code::NOT_ALLOWED, 0, 4),
        ),
        (
            admin,
            set_roles(BOB.0, Roles(8)),
            Refusal::with(Code::UNKNOWN_ROLE, 8, 0),
        ),
        (
            admin,
            set_roles(UserId(9), Roles::SELLER),
            Refusal::with(Code::UNKNOWN_USER, 9, 0),
        ),
        (
            admin,
            set_roles(ANN.0, Roles::MANAGER),
            Refusal::with(Code::LAST_ADMIN, 1, 0),
        ),
        (
            SERVER,
            set_roles(ANN.0, Roles::MEMBER),
            Refusal::with(Code::LAST_ADMIN, 1, 0),
        ),
    ];
    for (actor, command, refusal) in cases {
        check_refused(&before, actor, command, refusal);
    }
    before.push(at(admin, set_roles(BOB.0, Roles::ADMIN)));
    let stepped_down = RolesSet {
        user: ANN.0,
        roles: Roles::MEMBER,
    };
    given::<Accounts>(&before)
        .when(admin, NOW, set_roles(ANN.0, Roles::MEMBER))
        .then(stepped_down);
}

#[test]
fn a_password_hash_is_replaced_for_people_who_exist() {
    let rehash = |user| Rehash {
        user: UserId(user),
        password_hash: "$new".into(),
    };
    let mut given = given::<Accounts>(&two_people());
    let hash = given.system.state_hash();
    given
        .when(SERVER, NOW, rehash(1))
        .then(Rehashed { user: ANN.0 });
    assert_eq!(
        given.system.credential("Ann").unwrap().password_hash,
        "$new"
    );
    assert_ne!(given.system.state_hash(), hash);
    check_refused(
        &two_people(),
        SERVER,
        rehash(9),
        Refusal::with(Code::UNKNOWN_USER, 9, 0),
    );
}

#[test]
fn whoever_is_erased_leaves_no_row_and_their_name_is_free() {
    let mut given = three_devices();
    let bob = given.asked(BOB, NOW, MySessions {});
    given.when(ANN, NOW, EraseMe {}).then(Erased {});
    assert_eq!(given.system.name(ANN.0), None);
    assert_eq!(given.system.credential("Ann"), None);
    let open = [3, 4, 5].map(|session| given.system.is_session_open(session));
    assert_eq!(open, [false, false, true]);
    assert_eq!(given.system.session(&token_hash(3)), None);
    assert_eq!(given.asked(BOB, NOW, MySessions {}), bob);
    given
        .when(STRANGER, NOW, register("ann"))
        .then(Registered {});
    assert_eq!(given.system.credential("ANN").unwrap().user, UserId(7));
    given
        .when(ANN, NOW, EraseMe {})
        .refused(Refusal::with(Code::UNKNOWN_USER, 1, 0));
    given
        .when(STRANGER, NOW, EraseMe {})
        .refused(Refusal::new(Code::LOG_IN_FIRST));
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
    assert_eq!(given.replayed().state_hash(), given.system.state_hash());
}

#[test]
fn the_last_admin_cannot_be_erased() {
    let mut before = two_people();
    before.push(at(SERVER, set_roles(ANN.0, Roles::ADMIN)));
    let admin = Actor(ANN.0, Roles::ADMIN);
    let refusal = Refusal::with(Code::LAST_ADMIN, 1, 0);
    check_refused(&before, admin, EraseMe {}, refusal);
    before.push(at(admin, set_roles(BOB.0, Roles::ADMIN)));
    let mut given = given::<Accounts>(&before);
    given.when(admin, NOW, EraseMe {}).then(Erased {});
    assert!(given.system.has_admin());
}

#[test]
fn clients_send_only_what_they_cannot_lie_with() {
    let mut commands = two_people();
    commands.push(at(BOB, log_in(1)));
    let given = given::<Accounts>(&commands);
    let rehash = Rehash {
        user: BOB.0,
        password_hash: "".into(),
    };
    let cases: [(Command, bool, u64); 8] = [
        (register("Ann").into(), false, 0),
        (log_in(2).into(), false, 0),
        (rehash.into(), false, 2),
        (RevokeSession { session: 3 }.into(), true, 3),
        (RevokeAllSessions {}.into(), true, 0),
        (set_roles(BOB.0, Roles::SELLER).into(), true, 2),
        (move_cursor(3, 1).into(), true, 3),
        (EraseMe {}.into(), true, 0),
    ];
    for (command, is_client, target) in cases {
        assert_eq!(
            Accounts::is_client_command(&command),
            is_client,
            "{}",
            command.name()
        );
        assert_eq!(given.system.target(&command), target, "{}", command.name());
    }
}

#[test]
fn sessions_of_a_clock_that_was_ahead_are_over_when_it_is_set_back() {
    let later = NOW + 86_400_000;
    let mut commands = two_people();
    commands.push(at(ANN, log_in(1)));
    commands.extend([ANN, BOB].map(|actor| (actor, later, log_in(actor.0.0 + 7).into())));
    let mut given = given::<Accounts>(&commands);
    given
        .when(ANN, NOW + 1, SetClockBack { from: later })
        .refused(Refusal::with(Code::NOT_ALLOWED, 0, Roles::ADMIN.0.into()));
    given
        .when(SERVER, NOW + 1, SetClockBack { from: later })
        .then(ClockSetBack {});
    let open = [3, 4, 5].map(|session| given.system.is_session_open(session));
    assert_eq!(open, [true, false, false]);
    assert_eq!(given.replayed().state_hash(), given.system.state_hash());
}

#[test]
fn secrets_are_not_shown() {
    let mut commands = two_people();
    commands.push(at(BOB, log_in(1)));
    let given = given::<Accounts>(&commands);
    let shown = format!("{:?} {:?}", given.system, given.system.credential("bob"));
    assert!(!shown.contains("$hash$"), "{shown}");
}

fn any_command() -> impl Strategy<Value = Command> {
    let name = || prop::sample::select(vec!["Ann", "ann", "bob", "Eve", "x", "no good"]);
    let roles = || (0..10_u8).prop_map(Roles);
    prop_oneof![
        3 => name().prop_map(|name| register(name).into()),
        // Tokens are random, so no two are equal; the step's own number is put in below.
        6 => any::<bool>().prop_map(|verified| LogIn { verified, ..log_in(0) }.into()),
        4 => (1..40_u64).prop_map(|session| RevokeSession { session }.into()),
        1 => Just(RevokeAllSessions {}.into()),
        4 => (1..40_u64, 0..50_u64).prop_map(|(session, seq)| move_cursor(session, seq).into()),
        3 => (0..6_u64, roles()).prop_map(|(user, roles)| set_roles(UserId(user), roles).into()),
        1 => Just(EraseMe {}.into()),
        1 => Just(SetClockBack { from: 0 }.into()),
        1 => (0..6_u64, "[a-z]{0,3}").prop_map(|(user, password_hash)| Rehash { user: UserId(user), password_hash: password_hash.into() }.into()),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_the_rows_agree_and_replay_gives_the_same_state(
        steps in prop::collection::vec(
            ((0..6_u64, 0..8_u8), prop_oneof![0..1_000_u64, Just(SESSION_LIFETIME.as_millis().try_into().unwrap())], any_command()),
            1..60,
        ),
    ) {
        let mut given = given::<Accounts>(&two_people());
        let (mut now, mut token, mut had_admin) = (NOW, 0, false);
        let mut cursors = vec![None; 60];
        for ((user, roles), pause, mut command) in steps {
            now += pause;
            token += 1;
            if let Command::LogIn(log_in) = &mut command {
                log_in.token_hash = token_hash(token);
            }
            if matches!(command, Command::SetClockBack(_)) {
                now -= (now - NOW) / 2;
            }
            let _refusals_are_fine = given.execute(Actor(UserId(user), Roles(roles)), now, &command);
            given.reload();
            let digest = given.system.recomputed_digest();
            prop_assert_eq!(digest, given.system.digest());
            prop_assert!(!had_admin || given.system.has_admin(), "the last admin stays");
            had_admin = given.system.has_admin();
            for (session, before) in (0..).zip(&mut cursors) {
                let cursor = given.system.cursor(session);
                prop_assert!(cursor.is_none() || *before <= cursor, "a cursor never falls");
                *before = cursor;
            }
        }
        prop_assert_eq!(given.replayed().state_hash(), given.system.state_hash());
    }
}
