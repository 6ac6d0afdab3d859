//! Generated names for sessions, which are easy to pronounce and to distinguish, such as `quiet-otter-3f2a`.

const MOODS: [&str; 24] = [
    "amber", "brave", "bright", "calm", "clever", "crisp", "eager", "early", "gentle", "golden", "happy",
    "keen", "kind", "late", "light", "merry", "misty", "nimble", "proud", "quiet", "rapid", "silver",
    "sunny", "warm",
];
const ANIMALS: [&str; 24] = [
    "badger", "beaver", "crane", "dolphin", "falcon", "finch", "fox", "gecko", "heron", "ibex", "koala",
    "lark", "lynx", "marten", "newt", "osprey", "otter", "panda", "puffin", "raven", "seal", "swift",
    "tapir", "wren",
];

/// A new name. The four digits at the end make it unique among users.
pub(super) fn generate() -> String {
    let pick = |words: &[&'static str]| fastrand::choice(words.iter().copied()).unwrap_or("new");
    format!("{}-{}-{:04x}", pick(&MOODS), pick(&ANIMALS), fastrand::u16(..))
}

#[cfg(test)]
mod tests {
    use bai_protocol::create::check_name;

    #[test]
    fn servers_accept_every_name() {
        for _ in 0..1_000 {
            let name = super::generate();
            assert_eq!(check_name(&name), Ok(()), "{name}");
        }
    }
}
