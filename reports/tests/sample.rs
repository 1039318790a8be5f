//! Fixed records: one that passes, one with a broken law, one that proves nothing.
//!
//! Latencies come from a formula and not from a run, so that every figure of a snapshot can be
//! worked out by hand.
#![expect(clippy::unwrap_used, reason = "test support")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hdrhistogram::Histogram;
use reports::record::*;
use reports::verdict::RunEnd;

const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

/// A run in which everything held.
pub(crate) fn pass() -> RunRecord {
    let mut record = unjudged();
    record.conclude(RunEnd::Complete);
    record
}

/// The same with a slot that two people held.
pub(crate) fn violated() -> RunRecord {
    let mut record = unjudged();
    record.environment.planted_bug = Some("forgets-held-slots".to_owned());
    let law = &mut record.laws[0];
    law.verdict = Verdict::Invalid;
    law.violation_count = 3;
    law.violations = vec![double_booking()];
    law.scope = Some(ScopeRecord {
        looked_at: 3,
        clients: 4,
        subjects: 2,
        worst: Some(Count {
            what: "slot 17:30 of agenda 4".to_owned(),
            count: 2,
        }),
        first_ns: Some(12_801_300_000),
        last_ns: Some(19_402_000_000),
    });
    record.thresholds[0].measured = Some("61.2 ms".to_owned());
    record.thresholds[0].passed = Some(false);
    record.conclude(RunEnd::Complete);
    record
}

/// The same with a generator that could not keep up, a quiet race and an unjudged law.
pub(crate) fn inconclusive() -> RunRecord {
    let mut record = unjudged();
    record.generator.saturated = Some("its connections were full for 4.2 s of 30.0 s".to_owned());
    record.contention.attempts_per_key_p50 = 3;
    record.laws[2].verdict = Verdict::Unknown;
    record.laws[2].reason = Some("the search stopped at its memory limit of 512 MiB".to_owned());
    record.thresholds[1].measured = None;
    record.thresholds[1].passed = None;
    let counts = &mut record.phases[1].conservation;
    counts.intended += 5_000;
    counts.shed += 5_000;
    record.scenario.rate_scale = 0.5;
    record.conclude(RunEnd::Complete);
    record
}

/// The same with messages: two recipients each, and somebody who had been away.
pub(crate) fn delivered() -> RunRecord {
    let mut record = unjudged();
    let phase = &mut record.phases[1];
    phase
        .operations
        .insert("send".to_owned(), operation(2_000, 0, "busy"));
    phase.conservation = conservation(&phase.operations, 0);
    for point in phase.timeline.iter_mut().take(20) {
        point.answered += 100;
    }
    phase.deliveries = Some(DeliveryRecord {
        messages: 2_000,
        receipts: 4_000,
        caught_up: 70,
        late: 0,
        delivery: latency(4_000, 1_100_000, 0.3),
        everybody: latency(2_000, 1_300_000, 0.3),
        drain: DrainRecord {
            seconds: 1.25,
            missing: 0,
            waiting: 0,
        },
        returns: Some(ReturnRecord {
            drain: quantiles(20, 90_000_000, 0.2),
            pending: 70,
            pending_max: 9,
        }),
    });
    record.conclude(RunEnd::Complete);
    record
}

/// The same with a server that was killed under load, and connections that were cut.
pub(crate) fn broken() -> RunRecord {
    let mut record = unjudged();
    record.faults = Some(faults());
    record.conclude(RunEnd::Complete);
    record
}

fn faults() -> FaultsRecord {
    let fault = |what: &str, planned_ns, proof: &str| FaultRecord {
        what: what.to_owned(),
        phase: "race".to_owned(),
        planned_ns,
        struck_ns: Some(5 * S + planned_ns + 2 * MS),
        mended_ns: Some(5 * S + planned_ns + 700 * MS),
        answered_ns: Some(5 * S + planned_ns + 742 * MS),
        recovery_ns: Some(740 * MS),
        proof: proof.to_owned(),
        process: None,
        network: None,
    };
    let kill = FaultRecord {
        process: Some(ProcessRecord {
            pid_before: 4_600,
            pid_after: 4_655,
            recovered_seq: Some(61_002),
            recovered_ms: Some(95),
        }),
        ..fault(
            "kill-server, restart_after 500ms",
            10 * S,
            "process 4600 ended by signal 9 and process 4655 answers",
        )
    };
    let cut = FaultRecord {
        network: Some(NetworkRecord {
            connections: 20,
            ..NetworkRecord::default()
        }),
        ..fault("cut, share 30%", 20 * S, "20 connections felt it")
    };
    FaultsRecord {
        faults: vec![kill, cut],
        through_proxy: true,
        doubts: DoubtRecord {
            in_doubt: 84,
            had_happened: 31,
            had_not_happened: 51,
            found_in_log: 1,
            not_in_log: 1,
        },
        acknowledged: 110_388,
        lost: 0,
        doubled: 0,
    }
}

/// Everything but the verdict.
pub(crate) fn unjudged() -> RunRecord {
    // Its histograms take a while to fill, and every test wants them.
    static MADE: LazyLock<RunRecord> = LazyLock::new(make);
    MADE.clone()
}

fn make() -> RunRecord {
    RunRecord {
        version: RECORD_VERSION,
        scenario: scenario(),
        environment: environment(),
        phases: vec![warmup(), race(), stampede()],
        laws: laws(),
        thresholds: thresholds(),
        contention: contention(),
        generator: generator(),
        crash: Some(CrashRecord {
            killed_pid: 4_711,
            recovered_seq: 1_204_881,
            recovered_ms: 640,
        }),
        faults: None,
        visitors: None,
        connections: ConnectionsRecord::default(),
        broke_off: None,
        server_memory: Some(MemoryRecord {
            first_bytes: 41 << 20,
            half_bytes: 63 << 20,
            last_bytes: 65 << 20,
            max_bytes: 66 << 20,
        }),
        cautions: Vec::new(),
        verdict: RunVerdict::unjudged(),
    }
}

fn scenario() -> ScenarioRecord {
    ScenarioRecord {
        name: "booking-race".to_owned(),
        description: "Two thousand people want the same few slots.".to_owned(),
        path: "scenarios/booking-race.toml".to_owned(),
        seed: 42,
        rng: "ChaCha12".to_owned(),
        plan_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        time_scale: 1.0,
        rate_scale: 1.0,
        command: "stampede run scenarios/booking-race.toml --seed 42".to_owned(),
    }
}

fn environment() -> EnvironmentRecord {
    EnvironmentRecord {
        started_at: "2031-05-04T09:30:00Z".to_owned(),
        program: "stampede 0.1.0".to_owned(),
        target: "embedded".to_owned(),
        durability: "full".to_owned(),
        planted_bug: None,
        cpu: "Example Processor 3000".to_owned(),
        cpus: 2,
        memory_bytes: 8 << 30,
        kernel: "6.1.0".to_owned(),
        level: None,
        fdatasync_ns: quantiles(500, 420_000, 0.30),
    }
}

/// `count` values at the middles of equal shares of a heavy-tailed distribution: the higher
/// `weight`, the longer the tail. No draw, so every run gives the same bytes.
fn histogram(count: u32, base_ns: u64, weight: f64) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    for index in 0..count {
        let share = (f64::from(index) + 0.5) / f64::from(count);
        let factor = (1.0 / (1.0 - share)).powf(weight);
        // Thousandths, exactly: the histogram keeps three digits anyway.
        let thousandths: u64 = format!("{:.0}", factor * 1e3).parse().unwrap();
        histogram.record(base_ns / 1_000 * thousandths).unwrap();
    }
    histogram
}

fn latency(count: u32, base_ns: u64, weight: f64) -> LatencyRecord {
    LatencyRecord::from_histogram(&histogram(count, base_ns, weight))
}

fn quantiles(count: u32, base_ns: u64, weight: f64) -> QuantileRecord {
    QuantileRecord::from_histogram(&histogram(count, base_ns, weight))
}

fn operation(ok: u32, refused: u32, code: &str) -> OperationRecord {
    let answered = ok + refused;
    OperationRecord {
        ok: u64::from(ok),
        refused: u64::from(refused),
        refused_by_code: BTreeMap::from([(code.to_owned(), u64::from(refused))]),
        response: latency(answered, 900_000, 0.36),
        service: latency(answered, 800_000, 0.27),
        delay: latency(answered, 12_000, 0.40),
        ..OperationRecord::default()
    }
}

fn conservation(operations: &BTreeMap<String, OperationRecord>, shed: u64) -> ConservationRecord {
    let sum = |of: fn(&OperationRecord) -> u64| operations.values().map(of).sum::<u64>();
    let [ok, refused, error] = [sum(|it| it.ok), sum(|it| it.refused), sum(|it| it.error)];
    let [timeout, unknown] = [sum(|it| it.timeout), sum(|it| it.unknown)];
    let sent = ok + refused + error + timeout + unknown;
    let intended = sent + shed;
    let cancelled_at_end = 0;
    ConservationRecord {
        intended,
        sent,
        shed,
        cancelled_at_end,
        ok,
        refused,
        error,
        timeout,
        unknown,
    }
}

fn timeline(from_s: u32, seconds: u32, rate: u64) -> Vec<TimelinePoint> {
    let point = |second: u32| {
        let at = u64::from(second);
        let slow = if second == 18 { 9 } else { 1 };
        TimelinePoint {
            at_s: f64::from(from_s + second),
            intended: rate,
            sent: rate,
            answered: rate - 7 * (at % 5) - if slow == 1 { 0 } else { rate / 3 },
            failed: if slow == 1 { 0 } else { 10 },
            response_p50: (1_150 + 40 * (at % 4)) * 1_000,
            response_p99: (4_700 + 600 * (at * 7 % 5)) * 1_000 * slow,
            response_max: (9_000 + 2_500 * (at * 3 % 7)) * 1_000 * slow,
        }
    };
    (0..seconds).map(point).collect()
}

fn heat(seconds: u32, rate: u32) -> HeatRecord {
    let column = |second| {
        let slow = if second == 18 { 9 } else { 1 };
        reports::histogram::encode(&histogram(rate, 900_000 * slow, 0.36))
    };
    HeatRecord {
        column_ns: S,
        columns: (0..seconds).map(column).collect(),
    }
}

fn warmup() -> PhaseRecord {
    let operations =
        BTreeMap::from([("reserve".to_owned(), operation(7_000, 3_000, "slot-taken"))]);
    PhaseRecord {
        name: "warm-up".to_owned(),
        warmup: true,
        started_ns: 0,
        duration_ns: 5 * S,
        conservation: conservation(&operations, 0),
        operations,
        offered_rate: Some(2_000.0),
        achieved_rate: 2_000.0,
        rendezvous: None,
        deliveries: None,
        erasure: None,
        timeline: timeline(0, 5, 2_000),
        heat: Some(heat(5, 2_000)),
    }
}

fn race() -> PhaseRecord {
    let mut reserve = operation(21_480, 55_501, "slot-taken");
    reserve.error = 9;
    reserve.timeout = 1;
    reserve.failed = latency(10, 2_000_000, 0.5);
    let cancel = operation(18_998, 4_001, "not-held");
    let operations = BTreeMap::from([
        ("reserve".to_owned(), reserve),
        ("cancel".to_owned(), cancel),
    ]);
    PhaseRecord {
        name: "race".to_owned(),
        warmup: false,
        started_ns: 5 * S,
        duration_ns: 30 * S,
        conservation: conservation(&operations, 10),
        operations,
        offered_rate: Some(3_333.3),
        achieved_rate: 3_333.0,
        rendezvous: None,
        deliveries: None,
        erasure: Some(ErasureRecord {
            people: 12,
            left_out: 31,
        }),
        timeline: timeline(5, 30, 3_333),
        heat: Some(heat(30, 3_333)),
    }
}

fn stampede() -> PhaseRecord {
    let operations = BTreeMap::from([("reserve".to_owned(), operation(40, 360, "slot-taken"))]);
    PhaseRecord {
        name: "stampede".to_owned(),
        warmup: false,
        started_ns: 36 * S,
        duration_ns: 4 * S,
        conservation: conservation(&operations, 0),
        operations,
        offered_rate: None,
        achieved_rate: 100.0,
        rendezvous: Some(RendezvousRecord {
            clients: 40,
            times: 10,
            planned: 10,
            spread: quantiles(10, 310_000, 0.4),
            spread_max_ns: 2 * MS,
            within: 10,
        }),
        deliveries: None,
        erasure: None,
        timeline: timeline(36, 4, 100),
        heat: Some(heat(4, 100)),
    }
}

fn law(name: &str, demands: &str, confidence: &str, exercised: &[(&str, u64)]) -> LawRecord {
    let count = |(what, count): &(&str, u64)| Count {
        what: (*what).to_owned(),
        count: *count,
    };
    LawRecord {
        name: name.to_owned(),
        demands: demands.to_owned(),
        required: true,
        verdict: Verdict::Valid,
        reason: None,
        confidence: confidence.to_owned(),
        exercised: exercised.iter().map(count).collect(),
        violation_count: 0,
        violations: Vec::new(),
        scope: None,
    }
}

fn laws() -> Vec<LawRecord> {
    let mut order = law(
        "real-time-order",
        "An answer reflects everything that was acknowledged before it was asked for.",
        "certificate",
        &[("answers with a position", 100_380)],
    );
    order.required = false;
    vec![
        law(
            "no-double-booking",
            "At no instant do two people hold one slot.",
            "definite interval",
            &[
                ("holds", 20_518),
                ("slots", 900),
                ("holds that others wanted meanwhile", 17_204),
            ],
        ),
        law(
            "refusals-justified",
            "Nobody is refused a slot that was free all the while.",
            "definite interval",
            &[("refusals", 59_862)],
        ),
        law(
            "durable-acks",
            "Everything acknowledged is in the log, in its place, unaltered.",
            "complete search",
            &[("acknowledgements", 40_518), ("log records", 110_390)],
        ),
        order,
    ]
}

fn double_booking() -> ViolationRecord {
    let witness =
        |client: &str, call: &str, answer: &str, from_us: u64, to_us: Option<u64>, seq| {
            WitnessRecord {
                client: client.to_owned(),
                call: call.to_owned(),
                answer: answer.to_owned(),
                invoked_ns: from_us * 1_000,
                completed_ns: to_us.map(|us| us * 1_000),
                seq,
            }
        };
    ViolationRecord {
        sentence: "Slot 17:30 of agenda 4 was held by user-17 (booking 8113) and user-42 (booking \
                   8140) at once, from 12.806 s to 13.220 s."
            .to_owned(),
        about: Some("slot 17:30 of agenda 4".to_owned()),
        operations: vec![
            witness(
                "user-17",
                "reserve 17:30",
                "ok, booking 8113",
                12_801_300,
                Some(12_803_100),
                8_113,
            ),
            witness(
                "user-42",
                "reserve 17:30",
                "ok, booking 8140",
                12_804_200,
                Some(12_806_000),
                8_140,
            ),
            witness("user-17", "cancel 8113", "no answer", 12_809_500, None, 0),
        ],
        order: "user-17 had its answer before user-42 asked (real time), and cancelled after \
                user-42 had its answer."
            .to_owned(),
        pairs: vec![PairRecord {
            earlier: 0,
            later: 1,
            by: OrderReason::RealTime,
            sentence: "real time: user-17 had its answer at 12.803 s, before user-42 asked at \
                       12.804 s"
                .to_owned(),
        }],
        expected: "The second reserve is refused with slot-taken.".to_owned(),
        window: vec![witness(
            "user-9",
            "reserve 17:30",
            "refused: slot-taken",
            12_803_000,
            Some(12_805_500),
            8_139,
        )],
    }
}

fn thresholds() -> Vec<ThresholdRecord> {
    let met = |metric: &str, bound: &str, measured: &str| ThresholdRecord {
        metric: metric.to_owned(),
        bound: bound.to_owned(),
        phase: "race".to_owned(),
        measured: Some(measured.to_owned()),
        passed: Some(true),
    };
    vec![
        met("reserve.response.p99", "< 50ms", "4.72 ms"),
        met("rate.achieved", ">= 0.99", "1.00"),
    ]
}

fn contention() -> ContentionRecord {
    let key = |what: &str, count| Count {
        what: what.to_owned(),
        count,
    };
    ContentionRecord {
        keys: 900,
        contended_keys: 861,
        hottest: vec![
            key("agenda 1, day 2, 17:30", 2_210),
            key("agenda 1, day 1, 09:00", 1_944),
            key("agenda 2, day 2, 17:30", 1_102),
        ],
        attempts_per_key_p50: 64,
        overlap_max: 37,
        per_key_min: Some(8),
    }
}

fn generator() -> GeneratorRecord {
    GeneratorRecord {
        connections: 64,
        operations_per_cpu_second: 61_240.0,
        cpu_s: 1.8,
        wall_s: 39.0,
        memory_bytes_max: 48 << 20,
        lateness: quantiles(39_000, 52_000, 0.28),
        history_bytes: 4_415_600,
        saturated: None,
    }
}
