//! Parts of steps: something of the world, something the flow made, or an amount.

use std::ops::Range;

use super::{
    PickSpec, SelectSpec,
    flow::{Made, StepReader},
    reader::{Read, Table, Value},
    value::read_pick,
};
use crate::plan::Population;

impl<'a> StepReader<'_, 'a> {
    /// The part under `key`; any, equally likely, when the file does not say.
    pub(super) fn part(
        &mut self,
        table: &Table<'a>,
        key: &'static str,
        among: Population,
    ) -> Read<SelectSpec> {
        let Some(value) = table.get(key) else {
            self.check_some(among, || table.fault(missing(key, among)))?;
            self.picked.push(among);
            return Ok(SelectSpec::Pick(among, PickSpec::Uniform));
        };
        self.read_part_value(&value, among)
    }

    /// A part that the file gives.
    pub(super) fn read_part_value(
        &mut self,
        value: &Value<'a>,
        among: Population,
    ) -> Read<SelectSpec> {
        if let Some(made) = made(among)
            && let Some(name) = saved_name(value)
        {
            return self.find_made(value, name, made).map(SelectSpec::Saved);
        }
        self.check_some(among, || value.fault(missing(value.key(), among)))?;
        let pick = read_pick(value, among.count(self.world))?;
        if pick == PickSpec::Same && !self.picked.contains(&among) {
            return Err(value
                .fault(format!(
                    "`{0}` is \"same\", but no step before this one picks a {0}",
                    value.key()
                ))
                .hint("the first step needs a pick of its own"));
        }
        self.picked.push(among);
        Ok(SelectSpec::Pick(among, pick))
    }

    fn check_some(
        &self,
        among: Population,
        fault: impl FnOnce() -> Box<super::diagnostic::Fault>,
    ) -> Read<()> {
        if among.count(self.world) > 0 {
            return Ok(());
        }
        Err(fault().hint(remedy(among)))
    }
}

/// The amount under `key`, `30` or `"10..200"`; `default` when the file does not say.
pub(super) fn read_amount(
    table: &Table<'_>,
    key: &'static str,
    range: Range<u64>,
    default: u32,
) -> Read<SelectSpec> {
    let Some(value) = table.get(key) else {
        return Ok(SelectSpec::Between(default, default));
    };
    if !value.is_text() {
        let number = value.integer(range)?;
        return Ok(SelectSpec::Between(number, number));
    }
    let text = value.text("an amount")?;
    let ends = text.split_once("..").and_then(|(from, to)| {
        let number = |end: &str| end.trim().replace('_', "").parse::<u32>().ok();
        number(from).zip(number(to))
    });
    ends.filter(|(from, to)| {
        from <= to && range.contains(&u64::from(*from)) && range.contains(&u64::from(*to))
    })
    .map(|(from, to)| SelectSpec::Between(from, to))
    .ok_or_else(|| {
        value
            .fault(format!(
                "`{key}` is \"{text}\", but must be two whole numbers from {} to {}, the smaller first",
                range.start,
                range.end - 1
            ))
            .hint("write it like 100 or \"10..200\"")
    })
}

/// What a flow can make of these, if it can.
const fn made(among: Population) -> Option<Made> {
    match among {
        Population::Rooms | Population::OwnRooms => Some(Made::Room),
        Population::OwnGroups => Some(Made::Group),
        Population::Items => Some(Made::Item),
        Population::Users
        | Population::Types
        | Population::Words
        | Population::Stores
        | Population::Networks
        | Population::Sellers
        | Population::Days => None,
    }
}

/// `name` of a value `"$name"`.
fn saved_name<'a>(value: &Value<'a>) -> Option<&'a str> {
    let text = value.is_text().then(|| value.text("a text").ok())??;
    text.strip_prefix('$')
}

fn missing(key: &str, among: Population) -> String {
    let what = match among {
        Population::Rooms | Population::OwnRooms => "rooms",
        Population::OwnGroups => "groups",
        Population::Items => "items",
        Population::Stores => "stores",
        Population::Networks => "networks",
        Population::Sellers => "sellers",
        Population::Users => "users",
        Population::Types => "types",
        Population::Words => "words",
        Population::Days => "days",
    };
    format!("`{key}` picks among the {what} of the world, which has none")
}

const fn remedy(among: Population) -> &'static str {
    match among {
        Population::Rooms | Population::OwnRooms => {
            "add `rooms = 10` to [world], or save one of create_room and write its \"$name\""
        }
        Population::OwnGroups => {
            "add `groups = 10` to [world], or save one of create_group and write its \"$name\""
        }
        Population::Items => {
            "add `items = 100` to [world], or save one of register_item and write its \"$name\""
        }
        Population::Stores | Population::Networks => {
            "add `networks = 1` and `stores = 10` to [world]"
        }
        Population::Sellers => "add `sellers = 10` to [world]",
        Population::Users | Population::Types | Population::Words | Population::Days => {
            "every world has them; this is a mistake of the harness"
        }
    }
}
