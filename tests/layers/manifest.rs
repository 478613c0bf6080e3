//! What the project depends on is written down with its reason, right above it.

#[test]
fn each_dependency_says_why() {
    let manifest = include_str!("../../Cargo.toml");
    for table in ["[dependencies]", "[build-dependencies]", "[dev-dependencies]"] {
        let (_, lines) = manifest.split_once(table).unwrap();
        let lines: Vec<_> = lines.lines().skip(1).take_while(|line| !line.starts_with('[')).collect();
        assert!(lines.first().unwrap().starts_with('#'), "{table} {lines:#?}");
        for pair in lines.windows(2) {
            let has_reason = pair[0].starts_with('#') || pair[1].starts_with('#') || pair[1].is_empty();
            assert!(has_reason, "no reason above the second: {pair:#?}");
        }
    }
}
