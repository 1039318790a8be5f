//! Arguments as they are typed. Every flag is also an environment variable `STAMPEDE_*`.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, builder::RangedU64ValueParser};

use crate::cmd::{
    backup::{Backup, Export, Import, Restore},
    check::Check,
    compare::Compare,
    describe, show,
    snapshot::Snapshot,
    target::Target,
};

/// Where runs are kept unless something else is said.
pub(crate) const OUT_DEFAULT: &str = "runs";

/// Load tests an event-sourced server and judges every answer.
///
/// `run` races clients against a server over a scenario file, measures latency from the intended
/// instant, checks every answer against the laws of the system, and leaves a report.
#[derive(Debug, Parser)]
#[command(version, about, long_about, max_term_width = 100)]
#[command(after_help = "Start here:  stampede run scenarios/smoke.toml")]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario, judge every answer, leave a report
    Run(Run),
    /// Check a scenario and show what it would do, without running it
    Plan(Plan),
    /// Run the server until Ctrl-C
    Serve(Serve),
    /// Look into an event log
    #[command(subcommand)]
    Log(LogCommand),
    /// Compare stored runs: is the new side slower, or is it chance?
    Compare(Compare),
    /// Try out, or begin, the file that says how somebody's own server is spoken to
    #[command(subcommand)]
    Target(Target),
    /// Show a run that is over once more
    Show(show::Show),
    /// Print the JSON Schema of scenario files, target files or run.json, or the protocol as JSON
    Schema(describe::Schema),
    /// Print completions for a shell
    Completions(describe::Completions),
    /// Print a manual page: stampede man | man -l -
    Man(describe::Man),
    /// Plant bugs in the server, one after the other, and show which laws find them
    Prove(Prove),
    /// Judge a history again: of an earlier run, or a register history that another tool left
    Check(Check),
}

/// What can be done with a log.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Exit codes: 0 done; 1 the system refused something; 2 something else must be named or started;\n11 the log, or the lines, were altered or lack something"
)]
pub(crate) enum LogCommand {
    /// Print the records as JSON lines
    Cat(Cat),
    /// Replay the log twice, check every position, hash and byte, and print the state hash
    Verify(Verify),
    /// Make a snapshot of the newest state, so that the next start need not replay the log
    Snapshot(Snapshot),
    /// Copy the log of a server, running or not, with the keys of its people
    Backup(Backup),
    /// Make a data directory of a backup, and verify it
    Restore(Restore),
    /// Print the whole log as JSON lines that can be imported, keys included
    Export(Export),
    /// Make a data directory of exported lines, and verify it
    Import(Import),
}

/// `stampede run`
#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// What to run against: a server of this program that is running, tcp://HOST:PORT or jsonl://HOST:PORT, or
    /// somebody's own, by the file that says how it is spoken to (FILE.toml); without it the run starts its own
    #[arg(long, env = "STAMPEDE_TARGET", value_name = "URL|FILE")]
    pub(crate) target: Option<String>,
    /// The file with the live server's admin password, which `stampede serve` names when it starts
    #[arg(
        long,
        env = "STAMPEDE_ADMIN_PASSWORD_FILE",
        value_name = "FILE",
        requires = "target"
    )]
    pub(crate) admin_password_file: Option<PathBuf>,
    /// Where runs are kept, each in a directory of its own
    #[arg(long, env = "STAMPEDE_OUT", default_value = OUT_DEFAULT, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the run record as JSON instead of the summary; the only value is `-`
    #[arg(long, env = "STAMPEDE_JSON", value_name = "-", value_parser = ["-"])]
    pub(crate) json: Option<String>,
    /// Print only the verdict's line
    #[arg(long, short, env = "STAMPEDE_QUIET")]
    pub(crate) quiet: bool,
    /// Plant a bug in the embedded server, to see a law find it
    #[cfg(feature = "planted-bugs")]
    #[arg(
        long,
        env = "STAMPEDE_PLANTED_BUG",
        value_name = "BUG",
        conflicts_with = "target"
    )]
    pub(crate) planted_bug: Option<server::tamper::PlantedBug>,
}

/// `stampede plan`
#[derive(Debug, ClapArgs)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
}

/// Which scenario, and what to change of it without editing it.
#[derive(Debug, ClapArgs)]
pub(crate) struct ScenarioArgs {
    /// The scenario file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Draw from this seed instead of the scenario's
    #[arg(long, env = "STAMPEDE_SEED", value_name = "N", value_parser = seed())]
    pub(crate) seed: Option<u64>,
    /// Make every phase this many times as long
    #[arg(
        long,
        env = "STAMPEDE_TIME_SCALE",
        default_value_t = 1.0,
        value_name = "X"
    )]
    pub(crate) time_scale: f64,
    /// Make every open loop this many times as fast
    #[arg(
        long,
        env = "STAMPEDE_RATE_SCALE",
        default_value_t = 1.0,
        value_name = "X"
    )]
    pub(crate) rate_scale: f64,
}

/// A seed as a scenario can state it too: TOML's integers end there.
fn seed() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(0..=i64::MAX.unsigned_abs())
}

/// An address as numbers, or the first that a host's name stands for; one of IPv4 if there is one, since
/// a machine may know the name of an address of IPv6 that it does not have.
fn address(given: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = given.parse() {
        return Ok(address);
    }
    let help = "give HOST:PORT, as in 127.0.0.1:7400, [::1]:7400 or localhost:7400";
    let found = given.to_socket_addrs();
    let mut found: Vec<SocketAddr> = found.map_err(|error| format!("{error}; {help}"))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let first = found.first().copied();
    first.ok_or_else(|| format!("no address has that name; {help}"))
}

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// After fsync
    Full,
    /// The newest commits may be lost with the power
    Normal,
    /// Anything may be lost
    None,
}

/// What hashing a password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PasswordCostArg {
    /// Argon2id, 19 MiB, 2 passes
    Default,
    /// The least there is, for load tests
    Test,
}

/// What the classic dialect speaks to people in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LanguageArg {
    /// Portuguese
    Pt,
    /// English
    En,
}

/// `stampede serve`
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Where the log and the server's secret are; made if missing
    #[arg(
        long,
        env = "STAMPEDE_DATA",
        default_value = "stampede-data",
        value_name = "DIR"
    )]
    pub(crate) data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        env = "STAMPEDE_LISTEN",
        default_value = "127.0.0.1:7400",
        value_name = "ADDR",
        value_parser = address
    )]
    pub(crate) listen: SocketAddr,
    /// Where to listen for lines of JSON, for nc and clients in any language; port 0 takes a free one
    #[arg(long, env = "STAMPEDE_JSONL", value_name = "ADDR", value_parser = address)]
    pub(crate) jsonl: Option<SocketAddr>,
    /// What the classic dialect on that listener speaks to people in: Portuguese, as its clients' windows do, or English
    #[arg(
        long,
        env = "STAMPEDE_CLASSIC_LANGUAGE",
        value_enum,
        default_value = "pt"
    )]
    pub(crate) classic_language: LanguageArg,
    /// Where to answer /live, /ready and /metrics over HTTP; port 0 takes a free one. There is no password: listen where only those who run it can ask
    #[arg(long, env = "STAMPEDE_HTTP", value_name = "ADDR", value_parser = address)]
    pub(crate) http: Option<SocketAddr>,
    /// When a commit counts as durable; anything but full is labelled in every report
    #[arg(long, env = "STAMPEDE_DURABILITY", value_enum, default_value = "full")]
    pub(crate) durability: DurabilityArg,
    /// What hashing a password costs
    #[arg(
        long,
        env = "STAMPEDE_PASSWORD_COST",
        value_enum,
        default_value = "default"
    )]
    pub(crate) password_cost: PasswordCostArg,
    /// Connections held at once
    #[arg(
        long,
        env = "STAMPEDE_CONNECTIONS",
        default_value_t = 19_000,
        value_name = "N"
    )]
    pub(crate) connections: usize,
    /// Start although what was acknowledged behind this position is missing: the number that the refusal to start named.
    /// Whoever was erased in it is erased again
    #[arg(long, env = "STAMPEDE_ACCEPT_LOSS_AFTER", value_name = "SEQ")]
    pub(crate) accept_loss_after: Option<u64>,
    /// Start although this machine's clock is more than 400 days ahead of the newest record of the log; or
    /// behind it: then the log's time is set back to the clock, holds end, and sessions opened in between are over
    #[arg(long, env = "STAMPEDE_TRUST_CLOCK")]
    pub(crate) trust_clock: bool,
    /// Start with a new secret in the place of one that is lost or known to somebody: sessions, passwords and texts
    /// stay; a log-in asked again across the change is refused
    #[arg(long, env = "STAMPEDE_NEW_SECRET")]
    pub(crate) new_secret: bool,
    /// What the server says of itself on the standard error: error, warn, info, debug or trace, also for one of its
    /// rooms alone, as in warn,server::hub=debug
    #[arg(
        long,
        env = "STAMPEDE_LOG_FILTER",
        default_value = "warn",
        value_name = "FILTER"
    )]
    pub(crate) log_filter: String,
    /// Records between two snapshots, or a quarter of the log if that is more; 0 for none. Each
    /// needs as much memory as the state once more while it is made
    #[arg(
        long,
        env = "STAMPEDE_SNAPSHOT_EVERY",
        default_value_t = 1_000_000,
        value_name = "N"
    )]
    pub(crate) snapshot_every: u64,
    /// Misbehave on purpose, to see a law find it
    #[cfg(feature = "planted-bugs")]
    #[arg(long, env = "STAMPEDE_PLANTED_BUG", value_name = "BUG")]
    pub(crate) planted_bug: Option<server::tamper::PlantedBug>,
    /// Print one line of JSON when ready, for programs that start a server
    #[arg(long, hide = true)]
    pub(crate) ready_json: bool,
}

/// `stampede prove`
#[derive(Debug, ClapArgs)]
pub(crate) struct Prove {
    /// The planted bugs to try; all of them for none
    #[cfg(feature = "planted-bugs")]
    #[arg(value_name = "BUG")]
    pub(crate) bugs: Vec<server::tamper::PlantedBug>,
    /// Seed of the scenarios, in the place of their own
    #[cfg(feature = "planted-bugs")]
    #[arg(long, env = "STAMPEDE_SEED", value_name = "N", value_parser = seed())]
    pub(crate) seed: Option<u64>,
    /// Where runs are kept, each in a directory of its own
    #[arg(long, env = "STAMPEDE_OUT", default_value = "runs", value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// `stampede log cat`
#[derive(Debug, ClapArgs)]
pub(crate) struct Cat {
    /// The data directory of a server, running or not
    #[arg(
        value_name = "DIR",
        env = "STAMPEDE_DATA",
        default_value = "stampede-data"
    )]
    pub(crate) data: PathBuf,
    /// The first position to print
    #[arg(long, env = "STAMPEDE_FROM", default_value_t = 1, value_name = "SEQ")]
    pub(crate) from: u64,
    /// The most records to print
    #[arg(long, env = "STAMPEDE_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// `stampede log verify`
#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// The data directory of a server, running or not
    #[arg(
        value_name = "DIR",
        env = "STAMPEDE_DATA",
        default_value = "stampede-data"
    )]
    pub(crate) data: PathBuf,
}

/// Something typed that cannot be meant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// Not an address we speak to.
    #[error(
        "--target {given:?} is no address to run against; give tcp://HOST:PORT or jsonl://HOST:PORT, or a target file that ends in .toml"
    )]
    Target {
        /// What was given.
        given: String,
    },
    /// A live server is set up by its admin.
    #[error(
        "--target needs the server's admin password, to make users and agendas there; give the file that `stampede serve` names with --admin-password-file"
    )]
    AdminPassword,
    /// Not a filter of what a server says.
    #[error(
        "--log-filter {given:?} is no filter: {source}; give a level such as debug, or some: warn,server::hub=debug"
    )]
    LogFilter {
        /// What was given.
        given: String,
        /// Why not.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Only a register history has one.
    #[error("--html makes a timeline of a register history; a run has its report.html")]
    NoTimeline,
    /// Not a history that can be read.
    #[error("{}: {reason}", .path.display())]
    History {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A default build has no bugs to plant.
    #[cfg(not(feature = "planted-bugs"))]
    #[error(
        "this build has no planted bugs, as it should; to see the laws find some: cargo run --release --features planted-bugs -- prove"
    )]
    NoPlantedBugs,
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// Every command there is, with its subcommands.
    fn commands(of: &Command) -> Vec<Command> {
        let below = of.get_subcommands().flat_map(commands);
        std::iter::once(of.clone()).chain(below).collect()
    }

    #[test]
    fn an_address_is_numbers_or_a_name() {
        assert_eq!(address("[::1]:7").unwrap().to_string(), "[::1]:7");
        assert_eq!(
            address("localhost:7400").unwrap().to_string(),
            "127.0.0.1:7400"
        );
        for wrong in ["localhost", "127.0.0.1", "localhost:x", ":", ""] {
            let why = address(wrong).unwrap_err();
            assert!(why.ends_with("or localhost:7400"), "{wrong:?}: {why}");
        }
    }

    #[test]
    fn the_arguments_contradict_nothing() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_is_also_an_environment_variable() {
        for command in commands(&Args::command()) {
            let flags = command.get_arguments().filter(|it| !it.is_hide_set());
            for flag in flags.filter_map(|it| Some((it.get_long()?, it.get_env()))) {
                let (name, variable) = flag;
                let expected = format!("STAMPEDE_{}", name.replace('-', "_").to_uppercase());
                let found = variable.map(|variable| variable.to_string_lossy().into_owned());
                let is_built_in = ["help", "version"].contains(&name);
                assert!(
                    is_built_in || found.as_ref() == Some(&expected),
                    "{} --{name}: {found:?}",
                    command.get_name()
                );
            }
        }
    }
}
