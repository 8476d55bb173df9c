//! The route of config/laravel.md that takes webhooks, run by PHP.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::harness::laravel::is_class_missing;
use crate::harness::redis::free_port;
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, TestServer, eventually};

const SERVED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laravel/webhook_route.php");
const GUIDE: &str = include_str!("../../config/laravel.md");

/// The route behind PHP's own web server. Dropping it ends it.
struct Route {
    port: u16,
    folder: Folder,
    server: Child,
}

impl Route {
    async fn start(secret: &str) -> Self {
        let folder = Folder::new();
        let route = GUIDE.split("```php\n").find(|block| block.contains("Route::post")).unwrap();
        let route = folder.write("web.php", route.split("```").next().unwrap());
        let port = free_port();
        let mut php = Command::new("php");
        php.args(["-S", &format!("127.0.0.1:{port}"), SERVED]);
        php.env("RESOUND_TEST_ROUTE", route).env("RESOUND_TEST_SECRET", secret);
        php.env("RESOUND_TEST_LOG", folder.path("log"));
        php.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = php.spawn().expect("php, of the package php-cli, is installed");
        eventually("PHP's web server", async || TcpStream::connect(("127.0.0.1", port)).is_ok())
            .await;
        Self { port, folder, server }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("log")).unwrap_or_default()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

async fn calling(route: &Route) -> TestServer {
    let url = format!("http://127.0.0.1:{}/resound/webhook", route.port);
    let keys = format!("[[apps.webhooks]]\nurl = \"{url}\"\nevents = [\"channel_occupied\"]\n");
    let server = TestServer::with(&format!("{REVERB_APP}{keys}")).await;
    server.connect().await.subscribe("orders").await;
    server
}

#[tokio::test]
async fn the_route_of_the_guide_takes_calls_with_our_signature_alone() {
    if is_class_missing("Http/Request") {
        return;
    }
    let (route, other) = (Route::start("reverb-secret").await, Route::start("another").await);
    let (taken, refused) = (calling(&route).await, calling(&other).await);
    let result = |server: &TestServer, result: &str| {
        server.metric(&format!("resound_webhook_calls_total{{app=\"123456\",result=\"{result}\"}}"))
    };
    eventually("a call that is taken", async || result(&taken, "taken") == 1.0).await;
    assert_eq!(route.log(), "channel_occupied on orders\n");
    eventually("a call that is refused", async || result(&refused, "client_error") >= 1.0).await;
    assert_eq!((other.log().as_str(), result(&refused, "taken")), ("", 0.0));
}
