//! What is configured where a request is.

use std::sync::Arc;

use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};

use super::key::Module;
use crate::nginx::ffi::request::Request;
use crate::settings::Settings;

/// A request without a configuration of the module's: it must not go on.
#[derive(Clone, Copy, Debug)]
pub struct NoConfiguration;

/// How requests are resolved where the request is; `None`: not at all.
///
/// # Errors
/// [`NoConfiguration`], which nginx doesn't let happen.
pub fn settings(r: Request) -> Result<Option<Arc<Settings>>, NoConfiguration> {
    Module::location_conf(&r)
        .filter(|conf| conf.merged)
        .map(|conf| conf.settings.clone())
        .ok_or(NoConfiguration)
}

/// Whether identity headers that clients send are removed from every request of the server.
#[must_use]
pub fn strips_headers(r: Request) -> bool {
    // A merged configuration says 0 or 1; whatever else it were, stripping is the safe side.
    Module::server_conf(&r).is_none_or(|server| server.strip_headers != 0)
}

/// Whether a request that waits goes on without its client, as one does that waits for `auth_request`.
///
/// Any of the directives will do. Which of the modules is to have the request isn't known before the content phase; the one that gets
/// it looks at its own flag, and ends the request there if the client has left. A stream of HTTP/2 that the client resets is not
/// served by `auth_request` either: nginx marks its connection as failed, and ends the request together with the subrequest.
#[must_use]
pub fn ignores_client_abort(r: Request) -> bool {
    let is_on =
        || Module::main_conf(&r).is_some_and(|main| main.client_abort.iter().any(|flag| flag.is_on(r)));
    !r.is_http2() && is_on()
}
