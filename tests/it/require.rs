//! `authgear_require`: who is let in, and what those get who are not.

mod challenges;
mod conditions;
mod configuration;
mod satisfy;

use crate::harness::{Builder, Nginx, Response};
use crate::stage::Stage;

/// A server whose `/` requires this, and which tells the reason; `/open` requires nothing.
fn site(stage: &Stage, require: &str) -> Builder {
    let (resolve, pass) = (stage.resolve(), stage.pass());
    Nginx::builder().server(format!(
        "{resolve} add_header X-Reason $authgear_reason always;
         location / {{ authgear_require {require}; {pass} }}
         location /open {{ {pass} }}"
    ))
}

fn reason(response: &Response) -> String {
    response.header("x-reason").unwrap_or_default()
}
