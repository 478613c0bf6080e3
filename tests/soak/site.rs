//! The site under test: nginx with the module, between the clients and the stand-ins.

use std::fs::File;
use std::path::Path;

use crate::backend::Backend;
use crate::client::Door;
use crate::it::harness::{Builder, Nginx};
use crate::load::Doors;
use crate::outage;
use crate::standin::Pki;
use crate::turns::Recorder;
use crate::weather::{CALL_TIMEOUT, FAIL_TIMEOUT};
use crate::world::{FRESH, STALE, World};

const WORKERS: usize = 2;

/// The sessions of all users are more than it holds.
const ZONE: &str = "1m";

/// More than the buffers of a connection hold, so that a worker that serves it waits for its reader.
pub(crate) const DOWNLOAD: usize = 16 << 20;

/// What the soak and the outages have in common.
fn frame(world: &World, backend: &Backend, recorder: &Recorder, folder: &Path) -> Builder {
    Pki::shared().write(folder).expect("the folder is writable");
    let good = &Pki::shared().good;
    let (a, b) = (world.url(0), world.resolvers[1].addr().port());
    let builder = Nginx::builder();
    let builder = match &world.names {
        Some(names) => builder.in_place_of("/etc/hosts", names.hosts()),
        None => builder,
    };
    builder
        .workers(WORKERS)
        .worker_connections(8192)
        .runner(recorder.runner())
        .tls(&good.certificate_pem, &good.key_pem)
        .error_log_level("notice")
        .main("worker_rlimit_nofile 16384;")
        .http(format!(
            "access_log off; keepalive_requests 100000; keepalive_timeout 75s;
             client_header_buffer_size 8k;
             map $authgear_cache_status $while {{ volatile; default \"\"; UPDATING \" while it is asked about\"; }}
             upstream backend {{
                 server {};
                 keepalive 256; keepalive_requests 1000000000; keepalive_time 1d; keepalive_timeout 1d;
             }}
             proxy_http_version 1.1;
             proxy_set_header Connection \"\";
             proxy_next_upstream off;
             authgear_cache sessions;
             authgear_timeout {}s;",
            backend.addr(),
            CALL_TIMEOUT.as_secs(),
        ))
        .server(format!(
            "add_header X-Reason $authgear_reason$while always;
             authgear_resolve {a};
             location = /pid {{ authgear_resolve off; return 200 $pid; }}
             location = /status {{ authgear_resolve off; authgear_status json; }}
             location /b/ {{
                 authgear_resolve https://localhost:{b};
                 authgear_ssl_trusted_certificate {}/ca.pem;
                 proxy_pass http://backend;
             }}",
            folder.display(),
        ))
}

/// All kinds of locations, for the soak.
pub(crate) fn mixed(world: &World, backend: &Backend, recorder: &Recorder, folder: &Path) -> Builder {
    let download = File::create(folder.join("download")).expect("the folder is writable");
    download.set_len(DOWNLOAD as u64).expect("a file of zeros");
    frame(world, backend, recorder, folder)
        .upgradable()
        // What the recorder needs, in a master that another has started too.
        .main("env LD_PRELOAD; env SOAK_TURNS;")
        .server(format!("location = /download {{ authgear_resolve off; root {}; }}", folder.display()))
        .http(format!(
            "underscores_in_headers on; ignore_invalid_headers off;
             authgear_cache_zone zone=sessions:{ZONE};
             authgear_cache_valid valid invalid none {}s;
             authgear_cache_use_stale error={}s updating=2s;
             authgear_breaker max_fails=5 fail_timeout={}ms;
             authgear_max_inflight 1024;",
            FRESH.as_secs(),
            STALE.as_secs(),
            FAIL_TIMEOUT.as_millis(),
        ))
        .server(
            "location /a/ { proxy_pass http://backend; }
             location /must/ { authgear_require registered role=writer; proxy_pass http://backend; }
             location /off/ { authgear_resolve off; proxy_pass http://backend; }
             location /anonymous/ { authgear_on_error anonymous; proxy_pass http://backend; }
             location /uncached/ { authgear_cache off; proxy_pass http://backend; }
             location /brief/ { authgear_cache_valid 300ms; proxy_pass http://backend; }",
        )
}

/// Sessions that may be used for a long time while the resolver fails.
pub(crate) fn steady(world: &World, backend: &Backend, recorder: &Recorder, folder: &Path) -> Builder {
    frame(world, backend, recorder, folder).http(format!(
        "authgear_cache_zone zone=sessions:10m;
         authgear_cache_valid 1s;
         authgear_cache_use_stale error=1h;
         authgear_on_error {};
         authgear_max_inflight 4096;
         authgear_breaker max_fails=5 fail_timeout={}s;",
        outage::tables::ON_ERROR,
        outage::FAIL_TIMEOUT.as_secs(),
    ))
}

pub(crate) fn doors(nginx: &Nginx) -> Doors {
    Doors {
        http1: Door::plain(nginx.port()),
        tls: Door::tls(nginx.tls_port(), "http/1.1"),
        http2: Door::plain(nginx.h2_port()),
        http2_tls: Door::tls(nginx.tls_port(), "h2"),
    }
}
