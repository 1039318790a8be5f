//! What a word looks like as bytes, found by having it read from a source that takes notes.
//!
//! Whatever reads a body asks a source of values for one type after the other; this source notes what it
//! is asked for and hands out the least value of it. So a layout that is described is the one that is
//! read, and nobody keeps a second list. An enum shows one variant each time it is read: whoever
//! traces goes on until all have been shown. Deliberately absent: what the fields mean.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, SeqAccess,
    VariantAccess, Visitor, value::Error,
};

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One of the codec's own: `u8`, `bool`, `string`, ...
    Plain(&'static str),
    /// So many bytes, without their number.
    Bytes(usize),
    /// Any number of these.
    List(Box<Self>),
    /// One of these, or nothing.
    Optional(Box<Self>),
    /// Described by its name.
    Named(&'static str),
}

/// A field of a struct or of a variant; without a name where it is the only one of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As JSON and the README call it.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
}

/// A variant of an enum; its number is its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// As JSON and the README call it.
    pub name: &'static str,
    /// What follows its number.
    pub fields: Vec<Field>,
}

/// What a named type is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// Another type under a name that says what it means.
    Alias(Type),
    /// Its fields in order.
    Struct(Vec<Field>),
    /// One of these.
    Enum(Vec<Variant>),
}

/// Every named type that was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Types {
    known: BTreeMap<&'static str, Definition>,
    /// Of each enum the variants that have been shown, and all there are.
    shown: BTreeMap<&'static str, (BTreeMap<usize, Variant>, usize)>,
}

impl Types {
    /// The definition of a named type.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.known.get(name)
    }

    /// Every type that these need, by name.
    #[must_use]
    pub fn needed_by<'a>(&self, types: impl Iterator<Item = &'a Type>) -> BTreeSet<&'static str> {
        let mut needed = BTreeSet::new();
        types.for_each(|ty| self.need(ty, &mut needed));
        needed
    }

    fn need(&self, ty: &Type, needed: &mut BTreeSet<&'static str>) {
        match ty {
            Type::Plain(_) | Type::Bytes(_) => {}
            Type::List(inner) | Type::Optional(inner) => self.need(inner, needed),
            Type::Named(name) => {
                if needed.insert(name) {
                    let inner = self.get(name).into_iter().flat_map(Definition::types);
                    inner.for_each(|ty| self.need(ty, needed));
                }
            }
        }
    }

    /// Notes a type: reads it as often as it takes to see all of it.
    pub(super) fn trace(&mut self, read: impl Fn(Tracer<'_>) -> Result<(), Error>) -> Type {
        let mut found = None;
        loop {
            let tracer = Tracer {
                types: self,
                found: &mut found,
            };
            read(tracer).expect("words have fields of types that are described here");
            if self.shown.values().all(|(shown, all)| shown.len() == *all) {
                return found.expect("whatever is read has a type");
            }
        }
    }
}

impl Definition {
    /// The types of its parts.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        let (alias, fields, variants): (Option<&Type>, &[Field], &[Variant]) = match self {
            Self::Alias(ty) => (Some(ty), &[], &[]),
            Self::Struct(fields) => (None, fields, &[]),
            Self::Enum(variants) => (None, &[], variants),
        };
        let in_variants = variants.iter().flat_map(|variant| &variant.fields);
        let in_fields = fields.iter().chain(in_variants).map(|field| &field.ty);
        alias.into_iter().chain(in_fields)
    }
}

/// The source that takes notes, of one value.
pub(crate) struct Tracer<'t> {
    types: &'t mut Types,
    found: &'t mut Option<Type>,
}

impl Tracer<'_> {
    fn plain<T>(self, name: &'static str, value: Result<T, Error>) -> Result<T, Error> {
        *self.found = Some(Type::Plain(name));
        value
    }

    /// Notes a value of several parts, and says which they were.
    fn parts<'de, V: Visitor<'de>>(
        &mut self,
        names: &[&'static str],
        visitor: V,
    ) -> Result<(V::Value, Vec<Field>), Error> {
        let mut fields = Vec::new();
        let value = visitor.visit_seq(Parts {
            types: self.types,
            names: names.iter(),
            fields: &mut fields,
        })?;
        Ok((value, fields))
    }
}

macro_rules! plain {
    ($($method:ident, $visit:ident, $name:literal, $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.plain($name, visitor.$visit($value))
        })*
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    plain! {
        deserialize_bool, visit_bool, "bool", false;
        deserialize_u8, visit_u8, "u8", 0;
        deserialize_u16, visit_u16, "u16", 0;
        deserialize_u32, visit_u32, "u32", 0;
        deserialize_u64, visit_u64, "u64", 0;
        deserialize_u128, visit_u128, "u128", 0;
        deserialize_string, visit_string, "string", String::new();
        deserialize_byte_buf, visit_byte_buf, "personal", Vec::new();
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut inner = None;
        let value = visitor.visit_some(Tracer {
            types: self.types,
            found: &mut inner,
        })?;
        *self.found = inner.map(|ty| Type::Optional(Box::new(ty)));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let (value, mut fields) = self.parts(&[""], visitor)?;
        *self.found = fields.pop().map(|field| Type::List(Box::new(field.ty)));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (value, fields) = self.parts(&vec![""; len], visitor)?;
        if fields.iter().any(|field| field.ty != Type::Plain("u8")) {
            return Err(Error::custom("an array of anything but bytes"));
        }
        *self.found = Some(Type::Bytes(len));
        Ok(value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut inner = None;
        let value = visitor.visit_newtype_struct(Tracer {
            types: self.types,
            found: &mut inner,
        })?;
        if let Some(inner) = inner {
            self.types.known.insert(name, Definition::Alias(inner));
        }
        *self.found = Some(Type::Named(name));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (value, fields) = self.parts(names, visitor)?;
        self.types.known.insert(name, Definition::Struct(fields));
        *self.found = Some(Type::Named(name));
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let all = variants.len();
        let shown = self.types.shown.entry(name).or_default();
        shown.1 = all;
        let index = (0..all).find(|index| !shown.0.contains_key(index));
        let index = index.unwrap_or_default();
        let mut fields = Vec::new();
        let value = visitor.visit_enum(OneVariant {
            types: self.types,
            fields: &mut fields,
            index,
        })?;
        let variant = Variant {
            name: variants.get(index).copied().unwrap_or_default(),
            fields,
        };
        let shown = self.types.shown.entry(name).or_default();
        shown.0.insert(index, variant);
        let variants = shown.0.values().cloned().collect();
        self.types.known.insert(name, Definition::Enum(variants));
        *self.found = Some(Type::Named(name));
        Ok(value)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a type that no word has"))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 f32 f64 char str bytes unit unit_struct tuple_struct map identifier
        ignored_any
    }
}

/// The parts of one value, one after the other.
struct Parts<'t, 'n> {
    types: &'t mut Types,
    names: std::slice::Iter<'n, &'static str>,
    fields: &'t mut Vec<Field>,
}

impl<'de> SeqAccess<'de> for Parts<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(name) = self.names.next().copied() else {
            return Ok(None);
        };
        let mut found = None;
        let value = seed.deserialize(Tracer {
            types: self.types,
            found: &mut found,
        })?;
        self.fields.extend(found.map(|ty| Field { name, ty }));
        Ok(Some(value))
    }
}

/// The variant that is shown this time.
struct OneVariant<'t> {
    types: &'t mut Types,
    fields: &'t mut Vec<Field>,
    index: usize,
}

impl<'de> EnumAccess<'de> for OneVariant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let index = u32::try_from(self.index).map_err(Error::custom)?;
        let index = IntoDeserializer::<Error>::into_deserializer(index);
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for OneVariant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let mut found = None;
        let value = seed.deserialize(Tracer {
            types: self.types,
            found: &mut found,
        })?;
        self.fields.extend(found.map(|ty| Field { name: "", ty }));
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a variant of several fields without names"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Parts {
            types: self.types,
            names: names.iter(),
            fields: self.fields,
        })
    }
}
