//! The sales in a snapshot: networks, stores with their ledgers, sellers, and where each sale is.
//!
//! Deliberately absent: what follows from the rows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use protocol::{
    UserId,
    words::sales::{SaleId, Sum},
};

use super::{Ledger, Map, Network, Sales, Seller, Store};
use crate::{
    domain::digest::Digest,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// The least bytes of each.
const NETWORK_BYTES: usize = 8 + 8 + 8;
const STORE_BYTES: usize = 8 + 8 + 8 + 8 + 8;
const PART_BYTES: usize = 8 + 8;
const SELLER_BYTES: usize = 8 + 8 + 8;
const SALE_BYTES: usize = 16 + 8;
const SUM_BYTES: usize = 8 + 8;

impl Saved for Sales {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            networks,
            stores,
            sellers,
            sales,
            total,
            digest,
            // It follows from the networks.
            network_names: _,
        } = self;
        out.u128(digest.value());
        save_sum(*total, out);
        out.count(stores.len());
        for (id, store) in stores {
            out.u64(*id);
            store.save(out);
        }
        out.count(networks.len());
        for (id, network) in networks {
            out.u64(*id);
            network.save(out);
        }
        let mut people: Vec<UserId> = sellers.keys().copied().collect();
        people.sort_unstable();
        out.count(people.len());
        for user in people {
            let Seller { store, stores } = &sellers[&user];
            out.u64(user.0);
            out.u64(*store);
            out.count(stores.len());
            stores.iter().for_each(|store| out.u64(*store));
        }
        out.count(sales.len());
        for (id, seq) in sales {
            out.array(&id.0);
            out.u64(*seq);
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let digest = Digest::of(from.u128()?);
        let total = load_sum(from)?;
        let stores: BTreeMap<u64, Store> = (0..from.count(STORE_BYTES)?)
            .map(|_| Ok((from.u64()?, Store::load(from)?)))
            .collect::<Result<_, Unsound>>()?;
        let mut networks: BTreeMap<u64, Network> = (0..from.count(NETWORK_BYTES)?)
            .map(|_| Ok((from.u64()?, Network::load(from)?)))
            .collect::<Result<_, Unsound>>()?;
        for (id, store) in &stores {
            let network = networks.get_mut(&store.network);
            let network = network.ok_or_else(|| from.lacks("the network of every store"))?;
            network.stores.push(*id);
            network.store_names.insert(store.name.clone(), *id);
        }
        let mut sellers = Map::default();
        for _ in 0..from.count(SELLER_BYTES)? {
            let (user, store) = (UserId(from.u64()?), from.u64()?);
            let stores = (0..from.count(8)?)
                .map(|_| from.u64())
                .collect::<Result<_, _>>()?;
            sellers.insert(user, Seller { store, stores });
        }
        let sales = (0..from.count(SALE_BYTES)?)
            .map(|_| Ok((SaleId(from.array()?), from.u64()?)))
            .collect::<Result<_, Unsound>>()?;
        let names = networks.iter();
        *self = Self {
            network_names: names
                .map(|(id, network)| (network.name.clone(), *id))
                .collect(),
            networks,
            stores,
            sellers,
            sales,
            total,
            digest,
        };
        Ok(())
    }
}

impl Network {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            name,
            sellers,
            // These follow from the stores and the sellers.
            stores: _,
            store_names: _,
            ranks: _,
        } = self;
        out.bytes(name.as_bytes());
        out.count(sellers.len());
        for (user, sum) in sellers {
            out.u64(user.0);
            save_sum(*sum, out);
        }
    }

    /// Its stores come by themselves.
    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let name = from.text()?.into();
        let sellers: BTreeMap<UserId, Sum> = (0..from.count(8 + SUM_BYTES)?)
            .map(|_| Ok((UserId(from.u64()?), load_sum(from)?)))
            .collect::<Result<_, Unsound>>()?;
        let ranks: BTreeSet<_> = sellers
            .iter()
            .map(|(user, sum)| (sum.cents, Reverse(*user)))
            .collect();
        Ok(Self {
            name,
            stores: Vec::new(),
            store_names: BTreeMap::new(),
            sellers,
            ranks,
        })
    }
}

impl Store {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            network,
            name,
            ledger,
            sellers,
        } = self;
        out.u64(*network);
        out.bytes(name.as_bytes());
        ledger.save(out);
        out.count(sellers.len());
        for (user, ledger) in sellers {
            out.u64(user.0);
            ledger.save(out);
        }
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        Ok(Self {
            network: from.u64()?,
            name: from.text()?.into(),
            ledger: Ledger::load(from)?,
            sellers: (0..from.count(PART_BYTES)?)
                .map(|_| Ok((UserId(from.u64()?), Ledger::load(from)?)))
                .collect::<Result<_, Unsound>>()?,
        })
    }
}

fn save_sum(sum: Sum, out: &mut SectionWriter<'_>) {
    let Sum { cents, sales } = sum;
    out.u64(cents);
    out.u64(sales);
}

fn load_sum(from: &mut SectionReader<'_>) -> Result<Sum, Unsound> {
    Ok(Sum {
        cents: from.u64()?,
        sales: from.u64()?,
    })
}
