/tmp/wt/winlayers/sim/target/debug/deps/sim_protocol-b7ede6e585c49de7.d: protocol/src/lib.rs protocol/src/codes.rs protocol/src/observer.rs

/tmp/wt/winlayers/sim/target/debug/deps/libsim_protocol-b7ede6e585c49de7.rmeta: protocol/src/lib.rs protocol/src/codes.rs protocol/src/observer.rs

protocol/src/lib.rs:
protocol/src/codes.rs:
protocol/src/observer.rs:
