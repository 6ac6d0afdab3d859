//! Whole-program tests: the real binary, in a fake terminal or with pipes, on the embedded engine with real
//! interpreters. Nothing is mocked; what is waited for is an event with a limit, never a sleep.

mod daemon;
mod fake_terminal;
mod faults;
mod sandbox;
mod web_server;

mod bad_inputs;
mod board;
mod commands;
mod errands;
mod jupyter;
mod keyring;
mod ladder;
mod languages;
mod login;
mod looks;
mod media;
mod orphans;
mod pane;
mod prompt;
mod run;
mod screens;
mod script;
mod stuck;
mod tls;
mod views;
