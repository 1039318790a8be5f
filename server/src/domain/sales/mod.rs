//! The sales: networks of stores, who sells where, and what was sold.
//!
//! Commands come in and events go out through [`System`]; the files are the steps: `decide` reads
//! and may refuse, `apply` writes, `query` answers, `state` holds the rows and `ledger` sums by
//! day. A sale changes every total it belongs to at once, so any figures of one answer add up.
//!
//! What somebody sold who was erased stays in every total: it is the store's. Among the sellers of
//! a store it is added to one part, of nobody, so that no other figure changes; nobody has no
//! total of its own and is never the best.
//!
//! Deliberately absent: refunds, and removal of a store or a network. Who is assigned must have
//! the role of a seller, and who sells must have it still.

mod apply;
mod decide;
mod ledger;
mod query;
mod state;

#[cfg(test)]
mod tests;

use protocol::{
    Code, Refusal, Roles, UserId,
    words::{
        log::About,
        sales::{self as words, Command, Event},
    },
};

pub use state::Sales;

use super::{Context, Pushed, RoleNeeded, Stream, System, checks::is_somebody_elses, word};

word!(Command, Event, words::Query, words::Answer, words::Push);

impl System for Sales {
    const ID: u8 = words::SYSTEM;
    type Command = Command;
    type Event = Event;
    type Query = words::Query;
    type Answer = words::Answer;
    type Push = words::Push;

    fn is_client_command(command: &Command) -> bool {
        match command {
            Command::OpenNetwork(_)
            | Command::OpenStore(_)
            | Command::AssignSeller(_)
            | Command::RecordSale(_) => true,
        }
    }

    fn people(command: &Command) -> &[UserId] {
        match command {
            Command::AssignSeller(command) => std::slice::from_ref(&command.seller),
            Command::OpenNetwork(_) | Command::OpenStore(_) | Command::RecordSale(_) => &[],
        }
    }

    fn role_needed(command: &Command) -> Option<RoleNeeded> {
        match command {
            Command::AssignSeller(command) => Some(RoleNeeded {
                user: command.seller,
                role: Roles::SELLER,
                code: Code::NOT_SELLER,
            }),
            Command::OpenNetwork(_) | Command::OpenStore(_) | Command::RecordSale(_) => None,
        }
    }

    fn decide(&self, cx: &Context, command: &Command) -> Result<Event, Refusal> {
        match command {
            Command::OpenNetwork(command) => self.decide_network(cx, command).map(Event::from),
            Command::OpenStore(command) => self.decide_store(cx, command).map(Event::from),
            Command::AssignSeller(command) => self.decide_assign(cx, command).map(Event::from),
            Command::RecordSale(command) => self.decide_sale(cx, command).map(Event::from),
        }
    }

    fn apply(&mut self, cx: &Context, command: &Command, event: &Event) {
        self.apply_event(cx, command, event);
    }

    fn answer(&self, cx: &Context, query: &words::Query) -> Result<words::Answer, Refusal> {
        match query {
            words::Query::ListNetworks(query) => self.list_networks(cx, query).map(Into::into),
            words::Query::ListStores(query) => self.list_stores(cx, query).map(Into::into),
            words::Query::SellerTotal(query) => self.seller_total(cx, query).map(Into::into),
            words::Query::StoreTotal(query) => self.store_total(cx, query).map(Into::into),
            words::Query::NetworkTotal(query) => self.network_total(cx, query).map(Into::into),
            words::Query::BestSeller(query) => self.best_seller(cx, query).map(Into::into),
            words::Query::BestStore(query) => self.best_store(cx, query).map(Into::into),
        }
    }

    fn push(cx: &Context, command: &Command, event: &Event) -> Option<Pushed<words::Push>> {
        let (Command::AssignSeller(command), Event::SellerAssigned(event)) = (command, event)
        else {
            return None;
        };
        is_somebody_elses(cx, command.seller).then(|| Pushed {
            stream: Stream::Person(command.seller),
            word: words::Assigned {
                store: command.store,
                before: event.before,
                by: cx.actor,
            }
            .into(),
            is_kept: true,
        })
    }

    fn concerns(command: &Command, _event: &Event) -> Option<UserId> {
        match command {
            Command::AssignSeller(command) => Some(command.seller),
            Command::OpenNetwork(_) | Command::OpenStore(_) | Command::RecordSale(_) => None,
        }
    }

    fn about(cx: &Context, command: &Command, event: Option<&Event>) -> About {
        match command {
            Command::OpenNetwork(_) => event.map_or(About::Nothing, |_| About::Network(cx.seq.0)),
            Command::OpenStore(command) => {
                event.map_or(About::Network(command.network), |_| About::Store(cx.seq.0))
            }
            Command::AssignSeller(words::AssignSeller { seller, store }) => About::Seller {
                user: *seller,
                store: *store,
            },
            Command::RecordSale(command) => About::Sale {
                store: command.store,
                cents: command.cents,
                day: command.day,
            },
        }
    }

    fn forget(&mut self, _cx: &Context, user: UserId) {
        self.forget_seller(user);
    }

    fn target(&self, command: &Command) -> u64 {
        match command {
            Command::OpenNetwork(_) => 0,
            Command::OpenStore(words::OpenStore { network, .. }) => *network,
            Command::AssignSeller(words::AssignSeller { store, .. })
            | Command::RecordSale(words::RecordSale { store, .. }) => *store,
        }
    }

    fn state_hash(&self) -> u128 {
        self.digest().value()
    }
}
