//! Words of the sales: networks of stores, who sells where, and what was sold.
//!
//! A network or a store is known by the position of the record that made it; a sale by the id its
//! seller's client chose, so that a retry is never a second sale. Amounts are integer cents; days
//! count from 1970-01-01 UTC. Every figure states the position it reflects.
//!
//! What people sold who were erased since stays in every total. Among sellers it is one part, of
//! nobody (0), which is nobody's best.

use serde::{Deserialize, Serialize};

use super::words;
use crate::id::{Seq, UserId};

/// The number of this system.
pub const SYSTEM: u8 = 5;

words! {
    /// What can be asked of the sales.
    Command in SYSTEM;
    OpenNetwork = 1, "open-network";
    OpenStore = 2, "open-store";
    AssignSeller = 3, "assign-seller";
    RecordSale = 4, "record-sale";
}

words! {
    /// What happened to the sales.
    Event in SYSTEM;
    NetworkOpened = 1, "network-opened";
    StoreOpened = 2, "store-opened";
    SellerAssigned = 3, "seller-assigned";
    SaleRecorded = 4, "sale-recorded";
}

words! {
    /// What the sales tell people who did not ask just now.
    Push in SYSTEM;
    Assigned = 1, "assigned";
}

words! {
    /// What can be asked without changing anything.
    Query in SYSTEM;
    ListStores = 1, "list-stores";
    SellerTotal = 2, "seller-total";
    StoreTotal = 3, "store-total";
    NetworkTotal = 4, "network-total";
    BestSeller = 5, "best-seller";
    BestStore = 6, "best-store";
    ListNetworks = 7, "list-networks";
}

words! {
    /// What the sales answer.
    Answer in SYSTEM;
    Stores = 1, "stores";
    SellerTotals = 2, "seller-totals";
    StoreTotals = 3, "store-totals";
    NetworkTotals = 4, "network-totals";
    BestSellers = 5, "best-sellers";
    BestStores = 6, "best-stores";
    Networks = 7, "networks";
}

/// The id of a sale: sixteen bytes the seller's client chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SaleId(#[serde(with = "crate::hex")] pub [u8; 16]);

/// A new network. Admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenNetwork {
    /// 1 to 64 bytes, unique.
    pub name: String,
}

/// A new store. Managers and admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStore {
    /// Its network.
    pub network: u64,
    /// 1 to 64 bytes, unique in its network.
    pub name: String,
}

/// Say where a seller sells from now on. Managers and admins only. Twice is once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignSeller {
    /// Who. They must have the role of a seller, and sell while they have it.
    pub seller: UserId,
    /// Where.
    pub store: u64,
}

/// A sale of mine. Sellers only, in the store they are assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSale {
    /// Chosen by the client, unique: an id that was used is refused with the position of its sale,
    /// whatever else this says and whoever asks.
    pub sale: SaleId,
    /// Where.
    pub store: u64,
    /// 1 to 10^12 cents.
    pub cents: u64,
    /// When, days since 1970-01-01 UTC; not after today.
    pub day: u32,
}

/// A network exists; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOpened {}

/// A store exists; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreOpened {}

/// A seller sells in this store now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerAssigned {
    /// The store before; 0 for none.
    pub before: u64,
}

/// You sell in this store now. Pushed to the seller when somebody else assigned them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// The store.
    pub store: u64,
    /// The store before; 0 for none.
    pub before: u64,
    /// Who assigned you.
    pub by: UserId,
}

/// A sale counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleRecorded {
    /// The network it counts for.
    pub network: u64,
}

/// The networks, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListNetworks {
    /// Only networks after this id; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// The stores, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListStores {
    /// Only stores after this id; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// What a seller sold, ever and by store. Managers and admins only, like all figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerTotal {
    /// Who; somebody who was ever assigned to a store.
    pub seller: UserId,
}

/// What a store sold in a period, and who sold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTotal {
    /// Which.
    pub store: u64,
    /// In which days.
    pub period: Period,
}

/// What a network sold in a period, and in which stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkTotal {
    /// Which.
    pub network: u64,
    /// In which days.
    pub period: Period,
}

/// Who sold the most of a network, ever, by cents. Among equals the one registered first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestSeller {
    /// Which network.
    pub network: u64,
}

/// Which store of a network sold the most, ever, by cents. Among equals the one opened first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestStore {
    /// Which network.
    pub network: u64,
}

/// Days, both ends included; the last not before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first day.
    pub from: u32,
    /// The last day.
    pub to: u32,
}

/// A page of networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// By id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub networks: Vec<NetworkView>,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    /// Its id.
    pub network: u64,
    /// Its name.
    pub name: String,
}

/// A page of stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stores {
    /// By id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub stores: Vec<StoreView>,
}

/// One store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreView {
    /// Its id.
    pub store: u64,
    /// Its network.
    pub network: u64,
    /// Its name.
    pub name: String,
}

/// A sum of money and of sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Sum {
    /// How much.
    pub cents: u64,
    /// In how many sales.
    pub sales: u64,
}

/// One part of a total: of what, how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Part {
    /// The store or the seller.
    pub of: u64,
    /// How much.
    pub sum: Sum,
    /// The position this part reflects.
    pub reflects: Seq,
}

/// What a seller sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerTotals {
    /// All of it.
    pub total: Sum,
    /// The position the total reflects.
    pub reflects: Seq,
    /// By store, by id: those with sales. The parts add up to the total.
    #[serde(deserialize_with = "crate::codec::list")]
    pub stores: Vec<Part>,
}

/// What a store sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTotals {
    /// All of it.
    pub total: Sum,
    /// The position the total reflects.
    pub reflects: Seq,
    /// By seller, by id: those with sales. The parts add up to the total.
    #[serde(deserialize_with = "crate::codec::list")]
    pub sellers: Vec<Part>,
}

/// What a network sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkTotals {
    /// All of it.
    pub total: Sum,
    /// The position the total reflects.
    pub reflects: Seq,
    /// By store, by id: those with sales. The parts add up to the total.
    #[serde(deserialize_with = "crate::codec::list")]
    pub stores: Vec<Part>,
}

/// Who sold the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestSellers {
    /// The first, and how much; `None` while nothing was sold.
    pub best: Option<Part>,
    /// The position this reflects.
    pub reflects: Seq,
}

/// Which store sold the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestStores {
    /// The first, and how much; `None` while nothing was sold.
    pub best: Option<Part>,
    /// The position this reflects.
    pub reflects: Seq,
}
