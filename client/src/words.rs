//! Which word answers which.
//!
//! A struct of [`protocol::words`] that a client may say goes in; the struct that answers it comes out.
//! The tables below name every command and every query of every system: leaving one out does not
//! compile. Deliberately absent: what the words mean.

use protocol::{
    Kind,
    words::{WordError, accounts, agenda, catalogue, chat, log, presence, sales},
};

use crate::Pushed;

/// Something a client may ask: a [`Command`] or a [`Query`].
pub trait Ask {
    /// What it is answered with when it is accepted.
    type Answer;

    /// Appends its body, and says its kind and the version of its layout.
    fn encode(self, out: &mut Vec<u8>) -> (Kind, u8);

    /// Reads an answer; `None` if it is a word, and not the one that answers this.
    ///
    /// # Errors
    /// If it is no word that is known here.
    fn read(kind: Kind, schema: u8, body: &[u8]) -> Result<Option<Self::Answer>, WordError>;
}

/// What changes something: it has a key, and is decided once however often it is sent.
pub trait Command: Ask {}

/// What changes nothing.
pub trait Query: Ask {}

/// Declares what answers each word of a set, but for the words `not` to be said with these traits.
macro_rules! answers {
    ($system:ident, $trait:ident: $asks:ident -> $answers:ident, not [$($unsaid:ident)*];
     $($asked:ident => $answer:ident;)*) => {
        $(
            impl Ask for $system::$asked {
                type Answer = $system::$answer;

                fn encode(self, out: &mut Vec<u8>) -> (Kind, u8) {
                    let word = $system::$asks::from(self);
                    word.encode(out);
                    word.kind()
                }

                fn read(kind: Kind, schema: u8, body: &[u8]) -> Result<Option<Self::Answer>, WordError> {
                    let word = $system::$answers::decode(kind, schema, body)?;
                    if let $system::$answers::$answer(answer) = word {
                        Ok(Some(answer))
                    } else {
                        Ok(None)
                    }
                }
            }

            impl $trait for $system::$asked {}
        )*

        // Every word of the set is named above.
        const _: fn(&$system::$asks) = |word| match word {
            $($system::$asks::$asked(_) => {})*
            $($system::$asks::$unsaid(_) => {})*
        };
    };
}

// The server makes the others out of authentications, or by itself.
answers! { accounts, Command: Command -> Event, not [Register LogIn Rehash SetClockBack];
    RevokeSession => SessionsEnded;
    RevokeAllSessions => SessionsEnded;
    SetRoles => RolesSet;
    MoveCursor => CursorMoved;
    EraseMe => Erased;
}

answers! { accounts, Query: Query -> Answer, not [];
    WhoAmI => Me;
    MySessions => Sessions;
    FindUser => FoundUser;
}

// The others are the server's own: time has passed.
answers! { agenda, Command: Command -> Event, not [Expire Promote];
    OpenAgenda => AgendaOpened;
    Reserve => Reserved;
    Cancel => Cancelled;
    Hold => Held;
    Confirm => Confirmed;
    JoinWaitlist => WaitlistJoined;
    LeaveWaitlist => WaitlistLeft;
}

answers! { agenda, Query: Query -> Answer, not [];
    ListAgendas => Agendas;
    ListSlots => Slots;
    MyBookings => Bookings;
}

answers! { chat, Command: Command -> Event, not [];
    Send => Sent;
    CreateRoom => RoomCreated;
    JoinRoom => RoomJoined;
    LeaveRoom => RoomLeft;
    CreateGroup => GroupCreated;
    AddMember => MemberAdded;
    RemoveMember => MemberRemoved;
    LeaveGroup => GroupLeft;
    RenameGroup => GroupRenamed;
    MarkDelivered => Delivered;
    MarkRead => Read;
}

answers! { chat, Query: Query -> Answer, not [];
    ListConversations => Conversations;
    ListPending => Conversations;
    ListRooms => Rooms;
    ListMembers => Members;
    ReadHistory => History;
}

answers! { catalogue, Command: Command -> Event, not [];
    AddType => TypeAdded;
    RegisterItem => ItemRegistered;
    RenameItem => ItemRenamed;
    RetypeItem => ItemRetyped;
    RemoveItem => ItemRemoved;
    AddFavourite => FavouriteAdded;
    RemoveFavourite => FavouriteRemoved;
}

answers! { catalogue, Query: Query -> Answer, not [];
    ListTypes => Types;
    SearchItems => Items;
    SearchFavourites => Favourites;
}

answers! { sales, Command: Command -> Event, not [];
    OpenNetwork => NetworkOpened;
    OpenStore => StoreOpened;
    AssignSeller => SellerAssigned;
    RecordSale => SaleRecorded;
}

answers! { sales, Query: Query -> Answer, not [];
    ListNetworks => Networks;
    ListStores => Stores;
    SellerTotal => SellerTotals;
    StoreTotal => StoreTotals;
    NetworkTotal => NetworkTotals;
    BestSeller => BestSellers;
    BestStore => BestStores;
}

// A first layout is for clients of before.
answers! { log, Query: Query -> Answer, not [ReadTrail1];
    ReadLog => LogPage;
    ReadState => StateHash;
    ReplayState => StateHash;
    ReadTrail => TrailPage;
}

// Whoever connects has subscribed already.
answers! { presence, Query: Query -> Answer, not [Subscribe];
    ListPresence => Presences;
}

/// What came unasked, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A message, a change of a group, or how far somebody has come with reading.
    Chat(chat::Push),
    /// Of a booking or a place in a queue that ended or began by itself.
    Agenda(agenda::Event),
    /// In passing: who is writing, who comes and goes.
    News(presence::News),
    /// Of a newer server: no word that is known here.
    Unknown,
}

impl Pushed {
    /// What it says.
    #[must_use]
    pub fn told(&self) -> Told {
        let (kind, schema, body) = (self.kind, self.schema, self.body.as_slice());
        let told = match kind.system() {
            chat::SYSTEM => chat::Push::decode(kind, schema, body).map(Told::Chat),
            agenda::SYSTEM => agenda::Event::decode(kind, schema, body).map(Told::Agenda),
            _other => presence::News::decode(kind, schema, body).map(Told::News),
        };
        told.unwrap_or(Told::Unknown)
    }
}
