//! `cv`: the command line of containerv.

#![forbid(unsafe_code)]

/// Most commands need less than this and end at once.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: containerv_sys::arena::Arena<{ 512 << 10 }> = containerv_sys::arena::Arena::new();

fn main() -> std::process::ExitCode {
    cv::main(std::env::args_os().skip(1))
}
