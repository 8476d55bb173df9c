//! The Rust files of a folder, as text and parsed without their unit tests.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, File, Item};

/// One file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    fn read(path: PathBuf) -> Self {
        Self { text: fs::read_to_string(&path).unwrap(), path }
    }

    /// The items of the file that are no tests.
    pub(crate) fn parse(&self) -> File {
        let parsed = syn::parse_file(&self.text);
        let mut file = parsed.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        file.items.retain(|item| !is_test(attributes(item)));
        file
    }

    /// The first folder or file below `src`, which is the room.
    pub(crate) fn room(&self) -> &str {
        let first = self.path.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The path in messages.
    pub(crate) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests" || part == "tests.rs")
    }
}

/// All Rust files below a folder.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let found: Vec<Source> = files(folder, "rs").into_iter().map(Source::read).collect();
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// The Rust files below a folder that hold more than unit tests.
pub(crate) fn code(folder: &str) -> Vec<Source> {
    sources(folder).into_iter().filter(|source| !source.is_test()).collect()
}

/// All files below a folder whose names end so, in order.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{folder:?} is a folder")) {
            let path = entry.unwrap().path();
            let is_foreign = path.ends_with("node_modules") || path.ends_with(".venv");
            if path.is_dir() && !is_foreign {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == Path::new(extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether these are the attributes of something that only tests have.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
