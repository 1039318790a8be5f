//! The random streams of a plan, and the lanes of its closed loops.
//!
//! Every stream has a label (plan seed, phase, load, client, lane) and is seeded from the BLAKE3
//! of it, so that no stream depends on how far another one was read: adding a client, or running
//! lanes in another order, changes nobody else's draws.

use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};

use crate::{
    operation::Nanos,
    plan::{Instance, Pause, Plan},
};

/// What each stream is for; part of its label.
const STREAM_CONTEXT: &str = "stampede plan stream 1";

/// Who a stream belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StreamOwner {
    /// The arrivals of an open loop.
    Arrivals,
    /// One lane of a client.
    Lane { client: u32, lane: u32 },
}

/// An endless sequence of instances for one lane of a closed loop, or of one client's part in
/// a series of rendezvous.
#[derive(Debug)]
pub struct Lane {
    random: ChaCha8Rng,
    flow: u16,
    round: u32,
    think: Pause,
}

impl Lane {
    /// The next instance, and the time to think before it starts.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, so there is no Option"
    )]
    pub fn next(&mut self) -> (Instance, Nanos) {
        let think = self.think.draw(self.random.next_u64());
        let instance = Instance {
            flow: self.flow,
            seed: self.random.next_u64(),
            round: self.round,
        };
        self.round = self.round.wrapping_add(1);
        (instance, think)
    }
}

impl Plan {
    /// One lane of a client, from its beginning. Lanes of a rendezvous have number 0.
    ///
    /// # Panics
    /// When the plan has no such phase or load.
    #[must_use]
    pub fn lane(&self, phase: usize, load: usize, client: u32, lane: u32) -> Lane {
        let source = &self.phases[phase].loads[load];
        Lane {
            random: self.stream(phase, load, StreamOwner::Lane { client, lane }),
            flow: source.flow,
            round: 0,
            think: source.think,
        }
    }

    /// The random stream with this label.
    pub(crate) fn stream(&self, phase: usize, load: usize, owner: StreamOwner) -> ChaCha8Rng {
        let (kind, client, lane) = match owner {
            StreamOwner::Arrivals => (0, 0, 0),
            StreamOwner::Lane { client, lane } => (1, client, lane),
        };
        let mut hasher = blake3::Hasher::new_derive_key(STREAM_CONTEXT);
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(self.phases[phase].name.as_bytes());
        hasher.update(&[0xff, kind]); // 0xff is in no UTF-8 text: the name ends here
        hasher.update(
            &u64::try_from(load)
                .expect("an index fits 64 bits")
                .to_le_bytes(),
        );
        hasher.update(&client.to_le_bytes());
        hasher.update(&lane.to_le_bytes());
        ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
    }
}
