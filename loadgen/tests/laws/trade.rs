//! Lines of recorded histories about the catalogue and the sales: calls, answers, records.
//!
//! ```text
//! op  <client>.<counter> <call> <a/b/c> ...        the numbers of the call, as histories keep them
//!     changed:<0 or 1>:<count>                     shown by an addition or removal of a favourite
//!     item:<id> ...  count:<n>  digest:wrong       shown by a list of favourites
//!     found:<id> ...  next:<id>                    shown by a search
//!     total:<cents>:<sales>  part:<of>:<cents>:<sales>[:<seq>] ...   best:<of>:<cents>:<sales>  best:none
//!     reflects:<seq>                               of a figure, when it is not the answer's position
//! log <client>.<counter>|server <call> <a/b/c> <ok or code>
//! ```
#![expect(clippy::unwrap_used, reason = "test support")]

use loadgen::operation::{
    Call, CatalogueCall, CatalogueSeen, KeyMint, Observed, SalesCall, SalesSeen, item_name,
};
use protocol::{
    Key, Kind, Seq,
    words::{
        catalogue, sales,
        sales::{Part, SaleId, Sum},
    },
};

use super::histories::number;

/// The numbers between slashes.
fn numbers(about: &str) -> Vec<u64> {
    about
        .split('/')
        .filter(|part| *part != "-")
        .map(number)
        .collect()
}

/// The call of this name, if it is one of these systems'.
pub(crate) fn call(name: &str, about: &str) -> Option<Call> {
    let position = |names: &[&str]| names.iter().position(|known| *known == name);
    let mut operands = numbers(about).into_iter();
    let mut next = || operands.next();
    position(CatalogueCall::NAMES)
        .and_then(|index| CatalogueCall::from_operands(index, &mut next).map(Call::Catalogue))
        .or_else(|| {
            let index = position(SalesCall::NAMES)?;
            SalesCall::from_operands(index, &mut next).map(Call::Sales)
        })
}

/// What an answer at `seq` showed.
pub(crate) fn observed(call: &Call, shown: &[&str], seq: u64) -> Observed {
    match call {
        Call::Catalogue(call) => {
            catalogue_seen(call, shown).map_or(Observed::Nothing, Observed::Catalogue)
        }
        Call::Sales(call) => {
            sales_seen(call, shown, seq).map_or(Observed::Nothing, Observed::Sales)
        }
        _other => Observed::Nothing,
    }
}

/// The numbers of every shown thing of this name.
pub(crate) fn all<'s>(shown: &'s [&str], name: &'s str) -> impl Iterator<Item = Vec<u64>> + 's {
    shown.iter().filter_map(move |text| {
        let rest = text.strip_prefix(name)?.strip_prefix(':')?;
        Some(rest.split(':').map(number).collect())
    })
}

fn catalogue_seen(call: &CatalogueCall, shown: &[&str]) -> Option<CatalogueSeen> {
    if let CatalogueCall::ListFavourites {} = call {
        let items: Vec<u64> = all(shown, "item").map(|parts| parts[0]).collect();
        let count = all(shown, "count").next();
        let count = count.map_or(items.len(), |parts| usize::try_from(parts[0]).unwrap());
        let digest = items.iter().fold(0_u64, |sum, item| {
            let hash = blake3::hash(&item.to_le_bytes());
            let first = hash.as_bytes().first_chunk().unwrap();
            sum.wrapping_add(u64::from_le_bytes(*first))
        });
        let wrong = u64::from(shown.contains(&"digest:wrong"));
        let count = u32::try_from(count).unwrap();
        return Some(CatalogueSeen::Favourites(count, digest + wrong, items));
    }
    if let CatalogueCall::SearchItems { .. } = call {
        let found = all(shown, "found").map(|parts| parts[0]).collect();
        let next = all(shown, "next").next().map_or(0, |parts| parts[0]);
        return Some(CatalogueSeen::Items(found, next));
    }
    let changed = all(shown, "changed").next()?;
    let count = u32::try_from(changed[1]).unwrap();
    Some(CatalogueSeen::Favourite(changed[0] == 1, count))
}

fn sales_seen(call: &SalesCall, shown: &[&str], seq: u64) -> Option<SalesSeen> {
    let reflects = all(shown, "reflects").next().map_or(seq, |parts| parts[0]);
    let part = |parts: Vec<u64>| Part {
        of: parts[0],
        sum: Sum {
            cents: parts[1],
            sales: parts[2],
        },
        reflects: Seq(parts.get(3).copied().unwrap_or(reflects)),
    };
    match call {
        SalesCall::RecordSale { .. } => None,
        SalesCall::BestSeller { .. } | SalesCall::BestStore { .. } => {
            let is_none = shown.contains(&"best:none");
            let best = (!is_none).then(|| part(all(shown, "best").next().unwrap()));
            Some(SalesSeen::Best(best, reflects))
        }
        SalesCall::SellerTotal { .. }
        | SalesCall::StoreTotal { .. }
        | SalesCall::NetworkTotal { .. } => {
            let total = all(shown, "total").next()?;
            let total = Sum {
                cents: total[0],
                sales: total[1],
            };
            Some(SalesSeen::Total(
                total,
                reflects,
                all(shown, "part").map(part).collect(),
            ))
        }
    }
}

/// A record's words: kind and body of the command, kind and body of the event.
pub(crate) type Logged = ((Kind, Vec<u8>), (Kind, Vec<u8>));

/// What is logged of a call of these systems that was accepted; the id of a sale is its key.
#[expect(clippy::too_many_lines, reason = "one arm a call")]
pub(crate) fn logged(name: &str, about: &str, key: Key) -> Option<Logged> {
    let numbers = numbers(about);
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let pair = |command: catalogue::Command, event: catalogue::Event| {
        Some((
            bytes_of(|out| command.encode(out), command.kind().0),
            bytes_of(|out| event.encode(out), event.kind().0),
        ))
    };
    let trade = |command: sales::Command, event: sales::Event| {
        Some((
            bytes_of(|out| command.encode(out), command.kind().0),
            bytes_of(|out| event.encode(out), event.kind().0),
        ))
    };
    match name {
        "register-item" => pair(
            catalogue::RegisterItem {
                name: item_name(u32::try_from(at(1)).unwrap(), &key),
                item_type: at(0),
            }
            .into(),
            catalogue::ItemRegistered {}.into(),
        ),
        "rename-item" => pair(
            catalogue::RenameItem {
                item: at(0),
                name: item_name(u32::try_from(at(1)).unwrap(), &key),
            }
            .into(),
            catalogue::ItemRenamed {}.into(),
        ),
        "remove-item" => pair(
            catalogue::RemoveItem { item: at(0) }.into(),
            catalogue::ItemRemoved { favourites: 0 }.into(),
        ),
        "add-favourite" => pair(
            catalogue::AddFavourite { item: at(0) }.into(),
            catalogue::FavouriteAdded {
                changed: true,
                count: 1,
            }
            .into(),
        ),
        "remove-favourite" => pair(
            catalogue::RemoveFavourite { item: at(0) }.into(),
            catalogue::FavouriteRemoved {
                changed: true,
                count: 0,
            }
            .into(),
        ),
        "open-network" => trade(
            sales::OpenNetwork {
                name: "north".to_owned(),
            }
            .into(),
            sales::NetworkOpened {}.into(),
        ),
        "open-store" => trade(
            sales::OpenStore {
                network: at(0),
                name: key.to_string(),
            }
            .into(),
            sales::StoreOpened {}.into(),
        ),
        "record-sale" => trade(
            sales::RecordSale {
                sale: SaleId(key.0),
                store: at(0),
                cents: at(1),
                day: u32::try_from(at(2)).unwrap(),
            }
            .into(),
            sales::SaleRecorded { network: 0 }.into(),
        ),
        _other => None,
    }
}

pub(crate) fn bytes_of(encode: impl FnOnce(&mut Vec<u8>), kind: Kind) -> (Kind, Vec<u8>) {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    (kind, bytes)
}

/// The key of an operation, or of something the set-up did.
pub(crate) fn key_of(mint: &KeyMint, who: Option<(u32, u32)>, head: u64) -> Key {
    match who {
        Some((client, counter)) => mint.mint(client, counter),
        None => Key([u8::try_from(head % 200).unwrap(); 16]),
    }
}
