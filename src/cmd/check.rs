//! `stampede check`: histories judged again, of this program's runs and of other tools.
//!
//! Files in, verdicts and an exit code out. Deliberately absent: the judging (`loadgen`) and the
//! words for it (`reports`).

use std::{
    fs,
    io::{Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, ValueEnum};
use loadgen::{
    history::HISTORY_MAGIC,
    recheck::Recheck,
    register::{self, Convention, Effort, Reading, RegisterHistory, RegisterModel},
    run::{HISTORY_FILE, RECORD_FILE},
};
use protocol::{OwnedRecord, Seq};
use reports::{
    checked::{CheckedRecord, RecheckedRecord},
    record::{LawRecord, RunRecord, Verdict},
    render,
    verdict::{EXIT_INCONCLUSIVE, EXIT_INVARIANT, EXIT_PASS, EXIT_USAGE, more_severe},
};
use server::{
    inspect::InspectError,
    log::{LogReader as _, Row, SqliteReader},
};

use crate::{args::UsageError, printing};

/// The most bytes of a history of another tool: some millions of operations, read at once.
const TEXT_BYTES_MAX: u64 = 256 << 20;

/// `stampede check`
#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// Histories: jepsen's log lines (`3 :invoke :write 4`), history.edn or history.jsonl, or a run's
    /// directory or history.bin
    #[arg(value_name = "HISTORY", required = true)]
    pub(crate) histories: Vec<PathBuf>,
    /// What the object of a foreign history is; without it, told by its first call
    #[arg(long, env = "STAMPEDE_MODEL", value_enum)]
    pub(crate) model: Option<ModelArg>,
    /// What it holds at first, as EDN writes it: `nil`, `0`, `"text"`
    #[arg(long, env = "STAMPEDE_INITIAL", value_name = "VALUE")]
    pub(crate) initial: Option<String>,
    /// What a failed cas and a read of nil say; without it, `porcupine` for log lines, else `knossos`
    #[arg(long, env = "STAMPEDE_CONVENTION", value_enum)]
    pub(crate) convention: Option<ConventionArg>,
    /// Most steps of the search for an order, for each object of a foreign history
    #[arg(long, env = "STAMPEDE_MAX_STEPS", value_name = "STEPS", default_value_t = register::STEPS_MAX)]
    pub(crate) max_steps: u64,
    /// Most memory of that search, MiB
    #[arg(
        long,
        env = "STAMPEDE_MAX_MEMORY",
        value_name = "MIB",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=65_536)
    )]
    pub(crate) max_memory: u32,
    /// The data directory of a run's server; without it, the one that the run kept beside its history
    #[arg(long, env = "STAMPEDE_LOG", value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// Leave a timeline as a page: in this file, or for several histories in this directory
    #[arg(long, env = "STAMPEDE_HTML", value_name = "PATH")]
    pub(crate) html: Option<PathBuf>,
}

/// A model of a text history's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelArg {
    /// Reads and writes, nil at first
    Register,
    /// Reads, writes, and compare and set, nil at first
    CasRegister,
    /// Acquired by one at a time, and released
    Mutex,
    /// Texts under keys: get, put and append
    KeyValue,
}

/// A convention of a foreign history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConventionArg {
    /// Neither says anything
    Knossos,
    /// The register did not hold the first value of the cas, and held nil
    Porcupine,
}

impl ConventionArg {
    const fn convention(self) -> Convention {
        match self {
            Self::Knossos => Convention::Knossos,
            Self::Porcupine => Convention::Porcupine,
        }
    }
}

impl ModelArg {
    const fn model(self) -> RegisterModel {
        match self {
            Self::Register => RegisterModel::Register,
            Self::CasRegister => RegisterModel::CasRegister,
            Self::Mutex => RegisterModel::Mutex,
            Self::KeyValue => RegisterModel::KeyValue,
        }
    }
}

/// A history that was judged.
enum Judged {
    /// Of another tool.
    Text(CheckedRecord),
    /// Of a run of this program.
    Run(RecheckedRecord),
}

/// Judges every history; the exit code is the worst of theirs.
pub(crate) fn check(args: &Check) -> Result<ExitCode> {
    let mut out = printing::out();
    let [history] = args.histories.as_slice() else {
        return check_all(args, &mut out);
    };
    let judged = judge(history, args)?;
    let style = printing::style();
    let path = history.display().to_string();
    let text = match &judged {
        Judged::Text(judged) => render::checked(&path, judged, style),
        Judged::Run(judged) => render::rechecked(&path, judged, style),
    };
    out.write_all(text.as_bytes())?;
    if let Some(page) = &args.html {
        write_page(page, history, &judged)?;
        writeln!(out, "\nTimeline\n  {}", page.display())?;
    }
    Ok(ExitCode::from(judged.exit_code()))
}

/// A line each. One that cannot be read does not keep the others from being judged.
fn check_all(args: &Check, out: &mut impl Write) -> Result<ExitCode> {
    if let Some(dir) = &args.html {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let mut worst = EXIT_PASS;
    for history in &args.histories {
        match judge(history, args) {
            Ok(judged) => {
                let path = history.display().to_string();
                let line = match &judged {
                    Judged::Text(judged) => render::checked_line(&path, judged),
                    Judged::Run(judged) => render::rechecked_line(&path, judged),
                };
                writeln!(out, "{line}")?;
                if let Some(dir) = &args.html {
                    write_page(&page_in(dir, history), history, &judged)?;
                }
                worst = more_severe(worst, judged.exit_code());
            }
            Err(error) => {
                writeln!(out, "UNREAD  {error:#}")?;
                worst = more_severe(worst, EXIT_USAGE);
            }
        }
    }
    Ok(ExitCode::from(worst))
}

impl Judged {
    const fn exit_code(&self) -> u8 {
        let verdict = match self {
            Self::Text(judged) => judged.verdict,
            Self::Run(judged) => judged.verdict,
        };
        match verdict {
            Verdict::Valid => EXIT_PASS,
            Verdict::Unknown | Verdict::NotApplicable => EXIT_INCONCLUSIVE,
            Verdict::Invalid => EXIT_INVARIANT,
        }
    }
}

fn judge(path: &Path, args: &Check) -> Result<Judged> {
    if let Some(history) = own_history(path)? {
        return recheck(&history, args).map(Judged::Run);
    }
    let text = read_text(path)?;
    let reading = Reading {
        model: args.model.map(ModelArg::model),
        convention: args.convention.map(ConventionArg::convention),
        initial: args.initial.clone(),
    };
    let history = RegisterHistory::parse(&text, &reading, &path.display().to_string())?;
    let effort = Effort {
        steps_max: args.max_steps,
        bytes_max: usize::try_from(u64::from(args.max_memory) << 20).unwrap_or(usize::MAX),
    };
    Ok(Judged::Text(register::judge(&history, effort)))
}

/// The history of a run of this program, if that is what `path` is.
fn own_history(path: &Path) -> Result<Option<PathBuf>> {
    if path.is_dir() {
        return Ok(Some(path.join(HISTORY_FILE)));
    }
    let mut magic = [0; 8];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    Ok((read.is_ok() && magic == HISTORY_MAGIC).then(|| path.to_owned()))
}

/// Judges a run again, on its history and its log where that was kept.
fn recheck(history: &Path, args: &Check) -> Result<RecheckedRecord> {
    let dir = history.parent().unwrap_or(Path::new("."));
    let own = read_record(&dir.join(RECORD_FILE))?;
    if own
        .as_ref()
        .is_some_and(|own| own.environment.level.is_some())
    {
        // What its file promised and what it showed after the run are in no history.
        return Err(UsageError::History {
            path: history.to_owned(),
            reason: "a server without a log was judged by its answers and by what it showed after the run, which cannot be judged again; put it on trial again with the command in its report".to_owned(),
        }
        .into());
    }
    let required = own.iter().flat_map(|own| &own.laws);
    let required = required.filter(|law| law.required);
    let required: Vec<String> = required.map(|law| law.name.clone()).collect();
    let mut recheck = Recheck::open(history, &required)?;
    let kept = Some(dir.join("log")).filter(|log| log.is_dir());
    if let Some(log) = args.log.clone().or(kept) {
        let mut reader = SqliteReader::open(&log).map_err(InspectError::from)?;
        let read = reader.read(Seq(1), &mut |row| {
            recheck.handle_record(&owned(&row));
            ControlFlow::Continue(())
        });
        read.map_err(InspectError::from)?;
    }
    let judged = recheck.conclude()?;
    let unjudged = judged.unjudged.iter();
    let mut record = RecheckedRecord {
        verdict: verdict(&judged.laws),
        operations: judged.operations,
        records: judged.records,
        unjudged: unjudged
            .map(|unjudged| (unjudged.law.to_owned(), unjudged.why.to_owned()))
            .collect(),
        laws: judged.laws,
        differences: None,
        doubts: Vec::new(),
    };
    record.doubt(own.as_ref().map_or(&[], |own| own.laws.as_slice()));
    if let Some(own) = own {
        record.compare(&own.laws);
    }
    Ok(record)
}

/// The worst of the laws: one that is broken, one that is required and could not be told; and no
/// verdict at all where none was kept.
fn verdict(laws: &[LawRecord]) -> Verdict {
    let is = |verdict: Verdict| move |law: &&LawRecord| law.verdict == verdict;
    if laws.iter().any(|law| is(Verdict::Invalid)(&law)) {
        return Verdict::Invalid;
    }
    let doubtful = laws.iter().filter(is(Verdict::Unknown));
    let is_kept = laws.iter().any(|law| is(Verdict::Valid)(&law));
    // Of a law with nothing to look at, nobody asks.
    let matters = |law: &LawRecord| law.required || law.exercised.iter().all(|c| 0 < c.count);
    if !is_kept || doubtful.into_iter().any(matters) {
        return Verdict::Unknown;
    }
    Verdict::Valid
}

fn read_record(path: &Path) -> Result<Option<RunRecord>> {
    let Ok(json) = fs::read_to_string(path) else {
        return Ok(None);
    };
    let record = RunRecord::read(&json).with_context(|| path.display().to_string())?;
    Ok(Some(record))
}

fn owned(row: &Row<'_>) -> OwnedRecord {
    let record = &row.record;
    OwnedRecord {
        seq: record.seq,
        recorded_at: record.recorded_at,
        actor: record.actor,
        key: record.key,
        kind: record.kind,
        schema: record.schema,
        codec: record.codec,
        body: record.body.to_vec(),
        outcome: record.outcome.to_vec(),
        hash: row.hash,
    }
}

fn read_text(path: &Path) -> Result<String> {
    let wrong = |reason: String| UsageError::History {
        path: path.to_owned(),
        reason,
    };
    let file = fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(error.to_string()))?;
    if TEXT_BYTES_MAX < bytes.len() as u64 {
        return Err(wrong(format!(
            "it is larger than the {TEXT_BYTES_MAX} bytes that are read of a text history"
        ))
        .into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("it is no text: byte {at} is no UTF-8")).into()
    })
}

fn write_page(page: &Path, history: &Path, judged: &Judged) -> Result<()> {
    let judged = match judged {
        Judged::Text(judged) => judged,
        Judged::Run(_) => return Err(UsageError::NoTimeline.into()),
    };
    let name = history.file_name().unwrap_or(history.as_os_str());
    let html = render::timeline(&name.to_string_lossy(), judged);
    fs::write(page, html).with_context(|| page.display().to_string())
}

/// Where the page of one of several histories goes.
fn page_in(dir: &Path, history: &Path) -> PathBuf {
    let mut name = history.file_name().unwrap_or_default().to_owned();
    name.push(".html");
    dir.join(name)
}
