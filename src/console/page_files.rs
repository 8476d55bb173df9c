//! All files of the page, in one table, as they are in this build; compressed when the first one is asked for.
//!
//! One hash over all of them is a part of each address, so that a browser keeps them for good and never mixes two versions.

use std::collections::HashMap;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::page_file::PageFile;

/// Each file below `page/` with its text.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("page/", $name)))),*]
    };
}

/// The document; `{{version}}` stands for the hash.
const DOCUMENT: &str = include_str!("page/index.html");

/// What the document loads, directly or through others.
const FILES: &[(&str, &str)] = &embedded![
    "style/tokens.css",
    "style/layout.css",
    "style/controls.css",
    "style/parts.css",
    "style/overview.css",
    "style/live.css",
    "style/explanation.css",
    "style/channels.css",
    "style/lists.css",
    "style/sockets.css",
    "style/publish.css",
    "style/refused.css",
    "style/webhooks.css",
    "style/cluster.css",
    "style/apps.css",
    "style/doctor.css",
    "app.js",
    "api.js",
    "dom.js",
    "format.js",
    "parts.js",
    "table.js",
    "lists.js",
    "client_view.js",
    "redis_inputs.js",
    "chart.js",
    "session.js",
    "live/copy.js",
    "live/explained_event.js",
    "live/filters.js",
    "live/panel.js",
    "live/payload.js",
    "live/row_list.js",
    "live/row_text.js",
    "live/sentence.js",
    "pages/overview.js",
    "pages/live.js",
    "pages/channels.js",
    "pages/sockets.js",
    "pages/publish.js",
    "pages/refused.js",
    "pages/webhooks.js",
    "pages/cluster.js",
    "pages/apps.js",
    "pages/doctor.js",
];

/// The files of this version.
#[derive(Debug)]
pub(super) struct PageFiles {
    version: String,
    pub(super) document: PageFile,
    files: HashMap<&'static str, PageFile>,
}

/// The files, compressed once.
pub(super) fn page_files() -> &'static PageFiles {
    static FILES: LazyLock<PageFiles> = LazyLock::new(PageFiles::new);
    &FILES
}

impl PageFiles {
    fn new() -> Self {
        let mut hash = Sha256::new_with_prefix(DOCUMENT);
        for (name, text) in FILES {
            hash.update(name);
            hash.update(text);
        }
        let version = hex::encode(&hash.finalize()[..8]);
        let document = DOCUMENT.replace("{{version}}", &version);
        let file = |(name, text): &(&'static str, &'static str)| {
            (*name, PageFile::new(name, *text, &version))
        };
        Self {
            document: PageFile::new("index.html", document, &version),
            files: FILES.iter().map(file).collect(),
            version,
        }
    }

    /// A file of the version with this hash; `None` if it is another one, or there is no such file.
    pub(super) fn of_version(&self, hash: &str, name: &str) -> Option<&PageFile> {
        (hash == self.version).then(|| self.files.get(name)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{DOCUMENT, FILES};

    /// The files below a folder, by their paths from `page/`.
    fn files_below(folder: &Path, path: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let files = entries.flat_map(|entry| {
            let name = format!("{path}{}", entry.file_name().to_string_lossy());
            match entry.file_type().unwrap().is_dir() {
                true => files_below(&entry.path(), &format!("{name}/")),
                false => BTreeSet::from([name]),
            }
        });
        files.collect()
    }

    #[test]
    fn every_file_of_the_page_is_in_the_table() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/page");
        let mut found = files_below(&folder, "");
        assert!(found.remove("index.html"));
        let listed: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn what_the_document_loads_is_there() {
        let addresses = DOCUMENT.split("{{version}}/").skip(1);
        let names: Vec<&str> =
            addresses.map(|rest| rest.split('"').next().unwrap_or_default()).collect();
        assert!(names.contains(&"app.js"));
        for name in names {
            assert!(FILES.iter().any(|(listed, _)| *listed == name), "{name}");
        }
    }

    #[test]
    fn text_enters_the_page_as_text_alone() {
        let forbidden = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "createContextualFragment",
            "DOMParser",
            "srcdoc",
            "eval(",
            "Function(",
            "javascript:",
            "style=",
        ];
        for (name, text) in FILES.iter().chain([&("index.html", DOCUMENT)]) {
            for part in forbidden {
                assert!(!text.contains(part), "{name} has {part}");
            }
        }
    }

    #[test]
    fn a_file_of_the_page_begins_with_what_it_owns_and_stays_short() {
        for (name, text) in FILES {
            assert!(text.lines().count() <= 400, "{name} has more than 400 lines");
            let (beginning, rest) =
                if name.ends_with(".js") { ("// @ts-check\n", "// ") } else { ("", "/* ") };
            let begins = text.strip_prefix(beginning).is_some_and(|text| text.starts_with(rest));
            assert!(begins, "{name} begins with {beginning:?} and a comment: what it owns");
        }
    }
}
