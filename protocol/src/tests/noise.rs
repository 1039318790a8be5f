//! Values of any type out of bytes: a source for properties about every word at once.
//!
//! Bytes go in (proptest makes and shrinks them) and whatever serde asks for comes out. When they
//! are used up, everything is zero and empty. Integers take one to all of their bytes, so that
//! every length of a varint is met. Deliberately absent: types that no word has.

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess,
    VariantAccess, Visitor, value::Error,
};

const LIST_LEN_MAX: u8 = 4;
const CHARACTERS: [char; 8] = ['a', 'Z', '9', '_', '\0', 'ß', '√', '🐎'];

/// See the head of this file.
pub(super) struct Noise<'a>(pub(super) &'a [u8]);

impl Noise<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn list_len(&mut self) -> usize {
        usize::from(self.byte() % LIST_LEN_MAX)
    }

    /// An integer of at most `size` bytes.
    fn integer(&mut self, size: u8) -> u128 {
        let len = self.byte() % (size + 1);
        (0..len).fold(0, |value, _| value << 8 | u128::from(self.byte()))
    }
}

macro_rules! integers {
    ($($method:ident, $visit:ident, $type:ty;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let size = u8::try_from(size_of::<$type>()).expect("at most 16");
            let value = self.integer(size);
            visitor.$visit(<$type>::try_from(value).expect("it has no more bytes than that"))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Noise<'_> {
    type Error = Error;

    integers! {
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_u128, visit_u128, u128;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.byte() & 1 == 1)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let len = self.list_len() * 10;
        let character = |_| CHARACTERS[usize::from(self.byte()) % CHARACTERS.len()];
        visitor.visit_string((0..len).map(character).collect())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // The bytes that words hold are text, until the log seals them.
        visitor.visit_byte_buf(String::deserialize(self)?.into_bytes())
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.byte() & 1 == 1 {
            visitor.visit_some(self)
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let len = self.list_len();
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { noise: self, len })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let index = usize::from(self.byte()) % variants.len();
        let index = u32::try_from(index).expect("few variants");
        visitor.visit_enum(Variant { noise: self, index })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::custom(
            "a word has a field of a type that the README does not describe",
        ))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 f32 f64 char str bytes unit unit_struct tuple_struct map identifier ignored_any
    }
}

struct Elements<'n, 'a> {
    noise: &'n mut Noise<'a>,
    len: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.len == 0 {
            return Ok(None);
        }
        self.len -= 1;
        seed.deserialize(&mut *self.noise).map(Some)
    }
}

struct Variant<'n, 'a> {
    noise: &'n mut Noise<'a>,
    index: u32,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let index = IntoDeserializer::<Error>::into_deserializer(self.index);
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.noise)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.noise.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.noise.deserialize_tuple(fields.len(), visitor)
    }
}
