//! Two sites, one of which lets odd header names in, with a location for each way that a request can take.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::harness::Nginx;
use super::super::stage::LAX;
use super::super::standin::echo::{Echo, Http};
use super::super::standin::{Call, Fault, Resolver};
use super::oracle;

/// Each location tells the backend which one it is.
pub(super) const AT: &str = "X-Fuzz-At";

/// The target as the client sent it, whatever became of it since.
pub(super) const URI: &str = "X-Fuzz-Uri";

pub(super) struct Site {
    resolver: Resolver,
    pub(super) echo: Echo,
    /// With nginx's defaults, and lax.
    pub(super) nginx: [Nginx; 2],
    findings: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(super) fn start() -> Self {
        let findings = Arc::new(Mutex::new(Vec::new()));
        let resolver = Resolver::builder().keep_calls(0).start();
        let (found, host) = (findings.clone(), resolver.addr().to_string());
        resolver.set_rule(move |call| {
            if let Some(finding) = oracle::wrong_call(call, &host) {
                found.lock().expect("no thread panics holding it").push(finding);
            }
            fault(call)
        });
        let echo = Http::start();
        let nginx = ["", LAX].map(|lines| {
            let builder = Nginx::builder().workers(2).error_log_level("crit");
            builder.http(format!("{lines}\n{}", upstream(&echo))).server(server(&resolver)).start()
        });
        Self { resolver, echo, nginx, findings }
    }

    pub(super) fn report(&self, finding: String) {
        self.findings.lock().expect("no thread panics holding it").push(finding);
    }

    pub(super) fn findings(&self) -> Vec<String> {
        let mut all = self.findings.lock().expect("no thread panics holding it").clone();
        if self.resolver.bad_requests() > 0 {
            all.push(format!("the resolver could not read {} of its requests", self.resolver.bad_requests()));
        }
        all
    }

    pub(super) fn has_findings(&self) -> bool {
        !self.findings.lock().expect("no thread panics holding it").is_empty()
    }

    pub(super) fn calls(&self) -> u64 {
        self.resolver.call_count()
    }

    /// Fails where a worker ended by itself, or a log has an alert, a panic or a sanitizer's words.
    pub(super) fn finish(self) {
        self.nginx.into_iter().for_each(Nginx::finish);
    }
}

/// What the resolver does wrong, by the number in a token: requests wait, share what they wait for, and fail.
fn fault(call: &Call) -> Option<Fault> {
    let head = String::from_utf8_lossy(&call.raw_head);
    let (_, after) = head.split_once("user:")?.1.split_once(':')?;
    let number: String = after.chars().take_while(char::is_ascii_digit).collect();
    let forged = || vec![("X-Authgear-User-Id".to_owned(), "mallory".to_owned())];
    Some(match number.parse().ok()? {
        30 => Fault::Delay(Duration::from_millis(15)),
        31 => Fault::Delay(Duration::from_millis(60)),
        32 => Fault::Status(500),
        33 => Fault::CloseBeforeAnswer,
        34 => Fault::ResetInHead,
        35 => Fault::EarlyHints(forged()),
        36 => Fault::Trailers(forged()),
        37 => Fault::Garbage(b"HTTP/1.1 200 OK\r\nX-Authgear-User-Id mallory\r\n\r\n".to_vec()),
        38 => Fault::Status(401),
        39 => Fault::Delay(Duration::from_millis(5)).then(Fault::CloseInBody),
        _ => return None,
    })
}

/// Connections to the backend are kept: there are more requests than a minute has ports.
fn upstream(echo: &Echo) -> String {
    format!(
        "authgear_cache_zone zone=sessions:1m;\n\
         upstream echo {{ server {}; keepalive 32; }}\n\
         proxy_http_version 1.1;",
        echo.addr()
    )
}

fn server(resolver: &Resolver) -> String {
    let pass = |at: &str| {
        format!(
            "proxy_pass http://echo; proxy_set_header Connection \"\"; proxy_set_header {AT} {at};\n\
             proxy_set_header {URI} $request_uri;"
        )
    };
    // A timeout would be an answer of 504, which nobody but a broken module is to cause.
    format!(
        "access_log off; client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 2s;\n\
         authgear_resolve {}; authgear_timeout 20s; authgear_connect_timeout 10s;\n\
         authgear_cache sessions; authgear_cache_valid valid invalid none 1s;\n\
         error_page 400 494 = /refused/;\n\
         location / {{ {} }}\n\
         location /open/ {{ authgear_resolve off; {} }}\n\
         location /refused/ {{ authgear_resolve off; {} }}\n\
         location /required/ {{ authgear_require valid; error_page 401 = @login; {} }}\n\
         location /role/ {{ authgear_require role=admin; {} }}\n\
         location @login {{ authgear_require off; {} }}\n\
         location /inner/ {{ rewrite ^/inner/(.*)$ /required/$1 last; }}\n\
         location /any/ {{ satisfy any; deny all; authgear_require valid; {} }}\n\
         location /mirrored/ {{ mirror /mirror; {} }}\n\
         location = /mirror {{ internal; {} }}\n\
         location /uncached/ {{ authgear_cache off; {} }}\n\
         location /lenient/ {{ authgear_on_error anonymous; authgear_pass_set_cookie on; {} }}",
        resolver.url(),
        pass("resolved"),
        pass("open"),
        pass("refused"),
        pass("required"),
        pass("role"),
        pass("login"),
        pass("required"),
        pass("resolved"),
        pass("mirror"),
        pass("resolved"),
        pass("lenient"),
    )
}
