"""Asks a running server how it is, and reads the answer with Prometheus's own parser.

    pip install prometheus_client
    python3 server/tests/scrape.py 127.0.0.1:9464

The server was started with `stampede serve --http ADDR`. Each step prints one line; the first that
is not as docs/metrics.md says ends the program with status 1.

Deliberately absent: what the figures should be, which the server's own tests know.
"""

import math
import pathlib
import re
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

ANSWER_WITHIN_S = 10
TABLE = pathlib.Path(__file__).parents[2] / "docs" / "metrics.md"


def ask(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=ANSWER_WITHIN_S) as answer:
        return answer.headers["content-type"], answer.read().decode()


def documented():
    """Name and type of every figure in the table."""
    figures = TABLE.read_text(encoding="utf-8").split("## Figures")[1]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", figures, re.MULTILINE))


def check_histogram(family):
    """Buckets never fall, the last is everything, and the sum is there."""
    of = {suffix: [] for suffix in ("_bucket", "_count", "_sum")}
    for sample in family.samples:
        of[sample.name.removeprefix(family.name)].append(sample)
    counts = [sample.value for sample in of["_bucket"]]
    assert counts == sorted(counts), f"{family.name} falls: {counts}"
    assert of["_bucket"][-1].labels["le"] == "+Inf", f"{family.name} has no last bucket"
    assert counts[-1] == of["_count"][0].value, f"{family.name} does not count all"
    assert math.isfinite(of["_sum"][0].value), f"{family.name} has no sum"


def main(address):
    for path in ("/live", "/ready"):
        _, sentence = ask(address, path)
        print(f"{path}: {sentence.strip()}")
    kind, text = ask(address, "/metrics")
    assert kind.startswith("text/plain; version=0.0.4"), f"the type is {kind}"
    families = list(text_string_to_metric_families(text))
    # The parser names a counter without its ending.
    found = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in families
    }
    assert found == documented(), f"differs from docs/metrics.md: {found.items() ^ documented().items()}"
    for family in families:
        assert family.documentation, f"{family.name} does not say what it is"
        if family.type == "histogram":
            check_histogram(family)
    samples = sum(len(family.samples) for family in families)
    print(f"/metrics: {len(families)} families, {samples} samples, as documented")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
