//! A state to a file, and back.
//!
//! The sections are written first and the first page last, over the place that was left for it, so
//! that a file which was not finished has none. They are read each on a thread of its own, if there
//! may be any: checking and copying them is what a start waits for. Deliberately absent: names of files, and which one.

use std::{
    io,
    thread::{self, ScopedJoinHandle},
};

use super::{
    Saved, Unsound,
    header::{Header, PAGE_BYTES, Section},
    section::{IsGivenUp, SectionReader, SectionWriter},
};
use crate::{disk::DiskFile, engine::Engine, keyring::Keyring, recover::Workers};

const SECTIONS_AT: u64 = 4_096;
const _: () = assert!(PAGE_BYTES == 4_096);

/// A state that was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// It stands at the snapshot's position.
    pub engine: Engine,
    /// What the snapshot said of itself.
    pub header: Header,
}

/// Writes the state of `engine`, which stands at its newest decided position. Not all of it is on
/// disk then.
pub(super) fn write(
    file: &dyn DiskFile,
    engine: &Engine,
    is_given_up: IsGivenUp<'_>,
) -> io::Result<Header> {
    file.truncate(0)?;
    let head = engine.decided();
    let mut sections = Vec::new();
    let mut at = SECTIONS_AT;
    for (name, part) in engine.parts() {
        let mut out = SectionWriter::new((file, at), name, head.hash, is_given_up);
        part.save(&mut out, engine.keyring());
        let length = out.finish()?;
        let name = name.to_owned();
        sections.push(Section { name, at, length });
        at += length;
    }
    let header = Header {
        head,
        recorded_at: engine.recorded_at(),
        state_hash: engine.state_hash().hash,
        file_bytes: at,
        sections,
    };
    file.write_at(&header.encode(), 0)?;
    Ok(header)
}

/// The state in a file, in an engine that knows nothing yet but the keys of people.
///
/// # Errors
/// What is wrong with it.
pub(super) fn load(
    file: &dyn DiskFile,
    mut engine: Engine,
    workers: Workers,
) -> Result<Loaded, Unsound> {
    let header = read_header(file)?;
    load_parts(&mut engine, file, &header, workers)?;
    engine.stand_at(header.head, header.recorded_at);
    let found = engine.state_hash().hash;
    // Whoever was erased since has no name any more, which the hash shows.
    if found != header.state_hash && engine.keyring().keyless().is_empty() {
        let expected = header.state_hash;
        return Err(Unsound::State { found, expected });
    }
    Ok(Loaded { engine, header })
}

/// What a snapshot says of itself, after every byte of it was checked.
///
/// # Errors
/// What is wrong with it.
pub(super) fn inspect(file: &dyn DiskFile) -> Result<Header, Unsound> {
    let header = read_header(file)?;
    for section in &header.sections {
        let mut reader = SectionReader::new(file, section, header.head.hash);
        reader.skip_all()?;
        reader.finish()?;
    }
    Ok(header)
}

fn load_parts(
    engine: &mut Engine,
    file: &dyn DiskFile,
    header: &Header,
    workers: Workers,
) -> Result<(), Unsound> {
    let (parts, keyring) = engine.parts_mut();
    if workers == Workers::Caller {
        return parts.into_iter().try_for_each(|(name, part)| {
            load_part(part, file, (header.section(name)?, header), keyring)
        });
    }
    thread::scope(|scope| {
        let mut loading = Vec::new();
        for (name, part) in parts {
            let section = header.section(name)?;
            let load = move || load_part(part, file, (section, header), keyring);
            let thread = thread::Builder::new().name(format!("load {name}"));
            loading.push(thread.spawn_scoped(scope, load)?);
        }
        loading.into_iter().try_for_each(join)
    })
}

fn load_part(
    part: &mut dyn Saved,
    file: &dyn DiskFile,
    (section, header): (&Section, &Header),
    keyring: &Keyring,
) -> Result<(), Unsound> {
    let mut reader = SectionReader::new(file, section, header.head.hash);
    part.load(&mut reader, keyring)?;
    reader.finish()
}

fn join(loading: ScopedJoinHandle<'_, Result<(), Unsound>>) -> Result<(), Unsound> {
    loading
        .join()
        .expect("what was checked and does not fit is an error, not a panic")
}

/// The first page, and that the file ends where it says.
fn read_header(file: &dyn DiskFile) -> Result<Header, Unsound> {
    let found = file.stat()?.len;
    let mut page = [0; PAGE_BYTES];
    if found < SECTIONS_AT {
        let expected = SECTIONS_AT;
        return Err(Unsound::Length { found, expected });
    }
    file.read_exact_at(&mut page, 0)?;
    let header = Header::decode(&page)?;
    let expected = header.file_bytes;
    if found != expected {
        return Err(Unsound::Length { found, expected });
    }
    Ok(header)
}
