//! The fuzz targets: the parsers of bytes that come from elsewhere. The variable `FUZZ_TARGET` chooses one; without it the
//! program lists them. A parser that is private to its crate has a function in that crate's module `fuzzing`.

#![no_main]

mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use targets::{Target, media, model, protocol, text, theme, zmq};

/// Each target, by its name.
const TARGETS: &[(&str, Target)] = &[
    // What a server sends.
    ("archive", bai_client::fuzzing::archive),
    ("multipart", bai_client::fuzzing::multipart),
    ("events", bai_client::fuzzing::events),
    ("bundle", bai_client::fuzzing::bundle),
    ("log", bai_client::fuzzing::log),
    ("execute", protocol::execute),
    ("binary_frame", protocol::binary_frame),
    ("pty", protocol::pty),
    ("replies", protocol::replies),
    // What a client sends.
    ("graphql", bai_engine::fuzzing::graphql),
    ("authorization", bai_engine::fuzzing::authorization),
    ("upload", bai_engine::fuzzing::upload),
    ("requests", bai_client::fuzzing::requests),
    // What drivers, agents, kernels and images send.
    ("driver", bai_runner::fuzzing::driver),
    ("agent", bai_runner::fuzzing::agent),
    ("jupyter", bai_runner::fuzzing::jupyter),
    ("zmq", zmq::zmq),
    ("service", bai_runner::fuzzing::service),
    // What programs print.
    ("model", model::model),
    ("text", text::text),
    ("svg", media::svg),
    ("drawing", media::drawing),
    ("raster", media::raster),
    // Files of the user.
    ("theme", theme::theme),
    ("configuration", bai_repl::fuzzing::configuration),
    ("env_file", bai_repl::fuzzing::env_file),
    ("cookies", bai_repl::fuzzing::cookies),
    ("history", bai_repl::fuzzing::history),
    // Names in the user's command line.
    ("names", bai_repl::fuzzing::names),
];

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map_or_else(list, |(_, target)| *target)
});

/// Lists the targets, and ends the program.
#[expect(clippy::disallowed_methods, reason = "the fuzzer has no main function that could return")]
fn list() -> Target {
    TARGETS.iter().for_each(|(name, _)| println!("{name}"));
    std::process::exit(0)
}

fuzz_target!(
    init: {
        LazyLock::force(&CHOSEN);
    },
    |bytes: &[u8]| CHOSEN(bytes)
);
