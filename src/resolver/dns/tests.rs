use super::*;

fn names_of(words: &str) -> Known {
    let found = Err(Why::NotFound { words: words.to_owned(), is_final: true });
    Known { latest: ended(found), before: None, is_doubted: false }
}

#[tokio::test]
async fn a_host_that_is_an_address_is_not_looked_up() {
    for (host, address) in [("127.0.0.1", "127.0.0.1:0"), ("[::1]", "[::1]:0")] {
        assert_eq!(literal(host), Some(address.parse().unwrap()));
    }
    assert_eq!(literal("localhost"), None);
    let (names, host) = (Names::default(), "127.0.0.1");
    let found: Vec<_> = HostDns::new(host, &names).addresses().await.unwrap().collect();
    assert_eq!(found, [SocketAddr::from(([127, 0, 0, 1], 0))]);
    assert!(names.known.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_look_up_serves_all_who_ask_for_the_name_until_it_is_too_old() {
    let (names, host) = (Names::default(), Arc::from("localhost"));
    let now = Instant::now();
    let (mut first, _) = names.look_up(&host, now);
    assert!(first.same_channel(&names.look_up(&host, now).0));
    first.wait_for(Option::is_some).await.unwrap();
    HostDns::new("another", &names).doubt();
    let before = names.look_up(&host, now + REMEMBER / 2);
    assert!(before.0.same_channel(&first) && before.1.is_none());
    let (second, before) = names.look_up(&host, now + 2 * REMEMBER);
    assert!(!second.same_channel(&first));
    assert!(before.unwrap().list.iter().all(|address| address.ip().is_loopback()));
}

#[tokio::test]
async fn a_name_is_looked_up_again_soon_where_no_connection_can_be_made() {
    let (names, host) = (Names::default(), Arc::from("localhost"));
    let mut first = names.look_up(&host, Instant::now()).0;
    first.wait_for(Option::is_some).await.unwrap();
    HostDns::new("localhost", &names).doubt();
    let ended = first.borrow().as_ref().unwrap().at;
    let moment = Duration::from_millis(1);
    assert!(first.same_channel(&names.look_up(&host, ended + RECHECK - moment).0));
    assert!(!first.same_channel(&names.look_up(&host, ended + RECHECK).0));
}

#[test]
fn a_failure_is_forgotten_before_an_answer() {
    let (known, now) = (names_of("Name or service not known"), Instant::now());
    assert!(known.is_current(now) && !known.is_current(now + REMEMBER_FAILURE * 2));
    assert!(known.found(now).is_none());
}

#[test]
fn a_look_up_that_was_lost_is_made_again() {
    let (end, latest) = watch::channel(None);
    let known = Known { latest, before: None, is_doubted: false };
    assert!(known.is_current(Instant::now() + 100 * REMEMBER), "it is under way");
    drop(end);
    assert!(!known.is_current(Instant::now()));
}

#[test]
fn addresses_found_earlier_are_not_used_for_ever() {
    let (_end, latest) = watch::channel(None);
    let said = Instant::now();
    let list = Arc::from([SocketAddr::from(([127, 0, 0, 1], 0))]);
    let known = Known { latest, before: Some(Addresses { said, list }), is_doubted: false };
    let moment = Duration::from_millis(1);
    assert!(
        known.usable(said + KEEP_OLD - moment).is_some() && known.found(said + KEEP_OLD - moment).is_some()
    );
    assert!(known.usable(said + KEEP_OLD).is_none() && known.found(said + KEEP_OLD).is_none());
}

#[test]
fn no_more_look_ups_are_made_at_a_time_than_descriptors_can_be_spared() {
    let names = Names::default();
    let _under_way: Vec<_> = (0..MAX_LOOK_UPS).map(|_| Arc::clone(&names.under_way)).collect();
    let latest = names.start("localhost".into(), None);
    let refused = latest.borrow().as_ref().map(|ended| ended.found.is_err());
    assert_eq!(refused, Some(true));
}
