//! Which file uses which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Module, Source};

/// For each file the files that it uses.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn imports(sources: &[Source]) -> Imports {
    let paths: BTreeMap<&Module, &str> =
        sources.iter().map(|source| (&source.module, source.path.as_str())).collect();
    let file_of = |name: &[String]| {
        // The longest part of the name that is a file; the rest is what that file defines.
        (1..=name.len()).rev().find_map(|length| paths.get(&name[..length].to_vec()))
    };
    sources
        .iter()
        .map(|source| {
            let used = source.names.iter().filter_map(|name| file_of(name)).map(|path| (*path).to_owned());
            (source.path.clone(), used.filter(|path| *path != source.path).collect())
        })
        .collect()
}

/// A circle of files that use each other, if there is one: each uses the next, and the last the first.
pub(crate) fn circle(imports: &Imports) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    imports.keys().find_map(|file| search(imports, file, &mut Vec::new(), &mut done))
}

/// Depth-first search from a file; `way` leads to it, and no circle can be reached from the files that are done.
fn search(
    imports: &Imports,
    file: &str,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(start) = way.iter().position(|earlier| earlier == file) {
        return Some(way[start..].to_vec());
    }
    if done.contains(file) {
        return None;
    }
    way.push(file.to_owned());
    let mut used = imports.get(file).into_iter().flatten();
    let found = used.find_map(|next| search(imports, next, way, done));
    way.pop();
    done.insert(file.to_owned());
    found
}
