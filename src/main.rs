//! The `bai-repl` program: reads the command line, calls the library, returns an exit code.

fn main() -> std::process::ExitCode {
    bai_repl::cli::main()
}
