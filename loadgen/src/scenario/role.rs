//! Who may take which step: found out before the run, not by refusals in the middle of it.

use super::{ActionSpec, FlowSpec, SelectSpec};
use crate::plan::{CatalogueStep, SalesStep, Who};

/// Why a flow is not for these clients: the role it needs, and what for.
pub(super) fn misplaced(flow: &FlowSpec, who: Who) -> Option<(Who, &'static str)> {
    let needs = flow.steps.iter().filter_map(|step| need(&step.action));
    needs.into_iter().find(|(role, _)| *role != who)
}

const fn need(action: &ActionSpec) -> Option<(Who, &'static str)> {
    match action {
        ActionSpec::Sales(step) => Some(need_of_sales(step)),
        ActionSpec::Catalogue(step) => need_of_catalogue(step),
        ActionSpec::Wait(_)
        | ActionSpec::Offline(_)
        | ActionSpec::Reserve(_)
        | ActionSpec::Hold { .. }
        | ActionSpec::Cancel { .. }
        | ActionSpec::Confirm { .. }
        | ActionSpec::JoinWaitlist(_)
        | ActionSpec::LeaveWaitlist(_)
        | ActionSpec::ListSlots(_)
        | ActionSpec::MyBookings
        | ActionSpec::EraseMe
        | ActionSpec::Chat(_) => None,
    }
}

const fn need_of_sales(step: &SalesStep<SelectSpec>) -> (Who, &'static str) {
    match step {
        SalesStep::RecordSale { .. } => (Who::Sellers, "records sales"),
        SalesStep::SellerTotal { .. }
        | SalesStep::StoreTotal { .. }
        | SalesStep::NetworkTotal { .. }
        | SalesStep::BestSeller { .. }
        | SalesStep::BestStore { .. } => (Who::Managers, "asks for figures"),
    }
}

/// Items of the world are the admin's: others than managers change only what they made.
const fn need_of_catalogue(step: &CatalogueStep<SelectSpec>) -> Option<(Who, &'static str)> {
    match step {
        CatalogueStep::RenameItem { item, .. }
        | CatalogueStep::RetypeItem { item, .. }
        | CatalogueStep::RemoveItem { item } => match item {
            SelectSpec::Pick(..) => Some((Who::Managers, "changes items of the world")),
            SelectSpec::Between(..) | SelectSpec::Saved(_) => None,
        },
        CatalogueStep::RegisterItem { .. }
        | CatalogueStep::AddFavourite { .. }
        | CatalogueStep::RemoveFavourite { .. }
        | CatalogueStep::SearchItems { .. }
        | CatalogueStep::ListFavourites => None,
    }
}
