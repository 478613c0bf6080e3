//! The page of `authgear_status html`: who can read it, and what it lets in.

use serde_json::{Value, json};

use super::super::harness::http1;
use super::ask;
use super::visit::Visit;

/// What is told in lists, which a page without JavaScript has as well.
const LISTS: &str = "[...document.querySelectorAll('#resolvers, #zones, dl')].map(list => list.innerText)";

/// Contrast by WCAG 2 of each text with what is behind it, where it is less than 4.5.
const FAINT: &str = "(() => {
    const rgb = color => color.match(/[\\d.]+/g).map(Number)
    const light = color => rgb(color).slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0)
    const behind = element => {
        const color = getComputedStyle(element).backgroundColor
        return rgb(color)[3] === 0 ? behind(element.parentElement) : color
    }
    const contrast = element => {
        const [a, b] = [getComputedStyle(element).color, behind(element)].map(light).sort((a, b) => b - a)
        return (a + 0.05) / (b + 0.05)
    }
    return [...document.body.querySelectorAll('*')]
        .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .filter(element => element.checkVisibility() && contrast(element) < 4.5)
        .map(element => `${element.outerHTML}: ${contrast(element)}`)
})()";

#[test]
fn without_javascript_it_has_the_numbers_of_the_moment() {
    let Some(mut visit) = Visit::start("authgear_breaker max_fails=1;") else { return };
    let alice = visit.live.alice();
    for _ in 0..1234 {
        ask(&visit.live, &alice);
    }
    visit.live.resolver.stop_listening();
    visit.live.resolver.restart();
    ask(&visit.live, &visit.live.unique());
    visit.wait_for_count("requests.error", "1");
    visit.wait_for_count("requests.valid", "1,234");
    let drawn = visit.browser.eval(LISTS);
    // Since when is what the script knows.
    let drawn = drawn.to_string().replace("breaker open since ", "breaker open ");
    visit.browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    visit.open("/page");
    assert_eq!(visit.browser.eval("document.querySelector('#charts').checkVisibility()"), json!(false));
    let rendered = visit.browser.eval(LISTS).to_string();
    let time = drawn.find("breaker open ").expect("an open breaker") + "breaker open".len();
    let drawn = [&drawn[..time], &drawn[time + " 00:00:00".len()..]].concat();
    assert_eq!(rendered, drawn);
    assert!(visit.browser.text("noscript").starts_with("These are the numbers of the moment"));
    assert_eq!(visit.browser.text("#state"), "As of loading");
    visit.finish();
}

#[test]
fn it_can_be_read_on_any_screen() {
    let Some(mut visit) = Visit::start("authgear_breaker max_fails=1;") else { return };
    visit.live.resolver.stop_listening();
    ask(&visit.live, &visit.live.unique());
    visit.wait_for_text("#resolvers", "breaker open");
    let mut pages = Vec::new();
    for scheme in ["light", "dark"] {
        for width in [320, 768, 1280] {
            visit.browser.show_on(width, 800, scheme);
            let wide = visit.browser.eval("document.documentElement.scrollWidth");
            assert_eq!(wide, json!(width), "it is to be scrolled sideways");
            assert_eq!(visit.browser.eval(FAINT), json!([]), "{scheme}");
        }
        pages.push(visit.browser.eval("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(pages[0], pages[1]);
    visit.finish();
}

#[test]
fn those_who_do_not_see_it_are_told_the_same() {
    let Some(mut visit) = Visit::start("") else { return };
    ask(&visit.live, &visit.live.alice());
    visit.wait_for_count("requests.valid", "1");
    let tree = visit.browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().expect("nodes").clone();
    let names = |role: &str| -> Vec<String> {
        let nodes = nodes.iter().filter(|node| node["role"]["value"] == role && node["ignored"] == false);
        nodes.map(|node| node["name"]["value"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let charts = names("image");
    assert_eq!(charts.len(), 6, "{charts:?}");
    assert!(
        charts[0].starts_with("Requests, the last five minutes. At ") && charts[0].contains(": valid 0.")
    );
    assert!(charts[5].ends_with(": calls 0"), "{charts:?}");
    assert_eq!(names("button"), ["Pause"]);
    assert_eq!(names("alert").len(), 1);
    let headings = names("heading");
    for heading in ["Authgear status", "Calls to the resolver", "Resolvers", "Zones", "Since nginx started"] {
        assert!(headings.iter().any(|name| name == heading), "{headings:?}");
    }
    visit.finish();
}

#[test]
fn names_of_the_configuration_are_text() {
    let name = "<img src=x onerror=alert(1)>&amp;'";
    let zone = format!("authgear_cache_zone \"zone={name}:1m\";");
    let place = format!("location /odd {{ authgear_cache \"{name}\"; {{pass}} }}");
    let Some(mut visit) = Visit::build(&place, |builder| builder.http(zone)) else { return };
    for is_drawn in [true, false] {
        visit.browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": !is_drawn }));
        visit.open("/page");
        visit.wait_for_text("#zones", name);
        assert_eq!(visit.browser.eval("document.querySelectorAll('#zones img').length"), json!(0));
    }
    visit.finish();
}

#[test]
fn its_policy_lets_nothing_else_run_or_load() {
    let Some(mut visit) = Visit::start("") else { return };
    for attempt in [
        "document.body.append(Object.assign(document.createElement('script'), { text: 'document.title = 1' }))",
        "document.body.innerHTML = '<b>'",
        "eval('1')",
    ] {
        let refused =
            visit.browser.eval(&format!("try {{ {attempt}; 'done' }} catch (error) {{ error.name }}"));
        assert!(["TypeError", "EvalError"].map(Value::from).contains(&refused), "{attempt}: {refused}");
    }
    let styled =
        "document.body.setAttribute('style', 'margin: 7px'); getComputedStyle(document.body).marginTop";
    assert_ne!(visit.browser.eval(styled), json!("7px"));
    let elsewhere = visit.live.resolver.url();
    let before = visit.live.resolver.connections();
    let fetched = format!("fetch('{elsewhere}').then(() => 'done', error => error.name)");
    assert_eq!(visit.browser.eval(&fetched), json!("TypeError"));
    assert_eq!(visit.live.resolver.connections(), before);
    // Another page of the same server that has it in a frame.
    let framed = http1::get(visit.live.nginx.port(), "/page").header("content-security-policy");
    assert!(framed.is_some_and(|policy| policy.contains("frame-ancestors 'none'")));
    assert!(visit.browser.complaints().len() >= 4, "the browser complains of each");
    visit.browser.close();
    visit.live.finish();
}
