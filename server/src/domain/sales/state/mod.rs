//! The rows of the sales, and every way to change them.
//!
//! Owns the maps and the digest, and is the only file that writes either, so that they cannot
//! drift apart: a row and its hash appear and disappear in one function. What people choose (names,
//! ids of sales) is in ordered maps, since the hash of the other has no secret; nothing iterates
//! that. A sale itself is two numbers, its id and its position, some forty bytes; what it was is in
//! the sums.
//! `save` writes the rows for a snapshot. Deliberately absent: rules.

mod save;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use foldhash::fast::FixedState;
use protocol::{
    UserId,
    words::sales::{SaleId, Sum},
};

use super::ledger::{Ledger, plus};
use crate::domain::digest::Digest;

type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

const TABLE_NETWORK: u8 = 1;
const TABLE_STORE: u8 = 2;
const TABLE_SELLER: u8 = 3;
const TABLE_PLACE: u8 = 4;
const TABLE_DAY: u8 = 5;
const TABLE_SALE: u8 = 6;

/// Every network with its stores, and what was sold in them.
#[derive(Debug, Default)]
pub struct Sales {
    networks: BTreeMap<u64, Network>,
    network_names: BTreeMap<Box<str>, u64>,
    stores: BTreeMap<u64, Store>,
    sellers: Map<UserId, Seller>,
    // Where each sale is in the log.
    sales: BTreeMap<SaleId, u64>,
    total: Sum,
    digest: Digest,
}

/// A network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: Box<str>,
    /// Rising.
    pub(super) stores: Vec<u64>,
    pub(super) store_names: BTreeMap<Box<str>, u64>,
    // What each person sold in it, and the same by how much: the best is the last.
    sellers: BTreeMap<UserId, Sum>,
    ranks: BTreeSet<(u64, Reverse<UserId>)>,
}

impl Network {
    /// Who sold the most, the one registered first among equals.
    pub(super) fn best_seller(&self) -> Option<(UserId, Sum)> {
        let (_, Reverse(seller)) = self.ranks.last()?;
        Some((*seller, *self.sellers.get(seller)?))
    }

    fn add(&mut self, seller: UserId, sum: Sum) {
        let own = self.sellers.entry(seller).or_default();
        self.ranks.remove(&(own.cents, Reverse(seller)));
        *own = plus(*own, sum);
        self.ranks.insert((own.cents, Reverse(seller)));
    }

    fn forget(&mut self, seller: UserId) {
        if let Some(own) = self.sellers.remove(&seller) {
            self.ranks.remove(&(own.cents, Reverse(seller)));
        }
    }
}

/// A store.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) network: u64,
    pub(super) name: Box<str>,
    /// What was sold in it.
    pub(super) ledger: Ledger,
    /// By whom: everybody who was ever assigned to it, and nobody for those who were erased.
    pub(super) sellers: BTreeMap<UserId, Ledger>,
}

/// Somebody who was assigned to a store.
#[derive(Debug, Default)]
pub(super) struct Seller {
    /// Where they sell now.
    pub(super) store: u64,
    /// Where they ever did, rising.
    pub(super) stores: Vec<u64>,
}

/// A sale as it is recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewSale {
    pub(super) id: SaleId,
    pub(super) seq: u64,
    pub(super) seller: UserId,
    pub(super) store: u64,
    pub(super) network: u64,
    pub(super) day: u32,
    pub(super) cents: u64,
}

// Reading.
impl Sales {
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn networks_len(&self) -> usize {
        self.networks.len()
    }

    pub(super) fn network(&self, id: u64) -> Option<&Network> {
        self.networks.get(&id)
    }

    pub(super) fn network_named(&self, name: &str) -> Option<u64> {
        self.network_names.get(name).copied()
    }

    pub(super) fn networks_after(&self, id: u64) -> impl Iterator<Item = (u64, &Network)> {
        let networks = self.networks.range((Excluded(id), Unbounded));
        networks.map(|(id, network)| (*id, network))
    }

    pub(super) fn store(&self, id: u64) -> Option<&Store> {
        self.stores.get(&id)
    }

    pub(super) fn stores_after(&self, id: u64) -> impl Iterator<Item = (u64, &Store)> {
        let stores = self.stores.range((Excluded(id), Unbounded));
        stores.map(|(id, store)| (*id, store))
    }

    pub(super) fn seller(&self, user: UserId) -> Option<&Seller> {
        self.sellers.get(&user)
    }

    /// The position of a sale.
    pub(super) fn sale(&self, id: SaleId) -> Option<u64> {
        self.sales.get(&id).copied()
    }

    /// Everything that was ever sold.
    pub(super) const fn total(&self) -> Sum {
        self.total
    }
}

// Writing. Each function changes rows and digest together.
impl Sales {
    pub(super) fn insert_network(&mut self, id: u64, name: &str) {
        self.digest.insert_text(TABLE_NETWORK, [id], name);
        self.network_names.insert(name.into(), id);
        let row = Network {
            name: name.into(),
            stores: Vec::new(),
            store_names: BTreeMap::new(),
            sellers: BTreeMap::new(),
            ranks: BTreeSet::new(),
        };
        self.networks.insert(id, row);
    }

    pub(super) fn insert_store(&mut self, id: u64, network: u64, name: &str) {
        self.digest.insert_text(TABLE_STORE, [id, network], name);
        let row = self.network_mut(network);
        row.stores.push(id);
        row.store_names.insert(name.into(), id);
        let row = Store {
            network,
            name: name.into(),
            ledger: Ledger::default(),
            sellers: BTreeMap::new(),
        };
        self.stores.insert(id, row);
    }

    pub(super) fn assign(&mut self, user: UserId, store: u64) {
        let seller = self.sellers.entry(user).or_default();
        if seller.store != 0 {
            self.digest.remove(TABLE_SELLER, [user.0, seller.store]);
        }
        self.digest.insert(TABLE_SELLER, [user.0, store]);
        seller.store = store;
        if let Err(index) = seller.stores.binary_search(&store) {
            seller.stores.insert(index, store);
            self.insert_place(store, user);
        }
    }

    pub(super) fn insert_sale(&mut self, sale: &NewSale) {
        let [high, low] = halves(sale.id);
        self.digest.insert(TABLE_SALE, [high, low, sale.seq]);
        self.sales.insert(sale.id, sale.seq);
        let sum = Sum {
            cents: sale.cents,
            sales: 1,
        };
        self.total = plus(self.total, sum);
        self.network_mut(sale.network).add(sale.seller, sum);
        self.store_mut(sale.store).ledger.add(sale.day, sum);
        self.add_to_day(sale.store, sale.seller, (sale.day, sum));
    }

    /// What somebody sold was sold by nobody from now on, and they sell nowhere.
    pub(super) fn forget_seller(&mut self, user: UserId) {
        let Some(seller) = self.sellers.remove(&user) else {
            return;
        };
        self.digest.remove(TABLE_SELLER, [user.0, seller.store]);
        for id in seller.stores {
            let ledger = self.remove_place(id, user);
            let network = self.store_mut(id).network;
            self.network_mut(network).forget(user);
            for (index, day) in ledger.iter().enumerate() {
                if index == 0 {
                    self.insert_place(id, UserId::NOBODY);
                }
                self.add_to_day(id, UserId::NOBODY, day);
            }
        }
    }

    /// Somebody may sell in a store; nothing changes if they might before.
    fn insert_place(&mut self, store: u64, seller: UserId) {
        let sellers = &mut self.store_mut(store).sellers;
        if sellers.contains_key(&seller) {
            return;
        }
        sellers.insert(seller, Ledger::default());
        self.digest.insert(TABLE_PLACE, [store, seller.0]);
    }

    fn remove_place(&mut self, store: u64, seller: UserId) -> Ledger {
        let ledger = self
            .store_mut(store)
            .sellers
            .remove(&seller)
            .expect("a seller has a ledger in every store of theirs");
        self.digest.remove(TABLE_PLACE, [store, seller.0]);
        for day in ledger.iter() {
            self.digest.remove(TABLE_DAY, columns(store, seller, day));
        }
        ledger
    }

    fn add_to_day(&mut self, store: u64, seller: UserId, (day, sum): (u32, Sum)) {
        let ledger = self
            .store_mut(store)
            .sellers
            .get_mut(&seller)
            .expect("only who was assigned to a store sells there");
        let before = ledger.on(day);
        ledger.add(day, sum);
        let after = plus(before, sum);
        if before.sales != 0 {
            let columns = columns(store, seller, (day, before));
            self.digest.remove(TABLE_DAY, columns);
        }
        let columns = columns(store, seller, (day, after));
        self.digest.insert(TABLE_DAY, columns);
    }

    fn network_mut(&mut self, id: u64) -> &mut Network {
        self.networks
            .get_mut(&id)
            .expect("events name only networks that were opened")
    }

    fn store_mut(&mut self, id: u64) -> &mut Store {
        self.stores
            .get_mut(&id)
            .expect("events name only stores that were opened")
    }
}

fn columns(store: u64, seller: UserId, (day, sum): (u32, Sum)) -> [u64; 5] {
    [store, seller.0, day.into(), sum.cents, sum.sales]
}

fn halves(id: SaleId) -> [u64; 2] {
    let (halves, _) = id.0.as_chunks();
    [0, 1].map(|half| u64::from_be_bytes(halves[half]))
}

#[cfg(test)]
impl Sales {
    /// The digest of the rows as they are now, from nothing; and that the maps agree and every
    /// figure is the sum of its parts. A sum does not depend on the order in which a hash map is
    /// walked.
    pub(super) fn recomputed_digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (id, network) in &self.networks {
            assert_eq!(self.network_named(&network.name), Some(*id));
            assert_eq!(network.stores.len(), network.store_names.len());
            assert_eq!(network.sellers.len(), network.ranks.len());
            digest.insert_text(TABLE_NETWORK, [*id], &network.name);
        }
        let (mut total, mut by_network) = (Sum::default(), BTreeMap::new());
        for (id, store) in &self.stores {
            assert_eq!(self.networks[&store.network].store_names[&store.name], *id);
            digest.insert_text(TABLE_STORE, [*id, store.network], &store.name);
            total = plus(total, store.ledger.total());
            let mut days = BTreeMap::<u32, Sum>::new();
            for (seller, ledger) in &store.sellers {
                digest.insert(TABLE_PLACE, [*id, seller.0]);
                for (day, sum) in ledger.iter() {
                    digest.insert(TABLE_DAY, columns(*id, *seller, (day, sum)));
                    let all = days.entry(day).or_default();
                    *all = plus(*all, sum);
                    let own: &mut Sum = by_network.entry((store.network, *seller)).or_default();
                    *own = plus(*own, sum);
                }
            }
            let listed: BTreeMap<u32, Sum> = store.ledger.iter().collect();
            assert_eq!(listed, days, "a store sold what its sellers sold");
        }
        by_network.retain(|(_, seller), _| *seller != UserId::NOBODY);
        let ranked = self.networks.iter().flat_map(|(id, network)| {
            let sellers = network.sellers.iter();
            sellers.map(move |(seller, sum)| ((*id, *seller), *sum))
        });
        assert_eq!(by_network, ranked.collect());
        assert_eq!(total, self.total);
        assert_eq!(u64::try_from(self.sales.len()), Ok(total.sales));
        for (user, seller) in &self.sellers {
            assert_ne!(*user, UserId::NOBODY);
            let sells = |id: &u64| self.stores[id].sellers.contains_key(user);
            assert!(seller.stores.contains(&seller.store) && seller.stores.iter().all(sells));
            digest.insert(TABLE_SELLER, [user.0, seller.store]);
        }
        for (id, seq) in &self.sales {
            let [high, low] = halves(*id);
            digest.insert(TABLE_SALE, [high, low, *seq]);
        }
        digest
    }

    /// Pretends that this much was sold.
    pub(super) const fn set_total_cents(&mut self, cents: u64) {
        self.total.cents = cents;
    }
}
