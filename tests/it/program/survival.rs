//! T-31: nothing that arrives on the port ends the process.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::binary::{Home, Server};
use crate::app::Backend;

/// Bytes that look random and are the same each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn garbage_before_tls(server: &Server) {
    // a record of a handshake with a length that never comes, an alert, SSL 2, HTTP, HTTP/2, a proxy's line
    let mut shapes: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\xff\xff\x01".to_vec(),
        b"\x15\x03\x03\x00\x02\x02\x28".to_vec(),
        b"\x80\x2e\x01\x00\x02".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(),
        Vec::new(),
    ];
    shapes.extend((0..64).map(|seed| noise(seed, 1 << (seed % 13))));
    for shape in shapes {
        let mut raw = TcpStream::connect(server.address).expect("the port is open");
        raw.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        let _ = raw.write_all(&shape);
        let _ = raw.read(&mut [0; 1_024]);
    }
}

fn garbage_as_http(server: &Server) {
    let huge = "x".repeat(70_000);
    let cookie =
        |value: &str| format!("GET /api/sessions/current HTTP/1.1\r\nHost: localhost\r\nCookie: {value}\r\n\r\n");
    let mut shapes: Vec<Vec<u8>> = [
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  /  HTTP/1.1\r\n\r\n",
        "GET /api/apikeys/%zz%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://other.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    shapes.push(format!("GET /{huge} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes());
    shapes.push(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(5_000)).into_bytes());
    // CVE-2017-18589 was a number too large in a cookie's attribute
    for value in [
        "sID=x; Max-Age=99999999999999999999999999",
        "sID=; sID=; sID=",
        "sID",
        "=",
        ";;;;;;;;",
        "sID=%00%ff%zz",
        "sID=\"\\\"; Path=\u{fffd}",
        "sID=0123456789ABCDEF0123456789ABCDEF; Expires=Thu, 99 Foo 99999 99:99:99 GMT",
        &"a=b; ".repeat(3_000),
        &format!("sID={huge}"),
        &format!("{huge}=x"),
        &"=".repeat(4_000),
    ] {
        shapes.push(cookie(value).into_bytes());
    }
    shapes.extend((0..48).map(|seed| cookie(&String::from_utf8_lossy(&noise(seed, 200))).into_bytes()));
    shapes.extend((0..32).map(|seed| [b"Cookie: ".to_vec(), noise(seed, 300)].concat()).map(|line| {
        [b"GET /api/sessions/current HTTP/1.1\r\nHost: localhost\r\n".to_vec(), line, b"\r\n\r\n".to_vec()].concat()
    }));
    shapes.extend((0..32).map(|seed| noise(1_000 + seed, 600)));
    for shape in shapes {
        let mut connection = server.connect();
        connection.set_patience(Duration::from_millis(40));
        if connection.write_raw(&shape).is_ok()
            && let Ok(answer) = connection.read(false)
        {
            assert!(answer.status < 500, "{}: {}", String::from_utf8_lossy(&shape), answer.text());
        }
    }
}

/// T-31: neither before TLS nor within it.
#[test]
fn garbage_on_the_port_ends_nothing() {
    let home = Home::new(Backend::Sqlite);
    let secret = home.init();
    let server = home.start();
    garbage_before_tls(&server);
    server.get("/healthz", &[]).expect(200);
    garbage_as_http(&server);
    server.get("/healthz", &[]).expect(200);
    assert_eq!(server.status_of(&secret), 200);
    let said = server.stop().stderr;
    assert!(!said.contains("a fault of the program"), "something panicked: {said}");
}

/// T-31: what is cut off in the middle, at every layer, leaves the server as it was.
#[test]
fn connections_that_break_off_end_nothing() {
    let home = Home::new(Backend::Sqlite);
    let secret = home.init();
    let server = home.start();
    let whole = format!(
        "POST /api/apikeys HTTP/1.1\r\nHost: localhost\r\napi-secret-key: {secret}\r\n\
         Content-Type: application/json\r\nContent-Length: 32\r\n\r\n{{\"keyName\":\"cut off\",\"roleID\":1}}"
    );
    for at in (0..whole.len()).step_by(7) {
        let mut connection = server.connect();
        connection.write_raw(&whole.as_bytes()[..at]).expect("written");
    }
    server.get("/healthz", &[]).expect(200);
    assert_eq!(home.count("SELECT count(*) AS n FROM api_keys WHERE key_name = 'cut off'"), 0);
    assert!(!server.stop().stderr.contains("a fault of the program"));
}
