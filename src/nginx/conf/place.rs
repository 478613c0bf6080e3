//! Positions in the configuration files, for messages about problems that are found later.

use std::fmt;

use nginx_sys::{ngx_conf_t, ngx_uint_t};

/// A line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    file: String,
    line: ngx_uint_t,
}

impl Place {
    /// The line that nginx is reading.
    #[must_use]
    pub fn current(cf: &ngx_conf_t) -> Option<Self> {
        // SAFETY: CONF: null, or the file that nginx reads.
        let file = unsafe { cf.conf_file.as_ref() }?;
        Some(Self { file: file.file.name.to_string(), line: file.line })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where the directives in force at a level are; `None` if a directive isn't set at all.
#[derive(Clone, Default)]
pub struct Places {
    pub resolve: Option<Place>,
    pub require: Option<Place>,
    pub cache: Option<Place>,
    /// The one with the time for valid sessions.
    pub cache_valid: Option<Place>,
    pub ssl_verify: Option<Place>,
    /// The client certificate or its key.
    pub certificate: Option<Place>,
}

impl Places {
    /// Inherits the places of directives that aren't set at this level.
    pub fn inherit(&mut self, outer: &Self) {
        fn fill(own: &mut Option<Place>, outer: &Option<Place>) {
            if own.is_none() {
                own.clone_from(outer);
            }
        }
        fill(&mut self.resolve, &outer.resolve);
        fill(&mut self.require, &outer.require);
        fill(&mut self.cache, &outer.cache);
        fill(&mut self.cache_valid, &outer.cache_valid);
        fill(&mut self.ssl_verify, &outer.ssl_verify);
        fill(&mut self.certificate, &outer.certificate);
    }
}
