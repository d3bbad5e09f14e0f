//! Set-up, demo, test, bench and corpus.

fn main() {}
