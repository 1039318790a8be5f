//! Samples of the words of the catalogue and the sales.

use super::Sample;
use crate::{
    id::{Seq, UserId},
    words::{
        catalogue,
        sales::{self, Part, Period, SaleId, Sum},
    },
};

const ITEM: u64 = 70_000;
const FILM: u64 = 1;
const SELLER: UserId = UserId(4);
const STORE: u64 = 300;
const NETWORK: u64 = 251;
const LIMIT: u16 = 500;

pub(super) fn words(samples: &mut Vec<Sample>) {
    catalogue_commands(samples);
    catalogue_answers(samples);
    sales_commands(samples);
    sales_queries(samples);
    sales_answers(samples);
}

fn catalogue_commands(samples: &mut Vec<Sample>) {
    let (name, item, item_type) = (String::from("Les Misérables"), ITEM, FILM);
    samples!(samples, "catalogue/command", catalogue::Command;
        catalogue::AddType { name: String::from("Hörspiel") },
        catalogue::RegisterItem { name: name.clone(), item_type },
        catalogue::RenameItem { item, name },
        catalogue::RetypeItem { item, item_type },
        catalogue::RemoveItem { item },
        catalogue::AddFavourite { item },
        catalogue::RemoveFavourite { item },
    );
    samples!(samples, "catalogue/event", catalogue::Event;
        catalogue::TypeAdded {},
        catalogue::ItemRegistered {},
        catalogue::ItemRenamed {},
        catalogue::ItemRetyped {},
        catalogue::ItemRemoved { favourites: 251 },
        catalogue::FavouriteAdded { changed: true, count: 3 },
        catalogue::FavouriteRemoved { changed: false, count: 2 },
    );
}

fn catalogue_answers(samples: &mut Vec<Sample>) {
    let (text, after, limit) = (String::from("misé"), ITEM, LIMIT);
    samples!(samples, "catalogue/query", catalogue::Query;
        catalogue::ListTypes { after: 0, limit },
        catalogue::SearchItems { text: text.clone(), item_type: FILM, after, limit },
        catalogue::SearchFavourites { text, after, limit },
    );
    let kind = catalogue::TypeView {
        item_type: FILM,
        name: String::from("film"),
    };
    let items = vec![catalogue::ItemView {
        item: ITEM,
        name: String::from("Les Misérables"),
        item_type: FILM,
        favourite: true,
    }];
    samples!(samples, "catalogue/answer", catalogue::Answer;
        catalogue::Types { types: vec![kind] },
        catalogue::Items { next: ITEM, items: items.clone() },
        catalogue::Favourites { count: 1, digest: u64::MAX - 1, next: 0, items },
    );
}

fn sales_commands(samples: &mut Vec<Sample>) {
    let sale = sales::RecordSale {
        sale: SaleId([0x5d; 16]),
        store: STORE,
        cents: 1_000_000_000_000,
        day: 20_778,
    };
    samples!(samples, "sales/command", sales::Command;
        sales::OpenNetwork { name: String::from("Nord") },
        sales::OpenStore { network: NETWORK, name: String::from("Am Markt") },
        sales::AssignSeller { seller: SELLER, store: STORE },
        sale,
    );
    samples!(samples, "sales/event", sales::Event;
        sales::NetworkOpened {},
        sales::StoreOpened {},
        sales::SellerAssigned { before: 0 },
        sales::SaleRecorded { network: NETWORK },
    );
    samples!(samples, "sales/push", sales::Push;
        sales::Assigned { store: STORE, before: 0, by: UserId(1) },
    );
}

fn sales_queries(samples: &mut Vec<Sample>) {
    let (seller, store, network) = (SELLER, STORE, NETWORK);
    let period = Period {
        from: 20_700,
        to: 20_778,
    };
    samples!(samples, "sales/query", sales::Query;
        sales::ListStores { after: 0, limit: LIMIT },
        sales::SellerTotal { seller },
        sales::StoreTotal { store, period },
        sales::NetworkTotal { network, period },
        sales::BestSeller { network },
        sales::BestStore { network },
        sales::ListNetworks { after: 0, limit: LIMIT },
    );
}

fn sales_answers(samples: &mut Vec<Sample>) {
    let total = Sum {
        cents: 65_536,
        sales: 251,
    };
    let reflects = Seq(65_536);
    let part = Part {
        of: STORE,
        sum: total,
        reflects,
    };
    let store = sales::StoreView {
        store: STORE,
        network: NETWORK,
        name: String::from("Am Markt"),
    };
    let network = sales::NetworkView {
        network: NETWORK,
        name: String::from("Nord"),
    };
    samples!(samples, "sales/answer", sales::Answer;
        sales::Stores { stores: vec![store] },
        sales::SellerTotals { total, reflects, stores: vec![part] },
        sales::StoreTotals { total, reflects, sellers: vec![part] },
        sales::NetworkTotals { total, reflects, stores: vec![part] },
        sales::BestSellers { best: None, reflects },
        sales::BestStores { best: Some(part), reflects },
        sales::Networks { networks: vec![network] },
    );
}
