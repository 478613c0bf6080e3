//! Files read by nginx's thread pool beside requests that wait for the resolver. Both wake the event loop from another
//! thread; nginx's own way of doing so has one handler in a process, so that one of the two would lose wake-ups.

use std::thread;

use crate::harness::{Http1, Nginx, Request, process};
use crate::stage::{Stage, token_of};

const CLIENTS: u64 = 4;
const REQUESTS: u64 = 700;
const FILE_SIZE: usize = 100_000;

/// A thread pool of four reads the files: with sendfile, without it, and behind the resolver.
fn site(stage: &Stage) -> Nginx {
    let resolve = stage.resolve();
    let nginx = Nginx::builder()
        .main("thread_pool files threads=4;")
        .http("access_log off; keepalive_requests 100000; aio threads=files;")
        .server(format!(
            "root files;
             location / {{ {resolve} {} }}
             location /sendfile/ {{ alias files/; sendfile on; sendfile_max_chunk 16k; }}
             location /read/ {{ alias files/; sendfile off; output_buffers 2 16k; }}
             location /resolved/ {{ {resolve} alias files/; sendfile off; output_buffers 2 16k; }}",
            stage.pass()
        ))
        .start();
    let files = nginx.prefix().join("files");
    std::fs::create_dir(&files).expect("the folder is writable");
    std::fs::write(files.join("file"), vec![b'f'; FILE_SIZE]).expect("the folder is writable");
    nginx
}

/// Asks for each path in turn on one connection. A wake-up that is lost is a 504, or no answer within the client's
/// patience.
fn browse(stage: &Stage, port: u16, client: u64, paths: &[&str]) {
    let mut connection = Http1::connect(port).expect("nginx accepts");
    for number in 0..REQUESTS {
        let path = paths[usize::try_from(number).expect("it is small") % paths.len()];
        // A credential of its own each: every request waits for a call.
        let request = Request { target: path.into(), ..token_of("alice", client * REQUESTS + number) };
        let response =
            connection.exchange(&request).unwrap_or_else(|e| panic!("request {number}, {path}: {e}"));
        match path {
            "/" => stage.assert_is("alice", &response),
            _ => assert_eq!((response.status, response.body.len()), (200, FILE_SIZE), "{path}"),
        }
    }
}

#[test]
fn no_wake_up_is_lost_beside_a_thread_pool() {
    let stage = Stage::start();
    let nginx = site(&stage);
    let port = nginx.port();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let stage = &stage;
            scope.spawn(move || browse(stage, port, 2 * client, &["/sendfile/file", "/read/file"]));
            scope.spawn(move || browse(stage, port, 2 * client + 1, &["/", "/resolved/file"]));
        }
    });
    assert_eq!(stage.resolver.call_count(), CLIENTS * REQUESTS);
    // Event loop, resolver, pool: the files were not read on the event loop's own thread.
    assert_eq!(process::threads(nginx.worker_pids()[0]), 1 + 1 + 4);
    nginx.finish();
}
