//! The directives: what is refused and with which words, where they stand, and what inner levels inherit.

mod advice;
mod arguments;
mod files;
mod inheritance;
mod places;
mod reload;

use super::harness::{Nginx, Place, assert_refused};

/// `nginx -t` on a configuration with this in `http`.
#[track_caller]
fn assert_accepted(fragment: &str) {
    Place::Http.put(Nginx::builder(), fragment).check().assert_ok();
}

/// Refused in `http`, with this sentence.
#[track_caller]
fn assert_says(fragment: &str, sentence: &str) {
    println!("{fragment}");
    assert_refused(Place::Http, fragment, sentence, 1);
}
