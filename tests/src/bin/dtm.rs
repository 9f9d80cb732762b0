//! The program under test: the same as the binary `dtm`, built with the tests.

fn main() -> std::process::ExitCode {
    dtm_cli::main()
}
