//! A browser on the page of a running site.

use serde_json::{Value, json};

use super::super::harness::Builder;
use super::super::live::Live;
use super::super::standin::Resolver;
use super::browser::Browser;
use super::{CACHE, PLACES, ZONE};

pub(super) struct Visit {
    pub(super) live: Live,
    pub(super) browser: Browser,
}

impl Visit {
    /// Waits until the page has its first numbers. `None` without a browser: the test says that it is skipped.
    pub(super) fn start(lines: &str) -> Option<Self> {
        Self::build(lines, |builder| builder)
    }

    pub(super) fn build(lines: &str, change: impl FnOnce(Builder) -> Builder) -> Option<Self> {
        let browser = Browser::start()?;
        let lines = format!("{PLACES}\n{CACHE}\n{lines}");
        let live = Live::build(Resolver::start(), &lines, |builder| change(builder.http(ZONE).workers(2)));
        let mut visit = Self { live, browser };
        visit.open("/page");
        visit.browser.wait_for("document.body.dataset.state === 'live'");
        Some(visit)
    }

    pub(super) fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.live.nginx.port())
    }

    #[track_caller]
    pub(super) fn open(&mut self, target: &str) {
        let url = self.url(target);
        self.browser.open(&url);
    }

    /// Waits until the page has a count.
    #[track_caller]
    pub(super) fn wait_for_count(&mut self, name: &str, expected: &str) {
        let count = format!("document.querySelector('[data-count=\"{name}\"]').textContent");
        self.browser.wait_for(&format!("{count} === '{expected}'"));
    }

    /// Waits until an element's text contains this.
    #[track_caller]
    pub(super) fn wait_for_text(&mut self, selector: &str, part: &str) {
        let (selector, part) = (json!(selector), json!(part));
        self.browser.wait_for(&format!("document.querySelector({selector}).innerText.includes({part})"));
    }

    /// The big number of a chart, and then those of its legend.
    #[track_caller]
    pub(super) fn chart(&mut self, title: &str) -> Vec<String> {
        let numbers = self.browser.eval(&format!(
            "[...document.querySelectorAll('.chart')]
                .filter(chart => chart.querySelector('h2').textContent === '{title}')
                .flatMap(chart => [...chart.querySelectorAll('.big span, .legend b')])
                .map(element => element.textContent)"
        ));
        serde_json::from_value(numbers).expect("texts")
    }

    /// Nothing went wrong in the page, and it asked for nothing but itself and its numbers.
    #[track_caller]
    pub(super) fn finish(mut self) {
        assert_eq!(self.browser.complaints(), Vec::<Value>::new());
        let own = [self.url("/page"), self.url("/page?json")];
        let others: Vec<_> = self.browser.requests().into_iter().filter(|url| !own.contains(url)).collect();
        assert!(others.iter().all(|url| url.starts_with("data:")), "{others:?}");
        self.browser.close();
        // The browser doesn't tell of what it asks for by itself, such as an icon.
        let log = self.live.nginx.access_log();
        let is_own = |line: &str| line.contains("\"GET /page ") || line.contains("\"GET /page?json ");
        let others: Vec<_> = log.lines().filter(|line| line.contains("Chrome") && !is_own(line)).collect();
        assert!(others.is_empty(), "{others:?}");
        self.live.finish();
    }
}
