//! Lines on stderr: JSON for a collector, text for a terminal. Whatever a value holds, a line stays one
//! line, a terminal is told nothing, and a line that cannot be written is lost without stopping the server.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::io::{IsTerminal, Write as _};
use std::panic::PanicHookInfo;

use log::kv::{self, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::Value;

use crate::clock::{Clock, Timestamp};

/// The environment variable with the levels to log, in env_logger's spelling (`info`, `firstkey::auth=debug`).
pub const LEVELS: &str = "FIRSTKEY_LOG";

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where stderr is a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for a person.
    Text,
}

/// Starts logging to stderr, and logging of panics. Does nothing where a logger is there already, as in
/// a program that embeds the server.
pub fn start(format: LogFormat) {
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&std::env::var(LEVELS).unwrap_or_else(|_| "info".to_owned()));
    builder.target(env_logger::Target::Stderr).format(move |out, record| {
        let now = Clock::System.now();
        let line = if json { json_line(now, record) } else { text_line(now, record) };
        out.write_all(line.as_bytes())
    });
    let logger = builder.build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Capped(logger))).is_ok() {
        log::set_max_level(most);
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Holds other people's code to `info`: at `debug` and `trace` HTTP libraries write whole headers, and
/// with them cookies and keys, whatever [`LEVELS`] was meant to show.
struct Capped<L>(L);

impl<L: Log> Log for Capped<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        may_be_logged(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if may_be_logged(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    // what actix_http calls errors are requests that are not HTTP: anybody can send them, at any rate
    let by_anybody = metadata.target().starts_with("actix_http") && metadata.level() == LevelFilter::Error;
    (metadata.level() <= LevelFilter::Info && !by_anybody) || metadata.target().starts_with("firstkey")
}

/// One JSON object and a line feed. The members of every line come first; a value of the record that
/// bears one of their names is written as `record.<name>`.
pub fn json_line(time: Timestamp, record: &Record<'_>) -> String {
    let mut line = String::with_capacity(ROOM);
    for (name, text) in [
        ("{\"time\":", Cow::from(time.to_string())),
        (",\"level\":", record.level().as_str().into()),
        (",\"target\":", record.target().into()),
        (",\"message\":", record.args().as_str().map_or_else(|| record.args().to_string().into(), Cow::from)),
    ] {
        line.push_str(name);
        push_quoted(&text, &mut line);
    }
    for (key, value) in values(record) {
        let reserved = matches!(&*key, "time" | "level" | "target" | "message");
        line.push(',');
        push_quoted(&if reserved { format!("record.{key}").into() } else { key }, &mut line);
        line.push(':');
        match value {
            Datum::Text(text) => push_quoted(&text, &mut line),
            Datum::Other(value) => line.push_str(&value.to_string()),
        }
    }
    line.push_str("}\n");
    line
}

/// What most lines take, in bytes.
const ROOM: usize = 384;

/// A text as JSON has it. What is unprintable can only stand within a string, where \uXXXX says the same.
fn push_quoted(text: &str, line: &mut String) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        line.push('"');
        line.push_str(text);
        line.push('"');
        return;
    }
    line.push_str(&escaped(&Value::from(text).to_string(), |c, line| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            line.push_str(&format!("\\u{unit:04x}"));
        }
    }));
}

/// Time, level, target, message, then `key=value`, and a line feed.
pub fn text_line(time: Timestamp, record: &Record<'_>) -> String {
    let mut line = format!("{time} {:5} {} {}", record.level(), record.target(), record.args());
    for (key, value) in values(record) {
        let value = match value {
            Datum::Text(text) if is_bare(&text) => text,
            Datum::Text(text) => Value::from(text).to_string().into(),
            Datum::Other(value) => value.to_string().into(),
        };
        line.push_str(&format!(" {key}={value}"));
    }
    let mut line = escaped(&line, |c, line| line.extend(c.escape_default()));
    line.push('\n');
    line
}

/// Whether a text can stand after `key=` without quotes.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=' || is_unprintable(c))
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if is_unprintable(c) { escape(c, &mut out) } else { out.push(c) }
    }
    out
}

/// Characters that move a cursor, end a line, turn the reading direction or show nothing at all.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A record's value, as JSON knows it.
enum Datum<'a> {
    Text(Cow<'a, str>),
    /// Whatever is no text.
    Other(Value),
}

/// The key-values of a record, in order; of two with one name the later stays.
fn values<'a>(record: &'a Record<'_>) -> Vec<(Cow<'a, str>, Datum<'a>)> {
    struct Pairs<'a>(Vec<(Cow<'a, str>, Datum<'a>)>);

    impl<'a> VisitSource<'a> for Pairs<'a> {
        fn visit_pair(&mut self, key: kv::Key<'a>, value: kv::Value<'a>) -> Result<(), kv::Error> {
            let mut read = Reading(Datum::Other(Value::Null));
            value.visit(&mut read)?;
            match self.0.iter_mut().find(|(known, _)| known == key.as_str()) {
                Some((_, known)) => *known = read.0,
                None => {
                    let name = key.to_borrowed_str().map_or_else(|| key.as_str().to_owned().into(), Cow::from);
                    self.0.push((name, read.0));
                }
            }
            Ok(())
        }
    }

    let mut pairs = Pairs(Vec::with_capacity(8));
    // A value that cannot be written costs the values after it, not the line.
    let _ = record.key_values().visit(&mut pairs);
    pairs.0
}

/// A value that is being read; numbers that JSON's readers would round become text.
struct Reading<'a>(Datum<'a>);

impl<'a> Reading<'a> {
    fn is(&mut self, value: impl Into<Value>) -> Result<(), kv::Error> {
        self.0 = Datum::Other(value.into());
        Ok(())
    }

    fn is_text(&mut self, text: impl Into<Cow<'a, str>>) -> Result<(), kv::Error> {
        self.0 = Datum::Text(text.into());
        Ok(())
    }
}

impl<'a> VisitValue<'a> for Reading<'a> {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.is_text(value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.is(Value::Null)
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.is(value)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.is(value)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        if value.is_finite() { self.is(value) } else { self.is_text(value.to_string()) }
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.is(value)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.is_text(value.to_owned())
    }

    fn visit_borrowed_str(&mut self, value: &'a str) -> Result<(), kv::Error> {
        self.is_text(value)
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let said = said_by(panic.payload());
    // RUST_BACKTRACE asks for it; it names functions and lines and shows no values.
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => log::error!(place, thread, backtrace:%; "a fault of the program: {said}"),
        _ => log::error!(place, thread; "a fault of the program: {said}"),
    }
}

/// The text of a panic where it is part of the program. One that was put together at run time, as
/// `expect` does with an error, might hold a secret.
fn said_by(payload: &dyn std::any::Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("the text is withheld, it might hold a secret")
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_540_309_893_123);

    fn record<'a>(message: std::fmt::Arguments<'a>, values: &'a dyn kv::Source) -> Record<'a> {
        Record::builder().level(Level::Info).target("firstkey::api").args(message).key_values(values).build()
    }

    #[test]
    fn a_json_line_has_the_common_members_first_and_typed_values_after() {
        let values: [(&str, kv::Value<'_>); 7] = [
            ("key.id", 12.into()),
            ("duration_ms", 1.5.into()),
            ("ok", true.into()),
            ("nan", f64::NAN.into()),
            ("nothing", kv::Value::null()),
            ("message", "a second one".into()),
            ("key.id", 13.into()),
        ];
        assert_eq!(
            json_line(NOON, &record(format_args!("Key \"a\" made"), &values.as_slice())),
            "{\"time\":\"2018-10-23T15:51:33.123Z\",\"level\":\"INFO\",\"target\":\"firstkey::api\",\
             \"message\":\"Key \\\"a\\\" made\",\"key.id\":13,\"duration_ms\":1.5,\"ok\":true,\"nan\":\"NaN\",\
             \"nothing\":null,\"record.message\":\"a second one\"}\n"
        );
    }

    #[test]
    fn a_text_line_quotes_what_would_be_misread() {
        let values: [(&str, kv::Value<'_>); 4] =
            [("key.id", 12.into()), ("name", "two words".into()), ("plain", "word".into()), ("empty", "".into())];
        assert_eq!(
            text_line(NOON, &record(format_args!("made"), &values.as_slice())),
            "2018-10-23T15:51:33.123Z INFO  firstkey::api made key.id=12 name=\"two words\" plain=word empty=\"\"\n"
        );
    }

    #[test]
    fn no_value_breaks_a_line_or_speaks_to_the_terminal() {
        let nasty = "a\r\nb\u{1b}[2Jc\u{7f}\u{9b}\u{202e}d\u{2028}\u{200b}\u{e0041}\0";
        let values: [(&str, kv::Value<'_>); 2] = [("v", nasty.into()), (nasty, 1.into())];
        let source = values.as_slice();
        let json = json_line(NOON, &record(format_args!("{nasty}"), &source));
        let text = text_line(NOON, &record(format_args!("{nasty}"), &source));
        for line in [&json, &text] {
            let line = line.strip_suffix('\n').expect("as the test made it");
            assert!(!line.contains(is_unprintable), "{line:?}");
        }
        let read: Value = serde_json::from_str(&json).expect("as the test made it");
        assert_eq!((&read["message"], &read["v"], &read[nasty]), (&nasty.into(), &nasty.into(), &1.into()));
    }

    #[test]
    fn other_crates_are_held_to_info_whatever_was_asked_for() {
        let table = [
            ("firstkey::auth", Level::Trace, true),
            ("firstkey", Level::Debug, true),
            ("actix_http::h1", Level::Info, true),
            ("actix_http::h1", Level::Debug, false),
            ("h2::codec", Level::Trace, false),
            ("", Level::Debug, false),
        ];
        let capped = Capped(env_logger::Builder::new().parse_filters("trace,h2=trace").build());
        for (target, level, expected) in table {
            let metadata = Metadata::builder().target(target).level(level).build();
            assert_eq!(capped.enabled(&metadata), expected, "{target} {level}");
        }
    }

    #[test]
    fn a_panic_s_text_is_told_only_when_it_is_part_of_the_program() {
        assert_eq!(said_by(&"a fixed text"), "a fixed text");
        assert_eq!(said_by(&String::from("password hunter2")), "the text is withheld, it might hold a secret");
        assert_eq!(said_by(&7), "the text is withheld, it might hold a secret");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_quietly() {
        struct Full;
        impl std::io::Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let logger = env_logger::Builder::new()
            .filter_level(LevelFilter::Info)
            .target(env_logger::Target::Pipe(Box::new(Full)))
            .format(|out, record| out.write_all(json_line(NOON, record).as_bytes()))
            .build();
        Capped(logger).log(&record(format_args!("lost"), &[("a", 1)].as_slice()));
    }
}
