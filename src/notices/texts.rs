//! What mail says, in the key's language, with dates in the key's time zone. Never a secret.

use chrono::{DateTime, Datelike as _, Timelike as _};

use super::rules::KeyNews;
use crate::clock::{DAY, HOUR, Timestamp};
use crate::locale::{Locale, TimeZone};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A key was minted in somebody's name.
    Created,
    /// A key is about to end, or has ended by the time that this is sent.
    Ending,
}

/// Subject and text of a mail, as it is sent at `now` by the server that is reached at `place`.
pub fn text(topic: Topic, news: &KeyNews, place: Option<&str>, now: Timestamp) -> (String, String) {
    let words = Words {
        locale: Locale::parse(&news.locale).unwrap_or_default(),
        zone: TimeZone::parse(&news.time_zone).unwrap_or(TimeZone::UTC),
        news,
        now,
    };
    let (subject, paragraphs) = match (topic, news.expiry) {
        (Topic::Created, _) => words.created(),
        (Topic::Ending, Some(at)) if at > now => words.expiring(at),
        (Topic::Ending, at) => words.expired(at.unwrap_or(now)),
    };
    let mut body = paragraphs.join("\n\n");
    body.push_str("\n\n-- \nFirstkey\n");
    if let Some(place) = place {
        body.push_str(place);
        body.push('\n');
    }
    (subject, body)
}

struct Words<'a> {
    locale: Locale,
    zone: TimeZone,
    news: &'a KeyNews,
    now: Timestamp,
}

impl Words<'_> {
    fn expiring(&self, at: Timestamp) -> (String, Vec<String>) {
        let (name, id, when, left) = (&self.news.name, self.news.id, self.moment(at), self.left(at));
        let day = self.day(at);
        match self.locale {
            Locale::EnUs => (
                format!("The API key \"{name}\" expires on {day}"),
                vec![
                    format!("The API key \"{name}\" (ID {id}) expires on {when}, in {left}. From then on it is refused."),
                    "Move its expiry date, or put a new key in its place, before programs that use it stop working.".into(),
                ],
            ),
            Locale::JaJp => (
                format!("APIキー「{name}」は{day}に期限切れになります"),
                vec![
                    format!("APIキー「{name}」(ID {id}) は {when} に期限切れになります。残りは{left}です。その後、このキーは拒否されます。"),
                    "このキーを使うプログラムが止まる前に、有効期限を延ばすか、新しいキーに置き換えてください。".into(),
                ],
            ),
            Locale::FrFr => (
                format!("La clé d'API « {name} » expire le {day}"),
                vec![
                    format!("La clé d'API « {name} » (ID {id}) expire le {when}, dans {left}. Elle sera refusée ensuite."),
                    "Repoussez sa date d'expiration ou remplacez-la par une nouvelle clé avant que les programmes qui l'utilisent \
                     ne cessent de fonctionner.".into(),
                ],
            ),
            Locale::NlNl => (
                format!("De API-sleutel \"{name}\" verloopt op {day}"),
                vec![
                    format!("De API-sleutel \"{name}\" (ID {id}) verloopt op {when}, over {left}. Daarna wordt hij geweigerd."),
                    "Verschuif de vervaldatum of vervang hem door een nieuwe sleutel, voordat programma's die hem gebruiken \
                     niet meer werken.".into(),
                ],
            ),
        }
    }

    fn expired(&self, at: Timestamp) -> (String, Vec<String>) {
        let (name, id, when) = (&self.news.name, self.news.id, self.moment(at));
        match self.locale {
            Locale::EnUs => (
                format!("The API key \"{name}\" has expired"),
                vec![
                    format!("The API key \"{name}\" (ID {id}) expired on {when}. It is refused."),
                    "Move its expiry date to let it in again, or put a new key in its place.".into(),
                ],
            ),
            Locale::JaJp => (
                format!("APIキー「{name}」は期限切れです"),
                vec![
                    format!("APIキー「{name}」(ID {id}) は {when} に期限切れになりました。このキーは拒否されます。"),
                    "再び使うには有効期限を延ばすか、新しいキーに置き換えてください。".into(),
                ],
            ),
            Locale::FrFr => (
                format!("La clé d'API « {name} » a expiré"),
                vec![
                    format!("La clé d'API « {name} » (ID {id}) a expiré le {when}. Elle est refusée."),
                    "Repoussez sa date d'expiration pour la rendre de nouveau valable, ou remplacez-la par une nouvelle clé.".into(),
                ],
            ),
            Locale::NlNl => (
                format!("De API-sleutel \"{name}\" is verlopen"),
                vec![
                    format!("De API-sleutel \"{name}\" (ID {id}) is verlopen op {when}. Hij wordt geweigerd."),
                    "Verschuif de vervaldatum om hem weer toe te laten, of vervang hem door een nieuwe sleutel.".into(),
                ],
            ),
        }
    }

    fn created(&self) -> (String, Vec<String>) {
        let KeyNews { name, id, role, by, last, .. } = self.news;
        let maker = self.maker();
        let made = self.moment(self.news.created.unwrap_or(self.now));
        let end = self.news.expiry.map(|at| self.moment(at));
        let (subject, mut paragraphs, more) = match self.locale {
            Locale::EnUs => (
                format!("A new API key: \"{name}\""),
                vec![
                    format!(
                        "{} \"{by}\" created the API key \"{name}\" (ID {id}) with the role \"{role}\" on {made}. {}",
                        maker,
                        end.map_or("It does not expire.".to_owned(), |end| format!("It expires on {end}.")),
                    ),
                    "You are told because it was made in your name. If you did not expect it, lock it out or delete it.".into(),
                ],
                "More keys may be made in your name within the hour: those are not written about one by one.",
            ),
            Locale::JaJp => (
                format!("新しいAPIキー「{name}」"),
                vec![
                    format!(
                        "{}「{by}」が {made} に、役割「{role}」のAPIキー「{name}」(ID {id}) を作成しました。{}",
                        maker,
                        end.map_or("期限はありません。".to_owned(), |end| format!("有効期限は {end} です。")),
                    ),
                    "あなたの名義で作成されたためお知らせします。心当たりがない場合は、このキーをロックするか削除してください。".into(),
                ],
                "この1時間のうちにさらに作成されたキーについては、個別にはお知らせしません。",
            ),
            Locale::FrFr => (
                format!("Une nouvelle clé d'API : « {name} »"),
                vec![
                    format!(
                        "{} « {by} » a créé la clé d'API « {name} » (ID {id}) avec le rôle « {role} » le {made}. {}",
                        maker,
                        end.map_or("Elle n'expire pas.".to_owned(), |end| format!("Elle expire le {end}.")),
                    ),
                    "Vous recevez ce message parce qu'elle a été créée en votre nom. Si vous ne l'attendiez pas, verrouillez-la ou \
                     supprimez-la.".into(),
                ],
                "Les autres clés créées en votre nom dans l'heure ne seront pas annoncées une à une.",
            ),
            Locale::NlNl => (
                format!("Een nieuwe API-sleutel: \"{name}\""),
                vec![
                    format!(
                        "{} \"{by}\" heeft op {made} de API-sleutel \"{name}\" (ID {id}) met de rol \"{role}\" gemaakt. {}",
                        maker,
                        end.map_or("Hij verloopt niet.".to_owned(), |end| format!("Hij verloopt op {end}.")),
                    ),
                    "U krijgt dit bericht omdat hij op uw naam is gemaakt. Had u dit niet verwacht, vergrendel of verwijder hem dan."
                        .into(),
                ],
                "Andere sleutels die dit uur op uw naam worden gemaakt, worden niet één voor één gemeld.",
            ),
        };
        if *last {
            paragraphs.push(more.to_owned());
        }
        (subject, paragraphs)
    }

    /// What made a key.
    fn maker(&self) -> &'static str {
        let kinds = match self.locale {
            Locale::EnUs => ["Your API key", "The claim", "The administrator"],
            Locale::JaJp => ["あなたのAPIキー", "引換コード", "管理者"],
            Locale::FrFr => ["Votre clé d'API", "Le code d'échange", "L'administrateur"],
            Locale::NlNl => ["Uw API-sleutel", "De inwisselcode", "De beheerder"],
        };
        match self.news.by_kind.as_str() {
            "apiKey" => kinds[0],
            "claim" => kinds[1],
            _ => kinds[2],
        }
    }

    /// A day in the key's zone, as its language writes it.
    fn day(&self, at: Timestamp) -> String {
        let Some(local) = local(at, self.zone) else { return at.to_string() };
        let (year, month, day) = (local.year(), local.month0() as usize, local.day());
        match self.locale {
            Locale::EnUs => format!("{} {day}, {year}", ENGLISH[month]),
            Locale::JaJp => format!("{year}年{}月{day}日", month + 1),
            Locale::FrFr => format!("{day}{} {} {year}", if day == 1 { "er" } else { "" }, FRENCH[month]),
            Locale::NlNl => format!("{day} {} {year}", DUTCH[month]),
        }
    }

    /// A moment in the key's zone, and which zone that is.
    fn moment(&self, at: Timestamp) -> String {
        let Some(local) = local(at, self.zone) else { return at.to_string() };
        let (day, zone) = (self.day(at), self.zone);
        let time = format!("{:02}:{:02}", local.hour(), local.minute());
        match self.locale {
            Locale::EnUs => format!("{day} at {time} ({zone})"),
            Locale::JaJp => format!("{day} {time} ({zone})"),
            Locale::FrFr => format!("{day} à {time} ({zone})"),
            Locale::NlNl => format!("{day} om {time} ({zone})"),
        }
    }

    /// How long it is until then: days from a day and a half on, hours before, never none.
    fn left(&self, at: Timestamp) -> String {
        let left = at.since(self.now);
        let in_days = left >= DAY + DAY / 2;
        let unit = if in_days { DAY } else { HOUR };
        let count = ((left + unit / 2) / unit).max(1);
        let one = count == 1;
        let unit = match (self.locale, in_days) {
            (Locale::EnUs, true) => " days",
            (Locale::EnUs, false) if one => " hour",
            (Locale::EnUs, false) => " hours",
            (Locale::JaJp, true) => "日",
            (Locale::JaJp, false) => "時間",
            (Locale::FrFr, true) => " jours",
            (Locale::FrFr, false) if one => " heure",
            (Locale::FrFr, false) => " heures",
            (Locale::NlNl, true) => " dagen",
            (Locale::NlNl, false) => " uur",
        };
        format!("{count}{unit}")
    }
}

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const FRENCH: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
const DUTCH: [&str; 12] = [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
];

fn local(at: Timestamp, zone: TimeZone) -> Option<DateTime<chrono_tz::Tz>> {
    Some(DateTime::from_timestamp_millis(at.millis())?.with_timezone(&zone.zone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ApiKeyID;

    fn news(locale: &str, time_zone: &str) -> KeyNews {
        KeyNews {
            id: ApiKeyID::new(7),
            name: "Reports".into(),
            // 2026-12-01 00:30 UTC
            expiry: Some(Timestamp::from_millis(1_796_085_000_000)),
            locale: locale.into(),
            time_zone: time_zone.into(),
            role: "Auditor".into(),
            created: None,
            by: "anna".into(),
            by_kind: "administrator".into(),
            last: false,
        }
    }

    #[test]
    fn dates_stand_in_the_keys_zone_as_its_language_writes_them() {
        for (locale, zone, subject, phrase) in [
            (
                "en-US",
                "America/New_York",
                "The API key \"Reports\" expires on November 30, 2026",
                "November 30, 2026 at 19:30 (America/New_York), in 10 days.",
            ),
            (
                "ja-JP",
                "Asia/Tokyo",
                "APIキー「Reports」は2026年12月1日に期限切れになります",
                "2026年12月1日 09:30 (Asia/Tokyo) に期限切れになります。残りは10日です。",
            ),
            (
                "fr-FR",
                "Europe/Paris",
                "La clé d'API « Reports » expire le 1er décembre 2026",
                "1er décembre 2026 à 01:30 (Europe/Paris), dans 10 jours.",
            ),
            (
                "nl-NL",
                "Europe/Amsterdam",
                "De API-sleutel \"Reports\" verloopt op 1 december 2026",
                "1 december 2026 om 01:30 (Europe/Amsterdam), over 10 dagen.",
            ),
        ] {
            let news = news(locale, zone);
            let now = news.expiry.expect("it ends").minus(10 * DAY);
            let (said, body) = text(Topic::Ending, &news, Some("https://keys.example.org"), now);
            assert_eq!(said, subject);
            assert!(body.contains(phrase) && body.ends_with("Firstkey\nhttps://keys.example.org\n"), "{body}");
        }
    }

    #[test]
    fn what_has_ended_meanwhile_is_said_to_have_ended() {
        let news = news("en-US", "UTC");
        let end = news.expiry.expect("it ends");
        for (now, expected) in [
            (end.minus(36 * HOUR), "in 2 days."),
            (end.minus(36 * HOUR - 1), "in 36 hours."),
            (end.minus(HOUR), "in 1 hour."),
            (end.minus(1), "in 1 hour."),
            (end, "expired on December 1, 2026 at 00:30 (UTC)."),
            (end.plus(DAY), "expired on December 1, 2026 at 00:30 (UTC)."),
        ] {
            let (_, body) = text(Topic::Ending, &news, None, now);
            assert!(body.contains(expected), "{body}");
        }
    }
}
