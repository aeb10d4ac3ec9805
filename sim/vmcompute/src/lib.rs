//! Stand-in of `vmcompute.dll`, the first generation: layers, `HNSCall`, compute systems with
//! notifications.
#![cfg(windows)]

mod layers;
mod notify;
mod processes;
mod systems;

use sim_library::connection::Link;
use sim_library::handles::Handles;

type Handle = usize;
type Text = *const u16;
type TextOut = *mut *mut u16;

static LINK: Link = Link::new("vmcompute", notify::deliver);
static OBJECTS: Handles<notify::Object> = Handles::new();
static CALLBACKS: Handles<notify::Registered> = Handles::new();
