//! The configuration in force for a request.

use std::sync::Arc;

use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};

use super::key::Module;
use crate::nginx::ffi::request::Request;
use crate::settings::Settings;

/// The request has no configuration of this module. It must not continue.
#[derive(Clone, Copy, Debug)]
pub struct NoConfiguration;

/// The settings for resolving the request, or `None` if it isn't resolved.
///
/// # Errors
/// [`NoConfiguration`], which never happens in nginx.
pub fn settings(r: Request) -> Result<Option<Arc<Settings>>, NoConfiguration> {
    Module::location_conf(&r)
        .filter(|conf| conf.merged)
        .map(|conf| conf.settings.clone())
        .ok_or(NoConfiguration)
}

/// Whether client-supplied identity headers are removed from every request of the server.
#[must_use]
pub fn strips_headers(r: Request) -> bool {
    // A merged configuration holds 0 or 1; stripping is the safe default for any other value.
    Module::server_conf(&r).is_none_or(|server| server.strip_headers != 0)
}

/// Whether a waiting request continues after its client has left, as a request that waits for `auth_request` does.
///
/// Any of the directives is enough: which module will handle the request isn't known before the content phase. That module
/// checks its own flag, and ends the request then if the client has left. `auth_request` doesn't continue a stream of
/// HTTP/2 that the client has reset either: nginx marks its connection as failed, and ends the request together with the
/// subrequest.
#[must_use]
pub fn ignores_client_abort(r: Request) -> bool {
    let is_on =
        || Module::main_conf(&r).is_some_and(|main| main.client_abort.iter().any(|flag| flag.is_on(r)));
    !r.is_http2() && is_on()
}
