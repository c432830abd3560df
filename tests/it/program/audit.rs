//! `firstkey audit …` beside a running server and without one.

use std::time::{Duration, Instant};

use serde_json::json;

use super::binary::Home;
use crate::app::{Backend, PASSWORD};
use crate::on_both;

/// Waits until the running server has sealed everything.
fn wait_until_sealed(home: &Home) {
    let until = Instant::now() + Duration::from_secs(30);
    while home.count("SELECT count(*) AS n FROM audit_events WHERE id NOT IN (SELECT event_id FROM audit_chain)") > 0 {
        assert!(Instant::now() < until, "nothing is sealed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn drop_triggers(home: &Home) {
    match home.backend {
        Backend::Sqlite => home.execute("DROP TRIGGER audit_events_are_never_changed"),
        Backend::Postgres => home.execute("ALTER TABLE audit_events DISABLE TRIGGER USER"),
    };
}

on_both! {
    /// Sealed by the server within a second or two, its head logged when it stops; then somebody changes one word.
    fn what_a_server_sealed_is_verified_and_a_change_is_named(home) {
        home.run(&["audit", "verify"]).refused(&[]);
        let secret = home.init();
        let fresh = home.run(&["audit", "verify"]).expect(0);
        assert!(fresh.stdout.contains("0 events are as they were sealed"), "{}", fresh.stdout);
        assert!(fresh.stdout.contains("are not sealed yet"), "{}", fresh.stdout);
        home.run(&["audit", "head"]).refused(&["nothing is sealed yet"]);

        let server = home.start();
        wait_until_sealed(&home);
        let noted = home.run(&["audit", "head"]).expect(0).stdout.trim().to_owned();
        let key = json!({ "keyName": "one more", "roleID": 2 });
        server.post("/api/apikeys", &[("api-secret-key", &secret)], key).expect(200);
        let beside = home.run(&["audit", "verify", "--head", &noted]).expect(0);
        assert!(beside.stdout.contains("The chain ends in "), "{}", beside.stdout);
        wait_until_sealed(&home);
        let head = home.run(&["audit", "head"]).expect(0).stdout.trim().to_owned();
        assert_ne!(head, noted);
        let log = server.stop().stderr;
        assert!(log.contains("the head of the audit chain"), "{log}");
        assert!(log.contains(head.split_once(':').expect("a head").1), "{log}");
        assert_eq!(home.count("SELECT count(*) AS n FROM leases WHERE holder = ''"), 1, "the lease was given back");

        let events = home.count("SELECT count(*) AS n FROM audit_events");
        let verified = home.run(&["audit", "verify", "--head", &head]).expect(0);
        assert!(verified.stdout.starts_with(&format!("{events} events are as they were sealed.")), "{}", verified.stdout);
        home.run(&["audit", "verify", "--head", "42:beef"]).refused(&["--head", "POSITION:HEX"]);
        home.run(&["audit", "verify", "--head", &format!("{}:{}", events, "0".repeat(64))]).refused(&["cut off"]);
        let before = home.everything();
        home.run(&["audit", "verify"]).expect(0);
        assert_eq!(home.everything(), before, "looking changes nothing");

        drop_triggers(&home);
        home.execute("UPDATE audit_events SET target_name = 'innocent' WHERE id = 2");
        home.run(&["audit", "verify"]).refused(&["tampered with", "event 2,", "changed after it was sealed"]);
    }

    fn without_the_master_key_nothing_can_be_verified_and_a_new_one_raises_no_alarm(home) {
        home.init();
        let server = home.start();
        wait_until_sealed(&home);
        server.stop();
        let key = home.data().join("master.key");
        let old = std::fs::read_to_string(&key).expect("a key");
        let sealed = home.count("SELECT count(*) AS n FROM audit_chain");
        std::fs::remove_file(&key).expect("it is there");
        home.run(&["audit", "verify"]).refused(&["its master key is not at"]);
        home.run_with(&["admin", "recover", "--new-master-key", "--password-stdin"], PASSWORD).expect(0);
        let verified = home.run(&["audit", "verify"]).expect(0);
        let first = home.count("SELECT min(id) AS n FROM audit_seals WHERE last_position = (SELECT max(position) FROM audit_chain)") - 1;
        let earlier = format!("NOT CHECKED: segments 1 to {first}, which are {sealed} events at positions 1 to {sealed}.");
        assert!(verified.stdout.contains(&earlier), "{earlier} is not in: {}", verified.stdout);
        let server = home.start();
        wait_until_sealed(&home);
        server.stop();
        let events = home.count("SELECT count(*) AS n FROM audit_events");
        let file = home.write("old.key", &old).display().to_string();
        let verified = home.run(&["audit", "verify", "--old-master-key", &file]).expect(0);
        assert!(verified.stdout.starts_with(&format!("{events} events are as they were sealed.")), "{}", verified.stdout);
        assert!(!verified.stdout.contains("NOT CHECKED"), "{}", verified.stdout);
        let twice = ["audit", "verify", "--old-master-key", &file, "--old-master-key", &file];
        home.run(&twice).expect(0);
        home.run(&["audit", "verify", "--old-master-key", "/nowhere"]).refused(&["/nowhere does not exist"]);
    }
}
