//! What can be asked of the sales.
//!
//! A query and its context come in; an answer goes out. Every person may see the networks and the
//! stores; figures are for managers and admins. All figures of an answer are of one state, so all
//! reflect one position. Deliberately absent: any change of state.

use protocol::{
    Code, Refusal, UserId,
    limits::{REPLY_BYTES_MAX, SELLER_STORES_MAX, SELLERS_MAX, STORES_MAX},
    words::sales::{
        BestSeller, BestSellers, BestStore, BestStores, ListNetworks, ListStores, NetworkTotal,
        NetworkTotals, NetworkView, Networks, Part, Period, SellerTotal, SellerTotals, StoreTotal,
        StoreTotals, StoreView, Stores, Sum,
    },
};

use super::{ledger::plus, state::Sales};
use crate::domain::{
    Context,
    checks::{check_manager, check_person, page_len},
};

/// Four numbers of nine bytes at most.
const PART_BYTES_MAX: usize = 36;
const _: () = assert!(STORES_MAX * PART_BYTES_MAX < REPLY_BYTES_MAX);
const _: () = assert!(SELLERS_MAX * PART_BYTES_MAX < REPLY_BYTES_MAX);
const _: () = assert!(SELLER_STORES_MAX * PART_BYTES_MAX < REPLY_BYTES_MAX);

impl Sales {
    pub(super) fn list_networks(
        &self,
        cx: &Context,
        query: &ListNetworks,
    ) -> Result<Networks, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let networks = self.networks_after(query.after).take(limit);
        let networks = networks.map(|(network, row)| NetworkView {
            network,
            name: row.name.as_ref().to_owned(),
        });
        Ok(Networks {
            networks: networks.collect(),
        })
    }

    pub(super) fn list_stores(&self, cx: &Context, query: &ListStores) -> Result<Stores, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let stores = self.stores_after(query.after).take(limit);
        let stores = stores.map(|(store, row)| StoreView {
            store,
            network: row.network,
            name: row.name.as_ref().to_owned(),
        });
        Ok(Stores {
            stores: stores.collect(),
        })
    }

    pub(super) fn seller_total(
        &self,
        cx: &Context,
        query: &SellerTotal,
    ) -> Result<SellerTotals, Refusal> {
        check_manager(cx)?;
        let seller = self.seller(query.seller).ok_or(Refusal::with(
            Code::UNKNOWN_SELLER,
            query.seller.0,
            0,
        ))?;
        let ledgers = seller.stores.iter().filter_map(|id| {
            let ledger = self.store(*id)?.sellers.get(&query.seller)?;
            Some((*id, ledger.total()))
        });
        let (total, stores) = parts(cx, ledgers);
        Ok(SellerTotals {
            total,
            reflects: cx.seq,
            stores,
        })
    }

    pub(super) fn store_total(
        &self,
        cx: &Context,
        query: &StoreTotal,
    ) -> Result<StoreTotals, Refusal> {
        check_manager(cx)?;
        check_period(query.period)?;
        let ledgers = self.known_store(query.store)?.sellers.iter();
        let sums = ledgers.map(|(seller, ledger)| (seller.0, ledger.within(query.period)));
        let (total, sellers) = parts(cx, sums);
        Ok(StoreTotals {
            total,
            reflects: cx.seq,
            sellers,
        })
    }

    pub(super) fn network_total(
        &self,
        cx: &Context,
        query: &NetworkTotal,
    ) -> Result<NetworkTotals, Refusal> {
        check_manager(cx)?;
        check_period(query.period)?;
        let ids = self.known_network(query.network)?.stores.iter();
        let sums = ids.filter_map(|id| Some((*id, self.store(*id)?.ledger.within(query.period))));
        let (total, stores) = parts(cx, sums);
        Ok(NetworkTotals {
            total,
            reflects: cx.seq,
            stores,
        })
    }

    pub(super) fn best_seller(
        &self,
        cx: &Context,
        query: &BestSeller,
    ) -> Result<BestSellers, Refusal> {
        check_manager(cx)?;
        let best = self.known_network(query.network)?.best_seller();
        Ok(BestSellers {
            best: best.map(|(UserId(of), sum)| part(cx, of, sum)),
            reflects: cx.seq,
        })
    }

    pub(super) fn best_store(
        &self,
        cx: &Context,
        query: &BestStore,
    ) -> Result<BestStores, Refusal> {
        check_manager(cx)?;
        let mut best: Option<(u64, Sum)> = None;
        for id in &self.known_network(query.network)?.stores {
            let sum = self.known_store(*id)?.ledger.total();
            // Ids rise, so among equals the first stays.
            if best.map_or(0, |(_, most)| most.cents) < sum.cents {
                best = Some((*id, sum));
            }
        }
        Ok(BestStores {
            best: best.map(|(of, sum)| part(cx, of, sum)),
            reflects: cx.seq,
        })
    }
}

/// The parts in which something was sold, and their sum.
fn parts(cx: &Context, sums: impl Iterator<Item = (u64, Sum)>) -> (Sum, Vec<Part>) {
    let mut total = Sum::default();
    let mut parts = Vec::new();
    for (of, sum) in sums.filter(|(_, sum)| sum.sales != 0) {
        total = plus(total, sum);
        parts.push(part(cx, of, sum));
    }
    (total, parts)
}

const fn part(cx: &Context, of: u64, sum: Sum) -> Part {
    Part {
        of,
        sum,
        reflects: cx.seq,
    }
}

fn check_period(period: Period) -> Result<(), Refusal> {
    if period.to < period.from {
        let (from, to) = (period.from.into(), period.to.into());
        return Err(Refusal::with(Code::PERIOD, from, to));
    }
    Ok(())
}
