//! What planted bugs do to the catalogue and the sales.
//!
//! Everything forged is made of the systems' own words. Deliberately absent: the other systems.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Outcome, UserId,
    outcome::encode_accepted,
    words::{
        catalogue,
        sales::{self, Answer, Part, SaleId},
    },
};

use super::{PlantedBug, Tamper};
use crate::domain::{Context, System, Systems, systems::CommandBytes};

/// What the commerce remembers.
#[derive(Debug, Default)]
pub(super) struct CommerceTamper {
    /// The parts of each total as they were shown last.
    parts: BTreeMap<(UserId, Vec<u8>), Vec<Part>>,
    /// The favourites of everybody as they were shown last.
    favourites: BTreeMap<(UserId, Vec<u8>), Favourites>,
    /// Items that were taken out of the catalogue.
    removed: BTreeSet<u64>,
}

/// Items, and the answer that named them.
type Favourites = (BTreeSet<u64>, Vec<u8>);

impl Tamper {
    /// Notes which items are taken out of the catalogue.
    pub(super) fn note_removal(
        &mut self,
        systems: &Systems,
        cx: &Context,
        bytes: &CommandBytes<'_>,
    ) {
        let command = catalogue::Command::decode(bytes.kind, bytes.schema, bytes.body);
        if let Ok(command @ catalogue::Command::RemoveItem(word)) = command
            && systems.catalogue.decide(cx, &command).is_ok()
        {
            self.commerce.removed.insert(word.item);
        }
    }

    /// Shows favourites as the same person saw them last.
    fn revive(&mut self, actor: UserId, query: &CommandBytes<'_>, outcome: &mut Vec<u8>) {
        let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(outcome) else {
            return;
        };
        let Ok(catalogue::Answer::Favourites(page)) = catalogue::Answer::decode(kind, schema, body)
        else {
            return;
        };
        let items: BTreeSet<u64> = page.items.iter().map(|view| view.item).collect();
        let new = (items, outcome.clone());
        let what = (actor, query.body.to_vec());
        let Some((old, old_outcome)) = self.commerce.favourites.insert(what, new.clone()) else {
            return;
        };
        let mut gone = old.difference(&new.0);
        let of_removed = gone
            .clone()
            .any(|item| self.commerce.removed.contains(item));
        let of_others = gone.any(|item| !self.commerce.removed.contains(item));
        if (of_removed && self.is_due(PlantedBug::FavouriteOfRemovedItem))
            || (of_others && self.is_due(PlantedBug::ResurrectedFavourite))
        {
            *outcome = old_outcome;
        }
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
            && self.is_due(PlantedBug::SaleCountedTwice)
        {
            systems.sales.apply(cx, &command, &event);
        }
    }

    /// Changes what a query of these systems is answered with.
    pub(super) fn read_trade(
        &mut self,
        actor: UserId,
        query: &CommandBytes<'_>,
        outcome: &mut Vec<u8>,
    ) {
        match query.kind.system() {
            catalogue::SYSTEM => self.revive(actor, query, outcome),
            sales::SYSTEM => self.mix(actor, query, outcome),
            _other => {}
        }
    }

    /// Puts the parts that were shown last under a new total.
    fn mix(&mut self, actor: UserId, query: &CommandBytes<'_>, outcome: &mut Vec<u8>) {
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
        let old = self.commerce.parts.insert((actor, what), parts.clone());
        let old = old.filter(|old| old.iter().any(|part| part.reflects != reflects));
        if let Some(old) = old
            && self.is_due(PlantedBug::MixedTotals)
        {
            *parts = old;
            outcome.clear();
            encode_accepted(kind, schema, outcome);
            answer.encode(outcome);
        }
    }
}

/// Writes a sale of a multiple of so many cents down with one cent less. Whether it is one.
pub(super) fn round(command: &CommandBytes<'_>, room: &mut Vec<u8>) -> bool {
    let decoded = sales::Command::decode(command.kind, command.schema, command.body);
    let Ok(sales::Command::RecordSale(mut word)) = decoded else {
        return false;
    };
    let is_round = word.cents.is_multiple_of(PlantedBug::RoundedSale.every());
    if is_round && 1 < word.cents {
        word.cents -= 1;
        sales::Command::from(word).encode(room);
    }
    !room.is_empty()
}
