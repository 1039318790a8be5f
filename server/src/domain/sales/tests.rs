//! The rules of the sales, one table a feature, and what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use protocol::{
    Code, Key, Refusal, Roles, Seq, UserId,
    limits::{NETWORKS_MAX, SALE_CENTS_MAX, SELLER_STORES_MAX, SELLERS_MAX, STORES_MAX},
    words::sales::{
        Answer, AssignSeller, BestSeller, BestSellers, BestStore, BestStores, Command,
        ListNetworks, ListStores, NetworkOpened, NetworkTotal, NetworkTotals, NetworkView,
        Networks, OpenNetwork, OpenStore, Part, Period, Query, RecordSale, SaleId, SaleRecorded,
        SellerAssigned, SellerTotal, SellerTotals, StoreOpened, StoreTotal, StoreTotals, StoreView,
        Stores, Sum,
    },
};

use super::{Sales, ledger::plus};
use crate::domain::{
    Context, System,
    checks::DAY_MS,
    given::{Actor, Given, SERVER, STRANGER, given, member},
};

const TODAY: u32 = 20_000;
/// Some time of that day.
const NOW: u64 = 20_000 * DAY_MS + 12_345_678;

const ANN: Actor = Actor(UserId(101), Roles::SELLER);
const BOB: Actor = Actor(UserId(102), Roles::SELLER);
const EVE: Actor = member(103);
const BOSS: Actor = Actor(UserId(104), Roles::MANAGER);
const ROOT: Actor = Actor(UserId(105), Roles::ADMIN);

/// The network and the stores of [`open`].
const NETWORK: u64 = 1;
const NORTH: u64 = 2;
const SOUTH: u64 = 3;

const ALWAYS: Period = Period {
    from: 0,
    to: u32::MAX,
};

fn at(actor: Actor, command: impl Into<Command>) -> (Actor, u64, Command) {
    (actor, NOW, command.into())
}

fn network(name: &str) -> OpenNetwork {
    OpenNetwork {
        name: name.to_owned(),
    }
}

fn store(network: u64, name: &str) -> OpenStore {
    OpenStore {
        network,
        name: name.to_owned(),
    }
}

const fn assign(actor: Actor, store: u64) -> AssignSeller {
    AssignSeller {
        seller: actor.0,
        store,
    }
}

const fn sale(id: u8, store: u64, cents: u64) -> RecordSale {
    RecordSale {
        sale: SaleId([id; 16]),
        store,
        cents,
        day: TODAY,
    }
}

/// A network with two stores, Ann in the north and Bob in the south: five records.
fn open() -> [(Actor, u64, Command); 5] {
    [
        at(ROOT, network("all")),
        at(BOSS, store(NETWORK, "north")),
        at(BOSS, store(NETWORK, "south")),
        at(BOSS, assign(ANN, NORTH)),
        at(BOSS, assign(BOB, SOUTH)),
    ]
}

/// After two stores were opened and these commands, the last of them is refused for this reason.
#[track_caller]
fn check_refused(
    before: &[(Actor, u64, Command)],
    (actor, now, command): (Actor, u64, Command),
    refusal: Refusal,
) {
    let mut given: Given<Sales> = given(&[&open(), before].concat());
    let hash = given.system.state_hash();
    given.when(actor, now, command).refused(refusal);
    assert_eq!(given.system.state_hash(), hash, "a refusal changes nothing");
}

#[test]
fn networks_and_stores_are_opened_and_listed() {
    let mut given = given::<Sales>(&open());
    given
        .when(SERVER, NOW, network("All"))
        .then(NetworkOpened {});
    given
        .when(ROOT, NOW, store(6, "north"))
        .then(StoreOpened {});
    let networks = [(1, "all"), (6, "All")].map(|(network, name)| NetworkView {
        network,
        name: name.to_owned(),
    });
    let stores = [(1, 2, "north"), (1, 3, "south"), (6, 7, "north")];
    let stores = stores.map(|(network, store, name)| StoreView {
        store,
        network,
        name: name.to_owned(),
    });
    for (after, limit, range) in [(0, 500, 0..2), (0, 1, 0..1), (1, 9, 1..2), (6, 9, 2..2)] {
        let networks = networks[range].to_vec();
        given
            .asked(EVE, NOW, ListNetworks { after, limit })
            .then(Networks { networks });
    }
    for (after, limit, range) in [(0, 500, 0..3), (0, 2, 0..2), (2, 1, 1..2), (7, 9, 3..3)] {
        let stores = stores[range].to_vec();
        given
            .asked(EVE, NOW, ListStores { after, limit })
            .then(Stores { stores });
    }
    for limit in [0, 501] {
        let refusal = Refusal::with(Code::PAGE_LEN, limit.into(), 500);
        let page = given.asked(EVE, NOW, ListNetworks { after: 0, limit });
        page.refused(refusal);
        let page = given.asked(EVE, NOW, ListStores { after: 0, limit });
        page.refused(refusal);
    }
}

#[test]
fn everything_is_done_by_those_who_may() {
    let commands: [(Command, &[Actor], Roles); 4] = [
        (network("two").into(), &[EVE, ANN, BOSS], Roles::ADMIN),
        (store(NETWORK, "east").into(), &[EVE, ANN], Roles::MANAGER),
        (assign(ANN, SOUTH).into(), &[EVE, ANN], Roles::MANAGER),
        (sale(1, NORTH, 5).into(), &[EVE, BOSS, ROOT], Roles::SELLER),
    ];
    for (command, others, needed) in commands {
        assert!(Sales::is_client_command(&command));
        for actor in others {
            let (has, needs) = (actor.1.0.into(), needed.0.into());
            let refusal = Refusal::with(Code::NOT_ALLOWED, has, needs);
            check_refused(&[], at(*actor, command.clone()), refusal);
        }
        let refusal = Refusal::new(Code::LOG_IN_FIRST);
        check_refused(&[], at(STRANGER, command), refusal);
    }
    let refusal = Refusal::new(Code::LOG_IN_FIRST);
    check_refused(&[], at(SERVER, sale(1, NORTH, 5)), refusal);
    let given = given::<Sales>(&open());
    for query in figures() {
        for actor in [EVE, ANN] {
            let refusal = Refusal::with(Code::NOT_ALLOWED, actor.1.0.into(), 2);
            given.asked(actor, NOW, query.clone()).refused(refusal);
        }
        let refusal = Refusal::new(Code::LOG_IN_FIRST);
        given.asked(STRANGER, NOW, query).refused(refusal);
    }
    let (after, limit) = (0, 1);
    let refusal = Refusal::new(Code::LOG_IN_FIRST);
    given
        .asked(STRANGER, NOW, ListNetworks { after, limit })
        .refused(refusal);
    given
        .asked(STRANGER, NOW, ListStores { after, limit })
        .refused(refusal);
}

/// Every query with a figure in its answer.
fn figures() -> [Query; 5] {
    let (network, store, period) = (NETWORK, NORTH, ALWAYS);
    [
        SellerTotal { seller: ANN.0 }.into(),
        StoreTotal { store, period }.into(),
        NetworkTotal { network, period }.into(),
        BestSeller { network }.into(),
        BestStore { network }.into(),
    ]
}

#[test]
fn networks_and_stores_have_names_of_their_own() {
    let long = "x".repeat(65);
    let cases: [(Command, Refusal); 7] = [
        (
            network("").into(),
            Refusal::with(Code::NETWORK_NAME_LENGTH, 0, 64),
        ),
        (
            network(&long).into(),
            Refusal::with(Code::NETWORK_NAME_LENGTH, 65, 64),
        ),
        (
            network("all").into(),
            Refusal::with(Code::NETWORK_NAME_TAKEN, 1, 0),
        ),
        (
            store(NETWORK, "").into(),
            Refusal::with(Code::STORE_NAME_LENGTH, 0, 64),
        ),
        (
            store(NETWORK, &long).into(),
            Refusal::with(Code::STORE_NAME_LENGTH, 65, 64),
        ),
        (
            store(NETWORK, "south").into(),
            Refusal::with(Code::STORE_NAME_TAKEN, 3, 0),
        ),
        (
            store(2, "east").into(),
            Refusal::with(Code::UNKNOWN_NETWORK, 2, 0),
        ),
    ];
    for (command, refusal) in cases {
        check_refused(&[], at(ROOT, command), refusal);
    }
}

#[test]
fn there_are_so_many_networks_stores_and_sellers_and_no_more() {
    let mut given = given::<Sales>(&open());
    let mut fill = |command: &dyn Fn(usize) -> Command, range: std::ops::Range<usize>| {
        for number in range {
            let outcome = given.execute(ROOT, NOW, &command(number));
            assert!(outcome.is_ok(), "{number}: {outcome:?}");
        }
    };
    fill(
        &|number| network(&number.to_string()).into(),
        1..NETWORKS_MAX,
    );
    // The stores begin behind the networks, at position 5 + 999 + 1.
    fill(
        &|number| store(NETWORK, &number.to_string()).into(),
        2..STORES_MAX,
    );
    let nobody_yet = |number: usize| member(1_000_000 + u64::try_from(number).unwrap());
    fill(
        &|number| assign(nobody_yet(number), NORTH).into(),
        1..SELLERS_MAX,
    );
    let stores = 1_005..;
    let stores: Vec<u64> = stores.take(SELLER_STORES_MAX - 2).collect();
    fill(
        &|number| assign(EVE, stores[number]).into(),
        0..SELLER_STORES_MAX - 2,
    );
    fill(&|_| assign(EVE, SOUTH).into(), 0..1);
    let full = |code| Refusal::with(code, 1_000, 1_000);
    given
        .when(ROOT, NOW, network("one more"))
        .refused(full(Code::NETWORKS));
    given
        .when(ROOT, NOW, store(NETWORK, "one more"))
        .refused(full(Code::STORES));
    given
        .when(ROOT, NOW, assign(BOB, NORTH))
        .refused(full(Code::SELLERS));
    given
        .when(ROOT, NOW, store(6, "elsewhere"))
        .then(StoreOpened {});
    given
        .when(ROOT, NOW, store(6, "yonder"))
        .then(StoreOpened {});
    // Four thousand commands came before, and three that were refused.
    let last = 4_005;
    given
        .when(ROOT, NOW, assign(EVE, last - 1))
        .then(SellerAssigned { before: SOUTH });
    given
        .when(ROOT, NOW, assign(EVE, last))
        .refused(full(Code::SELLER_STORES));
    // Where they were before there is room for them.
    given
        .when(ROOT, NOW, assign(EVE, SOUTH))
        .then(SellerAssigned { before: last - 1 });
    given
        .when(ROOT, NOW, assign(ANN, NORTH))
        .then(SellerAssigned { before: NORTH });
}

#[test]
fn a_seller_sells_in_the_store_they_are_assigned_to() {
    let mut given = given::<Sales>(&open());
    let elsewhere = Refusal::with(Code::NOT_YOUR_STORE, SOUTH, NORTH);
    given.when(ANN, NOW, sale(1, SOUTH, 5)).refused(elsewhere);
    let recorded = SaleRecorded { network: NETWORK };
    given.when(ANN, NOW, sale(1, NORTH, 5)).then(recorded);
    given
        .when(BOSS, NOW, assign(ANN, SOUTH))
        .then(SellerAssigned { before: NORTH });
    given.when(ANN, NOW, sale(2, SOUTH, 5)).then(recorded);
    let before = Refusal::with(Code::NOT_YOUR_STORE, NORTH, SOUTH);
    given.when(ANN, NOW, sale(3, NORTH, 5)).refused(before);
    let nowhere = Refusal::with(Code::NOT_YOUR_STORE, NORTH, 0);
    let new = Actor(UserId(9), Roles::SELLER);
    given.when(new, NOW, sale(3, NORTH, 5)).refused(nowhere);
    let unknown = Refusal::with(Code::UNKNOWN_STORE, 1, 0);
    given.when(ANN, NOW, sale(3, 1, 5)).refused(unknown);
    given.when(BOSS, NOW, assign(ANN, 1)).refused(unknown);
    let nobody = Refusal::with(Code::UNKNOWN_USER, 0, 0);
    given
        .when(BOSS, NOW, assign(STRANGER, NORTH))
        .refused(nobody);
}

#[test]
fn a_sale_counts_once_whoever_says_it_again_and_however() {
    let mut given = given::<Sales>(&open());
    given
        .when(ANN, NOW, sale(1, NORTH, 5))
        .then(SaleRecorded { network: NETWORK });
    let exists = Refusal::with(Code::SALE_EXISTS, 6, 0);
    given.when(ANN, NOW, sale(1, NORTH, 5)).refused(exists);
    given.when(ANN, NOW, sale(1, NORTH, 6)).refused(exists);
    given.when(BOB, NOW, sale(1, SOUTH, 5)).refused(exists);
    given
        .when(BOSS, NOW, assign(ANN, SOUTH))
        .then(SellerAssigned { before: NORTH });
    given.when(ANN, NOW, sale(1, NORTH, 5)).refused(exists);
    given.system.forget(&context(0), ANN.0);
    given.when(BOB, NOW, sale(1, SOUTH, 5)).refused(exists);
    assert_eq!(given.system.total(), Sum { cents: 5, sales: 1 });
}

#[test]
fn a_sale_is_of_a_day_that_came_and_of_an_amount_that_can_be() {
    let cents = |cents| Refusal::with(Code::SALE_CENTS, cents, SALE_CENTS_MAX);
    for amount in [0, SALE_CENTS_MAX + 1, u64::MAX] {
        check_refused(&[], at(ANN, sale(1, NORTH, amount)), cents(amount));
    }
    for day in [TODAY + 1, u32::MAX] {
        let tomorrow = RecordSale {
            day,
            ..sale(1, NORTH, 5)
        };
        let refusal = Refusal::with(Code::SALE_DAY, day.into(), TODAY.into());
        check_refused(&[], at(ANN, tomorrow), refusal);
    }
    let mut given = given::<Sales>(&open());
    for (id, day, cents) in [(1, 0, 1), (2, TODAY, SALE_CENTS_MAX)] {
        let sale = RecordSale {
            day,
            ..sale(id, NORTH, cents)
        };
        given
            .when(ANN, NOW, sale)
            .then(SaleRecorded { network: NETWORK });
    }
}

#[test]
fn all_sales_together_are_never_more_than_can_be_counted() {
    let mut given = given::<Sales>(&open());
    let nearly = u64::MAX - 5;
    given.system.set_total_cents(nearly);
    given
        .when(ANN, NOW, sale(1, NORTH, 6))
        .refused(Refusal::with(Code::TOTAL, nearly, u64::MAX));
    given
        .when(ANN, NOW, sale(1, NORTH, 5))
        .then(SaleRecorded { network: NETWORK });
}

/// Seven sales: Ann's in the north, Bob's in the south, then Bob's in the north. The next position
/// that anything can have is 15, so figures reflect 14.
fn sold() -> Given<Sales> {
    let sale = |id, store, cents, day| RecordSale {
        day,
        ..sale(id, store, cents)
    };
    let sales = [
        at(ANN, sale(1, NORTH, 10, 100)),
        at(ANN, sale(2, NORTH, 20, 102)),
        at(BOB, sale(3, SOUTH, 40, 100)),
        at(BOB, sale(4, SOUTH, 80, 101)),
        at(ANN, sale(5, NORTH, 160, 101)),
        at(BOSS, assign(BOB, NORTH)),
        at(BOB, sale(6, NORTH, 320, 101)),
        at(BOB, sale(7, NORTH, 1, 103)),
        at(BOSS, store(NETWORK, "empty")),
    ];
    given(&[&open()[..], &sales].concat())
}

const fn part(of: u64, cents: u64, sales: u64) -> Part {
    Part {
        of,
        sum: Sum { cents, sales },
        reflects: Seq(14),
    }
}

const fn sum(cents: u64, sales: u64) -> Sum {
    Sum { cents, sales }
}

#[test]
fn figures_of_a_period_state_their_parts_and_the_position_they_reflect() {
    let given = sold();
    let (ann, bob) = (ANN.0.0, BOB.0.0);
    let cases = [
        (
            (0, u32::MAX),
            sum(511, 5),
            vec![part(ann, 190, 3), part(bob, 321, 2)],
        ),
        (
            (101, 101),
            sum(480, 2),
            vec![part(ann, 160, 1), part(bob, 320, 1)],
        ),
        ((102, 102), sum(20, 1), vec![part(ann, 20, 1)]),
        ((104, 999), sum(0, 0), vec![]),
    ];
    for ((from, to), total, sellers) in cases {
        let query = StoreTotal {
            store: NORTH,
            period: Period { from, to },
        };
        given.asked(BOSS, NOW, query).then(StoreTotals {
            total,
            reflects: Seq(14),
            sellers,
        });
    }
    let cases = [
        (
            (0, u32::MAX),
            sum(631, 7),
            vec![part(NORTH, 511, 5), part(SOUTH, 120, 2)],
        ),
        (
            (100, 100),
            sum(50, 2),
            vec![part(NORTH, 10, 1), part(SOUTH, 40, 1)],
        ),
        ((102, 103), sum(21, 2), vec![part(NORTH, 21, 2)]),
    ];
    for ((from, to), total, stores) in cases {
        let query = NetworkTotal {
            network: NETWORK,
            period: Period { from, to },
        };
        given.asked(ROOT, NOW, query).then(NetworkTotals {
            total,
            reflects: Seq(14),
            stores,
        });
    }
}

#[test]
fn a_seller_has_a_total_over_every_store_they_sold_in() {
    let given = sold();
    let cases = [
        (ANN, sum(190, 3), vec![part(NORTH, 190, 3)]),
        (
            BOB,
            sum(441, 4),
            vec![part(NORTH, 321, 2), part(SOUTH, 120, 2)],
        ),
    ];
    for (actor, total, stores) in cases {
        let query = SellerTotal { seller: actor.0 };
        given.asked(BOSS, NOW, query).then(SellerTotals {
            total,
            reflects: Seq(14),
            stores,
        });
    }
    for seller in [EVE.0, UserId::NOBODY] {
        let refusal = Refusal::with(Code::UNKNOWN_SELLER, seller.0, 0);
        given
            .asked(BOSS, NOW, SellerTotal { seller })
            .refused(refusal);
    }
}

#[test]
fn the_best_sold_the_most_and_came_first_among_equals() {
    let network = NETWORK;
    let mut given = given::<Sales>(&open());
    let best_seller = |best, seq| BestSellers {
        best,
        reflects: Seq(seq),
    };
    let best_store = |best, seq| BestStores {
        best,
        reflects: Seq(seq),
    };
    let part = |of, cents, sales, seq| {
        let reflects = Seq(seq);
        let sum = Sum { cents, sales };
        Some(Part { of, sum, reflects })
    };
    let steps = [
        (BOB, sale(1, SOUTH, 7), (BOB.0.0, SOUTH, 7, 1)),
        (ANN, sale(2, NORTH, 3), (BOB.0.0, SOUTH, 7, 1)),
        (ANN, sale(3, NORTH, 4), (ANN.0.0, NORTH, 7, 2)),
        (BOB, sale(4, SOUTH, 1), (BOB.0.0, SOUTH, 8, 2)),
    ];
    given
        .asked(BOSS, NOW, BestSeller { network })
        .then(best_seller(None, 5));
    given
        .asked(BOSS, NOW, BestStore { network })
        .then(best_store(None, 5));
    for (seq, (actor, sale, (seller, store, cents, sales))) in (6..).zip(steps) {
        given.when(actor, NOW, sale).then(SaleRecorded { network });
        given
            .asked(BOSS, NOW, BestSeller { network })
            .then(best_seller(part(seller, cents, sales, seq), seq));
        given
            .asked(BOSS, NOW, BestStore { network })
            .then(best_store(part(store, cents, sales, seq), seq));
    }
}

#[test]
fn figures_of_what_is_not_there_are_refused() {
    let given = sold();
    let (network, store, period) = (9, 9, ALWAYS);
    let no_network = Refusal::with(Code::UNKNOWN_NETWORK, 9, 0);
    let no_store = Refusal::with(Code::UNKNOWN_STORE, 9, 0);
    let reversed = Period { from: 5, to: 4 };
    let no_period = Refusal::with(Code::PERIOD, 5, 4);
    let cases: [(Query, Refusal); 6] = [
        (NetworkTotal { network, period }.into(), no_network),
        (BestSeller { network }.into(), no_network),
        (BestStore { network }.into(), no_network),
        (StoreTotal { store, period }.into(), no_store),
        (
            StoreTotal {
                store: NORTH,
                period: reversed,
            }
            .into(),
            no_period,
        ),
        (
            NetworkTotal {
                network: NETWORK,
                period: reversed,
            }
            .into(),
            no_period,
        ),
    ];
    for (query, refusal) in cases {
        given.asked(BOSS, NOW, query).refused(refusal);
    }
}

#[test]
fn what_an_erased_person_sold_stays_the_stores_and_is_nobodys() {
    let mut given = sold();
    given.system.forget(&context(14), BOB.0);
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
    let store = |store| StoreTotal {
        store,
        period: ALWAYS,
    };
    given.asked(BOSS, NOW, store(NORTH)).then(StoreTotals {
        total: sum(511, 5),
        reflects: Seq(14),
        sellers: vec![part(0, 321, 2), part(ANN.0.0, 190, 3)],
    });
    given
        .asked(BOSS, NOW, SellerTotal { seller: BOB.0 })
        .refused(Refusal::with(Code::UNKNOWN_SELLER, BOB.0.0, 0));
    given
        .asked(BOSS, NOW, BestSeller { network: NETWORK })
        .then(BestSellers {
            best: Some(part(ANN.0.0, 190, 3)),
            reflects: Seq(14),
        });
    let nowhere = Refusal::with(Code::NOT_YOUR_STORE, NORTH, 0);
    given.when(BOB, NOW, sale(9, NORTH, 5)).refused(nowhere);
    // A second one is the same nobody.
    given.system.forget(&context(15), ANN.0);
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
    given.asked(BOSS, NOW, store(NORTH)).then(StoreTotals {
        total: sum(511, 5),
        reflects: Seq(15),
        sellers: vec![Part {
            reflects: Seq(15),
            ..part(0, 511, 5)
        }],
    });
    let hash = given.system.state_hash();
    given.system.forget(&context(15), EVE.0);
    assert_eq!(given.system.state_hash(), hash, "there is nothing of Eve");
}

#[test]
fn only_somebody_who_is_registered_is_assigned() {
    let people = |command: &Command| Sales::people(command).to_vec();
    assert_eq!(people(&assign(ANN, NORTH).into()), [ANN.0]);
    let others: [Command; 3] = [
        network("two").into(),
        store(NETWORK, "east").into(),
        sale(1, NORTH, 5).into(),
    ];
    for command in others {
        assert!(people(&command).is_empty(), "{}", command.name());
    }
}

const fn context(seq: u64) -> Context {
    Context {
        seq: Seq(seq),
        now: NOW,
        actor: BOSS.0,
        roles: BOSS.1,
        key: Key([0; 16]),
    }
}

#[test]
fn a_trail_finds_every_command_of_a_store() {
    let given = given::<Sales>(&open());
    let cases: [(Command, u64); 4] = [
        (network("two").into(), 0),
        (store(NETWORK, "east").into(), NETWORK),
        (assign(ANN, SOUTH).into(), SOUTH),
        (sale(1, NORTH, 5).into(), NORTH),
    ];
    for (command, target) in cases {
        assert_eq!(given.system.target(&command), target, "{}", command.name());
    }
}

/// One accepted sale.
#[derive(Debug, Clone, Copy)]
struct Line {
    network: u64,
    seller: UserId,
    sale: RecordSale,
}

/// The sum of the lines of each key.
fn sums<K: Ord>(lines: &[Line], key: impl Fn(&Line) -> K) -> BTreeMap<K, Sum> {
    let mut sums = BTreeMap::<K, Sum>::new();
    for line in lines {
        let sum = sums.entry(key(line)).or_default();
        let own = Sum {
            cents: line.sale.cents,
            sales: 1,
        };
        *sum = plus(*sum, own);
    }
    sums
}

/// Checks that parts are these and add up to their total, all at one position.
fn check_parts(total: Sum, reflects: Seq, parts: &[Part], wanted: &BTreeMap<u64, Sum>) {
    let listed: BTreeMap<u64, Sum> = parts.iter().map(|part| (part.of, part.sum)).collect();
    assert_eq!(listed, *wanted);
    assert!(parts.is_sorted_by_key(|part| part.of));
    assert!(parts.iter().all(|part| part.reflects == reflects));
    let all = parts
        .iter()
        .fold(Sum::default(), |all, part| plus(all, part.sum));
    assert_eq!(all, total);
}

/// Who has the most among these, the first among equals.
fn best(sums: &BTreeMap<u64, Sum>) -> Option<(u64, Sum)> {
    let rank = |(of, sum): &(u64, Sum)| (sum.cents, std::cmp::Reverse(*of));
    sums.iter().map(|(of, sum)| (*of, *sum)).max_by_key(rank)
}

/// What must hold between any two commands: every figure is the sum of its lines.
fn check_state(sales: &Sales, lines: &[Line], period: Period) {
    assert_eq!(sales.recomputed_digest(), sales.digest());
    let cx = context(77);
    let ask = |query: Query| sales.answer(&cx, &query);
    let is_in = |line: &&Line| (period.from..=period.to).contains(&line.sale.day);
    let in_period: Vec<Line> = lines.iter().filter(is_in).copied().collect();
    let of = |lines: &[Line], is_wanted: &dyn Fn(&Line) -> bool| -> Vec<Line> {
        lines
            .iter()
            .filter(|line| is_wanted(line))
            .copied()
            .collect()
    };
    for (store, _) in sales.stores_after(0) {
        let Ok(Answer::StoreTotals(answer)) = ask(StoreTotal { store, period }.into()) else {
            panic!("a store has a total");
        };
        let own = of(&in_period, &|line| line.sale.store == store);
        let wanted = sums(&own, |line| line.seller.0);
        check_parts(answer.total, answer.reflects, &answer.sellers, &wanted);
        assert_eq!(answer.reflects, cx.seq);
    }
    for (network, _) in sales.networks_after(0) {
        let Ok(Answer::NetworkTotals(answer)) = ask(NetworkTotal { network, period }.into()) else {
            panic!("a network has a total");
        };
        let own = of(&in_period, &|line| line.network == network);
        let wanted = sums(&own, |line| line.sale.store);
        check_parts(answer.total, answer.reflects, &answer.stores, &wanted);
        let ever = of(lines, &|line| line.network == network);
        let found = |best: Option<Part>| best.map(|part| (part.of, part.sum));
        let Ok(Answer::BestStores(answer)) = ask(BestStore { network }.into()) else {
            panic!("a network has a best store");
        };
        assert_eq!(
            found(answer.best),
            best(&sums(&ever, |line| line.sale.store))
        );
        let known = of(&ever, &|line| line.seller != UserId::NOBODY);
        let Ok(Answer::BestSellers(answer)) = ask(BestSeller { network }.into()) else {
            panic!("a network has a best seller");
        };
        assert_eq!(
            found(answer.best),
            best(&sums(&known, |line| line.seller.0))
        );
    }
    for seller in 1..6 {
        let own = of(lines, &|line| line.seller.0 == seller);
        let seller = UserId(seller);
        if let Ok(Answer::SellerTotals(answer)) = ask(SellerTotal { seller }.into()) {
            let wanted = sums(&own, |line| line.sale.store);
            check_parts(answer.total, answer.reflects, &answer.stores, &wanted);
        } else {
            assert!(own.is_empty(), "whoever sold has a total");
        }
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    // Those that are there from the beginning, and rarely another or none.
    let store =
        || prop_oneof![3 => Just(2_u64), 3 => Just(3_u64), 3 => Just(5_u64), 1 => 2..12_u64];
    prop_oneof![
        1 => "[ab]".prop_map(|name| OpenNetwork { name }.into()),
        2 => (prop_oneof![Just(1_u64), Just(4_u64), 1..9_u64], "[abc]").prop_map(|(network, name)| OpenStore { network, name }.into()),
        6 => (0..6_u64, store()).prop_map(|(seller, store)| AssignSeller { seller: UserId(seller), store }.into()),
        20 => (0..40_u8, store(), 0..9_u64, 0..5_u32).prop_map(|(id, store, cents, day)| {
            // The last of them is tomorrow.
            RecordSale { day: TODAY - 3 + day, ..sale(id, store, cents) }.into()
        }),
    ]
}

fn any_actor() -> impl Strategy<Value = Actor> {
    (0..6_u64, prop_oneof![3 => Just(7_u8), 1 => 0..8_u8])
        .prop_map(|(user, roles)| Actor(UserId(user), Roles(roles)))
}

fn any_period() -> impl Strategy<Value = Period> {
    (TODAY - 4..TODAY + 2, 0..5_u32).prop_map(|(from, len)| Period {
        from,
        to: from + len,
    })
}

/// Sales to which these commands happened, and the lines that were accepted.
fn lived(steps: &[(Actor, Command)], period: Period) -> (Given<Sales>, Vec<Line>) {
    let two = [
        at(SERVER, network("first")),
        at(SERVER, store(1, "a")),
        at(SERVER, store(1, "b")),
        at(SERVER, network("second")),
        at(SERVER, store(4, "a")),
    ];
    let (mut given, mut lines) = (given::<Sales>(&two), Vec::new());
    let mut ids = BTreeSet::new();
    for (actor, command) in steps {
        let outcome = given.execute(*actor, NOW, command);
        given.reload();
        if let (Command::RecordSale(sale), Ok(event)) = (command, outcome) {
            let super::Event::SaleRecorded(SaleRecorded { network }) = event else {
                panic!("a sale is recorded");
            };
            assert!(ids.insert(sale.sale), "a sale counted twice");
            lines.push(Line {
                network,
                seller: actor.0,
                sale: *sale,
            });
        }
        check_state(&given.system, &lines, period);
    }
    (given, lines)
}

proptest! {
    #[test]
    fn whatever_is_sold_every_figure_is_the_sum_of_its_lines_and_replay_gives_the_same_state(
        steps in prop::collection::vec((any_actor(), any_command()), 1..60),
        period in any_period(),
    ) {
        let (given, _) = lived(&steps, period);
        prop_assert_eq!(given.replayed().state_hash(), given.system.state_hash());
    }

    #[test]
    fn whoever_is_erased_every_figure_of_everybody_else_is_what_it_was(
        steps in prop::collection::vec((any_actor(), any_command()), 1..60),
        period in any_period(),
        erased in prop::collection::vec(1..6_u64, 1..3),
    ) {
        let (mut given, mut lines) = lived(&steps, period);
        for user in erased {
            given.system.forget(&context(77), UserId(user));
            given.reload();
            for line in lines.iter_mut().filter(|line| line.seller.0 == user) {
                line.seller = UserId::NOBODY;
            }
            check_state(&given.system, &lines, period);
        }
    }
}
