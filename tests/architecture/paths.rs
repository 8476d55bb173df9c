//! The paths of a file, written out from the root of its crate, and the files in which they end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{ImplItemFn, Item, ItemMod, ItemUse, UseTree, Visibility};

use crate::source::{Source, code, is_test};

/// A path from the root of the crate: `["hub", "shard", "Shard"]`.
pub(crate) type Names = Vec<String>;

/// What one file names of its own crate.
#[derive(Default)]
pub(crate) struct Named {
    /// The module that the file is.
    pub(crate) module: Names,
    /// Paths that the file uses: imports, and paths written out in code.
    used: BTreeSet<Names>,
    /// Imports by the name they give. A `pub use` does not count as a use, but leads to a definition.
    imports: BTreeMap<String, Names>,
    children: BTreeSet<String>,
}

impl Named {
    fn of(root: &str, source: &Source) -> Self {
        let module = module(source.path.strip_prefix(root).unwrap());
        let file = source.parse();
        let children = file.items.iter().filter_map(|item| match item {
            Item::Mod(item) => Some(item.ident.to_string()),
            _ => None,
        });
        let mut named = Self { module, children: children.collect(), ..Self::default() };
        named.visit_file(&file);
        named
    }

    /// Every path, those that it only hands on included.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Names> {
        self.used.iter().chain(self.imports.values())
    }

    /// The path from the root of the crate; `None` for one of another crate or of this file.
    fn absolute(&self, path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let mut from_root = match first.as_str() {
            "crate" | "resound" => Vec::new(),
            "self" => self.module.clone(),
            "super" => {
                let above = path.iter().take_while(|name| *name == "super").count();
                let kept = self.module.len().checked_sub(above)?;
                return Some([&self.module[..kept], &path[above..]].concat());
            }
            child if self.children.contains(child) => [&self.module[..], &path[..1]].concat(),
            _ => return None,
        };
        from_root.extend_from_slice(rest);
        Some(from_root)
    }

    fn import(&mut self, before: &[String], tree: &UseTree, is_reexport: bool) {
        match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.import(&before, &path.tree, is_reexport);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.import(before, item, is_reexport));
            }
            UseTree::Name(name) => self.import_one(before, &name.ident, &name.ident, is_reexport),
            UseTree::Rename(name) => {
                self.import_one(before, &name.ident, &name.rename, is_reexport);
            }
            _ => {
                if let Some(path) = self.absolute(before) {
                    self.used.insert(path);
                }
            }
        }
    }

    fn import_one(
        &mut self,
        before: &[String],
        name: &syn::Ident,
        alias: &syn::Ident,
        is_reexport: bool,
    ) {
        let own = if name == "self" { Vec::new() } else { vec![name.to_string()] };
        let Some(path) = self.absolute(&[before, &own].concat()) else { return };
        if !is_reexport {
            self.used.insert(path.clone());
        }
        self.imports.insert(alias.to_string(), path);
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&[], &item.tree, !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(path) = self.absolute(&names).filter(|_| names.len() > 1) {
            self.used.insert(path);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// What every file below `root` names of its own crate.
pub(crate) fn named(root: &str) -> Vec<Named> {
    let sources = code(root);
    let files = sources.iter().filter(|source| source.path != Path::new("src/main.rs"));
    files.map(|source| Named::of(root, source)).collect()
}

/// For each file, as a module, the others that define what it uses.
pub(crate) fn dependencies(files: &[Named]) -> BTreeMap<String, BTreeSet<String>> {
    let by_module: BTreeMap<&[String], &Named> =
        files.iter().map(|file| (&file.module[..], file)).collect();
    let edges = files.iter().map(|file| {
        let used = file.used.iter().map(|path| definer(&by_module, path));
        let others = used.filter(|definer| *definer != file.module);
        (file.module.join("/"), others.map(|definer| definer.join("/")).collect())
    });
    edges.collect()
}

/// The module that defines what a path names, behind any re-exports.
fn definer(files: &BTreeMap<&[String], &Named>, path: &[String]) -> Names {
    let mut path = path.to_vec();
    loop {
        let known = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length]));
        let length = known.unwrap_or_default();
        let Some(file) = files.get(&path[..length]) else { return Names::new() };
        match path.get(length).and_then(|name| file.imports.get(name)) {
            Some(behind) => path = [behind, &path[length + 1..]].concat(),
            None => return file.module.clone(),
        }
    }
}

/// `hub/shard.rs` is `hub::shard`, and `lib.rs` the root.
fn module(path: &Path) -> Names {
    let path = path.with_extension("");
    let names = path.iter().map(|part| part.to_str().unwrap().to_owned());
    names.filter(|name| name != "lib" && name != "main").collect()
}
