# Every recipe is one cargo command, so none of this needs just. `cargo xtask --help` has more commands.

# List the recipes.
default:
    @just --list

# Install what the others need, into target/.
setup *ARGS:
    cargo xtask setup {{ARGS}}

# Compile the Wasm modules and the native binaries.
build *ARGS:
    cargo xtask build {{ARGS}}

# Write the shipped configurations from their sources.
configs *ARGS:
    cargo xtask configs {{ARGS}}

# Run every check and test.
test *ARGS:
    cargo xtask test {{ARGS}}

# Real Envoy, simulated replicas, the sidecar: who served what, beside round robin.
demo *ARGS:
    cargo xtask demo {{ARGS}}

# Weir in containers on networks of their own: test, start for yourself, end.
compose-test *ARGS:
    cargo xtask compose-test {{ARGS}}

compose-up:
    cargo xtask compose-up

compose-down:
    cargo xtask compose-down

# Let everything fail for ten minutes, under load.
soak *ARGS:
    cargo xtask soak {{ARGS}}

# Measure: overhead, placement, scan, limits, decision, sidecar.
bench NAME *ARGS:
    cargo xtask bench {{NAME}} {{ARGS}}
