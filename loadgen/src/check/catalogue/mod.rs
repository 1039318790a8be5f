//! What the laws of the catalogue share, F1 to F6, and when they are told.
//!
//! Answers go in as they come, then the log through a model of our own; each answer comes out again where
//! the model is at its position. Favourites are the point: an item of one person's list is a register, the list is a set.
//! Deliberately absent: the rules of who may rename what, which no law of the catalogue speaks of.

pub(crate) mod favourite_registers;
pub(crate) mod favourites_counted;
pub(crate) mod favourites_idempotent;
pub(crate) mod favourites_listed;
pub(crate) mod model;
pub(crate) mod no_resurrection;
pub(crate) mod searches_agree;

use protocol::{OwnedRecord, words::catalogue::Command};

use self::{model::Model, searches_agree::digest_of};
use super::{
    finding::Finding, law::CatalogueShown, laws::Laws, reads::Reads, record::Decided, world::World,
};
use crate::operation::{CatalogueCall, CatalogueSeen, Operation};

/// An answer about favourites or items, kept until the model is where it says it was.
#[derive(Debug)]
pub(crate) struct Shown {
    client: u32,
    counter: u32,
    what: What,
}

/// What an answer said.
#[derive(Debug)]
pub(crate) enum What {
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

/// What the laws of the catalogue share.
#[derive(Debug)]
pub(crate) struct CatalogueState {
    pub(crate) model: Model,
    pub(crate) shown: Reads<Shown>,
    operations: u64,
}

impl CatalogueState {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            model: Model::default(),
            shown: Reads::new(bytes_max),
            operations: 0,
        }
    }

    /// Whether anybody asked anything of the catalogue.
    pub(crate) const fn is_exercised(&self) -> bool {
        0 < self.operations
    }

    /// A call is about to be sent.
    pub(crate) const fn note_invoke(&mut self) {
        self.operations += 1;
    }

    /// An accepted answer, until the model is where it says it was.
    pub(crate) fn keep(
        &mut self,
        operation: &Operation,
        call: &CatalogueCall,
        seen: &CatalogueSeen,
    ) {
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
}

impl Laws {
    /// One record of the log, decoded if it is the catalogue's.
    pub(crate) fn apply_catalogue(&mut self, record: &OwnedRecord) {
        let before = match Decided::<Command>::of(record) {
            Some(decided) => self.world.catalogue.model.apply(record, &decided),
            None => None,
        };
        while let Some(shown) = self.world.catalogue.shown.next_at(record.seq.0) {
            if let Some(user) = self.world.known_user(shown.client) {
                self.tell(&CatalogueShown {
                    shown: &shown,
                    user,
                    record,
                    before,
                });
            }
        }
    }
}

/// Answers that no model was at leave a law in doubt.
pub(crate) fn doubt_skipped(finding: &mut Finding, world: &World) {
    let skipped = world.catalogue.shown.skipped();
    if 0 < skipped {
        finding.doubt(format!(
            "{skipped} answers could not be compared with the log"
        ));
    }
}
