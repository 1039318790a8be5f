//! Steps of the catalogue and of the sales.

use std::ops::Range;

use super::{
    SelectSpec,
    flow::StepReader,
    reader::{Read, Value},
    select::read_amount,
};
use crate::plan::{CatalogueStep, Population, SalesStep};

/// Cents of one sale: below what the server takes, and above what anybody sells here.
const CENTS: Range<u64> = 1..1_000_000_001;
/// Cents of a sale when the file does not say.
const CENTS_DEFAULT: u32 = 1_000;
/// Days of a period.
const PERIODS: Range<u64> = 1..3_661;
/// Days of a period when the file does not say: today.
const PERIOD_DEFAULT: u16 = 1;

/// Keys of a new item.
pub(super) const ITEM_KEYS: [&str; 2] = ["type", "word"];
/// Keys of another name.
pub(super) const RENAME_KEYS: [&str; 2] = ["item", "word"];
/// Keys of another type.
pub(super) const RETYPE_KEYS: [&str; 2] = ["item", "type"];
/// Keys of a sale.
pub(super) const SALE_KEYS: [&str; 2] = ["cents", "day"];
/// Keys of a store's figure.
pub(super) const STORE_KEYS: [&str; 2] = ["store", "days"];
/// Keys of a network's figure.
pub(super) const NETWORK_KEYS: [&str; 2] = ["network", "days"];

impl<'a> StepReader<'_, 'a> {
    /// Reads a step of the catalogue; `None` if it is of another system.
    pub(super) fn read_catalogue(
        &mut self,
        value: &Value<'a>,
    ) -> Read<Option<CatalogueStep<SelectSpec>>> {
        let mut only = |key, among| self.read_only(value, key, among);
        Ok(Some(match value.key() {
            "register_item" => {
                let table = value.table("an item", &ITEM_KEYS)?;
                CatalogueStep::RegisterItem {
                    item_type: self.part(&table, "type", Population::Types)?,
                    word: self.part(&table, "word", Population::Words)?,
                }
            }
            "rename_item" => {
                let table = value.table("this step", &RENAME_KEYS)?;
                CatalogueStep::RenameItem {
                    item: self.part(&table, "item", Population::Items)?,
                    word: self.part(&table, "word", Population::Words)?,
                }
            }
            "retype_item" => {
                let table = value.table("this step", &RETYPE_KEYS)?;
                CatalogueStep::RetypeItem {
                    item: self.part(&table, "item", Population::Items)?,
                    item_type: self.part(&table, "type", Population::Types)?,
                }
            }
            "remove_item" => CatalogueStep::RemoveItem {
                item: only("item", Population::Items)?,
            },
            "add_favourite" => CatalogueStep::AddFavourite {
                item: only("item", Population::Items)?,
            },
            "remove_favourite" => CatalogueStep::RemoveFavourite {
                item: only("item", Population::Items)?,
            },
            "search_items" => CatalogueStep::SearchItems {
                word: only("word", Population::Words)?,
            },
            "list_favourites" => {
                value.table("`list_favourites`", &[])?;
                CatalogueStep::ListFavourites
            }
            _of_another => return Ok(None),
        }))
    }

    /// Reads a step of the sales; `None` if it is of another system.
    pub(super) fn read_sales(&mut self, value: &Value<'a>) -> Read<Option<SalesStep<SelectSpec>>> {
        let mut only = |key, among| self.read_only(value, key, among);
        Ok(Some(match value.key() {
            "record_sale" => self.read_sale(value)?,
            "seller_total" => SalesStep::SellerTotal {
                seller: only("seller", Population::Sellers)?,
            },
            "store_total" => {
                let (store, days) = self.read_period(value, &STORE_KEYS, Population::Stores)?;
                SalesStep::StoreTotal { store, days }
            }
            "network_total" => {
                let (network, days) =
                    self.read_period(value, &NETWORK_KEYS, Population::Networks)?;
                SalesStep::NetworkTotal { network, days }
            }
            "best_seller" => SalesStep::BestSeller {
                network: only("network", Population::Networks)?,
            },
            "best_store" => SalesStep::BestStore {
                network: only("network", Population::Networks)?,
            },
            _of_another => return Ok(None),
        }))
    }

    fn read_sale(&mut self, value: &Value<'a>) -> Read<SalesStep<SelectSpec>> {
        let table = value.table("a sale", &SALE_KEYS)?;
        Ok(SalesStep::RecordSale {
            cents: read_amount(&table, "cents", CENTS, CENTS_DEFAULT)?,
            day: self.part(&table, "day", Population::Days)?,
        })
    }

    /// Reads which, under the first key, and over how many days, under the second.
    fn read_period(
        &mut self,
        value: &Value<'a>,
        keys: &[&'static str; 2],
        among: Population,
    ) -> Read<(SelectSpec, u16)> {
        let table = value.table("this step", keys)?;
        let [which, days] = keys;
        let which = self.part(&table, which, among)?;
        let days = table
            .get(days)
            .map_or(Ok(PERIOD_DEFAULT), |value| value.integer(PERIODS))?;
        Ok((which, days))
    }
}
