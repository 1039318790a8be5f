//! The rules of the catalogue, one table a feature, and what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use protocol::{
    Code, Key, Refusal, Roles, Seq, UserId,
    limits::{FAVOURITES_MAX, ITEMS_MAX, LOOKS_MAX, TYPES_MAX},
    words::catalogue::{
        AddFavourite, AddType, Answer, Command, Event, FavouriteAdded, FavouriteRemoved,
        Favourites, ItemRegistered, ItemRemoved, ItemRenamed, ItemRetyped, ItemView, Items,
        ListTypes, RegisterItem, RemoveFavourite, RemoveItem, RenameItem, RetypeItem,
        SearchFavourites, SearchItems, TypeAdded, TypeView, Types,
    },
};

use super::{Catalogue, state::NewItem};
use crate::domain::{
    Context, System,
    given::{Actor, Given, SERVER, STRANGER, given, member},
};

const NOW: u64 = 20_000 * 86_400_000;

const ANN: Actor = member(101);
const BOB: Actor = member(102);
const EVE: Actor = member(103);
const BOSS: Actor = Actor(UserId(104), Roles::MANAGER);
const ROOT: Actor = Actor(UserId(105), Roles::ADMIN);

const FILM: u64 = 1;
const SERIES: u64 = 2;

fn at(actor: Actor, command: impl Into<Command>) -> (Actor, u64, Command) {
    (actor, NOW, command.into())
}

fn register(name: &str, item_type: u64) -> RegisterItem {
    RegisterItem {
        name: name.to_owned(),
        item_type,
    }
}

fn rename(item: u64, name: &str) -> RenameItem {
    RenameItem {
        item,
        name: name.to_owned(),
    }
}

const fn retype(item: u64, item_type: u64) -> RetypeItem {
    RetypeItem { item, item_type }
}

fn add_type(name: &str) -> AddType {
    AddType {
        name: name.to_owned(),
    }
}

/// Four items, whose ids are 1 to 4. In their order: 1, 2, 4, 3.
fn four() -> [(Actor, u64, Command); 4] {
    [
        at(ANN, register("Ação", FILM)),
        at(BOB, register("acao", SERIES)),
        at(ANN, register("Solaris", FILM)),
        at(BOB, register("Dune", FILM)),
    ]
}

/// After four items and these commands, the last of them is refused for this reason.
#[track_caller]
fn check_refused(
    before: &[(Actor, u64, Command)],
    (actor, now, command): (Actor, u64, Command),
    refusal: Refusal,
) {
    let mut given: Given<Catalogue> = given(&[&four(), before].concat());
    let hash = given.system.state_hash();
    given.when(actor, now, command).refused(refusal);
    assert_eq!(given.system.state_hash(), hash, "a refusal changes nothing");
}

#[test]
fn four_types_are_there_from_the_beginning_and_more_can_be_added() {
    let mut given = given::<Catalogue>(&four());
    given
        .when(BOSS, NOW, add_type("Hörspiel"))
        .then(TypeAdded {});
    given
        .when(ROOT, NOW, add_type("theatre"))
        .then(TypeAdded {});
    given
        .when(SERVER, NOW, add_type("opera"))
        .then(TypeAdded {});
    let types = [
        (1, "film"),
        (2, "series"),
        (3, "anime"),
        (4, "other"),
        (5, "Hörspiel"),
        (6, "theatre"),
        (7, "opera"),
    ]
    .map(|(item_type, name)| TypeView {
        item_type,
        name: name.to_owned(),
    });
    for (after, limit, range) in [(0, 500, 0..7), (0, 2, 0..2), (2, 3, 2..5), (7, 9, 7..7)] {
        given
            .asked(STRANGER, NOW, ListTypes { after, limit })
            .then(Types {
                types: types[range].to_vec(),
            });
    }
    given
        .when(ANN, NOW, register("Ação", 5))
        .then(ItemRegistered {});
}

#[test]
fn a_type_is_added_by_managers_and_admins_only() {
    let seller = Actor(UserId(9), Roles::SELLER);
    let cases = [
        (ANN, Refusal::with(Code::NOT_ALLOWED, 0, 2)),
        (seller, Refusal::with(Code::NOT_ALLOWED, 1, 2)),
        (STRANGER, Refusal::new(Code::LOG_IN_FIRST)),
    ];
    for (actor, refusal) in cases {
        check_refused(&[], at(actor, add_type("opera")), refusal);
    }
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let cases = [
        (String::new(), Refusal::with(Code::TYPE_NAME_LENGTH, 0, 64)),
        (
            "x".repeat(65),
            Refusal::with(Code::TYPE_NAME_LENGTH, 65, 64),
        ),
        (" \u{301}".to_owned(), Refusal::with(Code::BLANK_NAME, 3, 0)),
        ("FILM".to_owned(), Refusal::with(Code::TYPE_TAKEN, 1, 0)),
        ("Séries".to_owned(), Refusal::with(Code::TYPE_TAKEN, 2, 0)),
        ("OPERA".to_owned(), Refusal::with(Code::TYPE_TAKEN, 5, 0)),
    ];
    for (name, refusal) in cases {
        let before = [at(BOSS, add_type("opera"))];
        check_refused(&before, at(BOSS, AddType { name }), refusal);
    }
}

#[test]
fn there_are_so_many_types_and_no_more() {
    let mut given = given::<Catalogue>(&four());
    for number in 4..TYPES_MAX {
        let added = given.execute(BOSS, NOW, &add_type(&format!("type {number}")).into());
        assert_eq!(added, Ok(TypeAdded {}.into()));
    }
    let full = u64::try_from(TYPES_MAX).unwrap();
    given
        .when(BOSS, NOW, add_type("opera"))
        .refused(Refusal::with(Code::TYPES, full, full));
}

#[test]
fn an_item_is_unique_by_name_and_type() {
    let taken = Refusal::with(Code::ITEM_TAKEN, 1, 0);
    let length = |bytes| Refusal::with(Code::ITEM_NAME_LENGTH, bytes, 128);
    let cases: [(Command, Refusal); 9] = [
        (register("AÇÃO", FILM).into(), taken),
        (register("acao", FILM).into(), taken),
        (register("", FILM).into(), length(0)),
        (register(&"é".repeat(65), FILM).into(), length(130)),
        (
            register("\u{a0} ", FILM).into(),
            Refusal::with(Code::BLANK_NAME, 3, 0),
        ),
        (
            register("Alien", 9).into(),
            Refusal::with(Code::UNKNOWN_TYPE, 9, 0),
        ),
        (rename(3, "Ac\u{327}a\u{303}o").into(), taken),
        (rename(3, "").into(), length(0)),
        (rename(3, " ").into(), Refusal::with(Code::BLANK_NAME, 1, 0)),
    ];
    for (command, refusal) in cases {
        check_refused(&[], at(ANN, command), refusal);
    }
    check_refused(&[], at(BOB, retype(2, FILM)), taken);
    let unknown = Refusal::with(Code::UNKNOWN_TYPE, 0, 0);
    check_refused(&[], at(BOB, retype(2, 0)), unknown);
    // Gone, its name is free again; and an item is never in its own way.
    let mut given = given::<Catalogue>(&four());
    given.when(ANN, NOW, rename(1, "ACAO")).then(ItemRenamed {});
    given.when(ANN, NOW, retype(1, FILM)).then(ItemRetyped {});
    given
        .when(ANN, NOW, RemoveItem { item: 1 })
        .then(ItemRemoved { favourites: 0 });
    given.when(BOB, NOW, retype(2, FILM)).then(ItemRetyped {});
    given
        .when(BOB, NOW, rename(2, "Alien"))
        .then(ItemRenamed {});
    given
        .when(EVE, NOW, register("Ação", FILM))
        .then(ItemRegistered {});
}

#[test]
fn there_are_so_many_items_and_no_more() {
    let mut given = given::<Catalogue>(&[]);
    let full = u64::try_from(ITEMS_MAX).unwrap();
    for id in 1..=full {
        given.system.insert_item(NewItem {
            id,
            name: &id.to_string(),
            item_type: FILM,
            registrar: ANN.0,
        });
    }
    given
        .when(ANN, NOW, register("Alien", FILM))
        .refused(Refusal::with(Code::ITEMS, full, full));
}

#[test]
fn an_item_is_changed_by_its_registrar_a_manager_or_an_admin_only() {
    let commands: [Command; 3] = [
        rename(1, "Alien").into(),
        retype(1, 3).into(),
        RemoveItem { item: 1 }.into(),
    ];
    for command in commands {
        for actor in [BOB, Actor(UserId(9), Roles::SELLER)] {
            let refusal = Refusal::with(Code::NOT_REGISTRAR, 1, 0);
            check_refused(&[], at(actor, command.clone()), refusal);
        }
        for actor in [ANN, BOSS, ROOT] {
            let mut given = given::<Catalogue>(&four());
            assert!(given.execute(actor, NOW, &command).is_ok());
        }
    }
}

#[test]
fn an_item_that_is_not_there_cannot_be_changed_or_liked() {
    let commands: [Command; 5] = [
        rename(3, "Alien").into(),
        retype(3, FILM).into(),
        RemoveItem { item: 3 }.into(),
        AddFavourite { item: 3 }.into(),
        RemoveFavourite { item: 3 }.into(),
    ];
    for command in commands {
        let refusal = Refusal::with(Code::UNKNOWN_ITEM, 3, 0);
        check_refused(
            &[at(ANN, RemoveItem { item: 3 })],
            at(ANN, command),
            refusal,
        );
    }
}

#[test]
fn everything_but_adding_a_type_needs_a_person() {
    let commands: [Command; 6] = [
        register("Alien", FILM).into(),
        rename(1, "Alien").into(),
        retype(1, SERIES).into(),
        RemoveItem { item: 1 }.into(),
        AddFavourite { item: 1 }.into(),
        RemoveFavourite { item: 1 }.into(),
    ];
    for command in commands {
        assert!(Catalogue::is_client_command(&command));
        for nobody in [STRANGER, SERVER] {
            let refusal = Refusal::new(Code::LOG_IN_FIRST);
            check_refused(&[], at(nobody, command.clone()), refusal);
        }
    }
    assert!(Catalogue::is_client_command(&add_type("opera").into()));
    let page = SearchFavourites {
        text: String::new(),
        after: 0,
        limit: 1,
    };
    given::<Catalogue>(&[])
        .asked(STRANGER, NOW, page)
        .refused(Refusal::new(Code::LOG_IN_FIRST));
}

fn search(text: &str, item_type: u64, after: u64, limit: u16) -> SearchItems {
    SearchItems {
        text: text.to_owned(),
        item_type,
        after,
        limit,
    }
}

fn view(item: u64, name: &str, item_type: u64, favourite: bool) -> ItemView {
    ItemView {
        item,
        name: name.to_owned(),
        item_type,
        favourite,
    }
}

#[test]
fn items_are_found_by_part_of_their_name_in_the_order_of_their_names() {
    let liked = at(ANN, AddFavourite { item: 4 });
    let given = given::<Catalogue>(&[&four()[..], &[liked]].concat());
    let one = view(1, "Ação", FILM, false);
    let two = view(2, "acao", SERIES, false);
    let three = view(3, "Solaris", FILM, false);
    let four = view(4, "Dune", FILM, true);
    let all = || vec![one.clone(), two.clone(), four.clone(), three.clone()];
    let cases = [
        (search("", 0, 0, 500), 0, all()),
        (search("acao", 0, 0, 9), 0, vec![one.clone(), two.clone()]),
        (search("ÇÃ", 0, 0, 9), 0, vec![one.clone(), two.clone()]),
        (search("acao", SERIES, 0, 9), 0, vec![two.clone()]),
        (search("acao", 3, 0, 9), 0, vec![]),
        (search("L", 0, 0, 9), 0, vec![three.clone()]),
        (search("acaos", 0, 0, 9), 0, vec![]),
        (search("", 0, 0, 2), 2, vec![one.clone(), two.clone()]),
        (search("", 0, 2, 2), 0, vec![four.clone(), three.clone()]),
        (search("", 0, 1, 1), 2, vec![two.clone()]),
        // What it goes on behind need not be found itself.
        (search("l", 0, 4, 9), 0, vec![three.clone()]),
        (search("l", 0, 3, 9), 0, vec![]),
        // The page is full and nobody looked further.
        (search("acao", 0, 0, 2), 2, vec![one.clone(), two.clone()]),
    ];
    for (query, next, items) in cases {
        given.asked(ANN, NOW, query).then(Items { next, items });
    }
    given
        .asked(STRANGER, NOW, search("dune", 0, 0, 9))
        .then(Items {
            next: 0,
            items: vec![view(4, "Dune", FILM, false)],
        });
}

#[test]
fn a_page_behind_an_item_that_moved_is_refused() {
    let mut given = given::<Catalogue>(&four());
    let favourites = |after| SearchFavourites {
        text: String::new(),
        after,
        limit: 9,
    };
    let gone = |after| Refusal::with(Code::SEARCH_PLACE, after, 0);
    // Nobody moves by another form of the same name.
    for name in ["ação", "ACAO"] {
        given.when(ANN, NOW, rename(1, name)).then(ItemRenamed {});
        assert_eq!(all_pages(&given.system, "", 0, 1), [1, 2, 4, 3]);
    }
    given.when(ANN, NOW, rename(1, "zz")).then(ItemRenamed {});
    given.asked(ANN, NOW, search("", 0, 1, 9)).refused(gone(1));
    given.asked(ANN, NOW, favourites(1)).refused(gone(1));
    // It goes on behind where it is now when that is what a page said.
    assert_eq!(all_pages(&given.system, "", 0, 1), [2, 4, 3, 1]);
    // And back: whoever was told to go on behind where it was between is still refused.
    let between = 1 | 1 << 40;
    let page = given.asked(ANN, NOW, search("", 0, between, 9));
    page.then(Items {
        next: 0,
        items: vec![],
    });
    given.when(ANN, NOW, rename(1, "acao")).then(ItemRenamed {});
    for after in [1, between] {
        let page = given.asked(ANN, NOW, search("", 0, after, 9));
        page.refused(gone(after));
    }
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let given = given::<Catalogue>(&[&four()[..], &[at(ANN, RemoveItem { item: 3 })]].concat());
    let page = |limit| Refusal::with(Code::PAGE_LEN, limit, 500);
    let text = "é".repeat(65);
    let long = Refusal::with(Code::SEARCH_TEXT_LENGTH, 130, 128);
    let cases = [
        (search("", 0, 0, 0), page(0)),
        (search("", 0, 0, 501), page(501)),
        (search(&text, 0, 0, 9), long),
        (search("", 9, 0, 9), Refusal::with(Code::UNKNOWN_TYPE, 9, 0)),
        (search("", 0, 3, 9), Refusal::with(Code::SEARCH_PLACE, 3, 0)),
    ];
    for (query, refusal) in cases {
        let favourites = SearchFavourites {
            text: query.text.clone(),
            after: query.after,
            limit: query.limit,
        };
        if query.item_type == 0 {
            given.asked(ANN, NOW, favourites).refused(refusal);
        }
        given.asked(ANN, NOW, query).refused(refusal);
    }
    for limit in [0, 501] {
        given
            .asked(ANN, NOW, ListTypes { after: 0, limit })
            .refused(page(limit.into()));
    }
}

#[test]
fn one_search_looks_at_so_many_items_and_says_where_it_stopped() {
    let mut given = given::<Catalogue>(&[]);
    let looks = u64::try_from(LOOKS_MAX).unwrap();
    for id in 1..=2 * looks + 1 {
        given.system.insert_item(NewItem {
            id,
            name: &format!("{id:09}"),
            item_type: FILM,
            registrar: ANN.0,
        });
    }
    let last = view(2 * looks + 1, "000010001", FILM, false);
    let cases = [
        (0, looks, vec![]),
        (looks, 2 * looks, vec![]),
        (2 * looks, 0, vec![last.clone()]),
        (looks + 1, 0, vec![last]),
    ];
    for (after, next, items) in cases {
        given
            .asked(ANN, NOW, search("10001", 0, after, 1))
            .then(Items { next, items });
    }
}

#[test]
fn a_favourite_is_added_and_removed_once() {
    let mut given = given::<Catalogue>(&four());
    let empty = given.system.state_hash();
    let added = |changed, count| FavouriteAdded { changed, count };
    let removed = |changed, count| FavouriteRemoved { changed, count };
    let cases: [(Command, Event); 6] = [
        (AddFavourite { item: 3 }.into(), added(true, 1).into()),
        (AddFavourite { item: 3 }.into(), added(false, 1).into()),
        (AddFavourite { item: 1 }.into(), added(true, 2).into()),
        (RemoveFavourite { item: 3 }.into(), removed(true, 1).into()),
        (RemoveFavourite { item: 3 }.into(), removed(false, 1).into()),
        (RemoveFavourite { item: 1 }.into(), removed(true, 0).into()),
    ];
    for (command, event) in cases {
        assert_eq!(given.execute(ANN, NOW, &command), Ok(event));
    }
    assert_eq!(given.system.state_hash(), empty, "nothing is left of it");
}

#[test]
fn favourites_are_shown_to_their_person_with_a_digest_of_all_of_them() {
    let likes = [3, 1, 4].map(|item| at(ANN, AddFavourite { item }));
    let given = given::<Catalogue>(&[&four()[..], &likes].concat());
    let one = view(1, "Ação", FILM, true);
    let three = view(3, "Solaris", FILM, true);
    let four = view(4, "Dune", FILM, true);
    let all = vec![one.clone(), four.clone(), three.clone()];
    let cases = [
        ("", 0, 500, 0, all),
        ("", 0, 2, 4, vec![one.clone(), four.clone()]),
        ("", 4, 2, 0, vec![three]),
        ("ação", 0, 1, 0, vec![one]),
        // Behind an item that is no favourite.
        ("u", 2, 9, 0, vec![four]),
    ];
    for (text, after, limit, next, items) in cases {
        let query = SearchFavourites {
            text: text.to_owned(),
            after,
            limit,
        };
        given.asked(ANN, NOW, query).then(Favourites {
            count: 3,
            digest: DIGEST_OF_1_3_4,
            next,
            items,
        });
    }
    check_favourites(&given, BOB, &[]);
}

/// Computed apart, by another implementation of the hash.
const DIGEST_OF_1_3_4: u64 = 5_022_381_261_717_915_265;

/// These are the favourites of somebody, whatever their order.
#[track_caller]
fn check_favourites(given: &Given<Catalogue>, actor: Actor, items: &[u64]) {
    let query = SearchFavourites {
        text: String::new(),
        after: 0,
        limit: 500,
    };
    let answer = ask(&given.system, actor, query);
    let Answer::Favourites(found) = answer else {
        panic!("{answer:?} are no favourites");
    };
    let ids: BTreeSet<u64> = found.items.iter().map(|item| item.item).collect();
    assert_eq!(ids, items.iter().copied().collect());
    assert_eq!(usize::try_from(found.count), Ok(items.len()));
    assert_eq!(found.digest, naive_digest(items));
}

fn naive_digest(items: &[u64]) -> u64 {
    items.iter().fold(0, |sum, item| {
        let hash = blake3::hash(&item.to_le_bytes());
        let first: [u8; 8] = hash.as_bytes()[..8].try_into().unwrap();
        sum.wrapping_add(u64::from_le_bytes(first))
    })
}

fn ask(system: &Catalogue, actor: Actor, query: impl Into<super::words::Query>) -> Answer {
    let cx = context(actor);
    system
        .answer(&cx, &query.into())
        .expect("the query is a good one")
}

const fn context(actor: Actor) -> Context {
    Context {
        seq: Seq(1_000),
        now: NOW,
        actor: actor.0,
        roles: actor.1,
        key: Key([0; 16]),
    }
}

#[test]
fn a_removed_item_leaves_every_list_of_favourites() {
    let likes = [
        at(ANN, AddFavourite { item: 1 }),
        at(ANN, AddFavourite { item: 3 }),
        at(BOB, AddFavourite { item: 3 }),
        at(BOB, AddFavourite { item: 2 }),
        at(EVE, AddFavourite { item: 3 }),
    ];
    let mut given = given::<Catalogue>(&[&four()[..], &likes].concat());
    given
        .when(ANN, NOW, RemoveItem { item: 3 })
        .then(ItemRemoved { favourites: 3 });
    check_favourites(&given, ANN, &[1]);
    check_favourites(&given, BOB, &[2]);
    check_favourites(&given, EVE, &[]);
    // A new item of that name is another one.
    given
        .when(ANN, NOW, register("Solaris", FILM))
        .then(ItemRegistered {});
    check_favourites(&given, EVE, &[]);
}

#[test]
fn somebody_has_so_many_favourites_and_no_more() {
    let mut given = given::<Catalogue>(&[]);
    let full = u64::try_from(FAVOURITES_MAX).unwrap();
    for id in 1..=full + 1 {
        given.system.insert_item(NewItem {
            id,
            name: &id.to_string(),
            item_type: FILM,
            registrar: BOB.0,
        });
    }
    for item in 1..=full {
        assert!(
            given
                .execute(ANN, NOW, &AddFavourite { item }.into())
                .is_ok()
        );
    }
    given
        .when(ANN, NOW, AddFavourite { item: full + 1 })
        .refused(Refusal::with(Code::FAVOURITES, full, full));
    given
        .when(ANN, NOW, AddFavourite { item: full })
        .then(FavouriteAdded {
            changed: false,
            count: 1_000,
        });
}

#[test]
fn an_erased_person_leaves_their_items_and_nothing_else() {
    let likes = [
        at(ANN, AddFavourite { item: 2 }),
        at(ANN, AddFavourite { item: 3 }),
        at(BOB, AddFavourite { item: 3 }),
    ];
    let mut given = given::<Catalogue>(&[&four()[..], &likes].concat());
    given.system.forget(&context(SERVER), ANN.0);
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
    check_favourites(&given, ANN, &[]);
    check_favourites(&given, BOB, &[3]);
    // The same as if somebody else had registered them and was nobody.
    let mut other = Catalogue::default();
    let items = [
        (1, "Ação", FILM, UserId::NOBODY),
        (2, "acao", SERIES, BOB.0),
        (3, "Solaris", FILM, UserId::NOBODY),
        (4, "Dune", FILM, BOB.0),
    ];
    for (id, name, item_type, registrar) in items {
        other.insert_item(NewItem {
            id,
            name,
            item_type,
            registrar,
        });
    }
    other.insert_favourite(BOB.0, 3);
    assert_eq!(given.system.state_hash(), other.state_hash());
    let refusal = Refusal::with(Code::NOT_REGISTRAR, 1, 0);
    given.when(ANN, NOW, rename(1, "Alien")).refused(refusal);
    given
        .when(BOSS, NOW, RemoveItem { item: 3 })
        .then(ItemRemoved { favourites: 1 });
    let hash = given.system.state_hash();
    given.system.forget(&context(SERVER), ANN.0);
    given.system.forget(&context(SERVER), EVE.0);
    assert_eq!(given.system.state_hash(), hash, "there is nothing more");
}

#[test]
fn a_trail_finds_every_command_of_an_item() {
    let given = given::<Catalogue>(&four());
    let cases: [(Command, u64); 7] = [
        (add_type("opera").into(), 0),
        (register("Alien", FILM).into(), 0),
        (rename(3, "Alien").into(), 3),
        (retype(3, FILM).into(), 3),
        (RemoveItem { item: 3 }.into(), 3),
        (AddFavourite { item: 9 }.into(), 9),
        (RemoveFavourite { item: 9 }.into(), 9),
    ];
    for (command, target) in cases {
        assert_eq!(given.system.target(&command), target, "{}", command.name());
    }
}

/// Names, and how each searches, written down by hand.
const NAMES: [(&str, &str); 8] = [
    ("Ação", "acao"),
    ("ACAO", "acao"),
    ("acaos", "acaos"),
    ("Straße", "strasse"),
    ("STRASSE", "strasse"),
    ("Élan", "elan"),
    ("ela", "ela"),
    ("zz", "zz"),
];

/// What is searched for, and how it searches.
const TEXTS: [(&str, &str); 5] = [
    ("", ""),
    ("AÇÃO", "acao"),
    ("la", "la"),
    ("ß", "ss"),
    ("q", "q"),
];

/// The catalogue as one would keep it without thinking of time.
#[derive(Debug, Default)]
struct Naive {
    items: BTreeMap<u64, (usize, u64)>,
    favourites: BTreeSet<(UserId, u64)>,
    /// Items that were renamed, whatever to.
    moved: BTreeSet<u64>,
}

impl Naive {
    /// Notes what happened and checks what the event says of it.
    fn note(&mut self, seq: u64, user: UserId, command: &Command, event: &Event) {
        match (command, event) {
            (Command::AddType(_), _) => {}
            (Command::RegisterItem(command), _) => {
                let name = index(&command.name);
                self.items.insert(seq, (name, command.item_type));
            }
            (Command::RenameItem(command), _) => {
                self.items.get_mut(&command.item).unwrap().0 = index(&command.name);
                self.moved.insert(command.item);
            }
            (Command::RetypeItem(command), _) => {
                self.items.get_mut(&command.item).unwrap().1 = command.item_type;
            }
            (Command::RemoveItem(command), event) => {
                self.items.remove(&command.item);
                let before = self.favourites.len();
                self.favourites.retain(|(_, item)| *item != command.item);
                let favourites = u32::try_from(before - self.favourites.len()).unwrap();
                assert_eq!(*event, ItemRemoved { favourites }.into());
            }
            (Command::AddFavourite(command), event) => {
                let changed = self.favourites.insert((user, command.item));
                let count = u32::try_from(self.favourites_of(user).len()).unwrap();
                assert_eq!(*event, FavouriteAdded { changed, count }.into());
            }
            (Command::RemoveFavourite(command), event) => {
                let changed = self.favourites.remove(&(user, command.item));
                let count = u32::try_from(self.favourites_of(user).len()).unwrap();
                assert_eq!(*event, FavouriteRemoved { changed, count }.into());
            }
        }
    }

    fn favourites_of(&self, user: UserId) -> Vec<u64> {
        let own = self.favourites.iter().filter(|(other, _)| *other == user);
        own.map(|(_, item)| *item).collect()
    }

    /// Holds that whichever of `before` is still among `after` and was not renamed was shown once.
    fn check_walk(&self, shown: &[u64], before: &[u64], after: &[u64]) {
        for item in before {
            if after.contains(item) && !self.moved.contains(item) {
                let times = shown.iter().filter(|other| *other == item).count();
                assert_eq!(times, 1, "{item} among {shown:?}");
            }
        }
    }

    /// The ids of the items with this in their names, in order.
    fn search(&self, text: &str, item_type: u64) -> Vec<u64> {
        let found = self.items.iter().filter(|(_, (name, other))| {
            NAMES[*name].1.contains(text) && (item_type == 0 || item_type == *other)
        });
        let mut found: Vec<_> = found.map(|(id, (name, _))| (NAMES[*name].1, *id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }
}

fn index(name: &str) -> usize {
    NAMES.iter().position(|(other, _)| *other == name).unwrap()
}

/// All pages of a search together.
fn all_pages(system: &Catalogue, text: &str, item_type: u64, limit: u16) -> Vec<u64> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let query = search(text, item_type, after, limit);
        let Answer::Items(page) = ask(system, ANN, query) else {
            panic!("a search finds items");
        };
        assert!(page.items.len() <= limit.into());
        found.extend(page.items.iter().map(|item| item.item));
        if page.next == 0 {
            return found;
        }
        assert_ne!(page.next, after, "a page goes on behind the one before");
        after = page.next;
    }
}

/// Walks all pages while this happens between them, each command before one page. Says what was shown,
/// in order, or that it was told to begin again.
fn walk(
    given: &mut Given<Catalogue>,
    naive: &mut Naive,
    between: &[(Actor, Command)],
    mut page: impl FnMut(&Catalogue, u64) -> Result<(Vec<u64>, u64), Refusal>,
) -> Option<Vec<u64>> {
    let (mut shown, mut after) = (Vec::new(), 0);
    let mut between = between.iter();
    naive.moved.clear();
    loop {
        match page(&given.system, after) {
            Ok((items, next)) => {
                shown.extend(items);
                if next == 0 {
                    return Some(shown);
                }
                after = next;
            }
            Err(refusal) => {
                let (item, code) = (refusal.value, refusal.code);
                assert_eq!((item, code), (after, Code::SEARCH_PLACE));
                return None;
            }
        }
        if let Some((actor, command)) = between.next() {
            let seq = given.next_seq();
            if let Ok(event) = given.execute(*actor, NOW, command) {
                naive.note(seq, actor.0, command, &event);
            }
            given.reload();
        }
    }
}

/// What must hold between any two commands.
fn check_state(given: &Given<Catalogue>, naive: &Naive) {
    let system = &given.system;
    assert_eq!(system.recomputed_digest(), system.digest());
    let kinds = naive
        .items
        .values()
        .map(|(name, kind)| (NAMES[*name].1, *kind));
    let unique: BTreeSet<_> = kinds.collect();
    assert_eq!(unique.len(), naive.items.len(), "two items are one");
    for user in 1..6 {
        check_favourites(given, member(user), &naive.favourites_of(UserId(user)));
    }
}

fn check_searches(given: &Given<Catalogue>, naive: &Naive) {
    for (text, fold) in TEXTS {
        for (item_type, limit) in [(0, 1), (0, 500), (FILM, 3)] {
            let found = all_pages(&given.system, text, item_type, limit);
            assert_eq!(found, naive.search(fold, item_type), "{text} by {limit}");
        }
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    let item = || 1..30_u64;
    let name = || (0..NAMES.len()).prop_map(|index| NAMES[index].0.to_owned());
    let item_type = || 1..4_u64;
    prop_oneof![
        1 => name().prop_map(|name| AddType { name }.into()),
        8 => (name(), item_type()).prop_map(|(name, item_type)| RegisterItem { name, item_type }.into()),
        4 => (item(), name()).prop_map(|(item, name)| RenameItem { item, name }.into()),
        3 => (item(), item_type()).prop_map(|(item, item_type)| RetypeItem { item, item_type }.into()),
        2 => item().prop_map(|item| RemoveItem { item }.into()),
        8 => item().prop_map(|item| AddFavourite { item }.into()),
        4 => item().prop_map(|item| RemoveFavourite { item }.into()),
    ]
}

/// What moves items, and takes them out of what is searched.
fn any_change() -> impl Strategy<Value = Command> {
    let item = || 1..30_u64;
    let name = || (0..NAMES.len()).prop_map(|index| NAMES[index].0.to_owned());
    prop_oneof![
        6 => (item(), name()).prop_map(|(item, name)| RenameItem { item, name }.into()),
        1 => item().prop_map(|item| RemoveItem { item }.into()),
        2 => item().prop_map(|item| RemoveFavourite { item }.into()),
        1 => (name(), 1..4_u64).prop_map(|(name, item_type)| RegisterItem { name, item_type }.into()),
    ]
}

fn any_actor() -> impl Strategy<Value = Actor> {
    (0..6_u64, 0..8_u8).prop_map(|(user, roles)| Actor(UserId(user), Roles(roles)))
}

/// A catalogue to which these commands happened, and the naive one.
fn lived(steps: &[(Actor, Command)]) -> (Given<Catalogue>, Naive) {
    let (mut given, mut naive) = (given::<Catalogue>(&[]), Naive::default());
    // No type can have the first positions.
    let nothing: Command = RemoveItem { item: 9_999 }.into();
    let first = [const { member(9) }; 4].map(|actor| (actor, nothing.clone()));
    for (seq, (actor, command)) in (1..).zip(first.iter().chain(steps)) {
        if let Ok(event) = given.execute(*actor, NOW, command) {
            naive.note(seq, actor.0, command, &event);
        }
        given.reload();
        check_state(&given, &naive);
    }
    (given, naive)
}

proptest! {
    #[test]
    fn whatever_is_asked_a_search_finds_what_is_there_and_replay_gives_the_same_state(
        steps in prop::collection::vec((any_actor(), any_command()), 1..60),
    ) {
        let (given, naive) = lived(&steps);
        check_searches(&given, &naive);
        prop_assert_eq!(given.replayed().state_hash(), given.system.state_hash());
    }

    #[test]
    fn pages_show_whatever_was_there_all_the_while_or_say_to_begin_again(
        steps in prop::collection::vec((any_actor(), any_command()), 1..60),
        between in prop::collection::vec((Just(BOSS), any_change()), 0..12),
        text in 0..TEXTS.len(),
        limit in 1..4_u16,
    ) {
        let (text, fold) = TEXTS[text];
        let (mut given, mut naive) = lived(&steps);
        let before = naive.search(fold, 0);
        let shown = walk(&mut given, &mut naive, &between, |system, after| {
            let query = search(text, 0, after, limit).into();
            let Answer::Items(page) = system.answer(&context(ANN), &query)? else {
                panic!("a search finds items");
            };
            Ok((page.items.iter().map(|item| item.item).collect(), page.next))
        });
        if let Some(shown) = shown {
            naive.check_walk(&shown, &before, &naive.search(fold, 0));
        }
    }

    #[test]
    fn pages_of_favourites_show_those_that_stayed_or_say_to_begin_again(
        steps in prop::collection::vec((any_actor(), any_command()), 1..60),
        between in prop::collection::vec((Just(Actor(UserId(3), Roles::MANAGER)), any_change()), 0..12),
        limit in 1..4_u16,
    ) {
        let (mut given, mut naive) = lived(&steps);
        let user = UserId(3);
        let before = naive.favourites_of(user);
        let shown = walk(&mut given, &mut naive, &between, |system, after| {
            let text = String::new();
            let query = SearchFavourites { text, after, limit }.into();
            let Answer::Favourites(page) = system.answer(&context(member(user.0)), &query)? else {
                panic!("favourites were asked for");
            };
            Ok((page.items.iter().map(|item| item.item).collect(), page.next))
        });
        if let Some(shown) = shown {
            naive.check_walk(&shown, &before, &naive.favourites_of(user));
        }
    }

    #[test]
    fn whoever_is_erased_everybody_else_sees_what_they_saw(
        steps in prop::collection::vec((any_actor(), any_command()), 1..60),
        erased in 1..6_u64,
    ) {
        let (mut given, mut naive) = lived(&steps);
        given.system.forget(&context(SERVER), UserId(erased));
        given.reload();
        naive.favourites.retain(|(user, _)| user.0 != erased);
        check_state(&given, &naive);
        check_searches(&given, &naive);
    }
}
