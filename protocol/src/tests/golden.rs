//! Golden vectors: bytes that were written once and must be read for ever.

use super::{SETS, check_text, hex, read, samples, transcript, unhex};
use crate::{
    codec,
    id::{ChainHash, Kind},
    outcome::Outcome,
    record::chain,
    words::accounts::AuthRequest,
};

const WORDS: &str = "tests/vectors/words.txt";
const AUTH: &str = "tests/vectors/auth.txt";
const RECORDS: &str = "tests/vectors/records.txt";

/// The lines of a table that are neither a comment nor blank, as columns.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
}

/// `-` stands for no bytes, so that every column has something in it.
fn cell(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        String::from("-")
    } else {
        hex(bytes)
    }
}

fn uncell(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { unhex(text) }
}

#[test]
fn words_are_written_as_they_always_were() {
    let mut wanted = String::from("# set kind schema name body\n");
    for sample in samples::words() {
        let (kind, body) = (sample.kind.0, cell(&sample.body));
        wanted += &format!(
            "{} {kind:04x} {} {} {body}\n",
            sample.set, sample.schema, sample.name
        );
    }
    check_text(WORDS, &read(WORDS), &wanted);
}

#[test]
fn words_are_read_as_they_always_were() {
    let text = read(WORDS);
    let samples = samples::words();
    assert_eq!(rows(&text).count(), samples.len());
    for (row, sample) in rows(&text).zip(samples) {
        let kind = Kind(u16::from_str_radix(row[1], 16).unwrap());
        let schema = row[2].parse().unwrap();
        let set = SETS.iter().find(|set| set.name == row[0]).unwrap();
        let body = uncell(row[4]);
        let read = (set.recode)(kind, schema, &body).unwrap();
        assert_eq!(read, (body, sample.debug), "{row:?}");
    }
}

#[test]
fn every_word_has_a_golden_vector() {
    let text = read(WORDS);
    for set in SETS {
        for (kind, schema, name) in set.layouts {
            let line = format!("{} {:04x} {schema} {name} ", set.name, kind.0);
            assert!(
                text.lines().any(|vector| vector.starts_with(&line)),
                "{line}"
            );
        }
    }
}

#[test]
fn auth_requests_are_written_and_read_as_they_always_were() {
    let mut wanted = String::from("# body\n");
    for request in samples::auth_requests() {
        let mut body = Vec::new();
        codec::encode(&request, &mut body);
        wanted += &format!("{}\n", cell(&body));
    }
    let text = read(AUTH);
    check_text(AUTH, &text, &wanted);
    let read: Vec<AuthRequest> = rows(&text)
        .map(|row| codec::decode(&uncell(row[0])).unwrap())
        .collect();
    assert!(read == samples::auth_requests());
}

#[test]
fn records_are_chained_as_they_always_were() {
    let mut wanted =
        String::from("# seq recorded_at actor key kind schema codec body outcome hash\n");
    for record in transcript::records() {
        wanted += &format!(
            "{} {} {} {} {:04x} {} {} {} {} {}\n",
            record.seq,
            record.recorded_at,
            record.actor.0,
            record.key,
            record.kind.0,
            record.schema,
            record.codec,
            cell(&record.body),
            cell(&record.outcome),
            record.hash,
        );
    }
    check_text(RECORDS, &read(RECORDS), &wanted);
}

#[test]
fn the_chain_hash_is_of_the_bytes_that_the_readme_lists() {
    let mut previous = [0; 32];
    for row in rows(&read(RECORDS)) {
        let number = |column: usize| row[column].parse::<u64>().unwrap().to_le_bytes();
        let body = uncell(row[7]);
        let mut bytes = previous.to_vec();
        bytes.extend([number(0), number(1), number(2)].concat());
        bytes.extend(unhex(row[3]));
        bytes.extend(u16::from_str_radix(row[4], 16).unwrap().to_le_bytes());
        bytes.extend([number(5)[0], number(6)[0]]);
        bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend(body);
        bytes.extend(uncell(row[8]));
        previous = *blake3::hash(&bytes).as_bytes();
        assert_eq!(hex(&previous), row[9], "seq {}", row[0]);
    }
}

#[test]
fn every_field_of_a_record_is_in_its_hash() {
    let owned = transcript::records().swap_remove(5);
    let record = owned.record();
    let hash = |record: &crate::Record<'_>| chain(&ChainHash::START, record, &mut Vec::new());
    let mut variants = vec![record; 10];
    variants[1].seq.0 += 1;
    variants[2].recorded_at += 1;
    variants[3].actor.0 += 1;
    variants[4].key.0[15] ^= 1;
    variants[5].kind.0 += 1;
    variants[6].schema += 1;
    variants[7].codec += 1;
    // The same bytes in a row, cut elsewhere.
    let joined = [record.body, record.outcome].concat();
    (variants[8].body, variants[8].outcome) = joined.split_at(record.body.len() - 1);
    variants[9].outcome = &record.outcome[1..];
    let mut hashes: Vec<[u8; 32]> = variants.iter().map(|record| hash(record).0).collect();
    hashes.push(chain(&ChainHash([1; 32]), &record, &mut Vec::new()).0);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), variants.len() + 1);
    assert!(matches!(
        Outcome::decode(record.outcome),
        Ok(Outcome::Accepted { .. })
    ));
}
