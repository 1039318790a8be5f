//! Calls as numbers: how histories keep a call and get it back, the same for every system.
//!
//! A set of calls is declared once; its names, its indices and its operands follow. An operand is
//! anything that fits 64 bits. Deliberately absent: what the calls mean.

use protocol::{UserId, words::chat::Target};

/// Something about a call that fits 64 bits.
pub trait Operand: Copy {
    /// It as a number.
    fn number(self) -> u64;
    /// The reverse; `None` for a number that stands for nothing.
    fn from_number(number: u64) -> Option<Self>;
    /// It as people say it.
    fn text(self) -> String {
        self.number().to_string()
    }
}

macro_rules! integer_operands {
    ($($type:ty),*) => {
        $(impl Operand for $type {
            fn number(self) -> u64 {
                u64::from(self)
            }
            fn from_number(number: u64) -> Option<Self> {
                Self::try_from(number).ok()
            }
        })*
    };
}
integer_operands!(u8, u16, u32, u64);

impl Operand for bool {
    fn number(self) -> u64 {
        u64::from(self)
    }
    fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(false),
            1 => Some(true),
            _neither => None,
        }
    }
}

impl Operand for UserId {
    fn number(self) -> u64 {
        self.0
    }
    fn from_number(number: u64) -> Option<Self> {
        Some(Self(number))
    }
    fn text(self) -> String {
        self.to_string()
    }
}

/// Twice the id for a conversation, one more for a person; the public one is conversation 0.
impl Operand for Target {
    fn number(self) -> u64 {
        match self {
            Self::Public => 0,
            Self::Conversation(id) => id << 1,
            Self::Person(user) => user.0 << 1 | 1,
        }
    }
    fn from_number(number: u64) -> Option<Self> {
        Some(match (number >> 1, number & 1) {
            (0, 0) => Self::Public,
            (id, 0) => Self::Conversation(id),
            (id, _) => Self::Person(UserId(id)),
        })
    }
    fn text(self) -> String {
        match self {
            Self::Public => "everybody".to_owned(),
            Self::Conversation(id) => format!("conversation {id}"),
            Self::Person(user) => user.to_string(),
        }
    }
}

/// Declares a set of calls: `Variant = index, "name", is a query { operands }`. Indices and the
/// order of operands are kept in histories: add at the end, and never renumber or reuse.
macro_rules! calls {
    ($(#[$doc:meta])* $name:ident;
     $($(#[$vdoc:meta])* $variant:ident = $index:literal, $text:literal, $query:literal { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant { $($(#[$fdoc])* $field: $type),* },)*
        }

        impl $name {
            /// Names by index, as scenarios and reports show them.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The index of this call's name in this set.
            #[must_use]
            pub const fn index(&self) -> usize {
                match self {
                    $(Self::$variant { .. } => $index,)*
                }
            }

            /// Whether it only asks.
            #[must_use]
            pub const fn is_query(&self) -> bool {
                match self {
                    $(Self::$variant { .. } => $query,)*
                }
            }

            /// What it is about, in numbers.
            pub fn for_each_operand(&self, mut take: impl FnMut(u64)) {
                match *self {
                    $(Self::$variant { $($field),* } => {
                        $(take($crate::operation::Operand::number($field));)*
                        let _none_taken_if_none = &mut take;
                    })*
                }
            }

            /// As people say it: the name, and what it is about, by the names of its parts.
            #[must_use]
            pub fn text(&self) -> String {
                match *self {
                    $(Self::$variant { $($field),* } => {
                        let parts: &[(&str, String)] = &[
                            $((stringify!($field), $crate::operation::Operand::text($field)),)*
                        ];
                        $crate::operation::calls::sentence($text, parts)
                    })*
                }
            }

            /// The call of this index with these operands; `None` if there is none such.
            #[must_use]
            pub fn from_operands(index: usize, mut next: impl FnMut() -> Option<u64>) -> Option<Self> {
                let _none_needed_if_none = &mut next;
                Some(match index {
                    $($index => Self::$variant {
                        $($field: $crate::operation::Operand::from_number(next()?)?),*
                    },)*
                    _no_writer_writes => return None,
                })
            }
        }
    };
}
pub(crate) use calls;

/// A name and its parts, each by its own name unless it says what it is: `send to everybody, 60 bytes`.
pub(crate) fn sentence(name: &str, parts: &[(&str, String)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|(part, value)| match *part {
            "bytes" | "cents" => format!("{value} {part}"),
            "to" if value.parse::<u64>().is_err() => format!("to {value}"),
            _named if value.starts_with("user-") => value.clone(),
            named => format!("{} {value}", named.replace('_', " ")),
        })
        .collect();
    format!("{name} {}", parts.join(", ")).trim_end().to_owned()
}
