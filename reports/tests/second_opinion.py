#!/usr/bin/env python3
"""Reads what a run left with other people's libraries, and compares with what the run says of itself.

    python3 second_opinion.py RUN_DIRECTORY

The interval logs and the histograms within run.json are decoded by `hdrh` (PyPI: hdrhistogram), the
percentile distributions are compared with those that it writes, junit.xml is held against the schema
beside this file (PyPI: xmlschema). Exits 1 at the first difference, which it names.
"""

import json
import math
import pathlib
import sys

import xmlschema
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

MINUTES_60 = 60 * 60 * 1000 * 1000 * 1000
NANOS_A_MS = 1_000_000
CLOCK_OF_FILE = {"operations.hlog": "response", "service.hlog": "service", "delay.hlog": "delay"}
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}


def fail(sentence):
    sys.exit(f"second opinion: {sentence}")


def require(holds, sentence):
    if not holds:
        fail(sentence)


def empty():
    return HdrHistogram(1, MINUTES_60, 3)


def decode(text):
    """A histogram of run.json; nothing was recorded where there is no text."""
    return HdrHistogram.decode(text) if text else empty()


def at_quantile(histogram, quantile):
    """The value that at least this share of the samples does not exceed.

    Counted here, over the values that the library decoded: its own function rounds the number of
    samples to the nearest, ours up, which differs by one sample.
    """
    wanted = max(1, math.ceil(round(quantile * histogram.get_total_count(), 6)))
    for step in histogram.get_recorded_iterator():
        if wanted <= step.total_count_to_this_value:
            return histogram.get_highest_equivalent_value(step.value_iterated_to)
    return 0


def read_log(path):
    """Every interval: tag, end in nanoseconds, histogram. The times of a log count from its start."""
    text = path.read_text()
    require("#[Histogram log format version 1.3]" in text, f"{path.name} names no version 1.3")
    times = [line.split()[1] for line in text.splitlines() if "Time: " in line]
    require(len(times) == 2 and times[0] == times[1], f"{path.name}: StartTime and BaseTime differ")
    reader = HistogramLogReader(str(path), empty())
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        # The library adds the base time to what a line says, in milliseconds.
        end_ms = histogram.get_end_time_stamp() - float(times[0]) * 1000
        found.append((histogram.get_tag() or "", end_ms * NANOS_A_MS, histogram))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    require(len(found) == len(lines), f"{path.name}: {len(lines)} lines, {len(found)} were decoded")
    return found


def phase_of(phases, end_ns):
    """The phase an interval belongs to: the last that had begun when it ended.

    Times of a log are milliseconds, and what is left of a phase behind its last whole second may be
    shorter than one: by its start it could be taken for the next phase's.
    """
    begun = [phase for phase in phases if phase["started_ns"] + 2 * NANOS_A_MS < end_ns]
    require(begun, f"an interval that ends at {end_ns} ns lies before the first phase")
    return begun[-1]


def compare(what, logged, stated):
    """A sum of intervals with a histogram of run.json and its stated quantiles."""
    histogram, quantiles = decode(stated["histogram"]), stated["quantiles"]
    count = logged.get_total_count()
    require(count == quantiles["count"], f"{what}: {count} logged, {quantiles['count']} stated")
    require(count == histogram.get_total_count(), f"{what}: run.json's own histogram differs in count")
    for name, quantile in QUANTILES.items():
        if quantiles[name] is None or count == 0:
            continue
        seen, decoded = at_quantile(logged, quantile), at_quantile(histogram, quantile)
        require(
            seen == decoded == quantiles[name],
            f"{what}: {name} is {seen} in the log, {decoded} decoded, {quantiles[name]} stated",
        )
    if count:
        require(logged.get_max_value() == quantiles["max"], f"{what}: the largest differs")
    return count


def check_logs(run, record):
    samples = 0
    totals = {}
    for name, clock in CLOCK_OF_FILE.items():
        sums = {}
        for tag, end_ns, histogram in read_log(run / name):
            phase = phase_of(record["phases"], end_ns)["name"]
            sums.setdefault((phase, tag), empty()).add(histogram)
        for phase in record["phases"]:
            for operation, found in phase["operations"].items():
                logged = sums.pop((phase["name"], operation), empty())
                what = f"{name}, {operation} in {phase['name']}"
                samples += compare(what, logged, found[clock])
                if clock == "response":
                    totals.setdefault("sum", empty()).add(logged)
        require(not sums, f"{name} has what run.json has not: {sorted(sums)}")
    untagged = empty()
    for tag, _end, histogram in read_log(run / "latency.hlog"):
        require(tag == "", f"latency.hlog has the tag {tag}")
        untagged.add(histogram)
    summed = totals.get("sum", empty())
    require(
        untagged.get_total_count() == summed.get_total_count()
        and all(at_quantile(untagged, q) == at_quantile(summed, q) for q in QUANTILES.values()),
        "latency.hlog is not the sum of operations.hlog",
    )
    return samples


def cumulative(histogram):
    """Every recorded value with how many samples do not exceed it."""
    steps = histogram.get_recorded_iterator()
    return [
        (histogram.get_highest_equivalent_value(step.value_iterated_to), step.total_count_to_this_value)
        for step in steps
    ]


def check_lines(name, text, histogram):
    """Each line of a distribution, against the samples that the library decoded.

    Which percentiles have a line is checked too: five for each halving of the distance to 1, as in
    the original. (The library's own writer spaces them otherwise.)
    """
    steps = cumulative(histogram)
    rows = [line.split() for line in text.splitlines()[2:] if not line.startswith("#")]
    wanted = 0.0
    for row in rows:
        level, count = float(row[1]), int(row[2])
        require(math.isclose(level, wanted, abs_tol=1e-9) or row is rows[-1], f"{name}: no line at {wanted}")
        # Where a level falls between two samples to the last bit, either is right.
        samples = wanted * histogram.get_total_count()
        bounds = (samples - 1e-6, min(samples + 1e-6, histogram.get_total_count()))
        holders = [next(step for step in steps if bound <= step[1]) for bound in bounds]
        if row is rows[-1]:
            holders = [steps[-1]]
            require(level == 1.0 and len(row) == 3, f"{name}: it ends at {level}")
        else:
            beyond = 1 / (1 - level)
            require(math.isclose(float(row[3]), beyond, rel_tol=1e-6, abs_tol=0.006), f"{name}: {row}")
        right = [(f"{value / NANOS_A_MS:.3f}", total) for value, total in holders]
        require((row[0], count) in right, f"{name}: {row} should be {right}")
        halvings = int(math.log2(1 / (1 - wanted))) + 1 if wanted < 1 else 0
        wanted += 1 / (5 * 2**halvings)
    foot = f"Total count    = {histogram.get_total_count():>12}]"
    require(foot in text, f"{name} counts otherwise at its foot")


def check_distributions(run, record):
    measured = [phase for phase in record["phases"] if not phase["warmup"]]
    operations = {name for phase in measured for name in phase["operations"]}
    wanted = {"latency": ("response", operations), "service": ("service", operations)}
    wanted["delay"] = ("delay", operations)
    wanted |= {f"latency-{name}": ("response", {name}) for name in operations}
    found = {path.stem for path in run.glob("*.hgrm")}
    require(found == set(wanted), f"distributions are {sorted(found)} and should be {sorted(wanted)}")
    for name, (clock, names) in wanted.items():
        merged = empty()
        for phase in measured:
            for operation in names & phase["operations"].keys():
                merged.add(decode(phase["operations"][operation][clock]["histogram"]))
        text = (run / f"{name}.hgrm").read_text()
        if merged.get_total_count():
            check_lines(f"{name}.hgrm", text, merged)
    return len(wanted)


def check_junit(run, record):
    schema = xmlschema.XMLSchema(str(pathlib.Path(__file__).with_name("junit.xsd")))
    schema.validate(str(run / "junit.xml"))
    tree = schema.to_dict(str(run / "junit.xml"))
    cases = sum(len(suite.get("testcase", [])) for suite in tree["testsuite"])
    expected = 1 + len(record["laws"]) + len(record["thresholds"])
    require(cases == expected, f"junit.xml has {cases} cases and should have {expected}")
    wrong = int(tree["@failures"]) + int(tree["@errors"])
    passed = record["verdict"]["conclusion"] == "pass"
    require((wrong == 0) == passed, f"junit.xml has {wrong} failures and errors")
    return cases


def main():
    if len(sys.argv) != 2:
        fail("give the directory of one run")
    run = pathlib.Path(sys.argv[1])
    record = json.loads((run / "run.json").read_text())
    samples = check_logs(run, record)
    distributions = check_distributions(run, record)
    cases = check_junit(run, record)
    print(
        f"second opinion: {samples} samples in the interval logs, {distributions} percentile "
        f"distributions and {cases} test cases are what run.json says"
    )


if __name__ == "__main__":
    main()
