//! Tests of the harness itself, on stock nginx: errors in the harness would make every other test worthless.

mod backend;
mod clients;
mod instances;
mod replies;
