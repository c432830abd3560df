//! A set of rights as the database keeps it: any bytes are a set, written back in one canonical form.
#![no_main]

use firstkey::rights::{COUNT, Right, Rights};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let rights = Rights::from_bytes(bytes);
    let written = rights.to_bytes();
    assert_eq!(written.len(), 24);
    assert_eq!(Rights::from_bytes(&written), rights);
    assert!(rights.is_subset_of(&Rights::all()) && rights.iter().count() <= COUNT);
    for (bit, right) in Right::all().enumerate() {
        let set = bytes.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
        assert_eq!(rights.contains(right), set, "bit {bit}");
    }
});
