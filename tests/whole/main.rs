//! Whole-program tests: the real binary, in a fake terminal or with pipes, on the embedded engine with real
//! interpreters. There are no mocks. Tests wait for events with a limit, and never sleep.

mod daemon;
mod engine_files;
mod engine_life;
mod faulty_link;
mod web_server;
mod windows;

mod agent_runner;
mod apps;
mod bad_inputs;
mod changing_files;
mod commands;
mod configuration;
mod delegated_commands;
mod displays;
mod env_file;
mod file_names;
mod full_screen_views;
mod hostile_server;
mod interrupts;
mod ipython;
mod jupyter;
mod keyring;
mod languages;
mod limits;
mod login;
mod lost_sessions;
mod media;
mod named_links;
mod pane;
mod planted_links;
mod private_folders;
mod process_cleanup;
mod prompt;
mod run;
mod screens;
mod script;
mod session_environment;
mod sessions_board;
mod shell_completion;
mod signals;
mod stuck_sessions;
mod themes;
mod tls;
mod transfers;
