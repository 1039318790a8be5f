//! Our own books: what every seller sold in every store on every day.
//!
//! Written from the description of the sales, not from the server's rules: nothing is kept but the
//! lines, added up by store, seller and day, and every figure is added up anew.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    OwnedRecord, Roles, UserId,
    words::sales::{Command, Sum},
};

use super::Figure;
use crate::{check::record::Decided, operation::SalesCall};

/// What was sold on each day.
type Days = BTreeMap<u32, Sum>;

/// Every sale that counts.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The stores of each network.
    networks: BTreeMap<u64, Vec<u64>>,
    stores: BTreeMap<u64, BTreeMap<UserId, Days>>,
    /// Whoever may ask for figures.
    managers: BTreeSet<UserId>,
}

impl Model {
    pub(crate) fn apply(&mut self, record: &OwnedRecord, decided: &Decided<Command>) {
        if !decided.accepted {
            return;
        }
        let seq = record.seq.0;
        match &decided.command {
            Command::OpenNetwork(_) => {
                self.networks.insert(seq, Vec::new());
            }
            Command::OpenStore(word) => {
                self.networks.entry(word.network).or_default().push(seq);
                self.stores.insert(seq, BTreeMap::new());
            }
            Command::AssignSeller(_) => {}
            Command::RecordSale(word) => {
                let store = self.stores.entry(word.store).or_default();
                let sum = store
                    .entry(record.actor)
                    .or_default()
                    .entry(word.day)
                    .or_default();
                sum.cents += word.cents;
                sum.sales += 1;
            }
        }
    }

    /// Somebody has these roles from now on, and no others.
    pub(crate) fn set_roles(&mut self, user: UserId, roles: Roles) {
        if roles.contains(Roles::MANAGER) {
            self.managers.insert(user);
        } else {
            self.managers.remove(&user);
        }
    }

    /// Whether somebody is known to be allowed to ask for figures.
    pub(crate) fn is_manager(&self, user: UserId) -> bool {
        self.managers.contains(&user)
    }

    /// What somebody sold who was erased is nobody's, and stays in every total.
    pub(crate) fn forget(&mut self, user: UserId) {
        self.managers.remove(&user);
        for sellers in self.stores.values_mut() {
            let sold = sellers.remove(&user).unwrap_or_default();
            for (day, sum) in sold {
                let days = sellers.entry(UserId::NOBODY).or_default();
                let all = days.entry(day).or_default();
                *all = add([*all, sum].iter());
            }
        }
    }

    /// What must be answered; `None` for a call that asks for no figure.
    pub(crate) fn figure(&self, call: &SalesCall) -> Option<Figure> {
        Some(match *call {
            SalesCall::RecordSale { .. } => return None,
            SalesCall::SellerTotal { seller } => {
                total(self.stores.iter().map(|(store, sellers)| {
                    let days = sellers.get(&seller).into_iter().flat_map(BTreeMap::values);
                    (*store, add(days))
                }))
            }
            SalesCall::StoreTotal { store, from, to } => {
                let sellers = self.stores.get(&store).into_iter().flatten();
                total(sellers.map(|(seller, days)| {
                    (seller.0, add(days.range(from..=to).map(|(_, sum)| sum)))
                }))
            }
            SalesCall::NetworkTotal { network, from, to } => {
                let sold = |store| {
                    let sellers = self.stores.get(&store).into_iter().flatten();
                    add(sellers.flat_map(|(_, days)| days.range(from..=to).map(|(_, sum)| sum)))
                };
                total(self.stores_of(network).map(|store| (store, sold(store))))
            }
            SalesCall::BestSeller { network } => best(&self.sellers_of(network)),
            SalesCall::BestStore { network } => {
                let mut sold = BTreeMap::new();
                for store in self.stores_of(network) {
                    let sellers = self.stores.get(&store).into_iter().flatten();
                    sold.insert(store, add(sellers.flat_map(|(_, days)| days.values())));
                }
                best(&sold)
            }
        })
    }

    fn stores_of(&self, network: u64) -> impl Iterator<Item = u64> {
        self.networks.get(&network).into_iter().flatten().copied()
    }

    /// Nobody is nobody's best.
    fn sellers_of(&self, network: u64) -> BTreeMap<u64, Sum> {
        let mut sold: BTreeMap<u64, Sum> = BTreeMap::new();
        for store in self.stores_of(network) {
            let sellers = self.stores.get(&store).into_iter().flatten();
            for (seller, days) in sellers.filter(|(seller, _)| **seller != UserId::NOBODY) {
                let all = add(days.values());
                let sum = sold.entry(seller.0).or_default();
                *sum = add([*sum, all].iter());
            }
        }
        sold
    }
}

fn add<'s>(sums: impl Iterator<Item = &'s Sum>) -> Sum {
    sums.fold(Sum::default(), |total, sum| Sum {
        cents: total.cents + sum.cents,
        sales: total.sales + sum.sales,
    })
}

/// The parts in which anything was sold, and what they come to.
fn total(parts: impl Iterator<Item = (u64, Sum)>) -> Figure {
    let parts: Vec<_> = parts.filter(|(_, sum)| sum.sales != 0).collect();
    Figure::Total(add(parts.iter().map(|(_, sum)| sum)), parts)
}

/// The one who sold for the most money; among equals the first.
fn best(sold: &BTreeMap<u64, Sum>) -> Figure {
    let mut best: Option<(u64, Sum)> = None;
    for (of, sum) in sold {
        if best.map_or(0, |(_, most)| most.cents) < sum.cents {
            best = Some((*of, *sum));
        }
    }
    Figure::Best(best)
}
