# What is done often. `just` lists it; CI runs `.ci/run`, which needs nothing but cargo.

# List the recipes.
default:
    @just --list

# Formatting, lints and tests: run it before every commit.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --workspace --locked

# Every test of every crate.
test:
    cargo test --workspace --locked

# A server on 127.0.0.1:7400 with its log in stampede-data, until Ctrl-C.
serve:
    cargo run --release --locked -- serve

# A scenario against a server of its own: just load scenarios/smoke.toml
load scenario:
    cargo run --release --locked -- run {{scenario}}

# Every benchmark; takes minutes and wants an idle machine.
bench:
    cargo bench --workspace --locked

# Plant every known bug and see that the laws convict it.
prove:
    cargo run --release --locked --features planted-bugs -- prove
