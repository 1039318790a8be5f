//! What every disk promises to a running process, held against each implementation; and what only the
//! one in memory can show: what a power failure may leave.

use std::{io, sync::Arc};

use super::{Access, DIRECTORY, Disk, Fate, Lock, MemoryDisk, Pending, RealDisk, SECTOR_BYTES};

/// A disk, and what keeps it there.
trait Place {
    fn new() -> Self;
    fn disk(&self) -> Arc<dyn Disk>;
}

impl Place for tempfile::TempDir {
    fn new() -> Self {
        tempfile::tempdir().unwrap()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        RealDisk::at(self.path())
    }
}

impl Place for MemoryDisk {
    fn new() -> Self {
        Self::new()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }
}

macro_rules! contract {
    ($($promise:ident,)*) => {
        mod real {
            $(#[test] fn $promise() { super::with::<tempfile::TempDir>(super::$promise); })*
        }
        mod memory {
            $(#[test] fn $promise() { super::with::<super::MemoryDisk>(super::$promise); })*
        }
    };
}

contract! {
    a_file_is_opened_as_was_asked,
    bytes_come_back_where_they_were_put,
    a_file_is_cut_and_filled_up,
    a_name_goes_to_another_file_in_one_step,
    an_open_file_outlives_its_name,
    a_file_without_a_name_is_not_listed,
    a_file_is_its_owners_alone_until_said_otherwise,
    a_lock_is_held_against_other_handles,
    a_file_is_replaced_whole,
}

fn with<P: Place>(promise: fn(&dyn Disk)) {
    let place = P::new();
    promise(&*place.disk());
}

#[track_caller]
fn assert_refused<T>(result: io::Result<T>, kind: io::ErrorKind) {
    assert_eq!(result.map(drop).unwrap_err().kind(), kind);
}

fn a_file_is_opened_as_was_asked(disk: &dyn Disk) {
    for access in [Access::Read, Access::Write] {
        assert_refused(disk.open("a", access), io::ErrorKind::NotFound);
    }
    assert_eq!(disk.stat("a").unwrap(), None);
    assert_eq!(disk.read("a").unwrap(), None);
    disk.open("a", Access::CreateNew).unwrap();
    assert_refused(
        disk.open("a", Access::CreateNew),
        io::ErrorKind::AlreadyExists,
    );
    let file = disk.open("a", Access::Create).unwrap();
    file.write_at(b"x", 0).unwrap();
    for access in [Access::Read, Access::Write, Access::Create] {
        let again = disk.open("a", access).unwrap();
        assert_eq!(again.stat().unwrap(), file.stat().unwrap(), "{access:?}");
    }
    assert_eq!(disk.list().unwrap(), ["a"]);
    assert_eq!(disk.len_of("a").unwrap(), Some(1));
    assert!(disk.free_bytes().unwrap() > 0);
}

fn bytes_come_back_where_they_were_put(disk: &dyn Disk) {
    let file = disk.open("a", Access::Create).unwrap();
    file.write_at(b"hello", 3).unwrap();
    file.write_at(b"J", 3).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.read("a").unwrap().unwrap(), b"\0\0\0Jello");
    let mut bytes = [9; 4];
    assert_eq!(file.read_at(&mut bytes, 6).unwrap(), 2);
    assert_eq!(bytes, *b"lo\x09\x09");
    assert_eq!(file.read_at(&mut bytes, 100).unwrap(), 0);
    file.read_exact_at(&mut bytes, 3).unwrap();
    assert_eq!(&bytes, b"Jell");
    let short = file.read_exact_at(&mut bytes, 5);
    assert_refused(short, io::ErrorKind::UnexpectedEof);
}

fn a_file_is_cut_and_filled_up(disk: &dyn Disk) {
    let file = disk.open("a", Access::Create).unwrap();
    file.write_at(b"hello", 0).unwrap();
    file.truncate(2).unwrap();
    file.truncate(4).unwrap();
    assert_eq!(disk.read("a").unwrap().unwrap(), b"he\0\0");
    assert_eq!(file.stat().unwrap().len, 4);
}

fn a_name_goes_to_another_file_in_one_step(disk: &dyn Disk) {
    disk.write_new("a", b"new").unwrap();
    disk.write_new("b", b"old").unwrap();
    let old = disk.stat("b").unwrap().unwrap().id;
    let new = disk.stat("a").unwrap().unwrap().id;
    assert_ne!(old, new);
    disk.rename("a", "b").unwrap();
    disk.sync_dir().unwrap();
    assert_eq!(disk.stat("b").unwrap().unwrap().id, new);
    assert_eq!(disk.read("b").unwrap().unwrap(), b"new");
    assert_eq!(disk.list().unwrap(), ["b"]);
    assert_refused(disk.rename("a", "c"), io::ErrorKind::NotFound);
}

fn an_open_file_outlives_its_name(disk: &dyn Disk) {
    disk.write_new("a", b"one").unwrap();
    let file = disk.open("a", Access::Read).unwrap();
    assert!(disk.remove("a").unwrap());
    assert!(!disk.remove("a").unwrap());
    disk.write_new("a", b"two").unwrap();
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"one");
    assert_ne!(file.stat().unwrap().id, disk.stat("a").unwrap().unwrap().id);
}

fn a_file_without_a_name_is_not_listed(disk: &dyn Disk) {
    let file = disk.open_unnamed().unwrap();
    file.write_at(b"x", 0).unwrap();
    assert_eq!(file.stat().unwrap().len, 1);
    assert_eq!(disk.list().unwrap(), [""; 0]);
}

fn a_file_is_its_owners_alone_until_said_otherwise(disk: &dyn Disk) {
    disk.write_new("a", b"").unwrap();
    assert_eq!(disk.stat("a").unwrap().unwrap().mode, 0o600);
    disk.set_mode("a", 0o644).unwrap();
    assert_eq!(disk.stat("a").unwrap().unwrap().mode, 0o644);
    assert_refused(disk.set_mode("b", 0o600), io::ErrorKind::NotFound);
    let directory = disk.stat(DIRECTORY).unwrap().unwrap();
    assert_eq!(directory.mode & 0o700, 0o700);
}

fn a_lock_is_held_against_other_handles(disk: &dyn Disk) {
    let open = || disk.open("a", Access::Create).unwrap();
    let (one, two, three) = (open(), open(), open());
    assert!(one.lock(Lock::Exclusive).unwrap());
    assert!(!two.lock(Lock::Exclusive).unwrap());
    assert!(!two.lock(Lock::Shared).unwrap());
    drop(one);
    assert!(two.lock(Lock::Shared).unwrap());
    assert!(three.lock(Lock::Shared).unwrap());
    assert!(!three.lock(Lock::Exclusive).unwrap());
    drop((two, three));
    assert!(open().lock(Lock::Exclusive).unwrap());
}

fn a_file_is_replaced_whole(disk: &dyn Disk) {
    for bytes in [&b"first"[..], b"2nd"] {
        // What a crash left in the way.
        disk.open("a.part", Access::Create).unwrap();
        disk.replace("a", bytes).unwrap();
        assert_eq!(disk.read("a").unwrap().unwrap(), bytes);
        assert_eq!(disk.list().unwrap(), ["a"]);
    }
}

/// What may stand in `name` after a cut, with every pending change kept and with every one dropped.
fn extremes(disk: &MemoryDisk, name: &str) -> [Option<Vec<u8>>; 2] {
    [Fate::Kept, Fate::Dropped].map(|fate| {
        let left: Arc<dyn Disk> = Arc::new(disk.after_cut(&mut |_| fate));
        left.read(name).unwrap()
    })
}

#[test]
fn a_cut_takes_what_was_not_synced_and_nothing_else() {
    let disk = MemoryDisk::new();
    let file = disk.open("a", Access::Create).unwrap();
    file.write_at(b"one", 0).unwrap();
    file.sync().unwrap();
    let [lucky, strict] = extremes(&disk, "a");
    assert_eq!(
        (lucky.as_deref(), strict),
        (Some(&b"one"[..]), None),
        "nobody finds a synced file without a name"
    );
    disk.sync_dir().unwrap();
    file.write_at(b"two", 0).unwrap();
    let both = extremes(&disk, "a").map(Option::unwrap);
    assert_eq!(both, [b"two", b"one"]);
    file.sync().unwrap();
    assert_eq!(extremes(&disk, "a").map(Option::unwrap), [b"two", b"two"]);
}

#[test]
fn a_cut_undoes_a_rename_and_a_removal_until_the_directory_is_synced() {
    let disk = MemoryDisk::new();
    let write = |name: &str, bytes| {
        let all: &dyn Disk = &disk;
        all.write_new(name, bytes).unwrap();
    };
    write("a", &b"new"[..]);
    write("b", b"old");
    disk.sync_dir().unwrap();
    disk.rename("a", "b").unwrap();
    assert_eq!(extremes(&disk, "a"), [None, Some(b"new".to_vec())]);
    assert_eq!(extremes(&disk, "b").map(Option::unwrap), [b"new", b"old"]);
    disk.sync_dir().unwrap();
    assert_eq!(extremes(&disk, "a"), [None, None]);
    disk.remove("b").unwrap();
    assert_eq!(extremes(&disk, "b"), [None, Some(b"new".to_vec())]);
}

#[test]
fn a_cut_tears_a_write_between_sectors() {
    let disk = MemoryDisk::new();
    let file = disk.open("a", Access::Create).unwrap();
    let len = 3 * SECTOR_BYTES;
    file.truncate(len).unwrap();
    file.sync().unwrap();
    disk.sync_dir().unwrap();
    // From the middle of the first sector to the middle of the third.
    let bytes = vec![1; usize::try_from(2 * SECTOR_BYTES).unwrap()];
    file.write_at(&bytes, SECTOR_BYTES / 2).unwrap();
    let sectors = |kept: u64| {
        let left: Arc<dyn Disk> = Arc::new(disk.after_cut(&mut |pending| {
            assert!(matches!(pending, Pending::Write { name: "a", .. }));
            Fate::Torn(kept)
        }));
        let bytes = left.read("a").unwrap().unwrap();
        let half = usize::try_from(SECTOR_BYTES / 2).unwrap();
        let halves = bytes.chunks(half);
        halves
            .map(|half| u8::from(half == vec![1; half.len()]))
            .collect::<Vec<u8>>()
    };
    assert_eq!(sectors(0b001), [0, 1, 0, 0, 0, 0]);
    assert_eq!(sectors(0b010), [0, 0, 1, 1, 0, 0]);
    assert_eq!(sectors(0b101), [0, 1, 0, 0, 1, 0]);
}

#[test]
fn nothing_works_without_power() {
    let disk = MemoryDisk::new();
    let file = disk.open("a", Access::Create).unwrap();
    disk.cut_at_sync(1);
    file.sync().unwrap();
    file.write_at(b"x", 0).unwrap();
    assert!(disk.sync_dir().is_err());
    assert!(file.write_at(b"y", 0).is_err());
    assert!(file.sync().is_err());
    assert!(disk.open("a", Access::Read).is_err());
    assert_eq!(disk.syncs(), 2);
}
