//! Flows: the steps one instance takes, and the names that what it makes is saved under.
//!
//! Every step is read here as far as all steps are alike, and those of the agenda to their end; the
//! others' own parts are in `chat` and `trade`. Of the accounts there is one step.

use std::ops::Range;

use super::{
    ActionSpec, FlowSpec, PickSpec, PlaceSpec, StepSpec,
    diagnostic::suggest,
    reader::{Read, Table, Value},
    value::{read_pause, read_pick},
};
use crate::plan::{CatalogueStep, ChatStep, Population, SAVED_LEN_MAX, World};

/// Steps of one flow; an instance keeps its place in 16 bits, and nobody reads longer ones.
const STEPS_LEN_MAX: usize = 100;
/// Flows of one file.
const FLOWS_LEN_MAX: usize = 1_000;
/// For how long a hold may be asked, in seconds: what the server takes.
const HOLD_SECONDS: Range<u64> = 1..3_601;
/// For how long a hold is asked when the file does not say.
const HOLD_SECONDS_DEFAULT: u32 = 30;

/// Keys of a step: what it can do, one of them in each step, and then how.
pub(super) const STEP_KEYS: [&str; 47] = [
    "reserve",
    "hold",
    "cancel",
    "confirm",
    "join_waitlist",
    "leave_waitlist",
    "list_slots",
    "my_bookings",
    "wait",
    "go_offline",
    "send",
    "create_room",
    "join_room",
    "leave_room",
    "create_group",
    "add_member",
    "remove_member",
    "leave_group",
    "rename_group",
    "mark_delivered",
    "mark_read",
    "move_cursor",
    "list_conversations",
    "list_pending",
    "list_rooms",
    "list_members",
    "read_history",
    "list_presence",
    "typing",
    "watch_presence",
    "register_item",
    "rename_item",
    "retype_item",
    "remove_item",
    "add_favourite",
    "remove_favourite",
    "search_items",
    "list_favourites",
    "record_sale",
    "seller_total",
    "store_total",
    "network_total",
    "best_seller",
    "best_store",
    "erase_me",
    "save",
    "probability",
];
/// What a step can do.
const ACTIONS: &[&str] = STEP_KEYS.split_at(STEP_KEYS.len() - 2).0;
/// Keys of a place.
pub(super) const PLACE_KEYS: [&str; 3] = ["agenda", "day", "slot"];
/// Keys of a hold.
pub(super) const HOLD_KEYS: [&str; 4] = ["agenda", "day", "slot", "seconds"];
/// Keys of a day.
pub(super) const DAY_KEYS: [&str; 2] = ["agenda", "day"];

/// Reads every `[flow.NAME]`.
pub(super) fn read_flows(value: &Value<'_>, world: &World) -> Read<Vec<FlowSpec>> {
    let entries = value.open_table("[flow]")?.entries();
    if entries.is_empty() || entries.len() > FLOWS_LEN_MAX {
        return Err(value.fault(format!(
            "here are {} flows, but a scenario has 1 to {FLOWS_LEN_MAX}",
            entries.len()
        )));
    }
    entries
        .iter()
        .map(|(flow, _)| read_flow(flow, world))
        .collect()
}

fn read_flow(value: &Value<'_>, world: &World) -> Read<FlowSpec> {
    let steps = value.table("a flow", &["steps"])?.need("steps")?;
    let list = steps.list()?;
    if list.len() > STEPS_LEN_MAX {
        let count = list.len();
        return Err(steps.fault(format!(
            "here are {count} steps, but a flow has at most {STEPS_LEN_MAX}"
        )));
    }
    let mut reader = StepReader {
        world,
        saved: Vec::new(),
        has_place: false,
        picked: Vec::new(),
    };
    let steps = list
        .iter()
        .map(|step| reader.read_step(step))
        .collect::<Read<_>>()?;
    Ok(FlowSpec {
        name: value.key().to_owned(),
        steps,
    })
}

/// What the steps before have made available.
pub(super) struct StepReader<'w, 'a> {
    pub(super) world: &'w World,
    /// Names, and what was saved under them; their place here is their number.
    pub(super) saved: Vec<(&'a str, Made)>,
    /// Whether some step has picked a place, so that `same` means something.
    has_place: bool,
    /// What else was picked.
    pub(super) picked: Vec<Population>,
}

/// What a step makes, if it makes something that has an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Booking,
    Room,
    Group,
    Item,
}

impl Made {
    /// The word for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Room => "room",
            Self::Group => "group",
            Self::Item => "item",
        }
    }

    /// What makes one.
    pub(super) const fn maker(self) -> &'static str {
        match self {
            Self::Booking => "reserve or hold",
            Self::Room => "create_room",
            Self::Group => "create_group",
            Self::Item => "register_item",
        }
    }

    const fn by(action: &ActionSpec) -> Option<Self> {
        match action {
            ActionSpec::Reserve(_) | ActionSpec::Hold { .. } => Some(Self::Booking),
            ActionSpec::Chat(ChatStep::CreateRoom) => Some(Self::Room),
            ActionSpec::Chat(ChatStep::CreateGroup { .. }) => Some(Self::Group),
            ActionSpec::Catalogue(CatalogueStep::RegisterItem { .. }) => Some(Self::Item),
            ActionSpec::Wait(_)
            | ActionSpec::Offline(_)
            | ActionSpec::Cancel { .. }
            | ActionSpec::Confirm { .. }
            | ActionSpec::JoinWaitlist(_)
            | ActionSpec::LeaveWaitlist(_)
            | ActionSpec::ListSlots(_)
            | ActionSpec::MyBookings
            | ActionSpec::EraseMe
            | ActionSpec::Chat(_)
            | ActionSpec::Catalogue(_)
            | ActionSpec::Sales(_) => None,
        }
    }
}

impl<'a> StepReader<'_, 'a> {
    fn read_step(&mut self, value: &Value<'a>) -> Read<StepSpec> {
        let table = value.table("a step", &STEP_KEYS)?;
        let action = self.read_action(&table)?;
        let save = table
            .get("save")
            .map(|value| self.read_save(&value, &action))
            .transpose()?;
        let probability = table
            .get("probability")
            .map_or(Ok(1.0), |value| read_probability(&value))?;
        Ok(StepSpec {
            action,
            save,
            probability,
        })
    }

    fn read_action(&mut self, table: &Table<'a>) -> Read<ActionSpec> {
        let mut actions = ACTIONS.iter().filter_map(|action| table.get(action));
        let value = actions.next().ok_or_else(|| {
            table
                .fault("a step needs something to do")
                .hint(format!("one of {}", ACTIONS.join(", ")))
        })?;
        if let Some(second) = actions.next() {
            return Err(second
                .fault(format!(
                    "a step does one thing, not `{}` and `{}`",
                    value.key(),
                    second.key()
                ))
                .hint("make it two steps"));
        }
        match value.key() {
            "reserve" => Ok(ActionSpec::Reserve(self.read_place(&value, &PLACE_KEYS)?)),
            "hold" => self.read_hold(&value),
            "cancel" => Ok(ActionSpec::Cancel {
                saved: self.read_booking(&value)?,
            }),
            "confirm" => Ok(ActionSpec::Confirm {
                saved: self.read_booking(&value)?,
            }),
            "join_waitlist" => Ok(ActionSpec::JoinWaitlist(
                self.read_place(&value, &PLACE_KEYS)?,
            )),
            "leave_waitlist" => Ok(ActionSpec::LeaveWaitlist(
                self.read_place(&value, &PLACE_KEYS)?,
            )),
            "list_slots" => Ok(ActionSpec::ListSlots(self.read_place(&value, &DAY_KEYS)?)),
            "wait" => Ok(ActionSpec::Wait(read_pause(&value)?)),
            "go_offline" => Ok(ActionSpec::Offline(read_pause(&value)?)),
            "my_bookings" => value
                .table("`my_bookings`", &[])
                .map(|_| ActionSpec::MyBookings),
            "erase_me" => value.table("`erase_me`", &[]).map(|_| ActionSpec::EraseMe),
            _of_another_system => self.read_other(&value),
        }
    }

    fn read_other(&mut self, value: &Value<'a>) -> Read<ActionSpec> {
        if let Some(step) = self.read_chat(value)? {
            return Ok(ActionSpec::Chat(step));
        }
        if let Some(step) = self.read_catalogue(value)? {
            return Ok(ActionSpec::Catalogue(step));
        }
        let step = self.read_sales(value)?;
        Ok(ActionSpec::Sales(
            step.expect("every action belongs to one of the systems"),
        ))
    }

    fn read_place(&mut self, value: &Value<'a>, known: &[&str]) -> Read<PlaceSpec> {
        let table = value.table("a place", known)?;
        if self.world.agendas == 0 {
            return Err(value
                .fault(format!(
                    "`{}` needs agendas, and the world has none",
                    value.key()
                ))
                .hint("add `agendas = 1` to [world]"));
        }
        let place = PlaceSpec {
            agenda: self.read_part(&table, "agenda", self.world.agendas)?,
            day: self.read_part(&table, "day", self.world.days)?,
            slot: self.read_part(&table, "slot", u32::from(self.world.slots))?,
        };
        self.has_place = true;
        Ok(place)
    }

    fn read_part(&self, table: &Table<'a>, key: &'static str, range: u32) -> Read<PickSpec> {
        let Some(value) = table.get(key) else {
            return Ok(PickSpec::Uniform);
        };
        let pick = read_pick(&value, range)?;
        if pick == PickSpec::Same && !self.has_place {
            return Err(value
                .fault(format!(
                    "`{key}` is \"same\", but no step before this one picks a place"
                ))
                .hint("the first step needs a pick of its own"));
        }
        Ok(pick)
    }

    fn read_hold(&mut self, value: &Value<'a>) -> Read<ActionSpec> {
        let place = self.read_place(value, &HOLD_KEYS)?;
        let seconds = value.table("a hold", &HOLD_KEYS)?.get("seconds");
        let seconds = seconds.map_or(Ok(HOLD_SECONDS_DEFAULT), |value| {
            value.integer(HOLD_SECONDS)
        })?;
        Ok(ActionSpec::Hold { place, seconds })
    }

    /// Reads `{ booking = "$name" }`.
    fn read_booking(&self, value: &Value<'a>) -> Read<u8> {
        let value = value.table("this step", &["booking"])?.need("booking")?;
        let text = value.text("a saved booking such as \"$booking\"")?;
        let name = text.strip_prefix('$').ok_or_else(|| {
            value
                .fault(format!(
                    "`booking` is \"{text}\", but must be the name of a saved one"
                ))
                .hint(format!(
                    "write \"${text}\" for what a step before saved as \"{text}\""
                ))
        })?;
        self.find_made(&value, name, Made::Booking)
    }

    /// The number of what was saved under this name, if it is what is needed.
    pub(super) fn find_made(&self, value: &Value<'a>, name: &str, wanted: Made) -> Read<u8> {
        let known = self.saved.iter().position(|(saved, _)| *saved == name);
        let Some(index) = known else {
            let what = wanted.name();
            let names = self.saved.iter().map(|(saved, _)| *saved);
            return Err(value
                .fault(format!(
                    "no step before this one saves a {what} as \"{name}\""
                ))
                .hint(if self.saved.is_empty() {
                    format!(
                        "add `save = \"{name}\"` to the {} it belongs to",
                        wanted.maker()
                    )
                } else {
                    suggest(name, names)
                }));
        };
        let (_, made) = self.saved[index];
        if made == wanted {
            return Ok(u8::try_from(index).expect("few names are saved"));
        }
        let (made, wanted) = (made.name(), wanted.name());
        Err(value
            .fault(format!(
                "\"${name}\" is a {made}, but `{}` needs a {wanted}",
                value.key()
            ))
            .hint("save each of them under a name of its own"))
    }

    fn read_save(&mut self, value: &Value<'a>, action: &ActionSpec) -> Read<u8> {
        let name = value.text("a name")?;
        let made = Made::by(action).ok_or_else(|| {
            value
                .fault("this step makes nothing that can be saved")
                .hint("remove `save`, or put it on reserve, hold, create_room, create_group or register_item")
        })?;
        let known = self.saved.iter().position(|(saved, _)| *saved == name);
        let index = known.unwrap_or(self.saved.len());
        match self.saved.get(index) {
            Some((_, before)) if *before != made => Err(value
                .fault(format!(
                    "\"{name}\" is the name of a {} already",
                    before.name()
                ))
                .hint(format!("choose another name for this {}", made.name()))),
            None if index == SAVED_LEN_MAX => Err(value
                .fault(format!("a flow saves under at most {SAVED_LEN_MAX} names"))
                .hint("use one of the earlier names again")),
            Some(_) => Ok(u8::try_from(index).expect("few names are saved")),
            None => {
                self.saved.push((name, made));
                Ok(u8::try_from(index).expect("few names are saved"))
            }
        }
    }
}

fn read_probability(value: &Value<'_>) -> Read<f64> {
    let probability = value.number()?;
    if (0.0..=1.0).contains(&probability) {
        return Ok(probability);
    }
    Err(value
        .fault(format!(
            "`probability` is {probability}, but must be from 0 to 1"
        ))
        .hint("0.5 is every other time"))
}
