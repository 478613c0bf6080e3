//! The guide's figures on zones are those of the layout.

use nginx_authgear::store::Layout;

use super::read;

const MEGABYTE: usize = 1024 * 1024;

fn sessions_in(bytes: usize) -> u32 {
    Layout::of(bytes).unwrap().capacity().valid
}

#[test]
fn each_size_has_room_for_as_many_sessions_as_the_guide_says() {
    let guide = read("docs/tuning.md");
    let rows =
        guide.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix("m |")?.split_once(" | "));
    let rows: Vec<(u32, usize)> = rows
        .map(|(sessions, size)| (sessions.replace(',', "").parse().unwrap(), size.parse().unwrap()))
        .collect();
    assert!(rows.len() > 3, "{rows:?}");
    for (sessions, megabytes) in rows {
        let room = sessions_in(megabytes * MEGABYTE);
        // And not much more than that.
        assert!((sessions..sessions + sessions / 20).contains(&room), "{room} and not {sessions}");
    }
}

#[test]
fn a_session_takes_as_many_bytes_as_the_guide_says() {
    let guide = read("docs/tuning.md");
    let (_, figure) = guide.split_once("A session takes ").unwrap();
    let bytes: usize = figure.split(' ').next().unwrap().parse().unwrap();
    // Of 8 parts 7 are for sessions.
    let (few, many) = (sessions_in(MEGABYTE), sessions_in(100 * MEGABYTE));
    let sessions = (many - few) as usize;
    let by_guide = 99 * MEGABYTE / bytes * 7 / 8;
    assert!(sessions.abs_diff(by_guide) < 20, "{sessions} sessions, and {by_guide} by the guide");
}
