//! `authgear_status`.

use std::ffi::{c_char, c_void};

use nginx_sys::{ngx_command_t, ngx_conf_t};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf, NgxHttpCoreModule};

use super::read::{Directive, IS_DUPLICATE};
use crate::nginx::log::refuse_configuration;
use crate::nginx::status::on_content;
use crate::settings::{StatusFormat, parse};

pub(super) unsafe extern "C" fn cmd_status(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    Directive::read(cf, conf, |directive| {
        if directive.conf.status.is_some() {
            return IS_DUPLICATE;
        }
        let format = match (directive.has_argument, parse::status_format(&directive.argument)) {
            (false, _) => StatusFormat::Json,
            (true, Ok(format)) => format,
            (true, Err(complaint)) => {
                let (name, argument) = (&directive.name, &directive.argument);
                let why = format_args!("invalid value \"{argument}\" in \"{name}\" directive, {complaint}");
                refuse_configuration(directive.cf, why);
                return NGX_CONF_ERROR;
            }
        };
        directive.conf.status = Some(format);
        let Some(core) = NgxHttpCoreModule::location_conf_mut(directive.cf) else { return NGX_CONF_ERROR };
        core.handler = Some(on_content);
        NGX_CONF_OK
    })
}
