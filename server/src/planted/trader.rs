//! What planted bugs do to the catalogue and the sales.
//!
//! Everything forged is made of the systems' own words. Deliberately absent: the other systems.

use std::collections::BTreeMap;

use protocol::{
    Outcome, UserId,
    outcome::encode_accepted,
    words::{
        catalogue,
        sales::{self, Answer, Part, SaleId},
    },
};

use super::{Meddler, PlantedBug};
use crate::domain::{
    Context, System, Systems,
    systems::{CommandBytes, Executed},
};

/// What the trader remembers: the parts of each total as they were shown last.
#[derive(Debug, Default)]
pub(super) struct Trader {
    parts: BTreeMap<(UserId, Vec<u8>), Vec<Part>>,
}

impl Meddler {
    /// A command of the catalogue that is logged and answered, and changes nothing.
    pub(super) fn pretend(
        &mut self,
        systems: &Systems,
        cx: &Context,
        bytes: &CommandBytes<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Executed> {
        let command = catalogue::Command::decode(bytes.kind, bytes.schema, bytes.body).ok()?;
        let event = systems.catalogue.decide(cx, &command).ok()?;
        let strikes = match &event {
            catalogue::Event::FavouriteRemoved(removed) => {
                removed.changed && self.strikes(PlantedBug::ResurrectedFavourite)
            }
            catalogue::Event::ItemRemoved(removed) => {
                0 < removed.favourites && self.strikes(PlantedBug::FavouriteOfRemovedItem)
            }
            catalogue::Event::TypeAdded(_)
            | catalogue::Event::ItemRegistered(_)
            | catalogue::Event::ItemRenamed(_)
            | catalogue::Event::ItemRetyped(_)
            | catalogue::Event::FavouriteAdded(_) => false,
        };
        strikes.then(|| {
            let (kind, schema) = event.kind();
            encode_accepted(kind, schema, out);
            event.encode(out);
            Executed {
                accepted: true,
                target: systems.catalogue.target(&command),
                ..Executed::default()
            }
        })
    }

    /// A retry of a sale, which is counted once more.
    pub(crate) fn sell_again(
        &mut self,
        systems: &mut Systems,
        cx: &Context,
        bytes: &CommandBytes<'_>,
    ) {
        let Ok(sales::Command::RecordSale(mut word)) =
            sales::Command::decode(bytes.kind, bytes.schema, bytes.body)
        else {
            return;
        };
        let SaleId(mut id) = word.sale;
        id[15] ^= 1;
        word.sale = SaleId(id);
        let command = sales::Command::from(word);
        if let Ok(event) = systems.sales.decide(cx, &command)
            && self.strikes(PlantedBug::SaleCountedTwice)
        {
            systems.sales.apply(cx, &command, &event);
        }
    }

    /// Puts the parts that were shown last under a new total.
    pub(super) fn mix(&mut self, actor: UserId, query: &CommandBytes<'_>, outcome: &mut Vec<u8>) {
        let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(outcome) else {
            return;
        };
        let Ok(mut answer) = Answer::decode(kind, schema, body) else {
            return;
        };
        let (reflects, parts) = match &mut answer {
            Answer::SellerTotals(of) => (of.reflects, &mut of.stores),
            Answer::StoreTotals(of) => (of.reflects, &mut of.sellers),
            Answer::NetworkTotals(of) => (of.reflects, &mut of.stores),
            Answer::BestSellers(_)
            | Answer::BestStores(_)
            | Answer::Stores(_)
            | Answer::Networks(_) => return,
        };
        let mut what = query.kind.0.to_le_bytes().to_vec();
        what.extend(query.body);
        let old = self.trader.parts.insert((actor, what), parts.clone());
        let old = old.filter(|old| old.iter().any(|part| part.reflects != reflects));
        if let Some(old) = old
            && self.strikes(PlantedBug::MixedTotals)
        {
            *parts = old;
            outcome.clear();
            encode_accepted(kind, schema, outcome);
            answer.encode(outcome);
        }
    }
}
