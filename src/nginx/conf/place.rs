//! Places in the configuration files, for messages about what is found out later.

use std::fmt;

use nginx_sys::{ngx_conf_t, ngx_uint_t};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    file: String,
    line: ngx_uint_t,
}

impl Place {
    /// Where nginx is reading.
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

/// Where the directives stand that are in force at a level; `None` where one isn't written at all.
#[derive(Clone, Default)]
pub struct Places {
    pub resolve: Option<Place>,
    pub require: Option<Place>,
    pub cache: Option<Place>,
    /// Of the time for valid sessions.
    pub cache_valid: Option<Place>,
    pub ssl_verify: Option<Place>,
    /// Of the client certificate or its key.
    pub certificate: Option<Place>,
}

impl Places {
    /// Takes those of the outer level for what isn't written at this one.
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
