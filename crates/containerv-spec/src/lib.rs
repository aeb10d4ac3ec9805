//! Plain data that crosses a border: requests, plans, state and documents.
//!
//! Nothing here does I/O, asks which machine it runs on, or uses `cfg`: a request written on
//! Linux can be lowered for Windows, printed, stored and compared anywhere.

pub mod capability;
pub mod cgroup;
pub mod errno;
pub mod facts;
pub mod hcs;
pub mod id;
pub mod image;
pub mod limits;
pub mod machine;
pub mod os_text;
pub mod plan;
pub mod request;
pub mod seccomp;
pub mod signal;
pub mod size;
pub mod state;
pub mod time;

pub use capability::{Capability, CapabilitySet};
pub use id::ContainerId;
pub use limits::{Bound, DeviceNumber, DeviceRate, Limits, RateKind};
pub use os_text::OsText;
pub use request::Request;
pub use size::ByteSize;
