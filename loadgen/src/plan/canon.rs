//! The plan as bytes: what "the same plan" means, and the hash that says so.
//!
//! ```text
//! header    "stampede plan 1\n", then text: name, seed, world, phases, flows, injections of faults; ends with a 0 byte
//! arrivals  a phase and a load after the other:
//!           u8 'a' | at u64 | client u32 | instance
//! lanes     of each closed or rendezvous load, client after client, lane after lane,
//!           the first 100 instances: u8 'l' | client u32 | lane u32 | think u64 | instance
//! instance  flow u16 | round u32 | seed u64 | drawn steps | u8 0
//! step      u8 kind | its fields in the order of the type, places as agenda u32, day u32, slot u16
//! ```
//!
//! All numbers are little-endian. A plan of more than a million arrivals, or of more than ten
//! thousand lanes, is cut there: what follows is determined by the same streams, whose beginning
//! and parameters are in the bytes.

use std::{
    io::{self, BufWriter, Write},
    ops::Range,
};

use crate::plan::{Arrival, Drawn, DrawnCall, Instance, Pace, Place, Plan, Ref};

/// Arrivals written for each load: a million takes about a tenth of a second.
const ARRIVALS_MAX: usize = 1_000_000;

/// Lanes written for each load.
const LANES_MAX: usize = 10_000;

/// Instances written for each lane.
const LANE_INSTANCES: usize = 100;

impl Plan {
    /// Writes the plan's canonical bytes; see the head of this file for their layout.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(64 * 1_024, out);
        self.write_header(&mut out)?;
        for (phase_index, phase) in self.phases.iter().enumerate() {
            for (load_index, load) in phase.loads.iter().enumerate() {
                let first = self.world.clients_of(load.who).start;
                match load.pace {
                    Pace::Open(_) => self.write_arrivals(&mut out, phase_index, load_index)?,
                    Pace::Closed { clients, in_flight } => {
                        let clients = first..first + clients;
                        self.write_lanes(&mut out, (phase_index, load_index), clients, in_flight)?;
                    }
                    Pace::Rendezvous { clients, .. } => {
                        let clients = first..first + clients;
                        self.write_lanes(&mut out, (phase_index, load_index), clients, 1)?;
                    }
                }
            }
        }
        out.flush()
    }

    /// The BLAKE3 hash of the plan's canonical bytes, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        self.write_to(&mut hasher)
            .expect("a hasher takes every byte");
        hasher.finalize().to_hex().to_string()
    }

    fn write_header(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "stampede plan 2")?;
        writeln!(out, "name {:?}", self.name)?;
        writeln!(out, "seed {}", self.seed)?;
        writeln!(out, "world {:?}", self.world)?;
        for phase in &self.phases {
            writeln!(out, "phase {phase:?}")?;
        }
        for flow in &self.flows {
            writeln!(out, "flow {flow:?}")?;
        }
        for fault in &self.faults {
            writeln!(out, "fault {fault:?}")?;
        }
        out.write_all(&[0])
    }

    fn write_arrivals(&self, out: &mut impl Write, phase: usize, load: usize) -> io::Result<()> {
        for arrival in self.arrivals(phase, load).take(ARRIVALS_MAX) {
            let Arrival {
                at,
                client,
                instance,
            } = arrival;
            out.write_all(b"a")?;
            out.write_all(&at.to_le_bytes())?;
            out.write_all(&client.to_le_bytes())?;
            self.write_instance(out, &instance)?;
        }
        Ok(())
    }

    fn write_lanes(
        &self,
        out: &mut impl Write,
        (phase, load): (usize, usize),
        clients: Range<u32>,
        in_flight: u32,
    ) -> io::Result<()> {
        let lanes = clients.flat_map(|client| (0..in_flight).map(move |lane| (client, lane)));
        for (client, lane) in lanes.take(LANES_MAX) {
            let mut source = self.lane(phase, load, client, lane);
            for _ in 0..LANE_INSTANCES {
                let (instance, think) = source.next();
                out.write_all(b"l")?;
                out.write_all(&client.to_le_bytes())?;
                out.write_all(&lane.to_le_bytes())?;
                out.write_all(&think.to_le_bytes())?;
                self.write_instance(out, &instance)?;
            }
        }
        Ok(())
    }

    fn write_instance(&self, out: &mut impl Write, instance: &Instance) -> io::Result<()> {
        out.write_all(&instance.flow.to_le_bytes())?;
        out.write_all(&instance.round.to_le_bytes())?;
        out.write_all(&instance.seed.to_le_bytes())?;
        let mut draws = instance.draws(self);
        while let Some(drawn) = draws.next(self) {
            write_drawn(out, &drawn)?;
        }
        out.write_all(&[0])
    }
}

fn write_drawn(out: &mut impl Write, drawn: &Drawn) -> io::Result<()> {
    match drawn {
        Drawn::Wait(length) => {
            out.write_all(&[1])?;
            out.write_all(&length.to_le_bytes())
        }
        Drawn::Offline(length) => {
            out.write_all(&[10])?;
            out.write_all(&length.to_le_bytes())
        }
        Drawn::Call(call) => write_call(out, call),
    }
}

fn write_call(out: &mut impl Write, call: &DrawnCall) -> io::Result<()> {
    match *call {
        DrawnCall::Reserve { place, save } => {
            write_place(out, 2, place)?;
            out.write_all(&[save.unwrap_or(u8::MAX)])
        }
        DrawnCall::Hold {
            place,
            seconds,
            save,
        } => {
            write_place(out, 3, place)?;
            out.write_all(&seconds.to_le_bytes())?;
            out.write_all(&[save.unwrap_or(u8::MAX)])
        }
        DrawnCall::Cancel { saved } => out.write_all(&[4, saved]),
        DrawnCall::Confirm { saved } => out.write_all(&[5, saved]),
        DrawnCall::JoinWaitlist { place } => write_place(out, 6, place),
        DrawnCall::LeaveWaitlist { place } => write_place(out, 7, place),
        DrawnCall::ListSlots { place } => write_place(out, 8, place),
        DrawnCall::MyBookings => out.write_all(&[9]),
        DrawnCall::EraseMe => out.write_all(&[14]),
        DrawnCall::Chat { step, .. } => {
            let mut bytes = vec![11];
            step.map(|thing| put_thing(&mut bytes, *thing));
            out.write_all(&bytes)
        }
        DrawnCall::Catalogue { step, .. } => {
            let mut bytes = vec![12];
            step.map(|thing| put_thing(&mut bytes, *thing));
            out.write_all(&bytes)
        }
        DrawnCall::Sales(step) => {
            let mut bytes = vec![13];
            step.map(|thing| put_thing(&mut bytes, *thing));
            out.write_all(&bytes)
        }
    }
}

/// A part of a step. Which step it is, and what is not drawn of it, is in the flow.
fn put_thing(out: &mut Vec<u8>, thing: Ref) {
    match thing {
        Ref::Number(number) => {
            out.push(0);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Ref::Saved(number) => out.extend_from_slice(&[1, number]),
    }
}

fn write_place(out: &mut impl Write, kind: u8, place: Place) -> io::Result<()> {
    out.write_all(&[kind])?;
    out.write_all(&place.agenda.to_le_bytes())?;
    out.write_all(&place.day.to_le_bytes())?;
    out.write_all(&place.slot.to_le_bytes())
}
