//! A list of keys from elsewhere, as CSV or JSON: however it is damaged, each line is a key's wish or says why it is
//! none, and there are no more than may be.
#![no_main]

use firstkey::api_keys::{import, inventory};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for lines in [inventory::read_csv(bytes), import::read_json(bytes)].into_iter().flatten() {
        assert!(lines.len() <= inventory::MOST_LINES);
        for line in lines {
            match line.entry {
                Ok(entry) => assert!(entry.wanted.key_name.is_none_or(|name| name == line.name)),
                Err(why) => assert!(!why.is_empty()),
            }
        }
    }
});
