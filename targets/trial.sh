#!/bin/sh
# Every demonstration on twenty seeds, each of which must be judged as it deserves: for the night.
#
#     targets/trial.sh [STAMPEDE] [SEEDS]
#
# Prints a line for each run, and ends with 1 if any was judged wrongly.
set -u
stampede=${1:-target/release/stampede}
seeds=${2:-20}
here=$(dirname "$0")
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
wrong=0

# SCENARIO TARGET LAW: on every seed this law is broken; `none`: no law is.
judge() {
    seed=1
    while [ "$seed" -le "$seeds" ]; do
        # Whatever it comes to: the record says it.
        "$stampede" run "$here/$1.toml" --target "$here/$2.toml" --seed "$seed" --out "$runs" --json - \
            >"$runs/run.json" 2>"$runs/said"
        broken=$(python3 -c 'import json, sys
print(" ".join(law["name"] for law in json.load(sys.stdin)["laws"] if law["verdict"] == "invalid") or "none")' \
            <"$runs/run.json") || { cat "$runs/said"; broken="no record"; }
        case " $broken " in
        *" $3 "*) echo "right  $1 $2 seed $seed: $broken" ;;
        *) echo "WRONG  $1 $2 seed $seed: $broken instead of $3"; wrong=$((wrong + 1)) ;;
        esac
        seed=$((seed + 1))
    done
}

judge race naive-http no-double-booking
judge race lock-in-memory none
judge race-killed lock-in-memory durable-acks
judge race sqlite-unique none
judge race-killed sqlite-unique none
judge race optimistic no-lost-cancel
echo "$wrong judged wrongly"
[ "$wrong" -eq 0 ]
