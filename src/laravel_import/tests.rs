//! The written text as a whole, and what is named instead.

use super::{
    ImportError, LaravelFile, LaravelFiles, LaravelImport, SecretForm, import, import_soketi,
};

const ENV: &str =
    "REVERB_APP_ID=7\nREVERB_APP_KEY=key\nREVERB_APP_SECRET=secret\nREVERB_SERVER_PORT=9000\n";

fn file(name: &str, text: &str) -> Option<LaravelFile> {
    Some(LaravelFile { name: name.to_owned(), text: text.to_owned() })
}

fn written(
    env: &str,
    php: Option<&str>,
    secrets: SecretForm,
) -> Result<LaravelImport, ImportError> {
    let reverb = php.and_then(|php| file("config/reverb.php", php));
    import(&LaravelFiles { env: file(".env", env), reverb }, secrets)
}

#[test]
fn without_a_file_of_reverb_the_variables_and_its_defaults_are_written() {
    let import = written(ENV, None, SecretForm::Reference).unwrap();
    assert_eq!(
        import.text,
        r#"# Written by resound import, from .env.
# Behind each value is what set it. config/defaults.toml has all other keys.
# ${NAME} is a variable of the process, or of the file that --env-file names.

[server]
host = "0.0.0.0"  # Reverb's default
port = 9000  # .env:4: REVERB_SERVER_PORT

[http]
max_body_bytes = 10000  # Reverb's default

[cluster]
enabled = false  # Reverb's default

[[apps]]
id = "7"  # .env:1: REVERB_APP_ID
key = "key"  # .env:2: REVERB_APP_KEY
secret = "${REVERB_APP_SECRET}"  # .env:3: REVERB_APP_SECRET
allowed_origins = ["*"]  # Reverb's default
ping_interval = 60  # Reverb's default
activity_timeout = 30  # Reverb's default
max_message_size = 10000  # Reverb's default
accept_client_events_from = "members"  # Reverb's default
rate_limiting.enabled = false  # Reverb's default
"#
    );
    assert_eq!((import.unread.len(), import.has_secrets), (0, false));
    let inline = written(ENV, None, SecretForm::Inline).unwrap();
    assert!(
        inline.has_secrets && inline.text.contains("secret = \"secret\"  # .env:3"),
        "{}",
        inline.text
    );
}

#[test]
fn what_is_not_read_is_named_with_its_line_and_without_its_text() {
    let php = "<?php
return ['servers' => ['reverb' => [
    'host' => '127.0.0.1', 'port' => 'http', 'extra' => 1,
    'options' => ['tls' => [
        'local_cert' => storage_path('hidden.pem'),
        'verify_peer' => false,
    ]],
    'scaling' => ['enabled' => false, 'server' => ['password' => decrypt('hidden')]],
]], 'apps' => ['provider' => 'database', 'apps' => [
    ['app_id' => 1, 'key' => 'k', 'secret' => 'plain', 'ping_interval' => 60, 'max_message_size' => 10_000,
     'options' => ['host' => config('hidden')], 'allowed_origins' => explode(',', env('ORIGINS', 'a,b'))],
    ['app_id' => env('OTHER_ID'), 'key' => 'k', 'secret' => 's'],
    ...hidden(),
]]];";
    let import = written("", Some(php), SecretForm::Reference).unwrap();
    assert_eq!(
        import.unread,
        [
            "config/reverb.php:5: not read, servers.reverb.options.tls.local_cert is more than data (storage_path …)",
            "config/reverb.php:8: not read, servers.reverb.scaling.server.password is more than data (decrypt …)",
            "config/reverb.php:13: not read, apps.apps.2 is more than data (an expression)",
            "config/reverb.php:3: not read, extra has no counterpart",
            "config/reverb.php:3: not read, port must be a whole number",
            "config/reverb.php:6: not read, verify_peer has no counterpart",
            "config/reverb.php:9: not read, apps come from a provider of the application; write them as [[apps]]",
            "config/reverb.php:12: not read, an app without app_id; set it, or write [[apps]]",
        ]
    );
    for line in [
        "secret = \"plain\"  # config/reverb.php:10",
        "allowed_origins = [\"a\", \"b\"]  # config/reverb.php:11",
        "accept_client_events_from = \"all\"  # Reverb's value where the file has none",
        "#   config/reverb.php:3: not read, port must be a whole number",
    ] {
        assert!(import.text.lines().any(|shown| shown == line), "{line}\n{}", import.text);
    }
    assert!(!import.text.contains("hidden") && import.has_secrets);
}

#[test]
fn files_that_laravel_cannot_read_are_refused() {
    let message =
        |env: &str, php| written(env, Some(php), SecretForm::Reference).unwrap_err().to_string();
    assert!(message("A=b c", "").starts_with(".env line 1: A has text behind a space"));
    assert_eq!(message("", "x"), "config/reverb.php line 1: there is no <?php");
}

#[test]
fn no_text_of_a_file_leaves_its_comment() {
    let php = "<?php return ['a\nport = 1 #' => config('x'), 'servers' => ['reverb' => ['b\r\0' => 1, 'port' => 8080]]];";
    let reverb = file("config/re\nverb.php", php);
    let files = LaravelFiles { env: file(".e\nnv", ENV), reverb };
    let of_laravel = import(&files, SecretForm::Reference).unwrap();
    let named = "config/re\\nverb.php:2: not read, a\\nport = 1 # is more than data (config …)";
    assert!(of_laravel.unread.iter().any(|unread| unread == named), "{:?}", of_laravel.unread);
    let soketi = LaravelFile {
        name: "so\nketi".to_owned(),
        text: r#"{"a\nb": 1, "port": 6001}"#.to_owned(),
    };
    for import in [of_laravel, import_soketi(&soketi).unwrap()] {
        let table: Result<toml::Table, _> = toml::from_str(&import.text);
        assert!(table.is_ok_and(|table| table.contains_key("server")), "{}", import.text);
    }
}
