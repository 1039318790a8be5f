//! Hostile bytes: nothing panics, nothing is believed before it is there.

use proptest::{collection::vec, prelude::*};
use serde::de::{
    IntoDeserializer,
    value::{Error, SeqDeserializer},
};

use super::{SETS, samples};
use crate::{
    codec,
    message::{Reply, Request},
    outcome::Outcome,
    words::log,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), kind in 0x81_u8..=0x85) {
        let mut frame = bytes.clone();
        frame.insert(0, kind & 0x0f);
        let _read = Request::decode(&frame);
        frame[0] = kind;
        let _read = Reply::decode(&frame);
        for frame in [Request::decode(&bytes).is_ok(), Reply::decode(&bytes).is_ok()] {
            prop_assert!(!frame || !bytes.is_empty());
        }
        let _read = Outcome::decode(&bytes);
        for set in SETS {
            for (kind, schema, _name) in set.layouts {
                let _read = (set.recode)(*kind, *schema, &bytes);
            }
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_is_another_value(
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        for sample in samples::words().iter().filter(|sample| !sample.body.is_empty()) {
            let mut body = sample.body.clone();
            body[at.index(sample.body.len())] ^= change;
            let recode = recode_of(sample.set);
            if let Ok((again, _debug)) = recode(sample.kind, sample.schema, &body) {
                prop_assert!(again != sample.body, "{}: {:?} reads as unchanged", sample.name, body);
            }
        }
    }
}

type Recode = fn(crate::Kind, u8, &[u8]) -> Result<super::Rendered, crate::words::WordError>;

fn recode_of(set: &str) -> Recode {
    let set = SETS.iter().find(|known| known.name == set);
    set.expect("samples are of known sets").recode
}

#[test]
fn a_body_that_ends_early_or_late_is_refused() {
    for sample in samples::words() {
        let read = |body: &[u8]| recode_of(sample.set)(sample.kind, sample.schema, body);
        for len in 0..sample.body.len() {
            assert!(
                read(&sample.body[..len]).is_err(),
                "{} cut at {len}",
                sample.name
            );
        }
        let longer = [&sample.body[..], &[0]].concat();
        assert!(
            read(&longer).is_err(),
            "{} with a byte behind it",
            sample.name
        );
    }
}

#[test]
fn unknown_kinds_and_schemas_are_refused() {
    for sample in samples::words() {
        let recode = recode_of(sample.set);
        assert!(
            recode(sample.kind, 9, &sample.body).is_err(),
            "{}",
            sample.name
        );
        let elsewhere = crate::Kind::new(sample.kind.system() ^ 8, sample.kind.number());
        assert!(
            recode(elsewhere, sample.schema, &sample.body).is_err(),
            "{}",
            sample.name
        );
        let unused = crate::Kind::new(sample.kind.system(), 255);
        assert!(
            recode(unused, sample.schema, &sample.body).is_err(),
            "{}",
            sample.name
        );
    }
}

#[test]
fn a_body_that_is_none_says_at_which_byte() {
    let at = |body: &[u8]| {
        let read = codec::decode::<(u8, bool, String, Option<u16>)>(body);
        read.expect_err("it is none").at
    };
    let sound = [7, 1, 2, b'h', b'i', 1, 9];
    for len in 0..sound.len() {
        assert_eq!(at(&sound[..len]), len, "more was expected there");
    }
    assert_eq!(at(&[&sound[..], &[0, 0]].concat()), sound.len());
    assert_eq!(at(&[7, 2, 2, b'h', b'i', 1, 9]), 1, "no bool");
    assert_eq!(at(&[7, 1, 2, b'h', 0xff, 1, 9]), 4, "no UTF-8");
    assert_eq!(at(&[7, 1, 2, b'h', b'i', 2, 9]), 5, "no option");
    assert_eq!(at(&[7, 1, 2, b'h', b'i', 1, 252, 0, 0, 1, 0]), 10, "no u16");
}

#[test]
fn values_that_a_type_cannot_hold_are_refused() {
    assert!(codec::decode::<bool>(&[2]).is_err(), "a bool is 0 or 1");
    assert!(
        codec::decode::<Option<u8>>(&[2, 0]).is_err(),
        "an option is 0 or 1"
    );
    assert!(
        codec::decode::<u16>(&[252, 0, 0, 1, 0]).is_err(),
        "65536 is no u16"
    );
    assert!(
        codec::decode::<u64>(&[255, 0]).is_err(),
        "255 begins nothing"
    );
    assert!(
        codec::decode::<String>(&[1, 0xff]).is_err(),
        "that is no UTF-8"
    );
    assert!(
        codec::decode::<log::Subject>(&[2, 0]).is_err(),
        "there are two subjects"
    );
    assert!(codec::decode::<()>(&[0]).is_err(), "nothing is no bytes");
}

/// A length of 2^63 with nothing behind it.
const LIE: [u8; 9] = [253, 0, 0, 0, 0, 0, 0, 0, 0x80];

#[test]
fn an_announced_length_is_not_believed() {
    // Each of these would abort the process if room were made for what is announced.
    assert!(codec::decode::<String>(&LIE).is_err());
    assert!(codec::decode::<log::LogPage>(&LIE).is_err());
    assert!(codec::decode::<log::TrailPage>(&LIE).is_err());
    let auth = [&[0x02; 25][..], &[0], &LIE].concat();
    assert!(Request::decode(&auth).is_err());
}

/// Three elements that claim to be 2^40.
struct Boasting(std::ops::Range<u64>);

impl Iterator for Boasting {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (1 << 40, Some(1 << 40))
    }
}

#[test]
fn a_list_has_room_for_what_arrived_only() {
    let source = || SeqDeserializer::<_, Error>::new(Boasting(0..3));
    let list: Vec<u64> = codec::list(source()).unwrap();
    assert_eq!(list, [0, 1, 2]);
    assert!(list.capacity() <= 4, "room for {}", list.capacity());
    // What it is there for: the reader that serde derives makes room for a mebibyte.
    let derived: Vec<u64> = serde::Deserialize::deserialize(source()).unwrap();
    assert!(1_024 < derived.capacity(), "then `codec::list` can go");
    let wrong = SeqDeserializer::<_, Error>::new(["no number"].into_iter().map(Text));
    assert!(codec::list::<_, u64>(wrong).is_err());
}

/// An element of the wrong type.
struct Text(&'static str);

impl IntoDeserializer<'static, Error> for Text {
    type Deserializer = serde::de::value::StrDeserializer<'static, Error>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0.into_deserializer()
    }
}
