//! The binary `dtm`: everything is in the library, so that the tests start the same program.

fn main() -> std::process::ExitCode {
    dtm_cli::main()
}
