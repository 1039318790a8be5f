//! Doing what the plan says is to be broken, when it is due, and proving that it was done.
//!
//! The injections of a plan and the state of its faults go in; signals to the embedded server and faults of the proxy
//! come out, and into that state what came of each. What happens to the process takes turns: an injection
//! that is due while the server is still coming back waits for it. What happens to connections does
//! not wait for that. Deliberately absent: what it means for the run (see `broken` and `reports`).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reports::record::{NetworkRecord, ProcessRecord};
use tokio::{select, time::sleep, try_join};

use super::server::{Server, ServerError};
use crate::{
    clock::Clock,
    driver::core::Stage,
    fault::{Effects, FaultId, FaultState, Injection, NetworkFault, Proxy, ProxyError, Recovery},
    operation::Nanos,
    plan::{Fault, PlannedFault},
};

/// Why a fault was not injected that had no time to.
const TOO_LATE: &str = "the phase was over before it was due";
/// The signal that nothing can be done about.
const SIGKILL: i32 = 9;

/// Something that could not be broken, or not be healed.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The server's new address.
    #[error("the server listens on `{0}`, which is no address")]
    Address(String),
    /// A fault without what it is done to.
    #[error("fault `{0}` has nothing to act on in this run")]
    Nothing(String),
}

/// What faults act on.
#[derive(Debug)]
pub(super) struct Targets {
    /// The run's own server, if it has one.
    pub(super) server: Option<Server>,
    /// What stands between clients and server, if anything does.
    pub(super) proxy: Option<Proxy>,
    /// The process whose memory is looked at.
    pub(super) watched: Arc<AtomicU32>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Injector<'p> {
    planned: &'p [PlannedFault],
    fault_state: Rc<FaultState>,
    clock: Clock,
}

/// Something to be done to the network at an instant.
#[derive(Debug, Clone, Copy)]
struct Turn {
    index: usize,
    phase: usize,
    at: Nanos,
    /// What begins; `None` for the end of what began.
    begins: Option<NetworkFault>,
}

impl<'p> Injector<'p> {
    /// Whoever will do all of this.
    pub(super) const fn new(
        planned: &'p [PlannedFault],
        fault_state: Rc<FaultState>,
        clock: Clock,
    ) -> Self {
        Self {
            planned,
            fault_state,
            clock,
        }
    }

    /// Injects until the driver is through. Afterwards all is whole.
    ///
    /// # Errors
    /// If something cannot be broken or healed: there is nothing to go on with then.
    pub(super) async fn inject_all(&self, targets: &mut Targets) -> Result<(), InjectError> {
        let Targets {
            server,
            proxy,
            watched,
        } = targets;
        let proxy = proxy.as_ref();
        try_join!(
            self.inject_into_process(server.as_mut(), proxy, watched),
            self.inject_into_network(proxy)
        )?;
        Ok(())
    }

    async fn inject_into_process(
        &self,
        server: Option<&mut Server>,
        proxy: Option<&Proxy>,
        watched: &AtomicU32,
    ) -> Result<(), InjectError> {
        let of_process =
            (self.planned.iter().enumerate()).filter(|(_, planned)| planned.fault.is_of_process());
        let Some(server) = server else {
            // Somebody else's server is not looked after.
            let mut of_process = of_process;
            return of_process.next().map_or(Ok(()), |(_, first)| {
                Err(InjectError::Nothing(first.to_string()))
            });
        };
        for (index, planned) in of_process {
            let is_in_time = select! {
                biased;
                ended = server.ended() => return Err(ended.into()),
                is_in_time = self.wait_for(planned.phase, planned.at) => is_in_time,
            };
            if !is_in_time {
                self.fault_state.miss(index, TOO_LATE);
                continue;
            }
            let pid_before = server.pid().unwrap_or(0);
            self.fault_state
                .inject(index, self.clock.now(), Recovery::WhenHealed);
            let proof = self.inject_into_server(planned, server).await?;
            let pid_after = server.pid().unwrap_or(0);
            watched.store(pid_after, Ordering::Relaxed);
            if let Some(address) = server.address().filter(|_| pid_before != pid_after) {
                self.tell_address(address, proxy).await?;
            }
            let injection = came_to(planned.fault, proof, (pid_before, pid_after), server);
            self.fault_state
                .heal(index, self.clock.now(), injection, Recovery::WhenHealed);
        }
        // Until the driver is through, the server has no reason to end.
        let mut stage = self.fault_state.follow();
        select! {
            biased;
            _over = stage.wait_for(|stage| *stage == Stage::Over) => Ok(()),
            ended = server.ended() => Err(ended.into()),
        }
    }

    /// Breaks the server and mends it.
    async fn inject_into_server(
        &self,
        planned: &PlannedFault,
        server: &mut Server,
    ) -> Result<Proof, InjectError> {
        let lasts = async || self.wait_while(planned.phase, planned.lasts).await;
        Ok(match planned.fault {
            Fault::KillServer => {
                let status = server.kill().await?;
                lasts().await;
                server.start_again().await?;
                Proof::Ended(status)
            }
            Fault::RestartServer => {
                let status = server.end().await?;
                lasts().await;
                server.start_again().await?;
                Proof::Ended(status)
            }
            Fault::PauseServer => {
                let stopped = server.pause().await;
                lasts().await;
                server.go_on();
                Proof::Stopped(stopped)
            }
            Fault::Network(_) => return Err(InjectError::Nothing(planned.to_string())),
        })
    }

    /// New connections go to where the server is now.
    async fn tell_address(&self, address: &str, proxy: Option<&Proxy>) -> Result<(), InjectError> {
        let address: SocketAddr = address
            .parse()
            .map_err(|_none| InjectError::Address(address.to_owned()))?;
        match proxy {
            Some(proxy) => proxy.set_upstream(address).await?,
            None => self.fault_state.move_to(address),
        }
        Ok(())
    }

    async fn inject_into_network(&self, proxy: Option<&Proxy>) -> Result<(), InjectError> {
        let mut begun: BTreeMap<usize, (FaultId, NetworkFault)> = BTreeMap::new();
        for turn in self.turns() {
            let Turn {
                index, phase, at, ..
            } = turn;
            let nothing = || InjectError::Nothing(self.planned[index].to_string());
            let proxy = proxy.ok_or_else(nothing)?;
            let is_in_time = self.wait_for(phase, at).await;
            match turn.begins {
                Some(fault) if is_in_time => {
                    self.fault_state
                        .inject(index, self.clock.now(), Recovery::AtOnce);
                    begun.insert(index, (proxy.apply(fault).await?, fault));
                }
                Some(_) => self.fault_state.miss(index, TOO_LATE),
                None => {
                    let Some((id, fault)) = begun.remove(&index) else {
                        continue;
                    };
                    let injected = proxy.heal(id).await?;
                    let now = self.clock.now();
                    let felt = felt(fault, injected, now);
                    self.fault_state.heal(index, now, felt, Recovery::AtOnce);
                }
            }
        }
        Ok(())
    }

    /// What is done to the network, in order: each fault begins and ends.
    fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (index, planned) in self.planned.iter().enumerate() {
            if let Fault::Network(fault) = planned.fault {
                let begin = Turn {
                    index,
                    phase: planned.phase,
                    at: planned.at,
                    begins: Some(fault),
                };
                let end = Turn {
                    at: planned.at.saturating_add(planned.lasts),
                    begins: None,
                    ..begin
                };
                turns.extend([begin, end]);
            }
        }
        // Stable: what takes no time begins before it ends.
        turns.sort_by_key(|turn| (turn.phase, turn.at));
        turns
    }

    /// Waits for an instant of a phase. False if the phase was over first.
    async fn wait_for(&self, phase: usize, at: Nanos) -> bool {
        let mut stage = self.fault_state.follow();
        let is_there = |stage: &Stage| {
            matches!(stage, Stage::In(current, _) if *current == phase) || stage.is_past(phase)
        };
        let began_at = match stage.wait_for(is_there).await.map(|stage| *stage) {
            Ok(Stage::In(current, began_at)) if current == phase => began_at,
            Ok(Stage::Before(_) | Stage::In(..) | Stage::Over) | Err(_) => return false,
        };
        let due_at = began_at.saturating_add(at);
        self.wait_while(phase, due_at.saturating_sub(self.clock.now()))
            .await
    }

    /// Lets time pass, as long as the phase lasts. False if that was shorter.
    async fn wait_while(&self, phase: usize, length: Nanos) -> bool {
        let mut stage = self.fault_state.follow();
        select! {
            biased;
            _over = stage.wait_for(|stage| stage.is_past(phase)) => false,
            () = sleep(Duration::from_nanos(length)) => true,
        }
    }
}

/// What was seen of a fault of the process.
#[derive(Debug, Clone, Copy)]
enum Proof {
    /// The process ended like this.
    Ended(ExitStatus),
    /// Whether the kernel said that it was stopped.
    Stopped(bool),
}

fn came_to(
    fault: Fault,
    proof: Proof,
    (pid_before, pid_after): (u32, u32),
    server: &Server,
) -> Injection {
    let has_changed = pid_before != pid_after;
    let (took_effect, words) = match proof {
        Proof::Ended(status) => {
            let as_meant = match fault {
                Fault::KillServer => status.signal() == Some(SIGKILL),
                Fault::RestartServer => server.has_obeyed(status),
                Fault::PauseServer | Fault::Network(_) => false,
            };
            let how = status.signal().map_or_else(
                || format!("with {status}"),
                |signal| format!("by signal {signal}"),
            );
            let words = format!("process {pid_before} ended {how} and {pid_after} answers");
            (as_meant && has_changed, words)
        }
        Proof::Stopped(true) => {
            let words = format!("process {pid_before} was seen stopped and went on");
            (true, words)
        }
        Proof::Stopped(false) => {
            let words = format!("process {pid_before} was not seen stopped");
            (false, words)
        }
    };
    let recovered = server.recovered().filter(|_| has_changed);
    Injection {
        injected_at: took_effect.then_some(0),
        proof: words,
        process: Some(ProcessRecord {
            pid_before,
            pid_after,
            recovered_seq: recovered.map(|(seq, _)| seq),
            recovered_ms: recovered.map(|(_, ms)| ms),
        }),
        ..Injection::default()
    }
}

fn felt(fault: NetworkFault, injected: Effects, now: Nanos) -> Injection {
    let Effects {
        connections,
        bytes_held,
        bytes_dropped,
        pieces,
        let_in,
        unnoticed,
    } = injected;
    let took_effect = fault.took_effect(&injected);
    let proof = match (took_effect, connections) {
        (true, 1) => "1 connection felt it".to_owned(),
        (true, count) => format!("{count} connections felt it"),
        (false, _) => "no connection felt it".to_owned(),
    };
    Injection {
        injected_at: took_effect.then_some(now),
        proof,
        network: Some(NetworkRecord {
            connections,
            bytes_held,
            bytes_dropped,
            pieces,
            let_in,
            unnoticed,
        }),
        ..Injection::default()
    }
}
