//! Tests of the harness itself, on stock nginx: a harness that lies makes every other test worthless.

mod backend;
mod clients;
mod instances;
mod replies;
