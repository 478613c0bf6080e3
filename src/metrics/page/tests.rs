use std::collections::BTreeMap;

use super::super::tests::status;
use super::*;

#[test]
fn every_part_of_the_page_is_written() {
    let names = TEMPLATE.split("{{").skip(1).map(|marked| marked.split("}}").next().unwrap());
    for name in names {
        let mut page = String::new();
        status().part(name, &mut page).unwrap();
        assert!(!page.is_empty(), "nothing writes the part {name}");
    }
    assert!(!status().html().contains("{{"));
}

#[test]
fn the_numbers_of_the_moment_are_in_the_page() {
    let page = status().html();
    for text in [
        "module 1.2.3<",
        "<dt>valid</dt><dd data-count=\"requests.valid\">1</dd>",
        "<dt>error</dt><dd data-count=\"requests.error\" class=\"zero\">0</dd>",
        "<dt>MISS</dt><dd data-count=\"cache.MISS\">1</dd>",
        "<dt>timeout</dt><dd data-count=\"resolver_requests.timeout\">2</dd>",
        "<dt>breaker</dt><dd data-count=\"resolver_requests_skipped.breaker\">1</dd>",
        "<span id=\"inflight\">4</span>",
        "<p class=\"breaker open\">breaker open</p>",
        "<dt>failures in a row</dt><dd>5</dd>",
        "<dt>memory in use</dt><dd>0.2 KB of 0.9 KB, 24.9 %</dd>",
        "<rect width=\"24.9\" height=\"1\"/>",
        "<dt>negative</dt><dd>2</dd>",
        "<dt>evicted</dt><dd>3 valid, 1 negative</dd>",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    let empty = Status::default().html();
    assert!(empty.contains("No location resolves.") && empty.contains("There is no cache."));
}

#[test]
fn the_charts_know_all_that_is_counted() {
    let names = [
        &Ending::ALL.map(Ending::as_str)[..],
        // Statuses with a cache, so without BYPASS.
        &CacheStatus::ALL.map(CacheStatus::as_str)[1..],
        &codes().collect::<Vec<_>>(),
        &Skipped::ALL.map(Skipped::as_str),
    ];
    for name in names.concat() {
        assert!(SCRIPT.contains(&format!("'{name}'")), "no chart counts {name}");
    }
}

#[test]
fn what_comes_from_the_configuration_is_text_and_nothing_else() {
    let hostile = "</script><img src=x onerror='a' title=\"b\">&{{style}}";
    let zone = Zone { bytes: 1, used_bytes: 0, valid: 0, negative: 0, evictions: 0, negative_evictions: 0 };
    let status = Status {
        resolvers: BTreeMap::from([((hostile.to_owned(), hostile.to_owned()), Resolver::default())]),
        zones: BTreeMap::from([(hostile.to_owned(), zone)]),
        ..Status::default()
    };
    let page = status.html();
    let escaped = "&lt;/script&gt;&lt;img src=x onerror=&#39;a&#39; title=&quot;b&quot;&gt;&amp;{{style}}";
    assert_eq!(page.matches(escaped).count(), 3);
    assert_eq!(page.replace(escaped, "").matches("onerror").count(), 0);
}

#[test]
fn the_policy_has_the_hashes_of_what_is_in_the_page() {
    let page = status().html();
    for (start, end, directive) in
        [("<style>", "</style>", "style-src"), ("<script type=\"module\">", "</script>", "script-src")]
    {
        let inside: Vec<_> = page.split(start).skip(1).map(|rest| rest.split_once(end).unwrap().0).collect();
        let [text] = inside[..] else { panic!("{} of {start}", inside.len()) };
        let hash = STANDARD.encode(digest(&SHA256, text.as_bytes()));
        assert!(POLICY.contains(&format!("{directive} 'sha256-{hash}';")), "{directive} of {}", *POLICY);
    }
}

#[test]
fn nothing_in_the_page_is_elsewhere_or_needs_another_policy() {
    let page = status().html();
    // The SVG namespace is only a name and is never loaded.
    let page = page.replace("http://www.w3.org/2000/svg", "").replace("http://a\\b&quot;c", "");
    for word in ["http:", "https:", " style=", " onclick=", "innerHTML", "@import", "url(", "eval("] {
        let found = page.replace("https://d\ne", "");
        assert!(!found.contains(word), "{word} is in the page");
    }
}
