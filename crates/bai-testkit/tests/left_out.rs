//! Reports at the end of `cargo test` what the tests of this run have left out. Cargo runs the packages in alphabetical
//! order, so this target is the last one.

fn main() {
    let missing = bai_testkit::take_left_out();
    if !missing.is_empty() {
        println!("\nleft out, because it is not on this machine: {}\n", missing.join(", "));
    }
}
