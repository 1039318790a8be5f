//! What one instance does: the steps of its flow, with every pick, pause and coin toss decided.
//!
//! An instance's seed goes in; its steps come out one by one, in about 50 ns each and without
//! allocating. Sixteen bytes and the last picks are the whole state, because a closed loop keeps
//! one of these for every lane. Deliberately absent: outcomes, so nothing an answer says can
//! change what is drawn next.

use crate::{
    operation::Nanos,
    plan::{
        CatalogueStep, ChatStep, Drawn, DrawnCall, Instance, Place, Plan, Population, Ref,
        SalesStep, math,
    },
};

/// Things one instance may remember under a name.
pub const SAVED_LEN_MAX: usize = 8;

/// A length of time: fixed, or drawn for every use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Always the same.
    Fixed(Nanos),
    /// Anything between the two, equally likely.
    Between(Nanos, Nanos),
    /// Exponential with this mean: short ones often, long ones rarely, as people pause.
    Exponential(Nanos),
}

impl Pause {
    /// No time at all.
    pub const NONE: Self = Self::Fixed(0);

    /// The length that these random bits stand for.
    pub(crate) fn draw(&self, bits: u64) -> Nanos {
        match *self {
            Self::Fixed(length) => length,
            Self::Between(from, to) => {
                from + math::nanos(math::unit(bits) * math::float(to - from))
            }
            Self::Exponential(mean) => math::nanos(math::exponential(bits) * math::float(mean)),
        }
    }
}

/// One step of a flow: templates that an instance's draws fill in.
#[derive(Debug, Clone)]
pub struct Step {
    pub(crate) action: Action,
    /// The step happens when a coin below this comes up; `None` when it always happens.
    pub(crate) coin: Option<u64>,
}

impl Step {
    /// How often an instance takes this step, from 0 to 1.
    #[must_use]
    pub fn probability(&self) -> f64 {
        self.coin.map_or(1.0, math::unit)
    }

    /// Whether it asks the server something.
    pub(crate) const fn is_call(&self) -> bool {
        match &self.action {
            Action::Wait(_) | Action::Offline(_) => false,
            Action::Chat { step, .. } => !step.is_signal(),
            Action::Reserve { .. }
            | Action::Hold { .. }
            | Action::Cancel { .. }
            | Action::Confirm { .. }
            | Action::JoinWaitlist { .. }
            | Action::LeaveWaitlist { .. }
            | Action::ListSlots { .. }
            | Action::MyBookings
            | Action::EraseMe
            | Action::Catalogue { .. }
            | Action::Sales(_) => true,
        }
    }
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Wait(Pause),
    Offline(Pause),
    Reserve {
        place: PlacePick,
        save: Option<u8>,
    },
    Hold {
        place: PlacePick,
        seconds: u32,
        save: Option<u8>,
    },
    Cancel {
        saved: u8,
    },
    Confirm {
        saved: u8,
    },
    JoinWaitlist {
        place: PlacePick,
    },
    LeaveWaitlist {
        place: PlacePick,
    },
    ListSlots {
        place: PlacePick,
    },
    MyBookings,
    EraseMe,
    Chat {
        step: ChatStep<Select>,
        save: Option<u8>,
    },
    Catalogue {
        step: CatalogueStep<Select>,
        save: Option<u8>,
    },
    Sales(SalesStep<Select>),
}

impl Action {
    /// The place it picks, if it picks one.
    pub(crate) fn place(&self) -> Option<&PlacePick> {
        match self {
            Self::Reserve { place, .. }
            | Self::Hold { place, .. }
            | Self::JoinWaitlist { place }
            | Self::LeaveWaitlist { place }
            | Self::ListSlots { place } => Some(place),
            Self::Wait(_)
            | Self::Offline(_)
            | Self::Cancel { .. }
            | Self::Confirm { .. }
            | Self::MyBookings
            | Self::EraseMe
            | Self::Chat { .. }
            | Self::Catalogue { .. }
            | Self::Sales(_) => None,
        }
    }

    /// Whether it tries to take the place it picks.
    pub(crate) const fn is_attempt(&self) -> bool {
        matches!(self, Self::Reserve { .. } | Self::Hold { .. })
    }
}

/// How a place is picked.
#[derive(Debug, Clone)]
pub(crate) struct PlacePick {
    pub(crate) agenda: Pick,
    pub(crate) day: Pick,
    pub(crate) slot: Pick,
}

impl PlacePick {
    fn draw(&self, draws: &mut Draws) -> Place {
        Place {
            agenda: self.agenda.draw(draws, draws.last.agenda),
            day: self.day.draw(draws, draws.last.day),
            slot: u16::try_from(self.slot.draw(draws, u32::from(draws.last.slot)))
                .expect("a pick stays below its range, and slots are counted in a u16"),
        }
    }
}

/// How a part of a step is found.
#[derive(Debug, Clone)]
pub(crate) enum Select {
    /// A number of the world.
    Pick(Population, Pick),
    /// An amount, anything between the two.
    Between(u32, u32),
    /// What the instance saved under this number.
    Saved(u8),
}

impl Select {
    fn draw(&self, draws: &mut Draws) -> Ref {
        match self {
            Self::Pick(among, pick) => {
                let number = pick.draw(draws, draws.last_of[among.index()]);
                draws.last_of[among.index()] = number;
                Ref::Number(number)
            }
            Self::Between(from, to) if from == to => Ref::Number(*from),
            Self::Between(from, to) => Ref::Number(from + math::below(draws.bits(), to - from + 1)),
            Self::Saved(number) => Ref::Saved(*number),
        }
    }
}

/// How one number below a range is picked.
#[derive(Debug, Clone)]
pub(crate) enum Pick {
    /// Each equally likely.
    Uniform(u32),
    /// The first the likeliest; for each number, the chance of it or a lower one, out of 2^64.
    Zipf(Vec<u64>),
    /// Always this one.
    Fixed(u32),
    /// The instance's round divided by the first, modulo the second.
    Round(u32, u32),
    /// What the instance picked last of the same.
    Same,
}

impl Pick {
    /// A Zipf distribution over `range` numbers: number k has weight `(k + 1)^-exponent`.
    pub(crate) fn zipf(range: u32, exponent: f64) -> Self {
        let weights = (1..=range).map(|rank| math::pow(f64::from(rank), -exponent));
        let mut total = 0.0;
        let sums: Vec<f64> = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
        Self::Zipf(
            sums.iter()
                .map(|sum| math::nanos(sum / total * TWO_POW_64))
                .collect(),
        )
    }

    fn draw(&self, draws: &mut Draws, last: u32) -> u32 {
        match self {
            Self::Uniform(range) => math::below(draws.bits(), *range),
            Self::Zipf(sums) => draw_zipf(sums, draws.bits()),
            Self::Fixed(number) => *number,
            Self::Round(divisor, range) => draws.round / divisor % range,
            Self::Same => last,
        }
    }

    /// The chance of its likeliest number.
    pub(crate) fn chance_max(&self) -> f64 {
        match self {
            Self::Uniform(range) | Self::Round(_, range) => 1.0 / f64::from(*range),
            Self::Zipf(sums) => sums.first().map_or(1.0, |first| math::unit(*first)),
            Self::Fixed(_) | Self::Same => 1.0,
        }
    }
}

fn draw_zipf(sums: &[u64], bits: u64) -> u32 {
    // The last sum is 2^64, saturated; a draw of exactly that stays on the last number.
    let index = sums.partition_point(|sum| *sum <= bits).min(sums.len() - 1);
    u32::try_from(index).expect("a range is counted in a u32")
}

/// The rest of an instance's steps.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// SplitMix64 (Steele, Lea and Flood 2014): eight bytes of state, good for one instance's few
    /// dozen draws.
    state: u64,
    round: u32,
    flow: u16,
    step: u16,
    last: Place,
    last_of: [u32; Population::LEN],
}

impl Instance {
    /// Its steps, from the first.
    #[must_use]
    pub fn draws(&self, plan: &Plan) -> Draws {
        assert!(
            usize::from(self.flow) < plan.flows.len(),
            "an instance of another plan"
        );
        Draws {
            state: self.seed,
            round: self.round,
            flow: self.flow,
            step: 0,
            last: Place {
                agenda: 0,
                day: 0,
                slot: 0,
            },
            last_of: [0; Population::LEN],
        }
    }
}

impl Draws {
    /// The next step that the coin lets happen; `None` at the end of the flow.
    pub fn next(&mut self, plan: &Plan) -> Option<Drawn> {
        loop {
            let step = plan.flows[usize::from(self.flow)]
                .steps
                .get(usize::from(self.step))?;
            self.step += 1;
            // Drawn before the coin, so that `same` has a place to repeat after a skipped step.
            let drawn = self.draw(&step.action);
            if step.coin.is_none_or(|coin| self.bits() < coin) {
                return Some(drawn);
            }
        }
    }

    fn draw(&mut self, action: &Action) -> Drawn {
        if let Some(pick) = action.place() {
            self.last = pick.draw(self);
        }
        let place = self.last;
        Drawn::Call(match *action {
            Action::Wait(pause) => return Drawn::Wait(pause.draw(self.bits())),
            Action::Offline(pause) => return Drawn::Offline(pause.draw(self.bits())),
            Action::Reserve { save, .. } => DrawnCall::Reserve { place, save },
            Action::Hold { seconds, save, .. } => DrawnCall::Hold {
                place,
                seconds,
                save,
            },
            Action::Cancel { saved } => DrawnCall::Cancel { saved },
            Action::Confirm { saved } => DrawnCall::Confirm { saved },
            Action::JoinWaitlist { .. } => DrawnCall::JoinWaitlist { place },
            Action::LeaveWaitlist { .. } => DrawnCall::LeaveWaitlist { place },
            Action::ListSlots { .. } => DrawnCall::ListSlots { place },
            Action::MyBookings => DrawnCall::MyBookings,
            Action::EraseMe => DrawnCall::EraseMe,
            Action::Chat { ref step, save } => DrawnCall::Chat {
                step: step.map(|select| select.draw(self)),
                save,
            },
            Action::Catalogue { ref step, save } => DrawnCall::Catalogue {
                step: step.map(|select| select.draw(self)),
                save,
            },
            Action::Sales(ref step) => DrawnCall::Sales(step.map(|select| select.draw(self))),
        })
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
