//! The bounds of a mint, read and planned for a maker who is bounded: what is planned is bounded as much, and what is
//! understood of networks and hours is understood again when it is written down.
#![no_main]

use firstkey::api_keys::{Bounds, KeyPlan, Maker};
use firstkey::body;
use firstkey::clock::Timestamp;
use firstkey::constraints::{Constraints, Networks, Window, networks, windows};
use firstkey::locale::TimeZone;
use firstkey::rights::Grant;
use firstkey::wire::NewApiKey;

const NOW: Timestamp = Timestamp::from_millis(1_795_262_415_000);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(network) = networks::parse(&text) {
        assert_eq!(networks::parse(&network.to_string()), Ok(network));
        assert_eq!(network.trunc(), network);
    }
    if let Some(minute) = windows::parse_minute(&text) {
        assert_eq!(windows::print_minute(minute), text);
    }
    // the key's name and role are none of this target's business
    let body = format!(r#"{{"keyName":"k","roleID":2,"constraints":{text}}}"#);
    let Ok(new) = body::parse::<NewApiKey>(body.as_bytes()) else { return };
    let zone = TimeZone::UTC;
    let constraints = Constraints {
        networks: Networks {
            allow: vec!["10.0.0.0/8".parse().expect("a network"), "2001:db8::/32".parse().expect("a network")],
            deny: vec!["10.0.0.0/24".parse().expect("a network")],
        },
        remaining_uses: Some(10),
        calls_per_minute: Some(10),
        windows: vec![Window { days: vec![0, 1, 2, 3, 4], from: 480, to: 1_080 }],
        ..Constraints::default()
    };
    let bounds =
        Bounds { constraints: constraints.clone(), time_zone: Some(zone), ends_with: None, key: None, ties: None };
    let maker = Maker { grant: Grant::everything(), expires: None, bounds };
    let Ok(plan) = KeyPlan::new(new.into(), &maker, zone, NOW) else { return };
    let Ok(key) = plan.alone() else { return };
    assert_eq!(key.constraints.escapes(key.time_zone, &constraints, zone, NOW), None);
    assert!(key.constraints.networks.allow.len() <= networks::MOST && key.constraints.windows.len() <= windows::MOST);
    let kept = |networks: &Networks| serde_json::to_string(networks).expect("it is kept as JSON");
    let read: Networks = serde_json::from_str(&kept(&key.constraints.networks)).expect("it was kept");
    assert_eq!(read, key.constraints.networks);
});
