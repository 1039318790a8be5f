//! What an event changes in the sales.
//!
//! An event that happened, with the command it answered, comes in; rows change. Total: there is no
//! way to refuse. An event beside a command that cannot have caused it, or about a row that is not
//! there, means that the log was not written by these rules, and nothing sound can follow: panic.
//! Deliberately absent: conditions; they were decided.

use protocol::words::sales::{Command, Event};

use super::state::{NewSale, Sales};
use crate::domain::Context;

impl Sales {
    pub(super) fn apply_event(&mut self, cx: &Context, command: &Command, event: &Event) {
        match (event, command) {
            (Event::NetworkOpened(_), Command::OpenNetwork(command)) => {
                self.insert_network(cx.seq.0, &command.name);
            }
            (Event::StoreOpened(_), Command::OpenStore(command)) => {
                self.insert_store(cx.seq.0, command.network, &command.name);
            }
            (Event::SellerAssigned(_), Command::AssignSeller(command)) => {
                self.assign(command.seller, command.store);
            }
            (Event::SaleRecorded(event), Command::RecordSale(command)) => {
                self.insert_sale(&NewSale {
                    id: command.sale,
                    seq: cx.seq.0,
                    seller: cx.actor,
                    store: command.store,
                    network: event.network,
                    day: command.day,
                    cents: command.cents,
                });
            }
            (
                Event::NetworkOpened(_)
                | Event::StoreOpened(_)
                | Event::SellerAssigned(_)
                | Event::SaleRecorded(_),
                command,
            ) => panic!("{} cannot have caused {}", command.name(), event.name()),
        }
    }
}
