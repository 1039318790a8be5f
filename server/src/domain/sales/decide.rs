//! What may happen in the sales, and why not.
//!
//! A command and its context come in; the event that would happen, or the first rule in its way,
//! goes out. What a command says is checked before what the state says, so that the same nonsense
//! is always refused alike; and whether a sale was recorded before where it may be recorded, so
//! that a retry learns that it counts even when its seller has moved on. Deliberately absent: any
//! change of state, and whether a seller is registered, which this system does not know.

use protocol::{
    Code, Refusal, Roles, UserId,
    limits::{
        LIST_NAME_BYTES_MAX, NETWORKS_MAX, SALE_CENTS_MAX, SELLER_STORES_MAX, SELLERS_MAX,
        STORES_MAX,
    },
    words::sales::{
        AssignSeller, NetworkOpened, OpenNetwork, OpenStore, RecordSale, SaleRecorded,
        SellerAssigned, StoreOpened,
    },
};

use super::state::{Network, Sales, Store};
use crate::domain::{
    Context,
    checks::{DAY_MS, check_manager, check_name, check_person, check_room, not_allowed},
};

impl Sales {
    pub(super) fn decide_network(
        &self,
        cx: &Context,
        command: &OpenNetwork,
    ) -> Result<NetworkOpened, Refusal> {
        check_admin(cx)?;
        check_name(
            Code::NETWORK_NAME_LENGTH,
            &command.name,
            LIST_NAME_BYTES_MAX,
        )?;
        check_room(Code::NETWORKS, self.networks_len(), NETWORKS_MAX)?;
        match self.network_named(&command.name) {
            Some(other) => Err(Refusal::with(Code::NETWORK_NAME_TAKEN, other, 0)),
            None => Ok(NetworkOpened {}),
        }
    }

    pub(super) fn decide_store(
        &self,
        cx: &Context,
        command: &OpenStore,
    ) -> Result<StoreOpened, Refusal> {
        check_manager(cx)?;
        check_name(Code::STORE_NAME_LENGTH, &command.name, LIST_NAME_BYTES_MAX)?;
        let network = self.known_network(command.network)?;
        check_room(Code::STORES, network.stores.len(), STORES_MAX)?;
        match network.store_names.get(command.name.as_str()) {
            Some(other) => Err(Refusal::with(Code::STORE_NAME_TAKEN, *other, 0)),
            None => Ok(StoreOpened {}),
        }
    }

    pub(super) fn decide_assign(
        &self,
        cx: &Context,
        command: &AssignSeller,
    ) -> Result<SellerAssigned, Refusal> {
        check_manager(cx)?;
        // Nobody stands for those who were erased.
        if command.seller == UserId::NOBODY {
            return Err(Refusal::with(Code::UNKNOWN_USER, 0, 0));
        }
        let store = self.known_store(command.store)?;
        let seller = self.seller(command.seller);
        if !store.sellers.contains_key(&command.seller) {
            check_room(Code::SELLERS, store.sellers.len(), SELLERS_MAX)?;
            let stores = seller.map_or(0, |seller| seller.stores.len());
            check_room(Code::SELLER_STORES, stores, SELLER_STORES_MAX)?;
        }
        Ok(SellerAssigned {
            before: seller.map_or(0, |seller| seller.store),
        })
    }

    pub(super) fn decide_sale(
        &self,
        cx: &Context,
        command: &RecordSale,
    ) -> Result<SaleRecorded, Refusal> {
        check_person(cx)?;
        if !cx.roles.contains(Roles::SELLER) {
            return Err(not_allowed(cx, Roles::SELLER));
        }
        check_figures(cx, command)?;
        if let Some(seq) = self.sale(command.sale) {
            return Err(Refusal::with(Code::SALE_EXISTS, seq, 0));
        }
        let network = self.known_store(command.store)?.network;
        let own = self.seller(cx.actor).map_or(0, |seller| seller.store);
        if own != command.store {
            return Err(Refusal::with(Code::NOT_YOUR_STORE, command.store, own));
        }
        // Every figure there is, is the sum of some of the sales: when all of them together fit,
        // so does each.
        let total = self.total().cents;
        if total.checked_add(command.cents).is_none() {
            return Err(Refusal::with(Code::TOTAL, total, u64::MAX));
        }
        Ok(SaleRecorded { network })
    }

    pub(super) fn known_network(&self, id: u64) -> Result<&Network, Refusal> {
        self.network(id)
            .ok_or(Refusal::with(Code::UNKNOWN_NETWORK, id, 0))
    }

    pub(super) fn known_store(&self, id: u64) -> Result<&Store, Refusal> {
        self.store(id)
            .ok_or(Refusal::with(Code::UNKNOWN_STORE, id, 0))
    }
}

/// The server itself is nobody with every role.
fn check_admin(cx: &Context) -> Result<(), Refusal> {
    if cx.roles.contains(Roles::ADMIN) {
        return Ok(());
    }
    check_person(cx)?;
    Err(not_allowed(cx, Roles::ADMIN))
}

fn check_figures(cx: &Context, command: &RecordSale) -> Result<(), Refusal> {
    if !(1..=SALE_CENTS_MAX).contains(&command.cents) {
        return Err(Refusal::with(
            Code::SALE_CENTS,
            command.cents,
            SALE_CENTS_MAX,
        ));
    }
    let today = cx.now / DAY_MS;
    if today < u64::from(command.day) {
        return Err(Refusal::with(Code::SALE_DAY, command.day.into(), today));
    }
    Ok(())
}
