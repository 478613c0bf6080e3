//! The dashboard and the alerts ask for what the module tells, and Prometheus and Grafana take them.

#![allow(unreachable_pub, reason = "modules that several programs share say what they offer them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets the unexpected fails, and says what it met"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use nginx_authgear::metrics::render::{Resolver, Status, Zone};
use promql::Labels;
use serde_json::Value;

#[path = "monitoring/promql.rs"]
mod promql;

/// What Prometheus adds to whatever it scrapes.
const TARGET: [&str; 2] = ["job", "instance"];
/// Whose values are the configuration's, or the module's version.
const OPEN: [&str; 6] = ["version", "resolver", "origin", "zone", "job", "instance"];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What the module tells where it has something to tell of everything.
fn exposed() -> BTreeMap<String, Labels> {
    let zone = Zone { bytes: 2, used_bytes: 1, valid: 1, negative: 1, evictions: 1, negative_evictions: 1 };
    let resolver = ("http://r/".to_owned(), "http://o".to_owned());
    let status = Status {
        version: "1",
        resolvers: BTreeMap::from([(resolver, Resolver::default())]),
        zones: BTreeMap::from([("z".to_owned(), zone)]),
        ..Status::default()
    };
    promql::exposed(&status.prometheus())
}

/// Every metric, label and value that an expression names is told.
#[track_caller]
fn assert_is_told(expression: &str) {
    let metrics = exposed();
    let read = promql::read(expression);
    assert!(!read.selectors.is_empty(), "{expression} is of none of our metrics");
    let mut known = BTreeSet::from(TARGET.map(str::to_owned));
    for selector in &read.selectors {
        let labels = metrics.get(&selector.metric);
        let labels = labels.unwrap_or_else(|| panic!("there is no {} for {expression}", selector.metric));
        known.extend(labels.keys().cloned());
        for (label, operator, text) in &selector.matchers {
            if TARGET.contains(&label.as_str()) {
                continue;
            }
            let values = labels.get(label).unwrap_or_else(|| panic!("there is no {label} for {expression}"));
            let wanted = if operator.contains('~') { text.split('|').collect() } else { vec![text.as_str()] };
            let is_told = |value: &&str| OPEN.contains(&label.as_str()) || values.contains(*value);
            assert!(wanted.iter().all(is_told), "{label} is never {text}, in {expression}");
        }
    }
    assert!(read.groups.is_subset(&known), "{:?} are not all labels of what is in {expression}", read.groups);
}

// -- alerts -----------------------------------------------------------------------------------------------------

/// The alerts by their names: their expressions, and all that is said of them. Their form is promtool's to judge.
fn alerts() -> BTreeMap<String, (String, String)> {
    let text = read("monitoring/alerts.yml");
    let mut alerts = BTreeMap::new();
    for rule in text.split("- alert: ").skip(1) {
        let (name, rest) = rule.split_once('\n').expect("a rule of several lines");
        let (_, rest) = rest.split_once("expr:").expect("an expression");
        let (expression, rest) = rest.split_once("\n        labels:").expect("labels");
        let expression = expression.split("\n        for:").next().unwrap_or_default();
        let expression = expression.trim().trim_start_matches('|').trim();
        alerts.insert(name.to_owned(), (expression.to_owned(), rest.to_owned()));
    }
    assert!(alerts.len() >= 7, "{alerts:?}");
    alerts
}

#[test]
fn alerts_are_about_what_is_told() {
    for (name, (expression, said)) in alerts() {
        println!("{name}");
        assert_is_told(&expression);
        let known: BTreeSet<String> = exposed().into_values().flat_map(Labels::into_keys).collect();
        for label in said.split("$labels.").skip(1) {
            let end = label.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(label.len());
            let label = &label[..end];
            assert!(known.contains(label) || TARGET.contains(&label), "{name} speaks of {label}");
        }
    }
}

#[test]
fn every_alert_says_what_it_is_about_and_what_to_do_and_is_in_the_manual() {
    let manual = read("docs/monitoring.md");
    for (name, (_, said)) in alerts() {
        for part in ["severity: ", "summary: ", "description: ", "action: "] {
            assert!(said.contains(part), "{name} has no {part}");
        }
        assert!(manual.contains(&format!("| `{name}` | ")), "{name} is not in the manual");
    }
}

#[test]
fn every_alert_is_tested() {
    let tests = read("monitoring/alerts-test.yml");
    for name in alerts().into_keys() {
        assert!(tests.contains(&format!("- name: {name} fires ")), "{name} has no test of when it fires");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} is never seen to fire");
    }
}

/// promtool comes with Debian's prometheus; a test says so where it isn't named.
fn promtool(arguments: &[&str], file: &Path) -> Option<String> {
    let Some(promtool) = std::env::var_os("AUTHGEAR_PROMTOOL") else {
        eprintln!("skipped: AUTHGEAR_PROMTOOL names no promtool");
        return None;
    };
    let done = Command::new(promtool).args(arguments).arg(file).output().expect("it runs");
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(done.status.success(), "{said}");
    Some(said)
}

#[test]
fn promtool_takes_the_alerts_and_they_fire_when_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let Some(said) = promtool(&["check", "rules"], &folder.join("alerts.yml")) else { return };
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
    promtool(&["test", "rules"], &folder.join("alerts-test.yml"));
}

// -- dashboard --------------------------------------------------------------------------------------------------

fn dashboard() -> Value {
    serde_json::from_str(&read("monitoring/grafana-dashboard.json")).expect("JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("no list {name} in {value:#}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value:#}"))
}

/// The expressions of the panels, with the legends.
fn expressions(dashboard: &Value) -> Vec<(&str, &str)> {
    let panels = list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row");
    let targets = panels.flat_map(|panel| list(panel, "targets"));
    targets.map(|target| (text(target, "expr"), text(target, "legendFormat"))).collect()
}

#[test]
fn the_dashboard_shows_what_is_told_and_all_of_it() {
    let dashboard = dashboard();
    let mut shown = BTreeSet::new();
    for (expression, legend) in expressions(&dashboard) {
        assert_is_told(expression);
        let read = promql::read(expression);
        for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            assert!(read.groups.contains(label), "{label} is not in what comes of {expression}");
        }
        shown.extend(read.selectors.into_iter().map(|selector| selector.metric));
    }
    for variable in list(&dashboard["templating"], "list") {
        if variable["type"] == "query" {
            assert_is_told(text(&variable["query"], "query"));
        }
    }
    // Sum and count of the histogram are there for whoever wants an average.
    let is_shown = |metric: &String| {
        shown.contains(metric) || metric.ends_with("_seconds_sum") || metric.ends_with("_seconds_count")
    };
    let hidden: Vec<_> = exposed().into_keys().filter(|metric| !is_shown(metric)).collect();
    assert_eq!(hidden, Vec::<String>::new(), "no panel shows these");
}

#[test]
fn promtool_takes_the_expressions_of_the_dashboard() {
    let dashboard = dashboard();
    let rules = expressions(&dashboard).into_iter().enumerate().map(|(number, (expression, _))| {
        let expression =
            expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*");
        assert!(!expression.contains('$'), "{expression} has a variable that nobody knows");
        serde_json::json!({ "record": format!("rule{number}"), "expr": expression })
    });
    // JSON is YAML.
    let groups =
        serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules.collect::<Vec<_>>() }] });
    let file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
    fs::write(file.path(), groups.to_string()).expect("writable");
    promtool(&["check", "rules"], file.path());
}

#[test]
fn grafana_can_import_the_dashboard_with_any_data_source() {
    let dashboard = dashboard();
    assert!(dashboard["id"].is_null(), "Grafana gives ids itself");
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36));
    for name in ["title", "uid"] {
        assert!(!text(&dashboard, name).is_empty());
    }
    let variables = list(&dashboard["templating"], "list");
    assert_eq!((text(&variables[0], "name"), text(&variables[0], "type")), ("datasource", "datasource"));
    assert_eq!(text(&variables[0], "query"), "prometheus");
    let of_the_variable = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
    assert!(variables[1..].iter().all(|variable| variable["datasource"] == of_the_variable));
    for panel in list(&dashboard, "panels").iter().filter(|panel| panel["type"] != "row") {
        assert!(!text(panel, "title").is_empty() && !text(panel, "description").is_empty(), "{panel:#}");
        assert_eq!(panel["datasource"], of_the_variable);
        let mut names = BTreeSet::new();
        for target in list(panel, "targets") {
            assert_eq!(target["datasource"], of_the_variable);
            assert!(names.insert(text(target, "refId")), "{} has two of one refId", text(panel, "title"));
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::new());
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title} has the id of another");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().expect("a place"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title} is outside");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            let before = taken.insert(place, title);
            assert_eq!(before, None, "{title} is over another");
        }
    }
}

// -- manual -----------------------------------------------------------------------------------------------------

#[test]
fn the_manual_lists_every_metric_with_its_labels() {
    let readme = read("README.md");
    let listed: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `nginx_authgear_")?.split('`').next())
        .map(|name| format!("nginx_authgear_{name}"))
        .collect();
    let mut told = BTreeSet::new();
    for (metric, labels) in exposed() {
        let base =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(&metric);
        // In the order of the sample, which a map doesn't keep: compared as sets below.
        let labels: Vec<_> = labels.into_keys().filter(|label| label != "le").collect();
        told.insert(if labels.is_empty() {
            base.to_owned()
        } else {
            format!("{base}{{{}}}", labels.join(","))
        });
    }
    let sorted = |name: &String| match name.split_once('{') {
        None => name.clone(),
        Some((base, labels)) => {
            let mut labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
            labels.sort_unstable();
            format!("{base}{{{}}}", labels.join(","))
        }
    };
    assert_eq!(listed.iter().map(sorted).collect::<BTreeSet<_>>(), told);
}
