//! Somebody's own server on trial: started, its people logged in, loaded, asked again, judged.
//!
//! ```text
//! target.toml -> process -> people, slots -> drive -> who holds what? -> judge by answers -> record
//! ```
//!
//! A mapping and a plan go in; the record of a run comes out like any other's. What the mapping has no word
//! for is refused before anything starts. Deliberately absent: how a call travels (`mapping`), and what can be
//! judged of a server without a log (`check`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use ::client::Session;
use protocol::{
    Seq, UserId,
    words::{accounts::Token, agenda::SlotId},
};
use reports::record::{EnvironmentRecord, LawRecord, RunRecord};
use serde_json::Value;
use tokio::{net::lookup_host, time::sleep};

use super::{
    HISTORY_FILE, Run, RunError, Stage, broken, embedded,
    inject::Targets,
    load::{Crew, Links, Loaded},
    process::{Launch, Process, ProcessError},
    random_secret,
    record::Rest,
    server::Server,
};
use crate::{
    check::{Asked, LawOptions, Laws, Survivor, slot_text},
    clock,
    driver::DriveError,
    fault::Injection,
    history::{HistoryFile, Setup},
    id_map::IdMap,
    mapping::{
        Exchanged, HttpTarget, Mapping, Meaning, Person, Request, Scope, SlotNames, Surprises,
        Understood, exchange, holders_of, name_of,
    },
    operation::{KeyMint, Slot},
    plan::{Fault, World},
    scenario::{ActionSpec, Scenario, ScenarioError},
};

/// What the report says of the server's promise to keep what it acknowledged.
const DURABILITY: &str = "its own word";
/// Slots that a run may name: more would take the set-up minutes.
const SLOTS_MAX: u64 = 1_000_000;
/// How often somebody is asked about again who could not be, after the run, and after how long.
const AGAIN_MAX: u32 = 20;
/// See [`AGAIN_MAX`].
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Kinds of answers named in the report that the file does not describe.
const SURPRISES_TOLD: usize = 5;

/// A server that could not be put on trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Its process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its address.
    #[error("`{base}` leads nowhere: {why}")]
    Address {
        /// As the file says.
        base: String,
        /// Why.
        why: String,
    },
    /// Something that the set-up asked for.
    #[error(
        "{what}: {line} was answered with {why}; see what becomes of each call with `stampede target check {file}`"
    )]
    SetUp {
        /// What it was for.
        what: String,
        /// The request.
        line: String,
        /// What came.
        why: String,
        /// The file.
        file: String,
    },
    /// Too much to name.
    #[error(
        "the scenario has {slots} slots, and {SLOTS_MAX} is the most for somebody's own server"
    )]
    Slots {
        /// How many.
        slots: u64,
    },
}

/// Refuses a scenario that asks for what the server has no word for.
pub(super) fn check_supported(scenario: &Scenario, mapping: &Mapping) -> Result<(), ScenarioError> {
    let file = mapping.file.display();
    for flow in &scenario.flows {
        for (number, step) in flow.steps.iter().enumerate() {
            let lacking = match &step.action {
                ActionSpec::Wait(_) => None,
                ActionSpec::Reserve(_) => mapping.reserve.is_none().then_some("[call.reserve]"),
                ActionSpec::Cancel { .. } => mapping.cancel.is_none().then_some("[call.cancel]"),
                ActionSpec::ListSlots(_) => mapping.list_slots.is_none().then_some("[read.slots]"),
                ActionSpec::MyBookings => {
                    mapping.my_bookings.is_none().then_some("[read.bookings]")
                }
                _unmapped => Some(""),
            };
            let Some(lacking) = lacking else { continue };
            let what = format!(
                "not-supported: {file} has no word for this step of the flow `{}`",
                flow.name
            );
            let hint = match lacking {
                "" => "no target file can have one so far; take the step out".to_owned(),
                table => format!("add `{table}` to {file}, or take the step out"),
            };
            return Err(scenario.refuse_step((&flow.name, number), &what, &hint));
        }
    }
    Ok(())
}

/// A server that answers, and who asks it.
pub(super) struct Court {
    pub(super) mapping: Arc<Mapping>,
    /// Where calls go: the server, or what stands before it.
    address: SocketAddr,
    /// What it is called.
    host: String,
    pub(super) people: Vec<Person>,
    pub(super) slots: SlotNames,
}

impl Run<'_> {
    /// Puts somebody's own server on trial.
    pub(super) async fn try_mapped(mut self, mapping: Arc<Mapping>) -> Result<RunRecord, RunError> {
        let mut environment = self.environment()?;
        let secret = random_secret()?;
        let mint = KeyMint::new(secret);
        let run_id = format!("{:08x}", mint.set_up().run() & 0xffff_ffff);
        let (server, direct, host) = start_mapped(&mapping, self.dir).await?;
        describe(&mut environment, &mapping, &host);
        let proxy = self.start_proxy(&direct.to_string()).await?;
        let address = proxy.as_ref().map_or(direct, |proxy| proxy.address());
        let world = &self.plan.world;
        (self.options.stage)(&Stage::Building {
            users: world.users,
            agendas: world.agendas,
        });
        let map = id_map(world);
        let mut court = Court::new(mapping, (address, host));
        court.people = court.log_in(world, &run_id).await?;
        court.slots = court.open_slots(world, &map, &run_id).await?;
        let (mut laws, setup) = self.laws_of(&mint, &court);
        let crew = court.crew(map);
        let pid = server.as_ref().and_then(Server::pid).unwrap_or(0);
        let mut targets = Targets {
            server,
            proxy,
            watched: Arc::new(AtomicU32::new(pid)),
        };
        let loaded = self
            .drive_and_inject(crew, (&mint, secret), (&mut laws, setup), &mut targets)
            .await?;
        let Loaded {
            mut driven,
            history,
            surprises,
            injections,
            broke_off,
        } = loaded;
        driven.interrupted &= broke_off.is_none();
        (self.options.stage)(&Stage::Judging);
        driven.generator.history_bytes = history.finish().map_err(DriveError::Keeping)?;
        let history = HistoryFile::new(self.dir.join(HISTORY_FILE));
        court.address = direct;
        let survivors = Laws::survivors(history.operations());
        let asked = court.ask_about(survivors, self.kills(&injections)).await;
        let (mut found, tally) = laws.conclude_by_answers(asked, || history.operations());
        history.finish()?;
        court.name_all(&mut found);
        // The group ends here, whatever it is doing.
        drop(targets);
        let faults = broken::record(broken::Found {
            plan: self.plan,
            injections,
            doubts: driven.doubts,
            tally,
        });
        let rest = Rest {
            faults,
            visitors: None,
            crash: None,
            server_memory: None,
            broke_off,
        };
        let mut record = self.record(environment, driven, found, rest);
        record.cautions.extend(told_of(&surprises));
        Ok(record)
    }

    fn laws_of(&self, mint: &KeyMint, court: &Court) -> (Laws, Setup) {
        let world = &self.plan.world;
        let mut options = LawOptions::new(mint.clone(), u32::from(world.capacity), world.clients());
        options.required.clone_from(&self.scenario.require.laws);
        options.is_alone = true;
        options.contract = Some(court.mapping.contract);
        let setup = Setup::of(&options);
        let mut laws = Laws::new(options);
        for client in 0..world.clients() {
            laws.handle_client(client, user(client / world.devices.max(1)));
        }
        (laws, setup)
    }

    /// How often the server's process was ended.
    fn kills(&self, injections: &[Injection]) -> u64 {
        let planned = self.plan.faults.iter().zip(injections);
        let ended = planned.filter(|(planned, injection)| {
            let ends = matches!(planned.fault, Fault::KillServer | Fault::RestartServer);
            ends && injection.injected_at.is_some()
        });
        u64::try_from(ended.count()).unwrap_or(u64::MAX)
    }
}

/// Starts the server, if it is to be started, and finds where it answers.
pub(super) async fn start_mapped(
    mapping: &Mapping,
    dir: &Path,
) -> Result<(Option<Server>, SocketAddr, String), RunError> {
    let port = free_port().map_err(RunError::System)?;
    let base = mapping.base.replace("{port}", &port.to_string());
    let host = base.strip_prefix("http://").unwrap_or(&base).to_owned();
    let address = resolve(&base, &host).await?;
    let Some(spec) = &mapping.process else {
        return Ok((None, address, host));
    };
    let data = embedded::data_dir(dir);
    let made = std::fs::create_dir_all(&data).and_then(|()| std::path::absolute(&data));
    let data = made.map_err(|source| RunError::File {
        path: data.clone(),
        source,
    })?;
    let words = embedded::complaints(dir);
    let words = std::path::absolute(&words).map_err(RunError::System)?;
    let home = mapping
        .file
        .parent()
        .filter(|dir| *dir != Path::new(""))
        .unwrap_or(Path::new("."));
    let launch = Launch {
        spec: spec.filled(port, &data),
        dir: home.to_owned(),
        words,
        address,
    };
    let process = Process::start(Arc::new(launch))
        .await
        .map_err(TrialError::from)?;
    Ok((Some(Server::Foreign(process)), address, host))
}

impl Court {
    pub(super) fn new(mapping: Arc<Mapping>, (address, host): (SocketAddr, String)) -> Self {
        Self {
            mapping,
            address,
            host,
            people: Vec::new(),
            slots: SlotNames::new(),
        }
    }

    /// Makes and logs in everybody, as far as the file says how.
    pub(super) async fn log_in(&self, world: &World, run: &str) -> Result<Vec<Person>, RunError> {
        let mut people = Vec::new();
        for number in 0..world.users {
            let mut scope = self.mapping.person(run, number);
            if let Some(register) = &self.mapping.who.register {
                self.set_up(register, &scope, || format!("user {number} cannot be made"))
                    .await?;
            }
            if let Some(login) = &self.mapping.who.login {
                let taken = self
                    .set_up(login, &scope, || format!("user {number} cannot log in"))
                    .await?;
                scope.extend(taken);
            }
            // The number of a call is the slot's.
            scope.remove("number");
            for _device in 0..world.devices.max(1) {
                people.push(Person {
                    scope: scope.clone(),
                });
            }
        }
        Ok(people)
    }

    /// Names every slot of the world, and makes it, if the file says how.
    pub(super) async fn open_slots(
        &self,
        world: &World,
        map: &IdMap,
        run: &str,
    ) -> Result<SlotNames, RunError> {
        if SLOTS_MAX < world.keys() {
            return Err(TrialError::Slots {
                slots: world.keys(),
            }
            .into());
        }
        let mut all = SlotNames::new();
        let mut number = 0_u64;
        for agenda in &map.agendas {
            for day in 0..world.days {
                for slot in 0..world.slots {
                    let id = SlotId {
                        agenda: *agenda,
                        day: map.first_day + day,
                        slot,
                    };
                    let mut scope = place(run, (*agenda, day, number), id.day);
                    let name = Value::from(self.mapping.slots.name.text(&scope));
                    scope.insert("slot".to_owned(), name);
                    if let Some(open) = &self.mapping.slots.open {
                        let mut asking = self
                            .people
                            .first()
                            .map(|one| one.scope.clone())
                            .unwrap_or_default();
                        asking.extend(scope.clone());
                        let taken = self
                            .set_up(open, &asking, || format!("slot {number} cannot be made"))
                            .await?;
                        scope.extend(taken);
                    }
                    all.extend(Slot::pack(id).map(|slot| (slot, scope)));
                    number += 1;
                }
            }
        }
        Ok(all)
    }

    async fn set_up(
        &self,
        request: &Request,
        scope: &Scope,
        what: impl Fn() -> String,
    ) -> Result<Scope, TrialError> {
        let understood = self.ask(request, scope).await;
        match understood.meaning {
            Meaning::Ok => Ok(understood.entries.into_iter().next().unwrap_or_default()),
            Meaning::Refused(_) | Meaning::Error(_) | Meaning::Unknown => Err(TrialError::SetUp {
                what: what(),
                line: request.line(scope),
                why: understood
                    .why
                    .unwrap_or_else(|| format!("{:?}", understood.meaning)),
                file: self.mapping.file.display().to_string(),
            }),
        }
    }

    async fn ask(&self, request: &Request, scope: &Scope) -> Understood {
        request.understand(&self.exchange(request, scope).await)
    }

    /// Makes a call, and says what came.
    pub(super) async fn exchange(&self, request: &Request, scope: &Scope) -> Exchanged {
        match request.build(&self.host, false, scope) {
            Ok(built) => exchange(None, self.address, built).await.1,
            Err(why) => Exchanged::NotSent(why),
        }
    }

    fn crew(&self, map: IdMap) -> Crew {
        let session = |number: usize| {
            let client = u32::try_from(number).unwrap_or(u32::MAX);
            Session {
                user: user(map.user_of(client)),
                session: u64::from(client) + 1,
                token: Token([0; 32]),
                cursor: Seq(0),
            }
        };
        let target = HttpTarget::new(
            Arc::clone(&self.mapping),
            (self.address, self.host.clone()),
            self.people.clone(),
            self.slots.clone(),
        );
        let sessions: Vec<Session> = (0..self.people.len()).map(session).collect();
        Crew {
            users: sessions.iter().map(|session| session.user).collect(),
            sessions,
            map: Rc::new(map),
            began_at: Seq(0),
            links: Links::Http(Box::new(target)),
        }
    }

    /// Asks, when the run is over, whether everybody still holds what they were told they hold.
    async fn ask_about(&self, survivors: Vec<Survivor>, kills: u64) -> Asked {
        let Some(after) = self.mapping.contract.reads_after else {
            return Asked::Unmapped;
        };
        // What a read promises it promises only so long after an acknowledgement.
        sleep(Duration::from_nanos(after)).await;
        let looked_for = u64::try_from(survivors.len()).unwrap_or(u64::MAX);
        let shown = if let Some(list) = &self.mapping.list_slots {
            self.shown_by_slots(list, &survivors).await
        } else if let Some(mine) = &self.mapping.my_bookings {
            self.shown_by_people(mine, &survivors).await
        } else {
            return Asked::Unmapped;
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(why) => return Asked::Unasked(why),
        };
        let is_missing = |survivor: &Survivor| {
            let slot = self
                .slots
                .get(&survivor.slot)
                .map(name_of)
                .unwrap_or_default();
            !shown.contains(&(slot, self.name(survivor.operation.client)))
        };
        let missing = survivors.into_iter().filter(is_missing).collect();
        Asked::Missing {
            looked_for,
            missing,
            kills,
        }
    }

    /// Slots with their holders, of every day that somebody holds something on.
    async fn shown_by_slots(
        &self,
        list: &Request,
        survivors: &[Survivor],
    ) -> Result<BTreeSet<(String, String)>, String> {
        let mut days = BTreeMap::new();
        for survivor in survivors {
            let id = survivor.slot.unpack();
            days.entry((id.agenda, id.day)).or_insert(survivor);
        }
        let mut shown = BTreeSet::new();
        for survivor in days.into_values() {
            let mut scope = self.scope_of(survivor);
            let day = self.slots.get(&survivor.slot).cloned().unwrap_or_default();
            scope.extend(
                day.into_iter()
                    .filter(|(name, _)| name != "slot" && name != "number"),
            );
            for entry in self.ask_until_answered(list, &scope).await? {
                let slot = name_of(&entry);
                shown.extend(
                    holders_of(&entry)
                        .into_iter()
                        .map(|holder| (slot.clone(), holder)),
                );
            }
        }
        Ok(shown)
    }

    /// The bookings of everybody who holds something.
    async fn shown_by_people(
        &self,
        mine: &Request,
        survivors: &[Survivor],
    ) -> Result<BTreeSet<(String, String)>, String> {
        let asking: BTreeMap<String, &Survivor> = survivors
            .iter()
            .map(|survivor| (self.name(survivor.operation.client), survivor))
            .collect();
        let mut shown = BTreeSet::new();
        for (name, survivor) in asking {
            let entries = self
                .ask_until_answered(mine, &self.scope_of(survivor))
                .await?;
            shown.extend(entries.iter().map(|entry| (name_of(entry), name.clone())));
        }
        Ok(shown)
    }

    async fn ask_until_answered(
        &self,
        request: &Request,
        scope: &Scope,
    ) -> Result<Vec<Scope>, String> {
        let mut why = String::new();
        for _again in 0..AGAIN_MAX {
            let understood = self.ask(request, scope).await;
            if understood.meaning == Meaning::Ok {
                return Ok(understood.entries);
            }
            why = understood
                .why
                .unwrap_or_else(|| format!("{:?}", understood.meaning));
            sleep(AGAIN_AFTER).await;
        }
        Err(format!("{} was answered with {why}", request.line(scope)))
    }

    fn scope_of(&self, survivor: &Survivor) -> Scope {
        let index = usize::try_from(survivor.operation.client).unwrap_or(usize::MAX);
        self.people
            .get(index)
            .map(|person| person.scope.clone())
            .unwrap_or_default()
    }

    /// What a client is called there.
    fn name(&self, client: u32) -> String {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        let user = self
            .people
            .get(index)
            .and_then(|person| person.scope.get("user"));
        user.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Says in every violation what people and slots are called on the server.
    fn name_all(&self, laws: &mut [LawRecord]) {
        let slots: BTreeMap<String, String> = self
            .slots
            .iter()
            .map(|(slot, scope)| (slot_text(*slot), name_of(scope)))
            .collect();
        for violation in laws.iter_mut().flat_map(|law| &mut law.violations) {
            violation.sentence = self.with_names(&violation.sentence);
            if let Some((text, name)) = violation
                .about
                .as_ref()
                .and_then(|about| slots.get_key_value(about))
            {
                violation.sentence = violation
                    .sentence
                    .replace(text, &format!("{text} (`{name}`)"));
            }
        }
    }

    /// The sentence with the name behind every `client N`.
    fn with_names(&self, sentence: &str) -> String {
        let mut parts = sentence.split("client ");
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part
                .find(|sign: char| !sign.is_ascii_digit())
                .unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            named.push_str("client ");
            named.push_str(number);
            if let Ok(client) = number.parse() {
                named.push_str(&format!(" (`{}`)", self.name(client)));
            }
            named.push_str(rest);
        }
        named
    }
}

/// The commonest answers that the file does not describe, in sentences.
fn told_of(surprises: &Surprises) -> impl Iterator<Item = String> {
    let mut commonest: Vec<_> = surprises.iter().collect();
    commonest.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told = commonest.into_iter().take(SURPRISES_TOLD);
    told.map(|(what, count)| {
        format!(
            "{} not described by the target file, so that nobody knows what became of the call: {what}.",
            match count {
                1 => "1 answer was".to_owned(),
                many => format!("{many} answers were"),
            }
        )
    })
}

/// What fills the places of a slot's name.
fn place(run: &str, (agenda, day, number): (u64, u32, u64), date: u32) -> Scope {
    let date = Duration::from_secs(u64::from(date) * 24 * 60 * 60);
    let date =
        humantime::format_rfc3339_seconds(std::time::SystemTime::UNIX_EPOCH + date).to_string();
    let (date, _time) = date.split_once('T').unwrap_or((&date, ""));
    [
        ("run", Value::from(run)),
        ("agenda", Value::from(agenda)),
        ("day", Value::from(day)),
        ("date", Value::from(date)),
        ("number", Value::from(number)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn id_map(world: &World) -> IdMap {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let today = u32::try_from(clock::wall_ms() / DAY_MS).unwrap_or(u32::MAX);
    IdMap {
        world: world.clone(),
        agendas: (1..=u64::from(world.agendas)).collect(),
        first_day: today.saturating_add(1),
        users: (0..world.users).map(user).collect(),
        ..IdMap::default()
    }
}

fn user(number: u32) -> UserId {
    UserId(u64::from(number) + 1)
}

fn describe(environment: &mut EnvironmentRecord, mapping: &Mapping, host: &str) {
    environment.target = format!("http://{host} ({})", mapping.file.display());
    DURABILITY.clone_into(&mut environment.durability);
    environment.level = Some(0);
}

async fn resolve(base: &str, host: &str) -> Result<SocketAddr, TrialError> {
    let fail = |why: String| TrialError::Address {
        base: base.to_owned(),
        why,
    };
    let mut found = lookup_host(host)
        .await
        .map_err(|error| fail(error.to_string()))?;
    found
        .next()
        .ok_or_else(|| fail("it has no address".to_owned()))
}

/// A port that nobody has at the moment.
fn free_port() -> std::io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}
