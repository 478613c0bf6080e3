//! The source files as syntax trees, with all test code removed, and what each of them names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, UseTree};

/// The path of a module from the root of the crate: `["nginx", "worker"]`; empty for `lib.rs`.
pub(crate) type Module = Vec<String>;

/// A source file without its tests.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) syntax: File,
    pub(crate) module: Module,
    /// Every path that the code names, made absolute where it begins with `crate`, `self`, `super` or a module of this file.
    pub(crate) names: BTreeSet<Vec<String>>,
}

/// Reads all files below `src` that are compiled outside of tests.
pub(crate) fn read() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut parsed: BTreeMap<Module, Source> = files.iter().map(|file| parse(&root, file)).collect();
    let tests: Vec<Module> = parsed.values().flat_map(test_modules).collect();
    parsed.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    for source in parsed.values_mut() {
        remove_tests(&mut source.syntax.items);
        let mut names = Names {
            scope: source.module.clone(),
            children: children(&source.syntax),
            found: BTreeSet::new(),
        };
        names.visit_file(&source.syntax);
        source.names = names.found;
    }
    parsed.into_values().collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn parse(root: &Path, file: &Path) -> (Module, Source) {
    let text = fs::read_to_string(file).unwrap();
    let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let below = file.strip_prefix(root).unwrap();
    let parts = below.with_extension("");
    let mut module: Module = parts.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module == ["lib"] {
        module.clear();
    }
    let path = format!("src/{}", below.display());
    (module.clone(), Source { path, text, syntax, module, names: BTreeSet::new() })
}

/// Whether an item is compiled for tests only: `cfg(test)`, or a build with the feature `fault-injection`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        let is_negated = condition.starts_with("not");
        let is_for_tests =
            condition.split(' ').any(|word| word == "test") || condition.contains("\"fault-injection\"");
        attribute.path().is_ident("cfg") && is_for_tests && !is_negated
    })
}

/// The modules in files of their own that are compiled in tests only.
fn test_modules(source: &Source) -> impl Iterator<Item = Module> {
    source.syntax.items.iter().filter_map(|item| match item {
        Item::Mod(ItemMod { attrs, ident, content: None, .. }) if is_for_tests(attrs) => {
            Some([&source.module[..], &[ident.to_string()]].concat())
        }
        _ => None,
    })
}

fn remove_tests(items: &mut Vec<Item>) {
    items.retain_mut(|item| {
        if let Item::Mod(ItemMod { content: Some((_, items)), .. }) = item {
            remove_tests(items);
        }
        !is_for_tests(attributes(item))
    });
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The modules that a file declares.
fn children(file: &File) -> BTreeSet<String> {
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

struct Names {
    /// The module that the visitor is in.
    scope: Module,
    children: BTreeSet<String>,
    found: BTreeSet<Vec<String>>,
}

impl Names {
    fn add(&mut self, path: &[String]) {
        let absolute = match path.first().map(String::as_str) {
            Some("crate") => path[1..].to_vec(),
            Some("self") => [&self.scope[..], &path[1..]].concat(),
            Some("super") => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                [&self.scope[..self.scope.len() - up], &path[up..]].concat()
            }
            Some(first) if self.children.contains(first) => [&self.scope[..], path].concat(),
            // Another crate, or a name that a `use` has brought in.
            _ => [&["".to_owned()], path].concat(),
        };
        self.found.insert(absolute);
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) if name.ident == "self" => self.add(before),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(rename) if rename.ident == "self" => self.add(before),
            UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
        }
    }

    /// Paths in the arguments of macros, which aren't parsed: `crate::a::b` and `super::b`.
    fn add_tokens(&mut self, tokens: &str) {
        let words: Vec<&str> = tokens.split_whitespace().collect();
        for (place, word) in words.iter().enumerate() {
            if ["crate", "super"].contains(word) {
                let path = words[place..].chunks(2).take_while(|pair| pair.get(1) == Some(&"::"));
                let mut path: Vec<String> = path.map(|pair| pair[0].to_owned()).collect();
                path.extend(words.get(place + 2 * path.len()).map(|last| (*last).to_owned()));
                self.add(&path);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let outer = std::mem::take(&mut self.children);
        self.scope.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.scope.pop();
        self.children = outer;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(&call.tokens.to_string());
        visit::visit_macro(self, call);
    }
}
