//! The page at `/docs`, as a browser shows it.

use std::process::Command;

use firstkey::api::routes;

use crate::app::TestApp;
use crate::both;
use crate::program::{Ran, is_missing, is_on_path};

both! {
    /// Everything that the page is made of comes from the server itself, and the browser may ask nobody else.
    fn the_page_asks_nobody_else(app: TestApp) {
        let answer = app.get("/docs").send().expect(308);
        assert_eq!(answer.header("location"), Some("/docs/"));
        let page = app.get("/docs/").send().expect(200);
        let policy = page.header("content-security-policy").expect("a policy").to_owned();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("http"), "{policy}");
        let html = page.text();
        let named = html.split(['"', '\'']).filter(|part| part.starts_with("./") || part.ends_with(".css") || part.ends_with(".js"));
        let files: Vec<&str> = named.map(|part| part.trim_start_matches("./")).collect();
        assert!(files.len() >= 5, "{html}");
        for file in files {
            let answer = app.get(&format!("/docs/{file}")).send().expect(200);
            assert_eq!(answer.header("content-security-policy"), Some(policy.as_str()), "{file}");
        }
        let start = app.get("/docs/start.js").send().expect(200).text();
        assert!(start.contains("/openapi.json") && !start.contains("http"), "{start}");
        let packed = app.get("/docs/swagger-ui.css").header("Accept-Encoding", "br, gzip;q=0.5").send().expect(200);
        assert_eq!((packed.header("content-encoding"), &packed.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
        for unpacked in ["identity", "gzip;q=0, *"] {
            let plain = app.get("/docs/swagger-ui.css").header("Accept-Encoding", unpacked).send().expect(200);
            assert_eq!((plain.header("content-encoding"), plain.text().contains(".swagger-ui")), (None, true), "{unpacked}");
        }
        for nothing in ["/docs/x.js", "/docs/..", "/docs/%2e%2e/", "/docs/a/b", "/docs//"] {
            assert_eq!(app.get(nothing).send().refusal(), (404, "no_such_route".to_owned()), "{nothing}");
        }
    }

    /// A real browser that can reach nothing but this server shows every group of calls.
    fn a_browser_shows_every_group_of_calls(app: TestApp) {
        if is_missing("chromium", is_on_path("chromium")) {
            return;
        }
        let mut browser = Command::new("chromium");
        browser.env("HOME", app.folder.path()).current_dir(app.folder.path());
        browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors"]);
        browser.args(["--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]);
        browser.arg(format!("--user-data-dir={}", app.folder.path().join("browser").display()));
        browser.args(["--virtual-time-budget=20000", "--dump-dom"]).arg(format!("{}/docs/", app.url()));
        let ran = Ran::of(&mut browser, "").expect(0);
        for route in routes() {
            let group = route.path.split('/').nth(1).expect("a group");
            assert!(ran.stdout.contains(&format!("data-tag=\"{group}\"")), "{group}: {}", ran.stdout);
        }
        assert!(!ran.stderr.contains("Content Security Policy"), "{}", ran.stderr);
    }
}
