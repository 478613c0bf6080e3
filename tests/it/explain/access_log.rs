//! The `log_format` of the manual, and what its lines say of each kind of decision.

use super::super::harness::{PATIENCE, Request, for_each_wire, send};
use super::super::live::Live;
use super::super::stage::token_of;
use super::super::standin::Fault;
use super::{built, to};

const README: &str = include_str!("../../../README.md");

/// The manual's.
fn log_format() -> &'static str {
    let start = README.find("log_format authgear ").expect("the manual has one");
    let end = README[start..].find(';').expect("it ends");
    &README[start..=start + end]
}

fn live() -> Live {
    let lines = "access_log access.log authgear; authgear_timeout 10s;
        location /admin/ { authgear_require role=admin; {pass} }
        location /off/ { authgear_resolve off; {pass} }";
    built(lines, |builder| builder.http(log_format()))
}

/// What is logged of this request, from `user=` on, with `T` for a time.
#[track_caller]
fn logged(live: &Live, request: &Request) -> String {
    let target = String::from_utf8_lossy(&request.target).into_owned();
    let line = live.nginx.wait_for_access_log(&format!(" {target} "), PATIENCE);
    let (_, decision) = line.split_once(" user=").expect("the user's id");
    let mut words: Vec<&str> = decision.trim_end().split(' ').collect();
    let time = words.iter_mut().find(|word| word.starts_with("time=")).expect("a time");
    let number = time.strip_prefix("time=").filter(|time| *time != "-");
    assert!(number.is_none_or(|number| number.parse::<f64>().is_ok()), "{line}");
    *time = if number.is_some() { "time=T" } else { "time=-" };
    words.join(" ")
}

#[test]
fn the_format_of_the_manual_tells_of_each_kind_of_decision() {
    let live = live();
    let id = live.accounts().user("alice").id;
    for_each_wire(|wire| {
        let n = wire as usize;
        let alice = token_of("alice", n);
        let other = token_of("norole", n);
        let miss = format!("{id} result=valid reason=resolved cache=MISS credential=bearer time=T");
        let hit = format!("{id} result=valid reason=hit cache=HIT credential=bearer time=-");
        let role = format!(
            "{} result=valid reason=require_role cache=MISS credential=bearer time=T",
            live.accounts().user("norole").id
        );
        let failure = Some(Fault::Status(500));
        let refusal = Some(Fault::Status(403));
        for (name, request, fault, expected) in [
            ("/miss", &alice, None, &*miss),
            ("/hit", &alice, None, &*hit),
            ("/admin/role", &other, None, &*role),
            (
                "/nobody",
                &Request::get("/"),
                None,
                "- result=none reason=no_credential cache=- credential=- time=-",
            ),
            ("/off/", &alice, None, "- result=- reason=off cache=- credential=- time=-"),
            (
                "/failure",
                &live.unique(),
                failure,
                "- result=error reason=status cache=MISS credential=bearer time=T",
            ),
            (
                "/refusal",
                &live.unique(),
                refusal,
                "- result=error reason=refused cache=MISS credential=bearer time=T",
            ),
        ] {
            live.resolver.set_fault(fault);
            let request = to(&format!("{name}?{wire:?}"), request);
            send(&live.nginx, wire, &request);
            assert_eq!(logged(&live, &request), expected, "{name}");
        }
        live.resolver.clear_faults();
    });
    live.finish();
}

/// Whatever is decided can be told apart by it.
#[test]
fn the_format_of_the_manual_has_every_variable_of_the_decision() {
    let (_, table) = README.split_once("\nOf the decision;").expect("the variables of the decision");
    let (table, _) = table.split_once("\n\n| reason |").expect("the reasons are told after them");
    let variables: Vec<_> =
        table.lines().filter_map(|line| line.strip_prefix("| `$")?.split('`').next()).collect();
    assert!(variables.len() >= 5, "{variables:?}");
    for variable in variables {
        assert!(log_format().contains(&format!("=${variable}")), "{variable} is not in {}", log_format());
    }
}
