//! Mail, through one SMTP server (RFC 5321).

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{Address, AsyncTransport as _, Tokio1Executor};

use super::Failure;
use crate::clock::Timestamp;
use crate::config::{Mail, MailTls};

/// How long each word of the server may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest that one mail may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A mail to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where it goes.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// The same for the same mail, however often it is sent; letters and digits.
    pub reference: String,
    /// The moment that it is about.
    pub date: Timestamp,
}

/// Sends mail; cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// A mailer that trusts the public authorities, or these instead (PEM).
    pub fn new(mail: &Mail, authorities: Option<&[u8]>) -> Result<Self, String> {
        let url = &mail.url;
        let parameters = || -> Result<TlsParameters, Error> {
            let mut builder = TlsParameters::builder(url.host().to_owned());
            builder = match authorities {
                None => builder.certificate_store(CertificateStore::WebpkiRoots),
                Some(pem) => {
                    builder.certificate_store(CertificateStore::None).add_root_certificate(Certificate::from_pem(pem)?)
                }
            };
            builder.build_rustls()
        };
        let failed = |error: Error| format!("mail cannot be sent: {error}");
        let tls = match url.tls() {
            MailTls::Always => Tls::Wrapper(parameters().map_err(failed)?),
            MailTls::Required => Tls::Required(parameters().map_err(failed)?),
            MailTls::Opportunistic => Tls::Opportunistic(parameters().map_err(failed)?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host())
            .port(url.port())
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some((user, password)) = url.user() {
            builder = builder.credentials(Credentials::new(user.to_owned(), password.to_owned()));
        }
        Ok(Self { transport: builder.build(), from: mail.from.clone() })
    }

    /// Hands a letter to the server. Its Message-ID is the same each time, so that a mailbox can drop a second one.
    pub async fn send(&self, letter: &Letter) -> Result<(), Failure> {
        let message = self.message(letter).ok_or_else(|| failure("the address cannot be written to"))?;
        match tokio::time::timeout(DEADLINE, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(of(&error)),
            Err(_) => Err(Failure { unreachable: true, ..failure("the mail server took too long") }),
        }
    }

    fn message(&self, letter: &Letter) -> Option<Message> {
        let to: Address = letter.to.parse().ok()?;
        let id = format!("<{}@{}>", letter.reference, self.from.email.domain());
        // RFC 3834: nobody's holiday notice answers it
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&letter.subject)
            .date(letter.date.system_time())
            .message_id(Some(id))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN);
        builder.body(letter.body.clone()).ok()
    }
}

fn failure(why: &str) -> Failure {
    Failure { why: why.to_owned(), unreachable: false, gone: false }
}

/// What went wrong, by the code that the server gave and not by its words.
fn of(error: &Error) -> Failure {
    match error.status() {
        Some(code) => {
            // 421: it is closing; 454, 530, 534, 535: it will not have us, whoever the mail is for
            let number = code.to_string();
            let unreachable = matches!(number.as_str(), "421" | "454" | "530" | "534" | "535" | "538");
            Failure { unreachable, ..failure(&format!("the mail server answered {number}")) }
        }
        None if error.is_timeout() => Failure { unreachable: true, ..failure("the mail server took too long") },
        None if error.is_tls() => Failure { unreachable: true, ..failure("no TLS connection to the mail server") },
        None if error.is_client() => failure("the mail server cannot take it"),
        None => Failure { unreachable: true, ..failure("the mail server cannot be reached") },
    }
}
