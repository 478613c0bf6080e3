use std::sync::atomic::AtomicUsize;

use super::*;
use crate::endpoint::endpoint;
use crate::resolver::target::TlsTarget;
use crate::resolver::tls::{CertificateChain, PrivateKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn target(url: &str, connect_timeout: Duration) -> Target {
    Target::new(&endpoint(url).unwrap(), None, "", connect_timeout, None).unwrap()
}

fn is_same(one: &PooledClient, other: &PooledClient) -> bool {
    Arc::ptr_eq(&one.health, &other.health)
}

#[test]
fn a_pool_is_renewed_at_its_age_and_not_before() {
    let (mut clients, start) = (Clients::default(), Instant::now());
    let target = target("http://a", Duration::from_secs(1));
    let first = clients.get(&target, start).unwrap();
    let moment = Duration::from_millis(1);
    assert!(is_same(&first, &clients.get(&target, start + MAX_AGE - moment).unwrap()));
    let second = clients.get(&target, start + MAX_AGE).unwrap();
    assert!(!is_same(&first, &second));
    assert!(is_same(&second, &clients.get(&target, start + 2 * MAX_AGE - moment).unwrap()));
    assert!(!is_same(&second, &clients.get(&target, start + 2 * MAX_AGE).unwrap()));
}

#[test]
fn each_resolver_has_a_pool_and_each_connect_timeout() {
    let (mut clients, now) = (Clients::default(), Instant::now());
    let second = Duration::from_secs(1);
    let pools = [("http://a", second), ("http://b", second), ("http://a", 2 * second)]
        .map(|(url, time)| clients.get(&target(url, time), now).unwrap());
    assert!(!is_same(&pools[0], &pools[1]) && !is_same(&pools[0], &pools[2]));
    assert!(is_same(&pools[0], &clients.get(&target("http://a", second), now).unwrap()));
}

/// Two targets may have different certificates and still share answers.
#[test]
fn connections_of_other_certificates_are_not_shared() {
    let (mut clients, now) = (Clients::default(), Instant::now());
    let mut pool = |has_client: bool| {
        let identity = has_client.then(|| {
            let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
            let chain = CertificateChain::from_pem(made.cert.pem().as_bytes(), "a.pem").unwrap();
            (chain, PrivateKey::from_pem(made.signing_key.serialize_pem().as_bytes(), "a.key").unwrap())
        });
        let tls = TlsTarget { roots: None, identity, name: None };
        let endpoint = endpoint("https://a").unwrap();
        let target = Target::new(&endpoint, None, "", Duration::from_secs(1), Some(tls)).unwrap();
        (target.id(), clients.get(&target, now).unwrap())
    };
    let [(id, one), (same, other)] = [pool(true), pool(true)];
    assert!(id == same && !is_same(&one, &other));
    let [(_, one), (_, same)] = [pool(false), pool(false)];
    assert!(is_same(&one, &same));
}

#[test]
fn a_timeout_costs_the_pool_unless_it_speaks_http_1() {
    let (mut clients, now) = (Clients::default(), Instant::now());
    let target = target("https://a", Duration::from_secs(1));
    for (answered, is_kept) in
        [(None, false), (Some(http::Version::HTTP_2), false), (Some(http::Version::HTTP_11), true)]
    {
        let pool = clients.get(&target, now).unwrap();
        if let Some(version) = answered {
            pool.answered(version);
        }
        assert!(is_same(&pool, &clients.get(&target, now).unwrap()));
        pool.timed_out();
        assert_eq!(is_same(&pool, &clients.get(&target, now).unwrap()), is_kept, "{answered:?}");
    }
}

#[test]
fn pools_are_not_replaced_for_ever_at_each_timeout() {
    let (mut clients, start) = (Clients::default(), Instant::now());
    let target = target("https://a", Duration::from_secs(1));
    let mut last = clients.get(&target, start).unwrap();
    // One call times out per second.
    let mut replaced_after = |seconds: std::ops::Range<u64>| {
        let mut replaced = 0;
        for second in seconds {
            last.timed_out();
            let pool = clients.get(&target, start + Duration::from_secs(second)).unwrap();
            replaced += u32::from(!is_same(&pool, &last));
            last = pool;
        }
        replaced
    };
    assert_eq!(replaced_after(1..65), REPLACEMENTS);
    assert_eq!(replaced_after(65..65 + 3_600), 60);
    // A period without timeouts gives replacements back, one per minute.
    let regained = replaced_after(4_300..4_330);
    assert!((10..=11).contains(&regained), "{regained}");
}

/// Each resolver has one call at a time, and each call leaves one idle connection behind.
#[test]
fn pools_that_were_not_used_for_long_go_when_too_many_connections_can_be_idle() {
    let (mut clients, start) = (Clients::default(), Instant::now());
    let targets: Vec<_> =
        (0..MAX_IDLE + 2).map(|n| target(&format!("http://h{n}"), Duration::from_secs(1))).collect();
    let mut pool = |n: usize, time| clients.get(&targets[n], start + Duration::from_millis(time)).unwrap();
    let (first, second) = (pool(0, 0), pool(1, 1));
    for n in 2..MAX_IDLE {
        pool(n, 2);
    }
    assert!(is_same(&first, &pool(0, 3)));
    // One too many: the second pool is dropped, as the least recently used.
    pool(MAX_IDLE, 4);
    assert!(is_same(&first, &pool(0, 5)) && !is_same(&second, &pool(1, 6)));
}

#[test]
fn connections_of_calls_at_the_same_time_count_but_over_http_2() {
    let (mut clients, now) = (Clients::default(), Instant::now());
    let busy = target("https://busy", Duration::from_secs(1));
    let calls: Vec<_> = (0..2 * MAX_IDLE).map(|_| clients.get(&busy, now).unwrap()).collect();
    assert_eq!(clients.pools.values().map(Pool::idle_at_most).sum::<usize>(), MAX_IDLE_IN_POOL);
    calls[0].answered(http::Version::HTTP_2);
    assert_eq!(clients.pools.values().map(Pool::idle_at_most).sum::<usize>(), 1);
}

/// A server that answers every request and counts connections.
async fn serve(listener: TcpListener, connections: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        });
    }
}

/// A connection that never ends would keep using an address that the name no longer has.
#[tokio::test]
async fn a_renewed_pool_takes_no_connection_along() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(&format!("http://{}", listener.local_addr().unwrap()), Duration::from_secs(1));
    let connections = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve(listener, Arc::clone(&connections)));
    let (mut clients, start) = (Clients::default(), Instant::now());
    for (age, expected) in [(Duration::ZERO, 1), (MAX_AGE / 2, 1), (MAX_AGE, 2), (MAX_AGE, 2)] {
        let client = clients.get(&target, start + age).unwrap();
        let answer = client.http.get(target.url().clone()).send().await.unwrap();
        answer.bytes().await.unwrap();
        // A separate task returns the connection to the pool.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(connections.load(Ordering::SeqCst), expected, "{age:?}");
    }
}
