//! What a client asks of the sales, and what it is shown.
//!
//! Stores and networks are the server's ids; the id of a sale is its key.

use protocol::{UserId, words::sales::Part, words::sales::Sum};
use serde::{Deserialize, Serialize};

use super::calls::calls;

calls! {
    /// A call of the sales.
    SalesCall;
    /// A sale of the asker.
    RecordSale = 0, "record-sale", false {
        /// Where.
        store: u64,
        /// How much.
        cents: u64,
        /// When, days since 1970-01-01 UTC.
        day: u32,
    }
    /// What a seller sold.
    SellerTotal = 1, "seller-total", true {
        /// Who.
        seller: UserId,
    }
    /// What a store sold in a period.
    StoreTotal = 2, "store-total", true {
        /// Which.
        store: u64,
        /// The first day.
        from: u32,
        /// The last day.
        to: u32,
    }
    /// What a network sold in a period.
    NetworkTotal = 3, "network-total", true {
        /// Which.
        network: u64,
        /// The first day.
        from: u32,
        /// The last day.
        to: u32,
    }
    /// Who sold the most.
    BestSeller = 4, "best-seller", true {
        /// Of which network.
        network: u64,
    }
    /// Which store sold the most.
    BestStore = 5, "best-store", true {
        /// Of which network.
        network: u64,
    }
}

/// What an accepted answer of the sales showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SalesSeen {
    /// A total, the position it says it reflects, and its parts.
    Total(Sum, u64, Vec<Part>),
    /// The best one, and the position the answer says it reflects.
    Best(Option<Part>, u64),
}
