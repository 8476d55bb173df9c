//! What the files of Nginx say about the location that passes sockets on: its time-out.
//!
//! Owns the syntax as far as it is needed: directives, blocks, includes. `nginx -T` is not run, since it needs
//! root; files that cannot be read are reported as such, and nothing is guessed from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::probe::ServerUrl;
use crate::text_cursor::TextCursor;

/// Where Debian, Ubuntu, Fedora and the image of Nginx have it.
const FILE: &str = "/etc/nginx/nginx.conf";

/// Nginx's own default.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Included files that are read at most, and how deep they include others.
const FILES_MAX: usize = 200;
const DEPTH_MAX: usize = 8;

/// The location of sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NginxSite {
    /// The file with its `server` block.
    pub file: String,
    /// `proxy_read_timeout` as it is inherited.
    pub read_timeout: Duration,
}

/// What came of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadSite {
    /// The site of the public URL.
    Found(NginxSite),
    /// Why there is none.
    Unreadable(String),
}

/// A directive, with its block if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Directive {
    words: Vec<String>,
    block: Vec<Self>,
    file: String,
}

impl NginxSite {
    /// Reads the main file, or that of Nginx's packages, and what it includes.
    pub(super) fn read(main: Option<&Path>, url: &ServerUrl) -> ReadSite {
        let main = main.unwrap_or(Path::new(FILE));
        let mut files =
            Files { folder: main.parent().unwrap_or(Path::new("/")).to_owned(), left: FILES_MAX };
        match files.directives(main, 0) {
            Err(why) => ReadSite::Unreadable(format!("{} cannot be read ({why})", main.display())),
            Ok(directives) => match Self::of(&directives, url) {
                Some(site) => ReadSite::Found(site),
                None => ReadSite::Unreadable(format!(
                    "no server block of {} passes {} on",
                    main.display(),
                    url.host
                )),
            },
        }
    }

    /// The site in these directives: the server block of the host whose location passes `/app/…` on.
    fn of(directives: &[Directive], url: &ServerUrl) -> Option<Self> {
        let http = directives.iter().filter(|directive| directive.is("http"));
        http.flat_map(|http| {
            let inherited = timeout(&http.block, READ_TIMEOUT);
            let servers = http.block.iter().filter(|directive| directive.is("server"));
            servers.filter_map(move |server| site(server, inherited, url))
        })
        .next()
    }
}

fn site(server: &Directive, inherited: Duration, url: &ServerUrl) -> Option<NginxSite> {
    let names = server.block.iter().filter(|directive| directive.is("server_name"));
    let names: Vec<&String> = names.flat_map(|names| names.words.iter().skip(1)).collect();
    let ports = server.block.iter().filter(|directive| directive.is("listen"));
    let listens = ports.filter_map(|listen| listen.words.get(1)).any(|word| port(word) == url.port);
    let is_named = names.is_empty() || names.iter().any(|name| matches_name(name, &url.host));
    let location = location(&server.block, &format!("{}/app/key", url.prefix))?;
    let passes_on = location.block.iter().any(|directive| directive.is("proxy_pass"));
    let inherited = timeout(&server.block, inherited);
    (is_named && listens && passes_on).then(|| NginxSite {
        file: server.file.clone(),
        read_timeout: timeout(&location.block, inherited),
    })
}

/// The location with the longest prefix of a path. Those of regular expressions are left out.
fn location<'a>(block: &'a [Directive], path: &str) -> Option<&'a Directive> {
    let locations = block.iter().filter(|directive| directive.is("location"));
    let matching = locations.filter(|location| match &location.words[1..] {
        [prefix] => path.starts_with(prefix.as_str()),
        [modifier, prefix] if modifier == "^~" => path.starts_with(prefix.as_str()),
        _ => false,
    });
    matching.max_by_key(|location| location.words.last().map_or(0, String::len))
}

fn timeout(block: &[Directive], inherited: Duration) -> Duration {
    let directive = block.iter().rfind(|directive| directive.is("proxy_read_timeout"));
    let written = directive.and_then(|directive| duration(directive.words.get(1)?));
    written.unwrap_or(inherited)
}

/// `60`, `60s`, `5m`, `1h`, `500ms`, `1d`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let milliseconds = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

fn port(listen: &str) -> u16 {
    let text = listen.rsplit_once(':').map_or(listen, |(_, port)| port);
    text.parse().unwrap_or(80)
}

fn matches_name(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => name == host || name == "_",
    }
}

impl Directive {
    fn is(&self, name: &str) -> bool {
        self.words[0] == name && self.words.len() + self.block.len() > 1
    }
}

/// The files that are read.
struct Files {
    folder: PathBuf,
    left: usize,
}

impl Files {
    fn directives(&mut self, file: &Path, depth: usize) -> Result<Vec<Directive>, String> {
        if self.left == 0 || depth > DEPTH_MAX {
            return Err("it includes too many files".to_owned());
        }
        self.left -= 1;
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        let mut tokens = tokens(&text).into_iter();
        let parsed = block(&mut tokens, &file.display().to_string());
        self.included(parsed, depth)
    }

    fn included(&mut self, parsed: Vec<Directive>, depth: usize) -> Result<Vec<Directive>, String> {
        let mut all = Vec::new();
        for mut directive in parsed {
            match (directive.words[0].as_str(), directive.words.get(1)) {
                ("include", Some(pattern)) => {
                    for file in self.matching(pattern) {
                        // A file that may not be read leaves the others.
                        all.extend(self.directives(&file, depth + 1).unwrap_or_default());
                    }
                }
                _ => {
                    directive.block = self.included(directive.block, depth)?;
                    all.push(directive);
                }
            }
        }
        Ok(all)
    }

    /// The files that a pattern names: a path, with one `*` in its last part at most.
    fn matching(&self, pattern: &str) -> Vec<PathBuf> {
        let path = self.folder.join(pattern);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (Some((before, after)), Some(folder)) = (name.split_once('*'), path.parent()) else {
            return vec![path];
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(before) && name.ends_with(after) && !name.starts_with('.')
            })
            .collect();
        files.sort();
        files
    }
}

/// Words and the signs `{`, `}` and `;`; a quoted text is one word, and what follows `#` is none.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut word) = (Vec::new(), String::new());
    let mut cursor = TextCursor::new(text);
    while let Some(character) = cursor.step() {
        match character {
            '#' if word.is_empty() => drop(cursor.run(|it| it != '\n')),
            '"' | '\'' if word.is_empty() => {
                // An empty text is a word too.
                tokens.push(cursor.run(|it| it != character).to_owned());
                cursor.step();
            }
            '{' if word.ends_with('$') => word.push(character),
            '}' if word.contains("${") => word.push(character),
            '{' | '}' | ';' => {
                push(&mut tokens, &mut word);
                word.push(character);
                push(&mut tokens, &mut word);
            }
            _ if character.is_whitespace() => push(&mut tokens, &mut word),
            _ => word.push(character),
        }
    }
    push(&mut tokens, &mut word);
    tokens
}

fn push(tokens: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() {
        tokens.push(std::mem::take(word));
    }
}

/// The directives up to the end of a block or of the text.
fn block(tokens: &mut std::vec::IntoIter<String>, file: &str) -> Vec<Directive> {
    let (mut directives, mut words) = (Vec::new(), Vec::new());
    while let Some(token) = tokens.next() {
        match token.as_str() {
            ";" | "{" => {
                let block = if token == "{" { block(tokens, file) } else { Vec::new() };
                if !words.is_empty() {
                    let words = std::mem::take(&mut words);
                    directives.push(Directive { words, block, file: file.to_owned() });
                }
            }
            "}" => break,
            _ => words.push(token),
        }
    }
    directives
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Directive, NginxSite, block, duration, tokens};
    use crate::probe::ServerUrl;

    fn parsed(text: &str) -> Vec<Directive> {
        block(&mut tokens(text).into_iter(), "a.conf")
    }

    fn timeout(text: &str, url: &str) -> Option<Duration> {
        let site = NginxSite::of(&parsed(text), &ServerUrl::parse(url).unwrap());
        site.map(|site| site.read_timeout)
    }

    const SITE: &str = r#"
        events {} # nothing
        http {
            proxy_read_timeout 5m;
            map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
            server { listen 80; server_name ws.example.com; return 301 https://$host$request_uri; }
            server {
                listen 443 ssl; listen [::]:443 ssl;
                server_name ws.example.com *.other.example;
                location / { try_files $uri /index.php?$query_string; }
                location /app { proxy_pass http://127.0.0.1:8080; proxy_read_timeout 10; }
                location ~ \.php$ { fastcgi_pass ${upstream}; }
            }
            server { listen 8443 ssl; location / { proxy_pass http://127.0.0.1:8080; } }
        }"#;

    #[test]
    fn the_location_of_sockets_inherits_its_time_out() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(timeout(SITE, "https://ws.example.com"), seconds(10));
        assert_eq!(timeout(SITE, "https://a.other.example"), seconds(10));
        assert_eq!(timeout(SITE, "https://any.example:8443"), seconds(300));
        assert_eq!(timeout(SITE, "https://any.example"), None);
        assert_eq!(timeout(SITE, "http://ws.example.com"), None, "it only redirects");
        assert_eq!(
            timeout(
                "http { server { listen 80; location / { proxy_pass http://a; } } }",
                "http://b"
            ),
            seconds(60)
        );
    }

    #[test]
    fn text_that_is_no_configuration_is_no_site() {
        for text in ["", "}", "{", "http {", "http { server { location", "\"", "server { ; }"] {
            assert_eq!(timeout(text, "http://a"), None, "{text}");
        }
    }

    #[test]
    fn times_have_the_units_of_nginx() {
        for (text, milliseconds) in
            [("60", 60_000), ("60s", 60_000), ("5m", 300_000), ("500ms", 500)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)));
        }
        assert_eq!(duration("soon"), None);
    }
}
