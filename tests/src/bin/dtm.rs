//! The program under test: the same as the binary `dtm`, built with the tests. With `DTM_TEST_CRASH` a thread of it panics
//! with that text once the file is there that `DTM_TEST_CRASH_AT` names.

fn main() -> std::process::ExitCode {
    if let (Some(text), Some(at)) =
        (std::env::var_os("DTM_TEST_CRASH"), std::env::var_os("DTM_TEST_CRASH_AT"))
    {
        std::thread::spawn(move || {
            while !std::path::Path::new(&at).exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            panic!("{}", text.to_string_lossy());
        });
    }
    dtm_cli::main()
}
