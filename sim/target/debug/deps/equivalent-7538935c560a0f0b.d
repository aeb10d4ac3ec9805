/tmp/wt/winlayers/sim/target/debug/deps/equivalent-7538935c560a0f0b.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/equivalent-1.0.3/src/lib.rs

/tmp/wt/winlayers/sim/target/debug/deps/libequivalent-7538935c560a0f0b.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/equivalent-1.0.3/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/equivalent-1.0.3/src/lib.rs:
