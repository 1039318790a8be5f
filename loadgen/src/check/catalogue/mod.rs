//! The laws of the catalogue, F1 to F6: who is told what.
//!
//! Answers go in as they come, then the log through a model of our own; one finding a law comes
//! out. Favourites are the point: an item of one person's list is a register, the list is a set.
//! Deliberately absent: the rules of who may rename what, which no law of the catalogue speaks of.

mod favourite_registers;
mod favourites_counted;
mod favourites_idempotent;
mod favourites_listed;
mod model;
mod no_resurrection;
mod searches_agree;

use protocol::{OwnedRecord, UserId, words::catalogue::Command};

use self::{
    favourite_registers::FavouriteRegisters,
    favourites_counted::FavouritesCounted,
    favourites_idempotent::FavouritesIdempotent,
    favourites_listed::FavouritesListed,
    model::Model,
    no_resurrection::NoResurrection,
    searches_agree::{SearchesAgree, digest_of},
};
use super::{finding::Finding, reads::Reads, record::Decided};
use crate::operation::{CatalogueCall, CatalogueSeen, LawProgress, Observed, Operation, Outcome};

/// The names of these laws, in the order of their verdicts.
pub(super) const LAWS: [&str; 6] = [
    "favourite-registers",
    "favourites-listed",
    "favourites-idempotent",
    "favourites-counted",
    "no-resurrection",
    "searches-agree",
];

/// An answer about favourites or items, kept until the model is where it says it was.
#[derive(Debug)]
pub(super) struct Shown {
    client: u32,
    counter: u32,
    what: What,
}

/// What an answer said.
#[derive(Debug)]
pub(super) enum What {
    /// An item was added or removed: whether that changed anything, and how many there are.
    Changed {
        item: u64,
        adds: bool,
        changed: bool,
        count: u32,
    },
    /// How many there are, the digest of all, and the first page.
    Listed {
        count: u32,
        digest: u64,
        items: Vec<u64>,
    },
    /// Items with a word in their name: how many, the digest of them in their order, and the item
    /// up to which was looked (0: the last one).
    Found {
        word: u32,
        len: u32,
        digest: u64,
        next: u64,
    },
}

/// Every law of the catalogue.
#[derive(Debug)]
pub(super) struct CatalogueLaws {
    model: Model,
    shown: Reads<Shown>,
    registers: FavouriteRegisters,
    listed: FavouritesListed,
    idempotent: FavouritesIdempotent,
    counted: FavouritesCounted,
    no_resurrection: NoResurrection,
    searches: SearchesAgree,
    operations: u64,
}

impl CatalogueLaws {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            model: Model::default(),
            shown: Reads::new(bytes_max),
            registers: FavouriteRegisters::new(),
            listed: FavouritesListed::new(),
            idempotent: FavouritesIdempotent::new(),
            counted: FavouritesCounted::new(),
            no_resurrection: NoResurrection::new(),
            searches: SearchesAgree::new(),
            operations: 0,
        }
    }

    /// How far the laws are that are judged while the run goes on.
    pub(super) fn progress(&self) -> Vec<LawProgress> {
        vec![self.counted.progress(), self.no_resurrection.progress()]
    }

    /// Whether anybody asked anything of the catalogue.
    pub(super) const fn is_exercised(&self) -> bool {
        0 < self.operations
    }

    pub(super) fn handle_invoke(&mut self, user: UserId, call: &CatalogueCall) {
        self.operations += 1;
        if let CatalogueCall::AddFavourite { item } = *call {
            self.no_resurrection.handle_add(user, item);
        }
    }

    pub(super) fn handle_complete(
        &mut self,
        user: UserId,
        operation: &Operation,
        call: &CatalogueCall,
        observed: &Observed,
    ) {
        self.no_resurrection
            .handle_complete(user, operation, call, observed);
        if let Outcome::Refused(code) = operation.outcome {
            // Every person may ask both, in the words that runs ask.
            match call {
                CatalogueCall::SearchItems { .. } => self.searches.handle_refused(operation, code),
                CatalogueCall::ListFavourites {} => self.listed.handle_refused(operation, code),
                CatalogueCall::RegisterItem { .. }
                | CatalogueCall::RenameItem { .. }
                | CatalogueCall::RetypeItem { .. }
                | CatalogueCall::RemoveItem { .. }
                | CatalogueCall::AddFavourite { .. }
                | CatalogueCall::RemoveFavourite { .. } => {}
            }
        }
        if operation.outcome != Outcome::Ok {
            return;
        }
        let Observed::Catalogue(seen) = observed else {
            return;
        };
        let what = match (call, seen) {
            (CatalogueCall::AddFavourite { item }, CatalogueSeen::Favourite(changed, count)) => {
                What::Changed {
                    item: *item,
                    adds: true,
                    changed: *changed,
                    count: *count,
                }
            }
            (CatalogueCall::RemoveFavourite { item }, CatalogueSeen::Favourite(changed, count)) => {
                What::Changed {
                    item: *item,
                    adds: false,
                    changed: *changed,
                    count: *count,
                }
            }
            (CatalogueCall::ListFavourites {}, CatalogueSeen::Favourites(count, digest, items)) => {
                What::Listed {
                    count: *count,
                    digest: *digest,
                    items: items.clone(),
                }
            }
            (CatalogueCall::SearchItems { word }, CatalogueSeen::Items(items, next)) => {
                What::Found {
                    word: *word,
                    len: u32::try_from(items.len()).unwrap_or(u32::MAX),
                    digest: digest_of(items),
                    next: *next,
                }
            }
            _shows_neither => return,
        };
        let shown = Shown {
            client: operation.client,
            counter: operation.counter,
            what,
        };
        let more = match &shown.what {
            What::Listed { items, .. } => size_of_val(items.as_slice()),
            What::Changed { .. } | What::Found { .. } => 0,
        };
        self.shown.keep_with(operation.seq, shown, more);
    }

    /// One record of the log, decoded if it is the catalogue's.
    pub(super) fn handle_record(&mut self, record: &OwnedRecord, users: &[Option<UserId>]) {
        let before = match Decided::<Command>::of(record) {
            Some(decided) => self.model.apply(record, &decided),
            None => None,
        };
        while let Some(shown) = self.shown.next_at(record.seq.0) {
            let index = usize::try_from(shown.client).unwrap_or(usize::MAX);
            let Some(user) = users.get(index).copied().flatten() else {
                continue;
            };
            self.registers.check(&self.model, record, &shown, before);
            self.idempotent.check(user, record, &shown, before);
            self.counted.check(&self.model, user, record, &shown);
            self.listed.check(&self.model, user, record, &shown);
            self.searches.check(&self.model, record, &shown);
        }
    }

    /// The findings, in the order of [`LAWS`].
    pub(super) fn conclude(self) -> [Finding; LAWS.len()] {
        let skipped = self.shown.skipped();
        let mut compared = [
            self.registers.conclude(),
            self.listed.conclude(),
            self.idempotent.conclude(),
            self.counted.conclude(),
            self.searches.conclude(),
        ];
        if 0 < skipped {
            let why = format!("{skipped} answers could not be compared with the log");
            compared.iter_mut().for_each(|law| law.doubt(why.clone()));
        }
        let [registers, listed, idempotent, counted, searches] = compared;
        let no_resurrection = self.no_resurrection.conclude();
        [
            registers,
            listed,
            idempotent,
            counted,
            no_resurrection,
            searches,
        ]
    }
}
