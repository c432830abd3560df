//! Keys of which a node remembers fewer than are used: what they counted is shown and written all the same.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{asked, is, told};
use crate::app::{TestApp, secret};
use crate::both;

const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

fn minted(app: &TestApp, full: &str, number: usize) -> (i64, String) {
    let body = json!({ "keyName": format!("key {number}"), "roleID": 2 });
    let key = app.post("/api/apikeys", body).key(full).send().expect(200).json();
    (key["ID"].as_i64().expect("an ID"), secret(&key))
}

/// How often, when last, and from where, as it is shown.
fn shown(app: &TestApp, full: &str, key: i64) -> (i64, i64, Value) {
    let shown = app.get(&format!("/api/apikeys/{key}?expand=lifecycle")).key(full).send().expect(200).json();
    let used = &shown["lifecycle"]["secrets"][0];
    assert_eq!(used["lastUsed"], shown["lastSignIn"], "{shown}");
    assert_eq!(shown["unsuccessfulSignInAttempts"], 0, "{shown}");
    (
        used["uses"].as_i64().expect("a number"),
        used["lastUsed"].as_i64().expect("a moment"),
        used["lastAddress"].clone(),
    )
}

fn stored(app: &TestApp, key: i64) -> i64 {
    app.count(&format!("select uses as n from api_key_secrets where api_key_id = {key}"))
}

fn flush(app: &TestApp) {
    actix_web::rt::System::new().block_on(firstkey::server::flush(&app.app));
}

both! {
    /// Eight keys are used in turn, of which two are remembered at a time.
    fn what_a_forgotten_key_counted_is_shown_and_written(app: TestApp, |setup| setup.keys_remembered = 2) {
        let full = app.full_key();
        let keys: Vec<_> = (0..8).map(|number| minted(&app, &full, number)).collect();
        for round in 1..=3 {
            for (id, text) in &keys {
                app.clock.advance(1_000);
                asked(&app, "", text).send().expect(200);
                asked(&app, "", text).send().expect(200);
                app.clock.advance(1_000);
                asked(&app, "", text).send_from(THERE).expect(200);
                let now = app.clock.now().millis();
                assert_eq!(shown(&app, &full, *id), (3 * round, now, json!("127.0.0.9")));
            }
            for (id, _) in &keys {
                assert_eq!(shown(&app, &full, *id).0, 3 * round, "after all the others");
            }
            if round == 2 {
                // what follows is added to what is written
                flush(&app);
                assert!(keys.iter().all(|(id, _)| stored(&app, *id) == 6));
            }
        }
        let last: Vec<_> = keys.iter().map(|(id, _)| shown(&app, &full, *id)).collect();
        flush(&app);
        for ((id, _), last) in keys.iter().zip(&last) {
            assert_eq!(stored(&app, *id), 9);
            assert_eq!(shown(&app, &full, *id), *last, "the same as before it was written");
            let moment = app.count(&format!("select last_sign_in as n from api_keys where id = {id}"));
            assert_eq!(moment, last.1);
        }
    }

    /// A key that is read anew while it counts, because something of it has changed, has all its uses; and so has one whose
    /// secret is replaced meanwhile: the older one's are its own.
    fn a_key_that_changes_while_it_counts_loses_nothing(app: TestApp) {
        let full = app.full_key();
        let (id, text) = minted(&app, &full, 1);
        let path = format!("/api/apikeys/{id}");
        for round in 1..=3 {
            asked(&app, "", &text).send().expect(200);
            asked(&app, "", &text).send().expect(200);
            app.clock.advance(1_000);
            app.post(&path, json!({ "description": format!("{round}") })).key(&full).send().expect(200);
            assert_eq!(shown(&app, &full, id).0, 2 * round);
        }
        let rotated = app.post(&format!("{path}/secretkey"), json!({ "overlap": "1h" })).key(&full).send();
        let newer = secret(&rotated.expect(200).json());
        for _ in 0..4 {
            app.clock.advance(1_000);
            asked(&app, "", &text).send().expect(200);
            asked(&app, "", &newer).send().expect(200);
            asked(&app, "", &newer).send_from(THERE).expect(200);
        }
        let uses = |of: &str| app.count(&format!("select uses as n from api_key_secrets where api_key_id = {id} order by id {of} limit 1"));
        let lifecycle = app.get(&format!("{path}?expand=lifecycle")).key(&full).send().expect(200).json();
        let mut told_uses: Vec<_> =
            lifecycle["lifecycle"]["secrets"].as_array().expect("a list").iter().map(|secret| secret["uses"].as_i64()).collect();
        told_uses.sort_unstable();
        assert_eq!(told_uses, [Some(8), Some(10)], "{lifecycle}");
        flush(&app);
        assert_eq!((uses("asc"), uses("desc")), (10, 8));
    }

    /// Notes are written once, also where two write at once and whoever asked for it has gone away meanwhile.
    fn notes_are_written_once(app: TestApp) {
        let full = app.full_key();
        let (id, text) = minted(&app, &full, 1);
        for round in 1..=5 {
            for _ in 0..10 {
                assert_eq!(told(&asked(&app, "", &text).send()), is(200, ""));
            }
            actix_web::rt::System::new().block_on(async {
                let (usage, database) = (&app.app.key_usage, &app.app.database);
                // begun, and let go of
                let mut gone = Box::pin(usage.flush(database, 2_000));
                let nobody = std::future::poll_fn(|context| std::task::Poll::Ready(gone.as_mut().poll(context).is_pending()));
                assert!(nobody.await, "it takes a while");
                drop(gone);
                let (one, other) = (usage.flush(database, 2_000), usage.flush_all(database));
                let (one, other) = futures_util::future::join(one, other).await;
                one.and(other).expect("written");
            });
            assert_eq!(stored(&app, id), 10 * round);
        }
    }
}
