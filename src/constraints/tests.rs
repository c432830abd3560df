use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, Datelike as _, NaiveDate, Offset as _, TimeZone as _, Timelike as _};
use proptest::prelude::*;

use super::*;
use crate::clock::{HOUR, MINUTE, WEEK};

const NOW: Timestamp = Timestamp::from_millis(1_795_262_415_000);

fn network(text: &str) -> Result<String, String> {
    networks::parse(text).map(|network| network.to_string())
}

/// Networks are read as CIDR writes them and in no other way; what is likely a slip is refused with a proposal.
#[test]
fn a_network_is_cidr_or_an_address() {
    for (text, read) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.7", "10.0.0.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:0db8:0:0::1", "2001:db8::1/128"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
        ("::ffff:a00:7", "10.0.0.7/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::1", "::1/128"),
    ] {
        assert_eq!(network(text).as_deref(), Ok(read), "{text}");
    }
    for text in [
        "",
        " ",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "10.0.0.0.0/8",
        "010.0.0.1",
        "0x0a.0.0.1",
        "10.0.0.256",
        "10.0.0.1 ",
        " 10.0.0.1",
        "::/129",
        "fe80::1%eth0",
        "[::1]",
        ":::",
        "1::2::3",
        "localhost",
        "10.0.0.0-10.0.0.9",
        "10.0.0.*",
        "10.0.0.0/255.0.0.0",
        "１0.0.0.1",
        "10.0.0.1:80",
        "*",
    ] {
        assert!(network(text).is_err(), "{text:?}");
    }
    assert_eq!(network("10.0.0.7/8"), Err("there are bits beyond the prefix; the network is 10.0.0.0/8".into()));
    assert_eq!(network("::1/64"), Err("there are bits beyond the prefix; the network is ::/64".into()));
    for half_mapped in ["::/80", "::/8", "::fffe:0:0/95", "::/1"] {
        assert!(network(half_mapped).is_err_and(|said| said.contains("IPv4")), "{half_mapped}");
    }
}

#[test]
fn a_time_of_day_is_four_digits_and_a_colon() {
    for (text, minute) in [("00:00", Some(0)), ("08:30", Some(510)), ("23:59", Some(1_439)), ("24:00", Some(1_440))] {
        assert_eq!(windows::parse_minute(text), minute);
        assert_eq!(windows::print_minute(minute.unwrap_or_default()), text);
    }
    for text in [
        "", "8:00", "24:01", "25:00", "08:60", "0800", "08.00", "08:00:00", "-1:00", "+8:00", "08: 0", "०8:00",
        "08:00 ",
    ] {
        assert_eq!(windows::parse_minute(text), None, "{text:?}");
    }
}

fn window(days: &[u8], from: &str, to: &str) -> Window {
    let days = days.iter().map(|day| windows::DAYS[usize::from(*day)].to_owned()).collect();
    windows::read(vec![(days, from.into(), to.into())]).expect("a window").remove(0)
}

fn zone(name: &str) -> TimeZone {
    TimeZone::parse(name).expect("a zone")
}

/// Milliseconds of every minute of the 48 hours around a day's noon at which the windows are open.
fn open_minutes(windows: &[Window], zone: TimeZone, (year, month, day): (i32, u32, u32)) -> i64 {
    let noon = NaiveDate::from_ymd_opt(year, month, day).and_then(|date| date.and_hms_opt(12, 0, 0)).expect("a day");
    let noon = zone.zone().from_local_datetime(&noon).single().expect("noon is never ambiguous").timestamp_millis();
    let minutes = (0..48 * 60).map(|minute| Timestamp::from_millis(noon - 24 * HOUR + minute * MINUTE));
    minutes.filter(|at| windows::admit(windows, zone, *at)).count() as i64
}

/// An hour that clocks leave out is no hour of a window, and one that comes twice is two.
#[test]
fn clocks_that_change_shorten_and_lengthen_a_night() {
    let night = [window(&[6], "01:00", "04:00")];
    let amsterdam = zone("Europe/Amsterdam");
    for (day, hours) in [((2026, 3, 29), 2), ((2026, 10, 25), 4), ((2026, 11, 1), 3)] {
        assert_eq!(open_minutes(&night, amsterdam, day), hours * 60, "{day:?}");
    }
    let gap = [window(&[6], "02:10", "02:50")];
    for (day, minutes) in [((2026, 3, 29), 0), ((2026, 10, 25), 80), ((2026, 11, 1), 40)] {
        assert_eq!(open_minutes(&gap, amsterdam, day), minutes, "{day:?}");
    }
    // half an hour, in the other hemisphere
    let night = [window(&[6], "01:00", "04:00")];
    for (day, minutes) in [((2026, 10, 4), 150), ((2026, 4, 5), 210)] {
        assert_eq!(open_minutes(&night, zone("Australia/Lord_Howe"), day), minutes, "{day:?}");
    }
    // midnight itself is left out in Cairo on the day that clocks are put forward
    let over_midnight = [window(&[3], "23:00", "02:00")];
    assert_eq!(open_minutes(&over_midnight, zone("Africa/Cairo"), (2026, 4, 24)), 120);
}

#[test]
fn a_window_begins_with_its_minute_and_ends_before_the_last() {
    let utc = TimeZone::UTC;
    let at =
        |text: &str| Timestamp::from_millis(DateTime::parse_from_rfc3339(text).expect("a moment").timestamp_millis());
    let day = [window(&[0, 1, 2, 3, 4], "08:00", "18:00")];
    let night = [window(&[4], "22:00", "06:00")];
    let whole = [window(&[5], "00:00", "24:00")];
    let round = [window(&[5], "12:00", "12:00")];
    for (windows, moment, open) in [
        (&day, "2026-11-20T07:59:59.999Z", false),
        (&day, "2026-11-20T08:00:00.000Z", true),
        (&day, "2026-11-20T17:59:59.999Z", true),
        (&day, "2026-11-20T18:00:00.000Z", false),
        (&day, "2026-11-21T12:00:00.000Z", false),
        (&night, "2026-11-20T21:59:59.999Z", false),
        (&night, "2026-11-20T22:00:00.000Z", true),
        (&night, "2026-11-21T05:59:59.999Z", true),
        (&night, "2026-11-21T06:00:00.000Z", false),
        (&night, "2026-11-20T05:00:00.000Z", false),
        (&whole, "2026-11-20T23:59:59.999Z", false),
        (&whole, "2026-11-21T00:00:00.000Z", true),
        (&whole, "2026-11-21T23:59:59.999Z", true),
        (&whole, "2026-11-22T00:00:00.000Z", false),
        (&round, "2026-11-21T11:59:59.999Z", false),
        (&round, "2026-11-22T11:59:59.999Z", true),
        (&round, "2026-11-22T12:00:00.000Z", false),
    ] {
        assert_eq!(windows::admit(windows, utc, at(moment)), open, "{windows:?} {moment}");
    }
    for far in [i64::MIN, i64::MAX] {
        assert!(!windows::admit(&day, utc, Timestamp::from_millis(far)), "the calendar does not know it");
        assert!(windows::admit(&[], utc, Timestamp::from_millis(far)));
    }
    assert_eq!(window(&[0], "22:00", "00:00"), window(&[0], "22:00", "24:00"), "one midnight");
}

fn any_window() -> impl Strategy<Value = Window> {
    let days = prop::collection::btree_set(0_u8..7, 1..7).prop_map(|days| days.into_iter().collect());
    (days, 0_u16..1_440, 1_u16..=1_440).prop_map(|(days, from, to)| Window { days, from, to })
}

fn any_windows() -> impl Strategy<Value = Vec<Window>> {
    prop::collection::vec(any_window(), 0..4)
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Amsterdam",
    "America/New_York",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Cairo",
    "Pacific/Apia",
];

/// Moments of all times, most of them near a change of clocks.
fn any_moment() -> impl Strategy<Value = Timestamp> {
    let changes = [
        1_774_746_000_000_i64,
        1_792_890_000_000,
        1_772_953_200_000,
        1_793_512_800_000,
        1_775_314_800_000,
        1_777_000_000_000,
    ];
    let near = (prop::sample::select(changes.to_vec()), -3 * HOUR..3 * HOUR).prop_map(|(change, off)| change + off);
    prop_oneof![near, 0_i64..4_000_000_000_000].prop_map(Timestamp::from_millis)
}

fn any_network() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<[u8; 4]>(), 0_u8..=32).prop_map(|(bytes, prefix)| {
        // few different addresses, so that networks meet
        let address = Ipv4Addr::from(bytes.map(|byte| byte & 0x81));
        IpNet::new(address.into(), prefix).expect("a prefix").trunc()
    });
    let v6 = (any::<[u8; 2]>(), 16_u8..=40).prop_map(|(bytes, prefix)| {
        let address =
            Ipv6Addr::from([0x20, 0x01, bytes[0] & 0x81, bytes[1] & 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        IpNet::new(address.into(), prefix).expect("a prefix").trunc()
    });
    prop_oneof![3 => v4, 1 => v6]
}

fn any_networks() -> impl Strategy<Value = Networks> {
    let list = || prop::collection::vec(any_network(), 0..4);
    (list(), list()).prop_map(|(allow, deny)| Networks { allow, deny })
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|bytes| IpAddr::from(bytes.map(|byte| byte & 0x81))),
        any::<[u8; 2]>().prop_map(|bytes| {
            IpAddr::from([0x20, 0x01, bytes[0] & 0x81, bytes[1] & 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        }),
    ]
}

proptest! {
    /// The hours of a window are those that a clock on the wall shows, gaps and folds included.
    #[test]
    fn a_window_is_what_the_wall_clock_says(windows in any_windows(), name in prop::sample::select(ZONES.to_vec()), at in any_moment()) {
        let zone = zone(name);
        let utc = DateTime::from_timestamp_millis(at.millis()).expect("a moment").naive_utc();
        let offset = zone.zone().offset_from_utc_datetime(&utc).fix();
        let wall = utc + offset;
        let minute_of_week = wall.weekday().num_days_from_monday() * 1_440 + wall.hour() * 60 + wall.minute();
        let open = windows.is_empty() || windows.iter().any(|window| window.days.iter().any(|day| {
            let length = if window.to > window.from { window.to - window.from } else { window.to + 1_440 - window.from };
            let since = (minute_of_week + 10_080 - u32::from(*day) * 1_440 - u32::from(window.from)) % 10_080;
            since < u32::from(length)
        }));
        prop_assert_eq!(windows::admit(&windows, zone, at), open);
    }

    /// What lies within others is open only when they are; and every list lies within itself and within none at all.
    #[test]
    fn windows_within_others_are_never_open_without_them(a in any_windows(), b in any_windows(), at in any_moment()) {
        let open = |windows: &[Window]| windows::admit(windows, TimeZone::UTC, at);
        prop_assert!(!windows::within(&a, &b) || !open(&a) || open(&b));
        prop_assert!(windows::within(&a, &a) && windows::within(&a, &[]));
        let wider: Vec<Window> = a.iter().chain(&b).cloned().collect();
        prop_assert!(a.is_empty() || windows::within(&a, &wider));
        prop_assert_eq!(windows::within(&a, &b), (0..WEEK / MINUTE).all(|minute| {
            let at = Timestamp::from_millis(4 * 24 * HOUR + minute * MINUTE);
            !windows::admit(&a, TimeZone::UTC, at) || windows::admit(&b, TimeZone::UTC, at)
        }));
    }

    /// What lies within others lets nobody through whom they do not, however the address is spelt.
    #[test]
    fn networks_within_others_admit_nobody_else(a in any_networks(), b in any_networks(), addresses in prop::collection::vec(any_address(), 1..50)) {
        for address in addresses {
            prop_assert!(!a.within(&b) || !a.admit(address) || b.admit(address));
            if let IpAddr::V4(v4) = address {
                prop_assert_eq!(a.admit(address), a.admit(v4.to_ipv6_mapped().into()));
            }
        }
        prop_assert!(a.within(&a) && a.within(&Networks::default()));
        let narrower = Networks { deny: a.deny.iter().chain(&b.deny).copied().collect(), ..a.clone() };
        prop_assert!(narrower.within(&a));
    }

    /// A network of mapped addresses is the one of IPv4.
    #[test]
    fn neither_spelling_of_an_ipv4_network_escapes(bytes in any::<[u8; 4]>(), prefix in 0_u8..=32, other in any::<[u8; 4]>()) {
        let plain = IpNet::new(Ipv4Addr::from(bytes).into(), prefix).expect("a prefix").trunc();
        let IpNet::V4(v4) = plain else { unreachable!("it was made of IPv4") };
        let mapped = format!("{}/{}", v4.addr().to_ipv6_mapped(), prefix + 96);
        prop_assert_eq!(networks::parse(&mapped), Ok(plain));
        prop_assert_eq!(networks::parse(&plain.to_string()), Ok(plain));
        let deny = Networks { allow: Vec::new(), deny: vec![plain] };
        let address = Ipv4Addr::from(other);
        prop_assert_eq!(deny.admit(address.into()), !v4.contains(&address));
        prop_assert_eq!(deny.admit(address.to_ipv6_mapped().into()), !v4.contains(&address));
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,60}") {
        if let Ok(network) = networks::parse(&text) {
            prop_assert_eq!(networks::parse(&network.to_string()), Ok(network));
        }
        let _ = windows::parse_minute(&text);
    }

    /// Nobody who is bounded by these can bring about what lies outside of them: what does not escape lets nothing more
    /// through.
    #[test]
    fn what_does_not_escape_is_bounded_as_much(a in any_networks(), b in any_networks(), mine in any_windows(), theirs in any_windows(),
        uses in prop::option::of(1_i64..5), their_uses in prop::option::of(1_i64..5), at in any_moment(), address in any_address()) {
        let bounds = |networks: &Networks, windows: &[Window], remaining_uses| {
            Constraints { networks: networks.clone(), windows: windows.to_vec(), remaining_uses, ..Constraints::default() }
        };
        let (mine, theirs) = (bounds(&a, &mine, uses), bounds(&b, &theirs, their_uses));
        let utc = TimeZone::UTC;
        prop_assert_eq!(mine.escapes(utc, &mine, utc, NOW), None);
        prop_assert_eq!(mine.escapes(utc, &Constraints::default(), utc, NOW), None);
        if mine.escapes(utc, &theirs, utc, NOW).is_none() {
            let through = |bounds: &Constraints| bounds.networks.admit(address) && windows::admit(&bounds.windows, utc, at);
            prop_assert!(!through(&mine) || through(&theirs));
            prop_assert!(theirs.remaining_uses.is_none_or(|most| mine.remaining_uses.is_some_and(|uses| uses <= most)));
        }
    }
}

fn wanted(json: serde_json::Value) -> Changes {
    let text = |member: &str| {
        json[member].as_array().into_iter().flatten().map(|v| v.as_str().unwrap_or_default().to_owned()).collect()
    };
    Changes::read(Wanted {
        not_before: json.get("notBefore").map(|value| value.as_i64()),
        networks: json.get("allow").map(|_| Some((text("allow"), text("deny")))),
        remaining_uses: json.get("remainingUses").map(|value| value.as_i64()),
        ..Wanted::default()
    })
    .expect("it is sensible")
}

/// Uses that were made are no difference, and a second run does not give them back.
#[test]
fn uses_that_were_made_are_no_difference() {
    let has = |remaining_uses| Constraints { remaining_uses, ..Constraints::default() };
    let ten = || wanted(serde_json::json!({ "remainingUses": 10 }));
    for (left, differs, then) in [
        (Some(10), false, Some(10)),
        (Some(3), false, Some(3)),
        (Some(0), false, Some(0)),
        (Some(11), true, Some(10)),
        (None, true, Some(10)),
    ] {
        assert_eq!(ten().differs_from(&has(left)), differs, "{left:?}");
        let after = ten().without_refill(&has(left)).applied_to(&has(left), None, NOW).expect("it is sensible");
        assert_eq!(after.remaining_uses, then, "{left:?}");
    }
    assert!(wanted(serde_json::json!({ "remainingUses": null })).differs_from(&has(Some(1))));
    assert!(!wanted(serde_json::json!({})).differs_from(&has(Some(1))));
}

#[test]
fn a_key_begins_before_it_ends() {
    let begin = |at: i64, expiry: Option<i64>| {
        let changes = wanted(serde_json::json!({ "notBefore": at }));
        changes.applied_to(&Constraints::default(), expiry.map(Timestamp::from_millis), NOW).is_ok()
    };
    let now = NOW.millis();
    for (at, expiry, taken) in [
        (now + LONGEST, None, true),
        (now + LONGEST + 1, None, false),
        (1, None, true),
        (0, None, false),
        (-1, None, false),
        (i64::MAX, None, false),
        (now + 1, Some(now + 2), true),
        (now + 2, Some(now + 2), false),
    ] {
        assert_eq!(begin(at, expiry), taken, "{at}");
    }
    // what is there already is not judged anew
    let old = Constraints { not_before: Some(Timestamp::from_millis(now + 2 * LONGEST)), ..Constraints::default() };
    let same = wanted(serde_json::json!({ "notBefore": now + 2 * LONGEST }));
    assert!(same.applied_to(&old, None, NOW).is_ok());
}
