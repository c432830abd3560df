#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    firstkey::cli::run()
}
