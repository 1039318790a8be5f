//! What a client asks of the catalogue, and what it is shown.
//!
//! Items and types are the server's ids. Names are not kept: an item's name follows from the number
//! of its word and from its key (see [`item_name`]).

use protocol::Key;
use serde::{Deserialize, Serialize};

use super::calls::calls;

calls! {
    /// A call of the catalogue.
    CatalogueCall;
    /// A new item.
    RegisterItem = 0, "register-item", false {
        /// Its type.
        item_type: u64,
        /// Which of the world's words its name begins with; the key makes it unique.
        word: u32,
    }
    /// Another name.
    RenameItem = 1, "rename-item", false {
        /// Which.
        item: u64,
        /// As above.
        word: u32,
    }
    /// Another type.
    RetypeItem = 2, "retype-item", false {
        /// Which.
        item: u64,
        /// Its type from now on.
        item_type: u64,
    }
    /// Take an item out.
    RemoveItem = 3, "remove-item", false {
        /// Which.
        item: u64,
    }
    /// Put it among one's favourites.
    AddFavourite = 4, "add-favourite", false {
        /// Which.
        item: u64,
    }
    /// Take it out of them.
    RemoveFavourite = 5, "remove-favourite", false {
        /// Which.
        item: u64,
    }
    /// Items with this word in their name.
    SearchItems = 6, "search-items", true {
        /// Which of the world's words.
        word: u32,
    }
    /// All of one's favourites.
    ListFavourites = 7, "list-favourites", true {}
}

/// What an accepted answer of the catalogue showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CatalogueSeen {
    /// An addition or removal of a favourite: whether it changed anything, and how many there are.
    Favourite(bool, u32),
    /// Items found, in the order of the answer, and the item to ask behind for more (0: no more).
    Items(Vec<u64>, u64),
    /// How many favourites, their digest, and the first page of them.
    Favourites(u32, u64, Vec<u64>),
}

/// One of the world's words as people type it: `w` and five letters from `g` to `v`. No word is
/// part of another one, nor of a key in hex, so that who looks for it finds what has it and no more.
#[must_use]
pub fn word_text(word: u32) -> String {
    letters('w', word)
}

/// The name of the item that the command with this key names: the word as it is printed, with a
/// capital and an accent that a search must not care about, and the key.
#[must_use]
pub fn item_name(word: u32, key: &Key) -> String {
    format!("{} {key}", letters('\u{1e82}', word))
}

/// Words there are.
pub const WORDS_LEN: u32 = 1 << 20;

fn letters(first: char, word: u32) -> String {
    const LETTERS: &[u8; 16] = b"ghijklmnopqrstuv";
    let letter = |digit: u32| char::from(LETTERS[(word >> (4 * digit) & 0xf) as usize]);
    std::iter::once(first)
        .chain((0..5).rev().map(letter))
        .collect()
}
