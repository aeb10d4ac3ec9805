//! `cv`: the command line of containerv.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    cv::main(std::env::args_os().skip(1))
}
