# The Rust stand-in with the host's settings of where packages come from (the context holds them).
ARG BASE
FROM ${BASE}
COPY config.toml /usr/local/cargo/config.toml
