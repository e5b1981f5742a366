//! An item in full, for one file at a time: what `openssl x509 -text` shows, in the order in which
//! people ask, and what it does not show (what is left, who signed it, whether the key fits).

use super::rows::{kind, left_style, near, severity_style};
use crate::output::{self, BAD, DIM, GOOD, HEADING, NAME};
use anstyle::Style;
use jiff::Timestamp;
use kubepki_core::inspect::{Item, JsonWebToken, KubeconfigObject, Object, Signer, Source};
use kubepki_core::model::Severity;
use kubepki_x509::{
    Certificate, CertificationRequest, ExtendedKeyUsage, Extension, GeneralName, KeyUsage,
    ObjectIdentifier, PublicKey, ValidityState, oid,
};
use std::io::{self, Write};

/// Writes one item.
pub fn write(writer: &mut dyn Write, item: &Item, now: Timestamp) -> io::Result<()> {
    let mut block = Block { writer, item, now };
    block.title()?;
    match &item.object {
        Object::Certificate(certificate) => block.certificate(certificate)?,
        Object::CertificationRequest(request) => block.request(request)?,
        Object::PrivateKey(key) => {
            block.key(key.public_key.as_ref(), key.encoding.as_deref())?;
            block.counterpart("belongs to")?;
        }
        Object::PublicKey(key) => {
            block.key(Some(key), None)?;
            block.counterpart("private key")?;
        }
        Object::Kubeconfig(kubeconfig) => block.kubeconfig(kubeconfig)?,
        Object::Token(token) => block.token(token)?,
        Object::TlsServer(server) => {
            block.line("protocol", &server.protocol)?;
            if let Some(name) = &server.server_name {
                block.line("asked for", name)?;
            }
            let count = server.chain_length;
            block.line("serves", &format!("{count} certificate{}", plural(count)))?;
            let asks = if server.asks_client_certificate {
                "asked for"
            } else {
                "not asked for"
            };
            block.line("client cert", asks)?;
            let accepted: Vec<_> = server
                .acceptable_client_authorities
                .iter()
                .map(ToString::to_string)
                .collect();
            block.list("accepts", &accepted)?;
        }
    }
    block.findings()
}

struct Block<'a> {
    writer: &'a mut dyn Write,
    item: &'a Item,
    now: Timestamp,
}

/// Columns of the labels.
const LABEL: usize = 13;
/// Lists are broken at this width, on a terminal and in a pipe alike.
const WIDTH: usize = 100;

impl Block<'_> {
    fn title(&mut self) -> io::Result<()> {
        let kind = kind(self.item);
        let mut letters = kind.chars();
        let first: String = letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect();
        let location = output::printable(&self.item.location.to_string());
        write!(
            self.writer,
            "{HEADING}{first}{}{HEADING:#} ",
            letters.as_str()
        )?;
        write!(self.writer, "{NAME}{location}{NAME:#}")?;
        if let Source::File {
            link_target,
            named_by,
            ..
        } = &*self.item.location.source
        {
            if let Some(target) = link_target {
                write!(self.writer, " -> {}", output::printable(target))?;
            }
            if let Some(named_by) = named_by {
                let named_by = output::printable(named_by);
                write!(self.writer, " {DIM}named by {named_by}{DIM:#}")?;
            }
        }
        writeln!(self.writer)
    }

    fn certificate(&mut self, certificate: &Certificate) -> io::Result<()> {
        self.line("subject", &or_none(certificate.subject().to_string()))?;
        self.line("issuer", &or_none(certificate.issuer().to_string()))?;
        self.signer(certificate)?;
        self.validity(certificate)?;
        self.names(&certificate.subject_alt_names(), certificate.extensions())?;
        self.usages(
            certificate.key_usage(),
            certificate.extended_key_usage(),
            certificate.extensions(),
        )?;
        if let Some(constraints) = certificate.basic_constraints() {
            let mut text = if constraints.ca { "CA" } else { "no CA" }.to_owned();
            if let Some(length) = constraints.path_len_constraint {
                text += &format!(", at most {length} below it");
            }
            text += critical(certificate.extensions(), &oid::BASIC_CONSTRAINTS);
            self.line("constraints", &text)?;
        }
        self.key(Some(certificate.public_key()), None)?;
        self.counterpart("private key")?;
        self.line("signature", &certificate.signature_algorithm().to_string())?;
        self.line("serial", &certificate.serial_number().to_string())?;
        if let Some(identifier) = certificate.subject_key_identifier() {
            self.line("subject key", &hex(&identifier))?;
        }
        if let Some(authority) = certificate.authority_key_identifier() {
            let mut parts: Vec<String> =
                authority.key_identifier.iter().map(|id| hex(id)).collect();
            parts.extend(authority.issuer.iter().map(ToString::to_string));
            parts.extend(
                authority
                    .serial
                    .iter()
                    .map(|serial| format!("serial {serial}")),
            );
            self.line("issuer key", &parts.join(", "))?;
        }
        self.other_extensions(certificate.extensions())?;
        if certificate.version() != 3 {
            self.line("version", &certificate.version().to_string())?;
        }
        self.line(
            "fingerprint",
            &format!("sha256:{}", hex(&certificate.fingerprint_sha256())),
        )
    }

    fn signer(&mut self, certificate: &Certificate) -> io::Result<()> {
        match &self.item.relations.signed_by {
            Some(Signer::Itself) => self.styled("signed by", "itself", GOOD),
            Some(Signer::Given { location, .. }) => {
                self.styled("signed by", &near(location, &self.item.location), GOOD)
            }
            None if certificate.is_self_issued() => self.styled(
                "signed by",
                "not by itself, and by nothing that was given",
                DIM,
            ),
            None => self.styled("signed by", "nothing that was given", DIM),
        }
    }

    fn validity(&mut self, certificate: &Certificate) -> io::Result<()> {
        let validity = certificate.validity();
        let (begin, end) = (time(validity.not_before), time(validity.not_after));
        self.line("valid", &format!("{begin}  to  {end}"))?;
        let left = validity.remaining(self.now);
        match validity.state(self.now) {
            ValidityState::NotYetValid => {
                let wait = validity.not_before.duration_since(self.now);
                self.styled("left", &format!("begins in {}", output::left(wait)), BAD)
            }
            ValidityState::Expired => self.styled("left", &output::left(left), BAD),
            ValidityState::Valid => {
                let text = format!(
                    "{} of {}",
                    output::left(left),
                    output::left(validity.duration())
                );
                self.styled("left", &text, left_style(self.item, Some(left)))
            }
        }
    }

    fn names(&mut self, names: &[GeneralName], extensions: &[Extension]) -> io::Result<()> {
        let mut texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        if let Some(last) = texts.last_mut() {
            *last += critical(extensions, &oid::SUBJECT_ALT_NAME);
        }
        self.list("names", &texts)
    }

    fn usages(
        &mut self,
        usage: Option<KeyUsage>,
        extended: Option<Vec<ExtendedKeyUsage>>,
        extensions: &[Extension],
    ) -> io::Result<()> {
        if let Some(extended) = extended {
            let texts: Vec<_> = extended.iter().map(ToString::to_string).collect();
            let mark = critical(extensions, &oid::EXTENDED_KEY_USAGE);
            self.line("used for", &format!("{}{mark}", texts.join(", ")))?;
        }
        if let Some(usage) = usage {
            let mark = critical(extensions, &oid::KEY_USAGE);
            self.line("key usage", &format!("{}{mark}", usage.names().join(", ")))?;
        }
        Ok(())
    }

    fn other_extensions(&mut self, extensions: &[Extension]) -> io::Result<()> {
        let shown = [
            oid::SUBJECT_ALT_NAME,
            oid::BASIC_CONSTRAINTS,
            oid::KEY_USAGE,
            oid::EXTENDED_KEY_USAGE,
            oid::SUBJECT_KEY_IDENTIFIER,
            oid::AUTHORITY_KEY_IDENTIFIER,
        ];
        for extension in extensions
            .iter()
            .filter(|extension| !shown.contains(&extension.oid))
        {
            let name = extension
                .name()
                .map_or_else(|| extension.oid.to_string(), str::to_owned);
            let mark = if extension.critical {
                " (critical)"
            } else {
                ""
            };
            let count = extension.value.len();
            self.line(
                "extension",
                &format!("{name}{mark}, {count} octet{}", plural(count)),
            )?;
        }
        Ok(())
    }

    fn request(&mut self, request: &CertificationRequest) -> io::Result<()> {
        self.line("subject", &or_none(request.subject().to_string()))?;
        let extensions = request.requested_extensions();
        self.names(&request.subject_alt_names(), extensions)?;
        self.usages(
            request.key_usage(),
            request.extended_key_usage(),
            extensions,
        )?;
        self.key(Some(request.public_key()), None)?;
        self.counterpart("private key")?;
        self.line("signature", &request.signature_algorithm().to_string())?;
        self.other_extensions(extensions)
    }

    fn key(&mut self, key: Option<&PublicKey>, encoding: Option<&str>) -> io::Result<()> {
        let Some(key) = key else {
            return self.line("key", "encrypted, nothing can be known of it");
        };
        let encoding = encoding
            .map(|encoding| format!(", {encoding}"))
            .unwrap_or_default();
        self.line("key", &format!("{}{encoding}", key.algorithm()))?;
        self.line("public key", &format!("sha256:{}", hex(&key.sha256())))
    }

    fn counterpart(&mut self, label: &str) -> io::Result<()> {
        let relations = &self.item.relations;
        let (Some(matches), Some(location)) = (relations.key_matches, &relations.counterpart)
        else {
            return Ok(());
        };
        let place = near(location, &self.item.location);
        match (matches, &self.item.object) {
            (true, Object::PrivateKey(_)) => self.styled(label, &place, GOOD),
            (true, _) => self.styled(label, &format!("matches, in {place}"), GOOD),
            (false, _) => self.styled(label, &format!("does not match, in {place}"), BAD),
        }
    }

    fn kubeconfig(&mut self, kubeconfig: &KubeconfigObject) -> io::Result<()> {
        for (name, cluster, user) in &kubeconfig.contexts {
            let is_current = kubeconfig.current_context.as_ref() == Some(name);
            let mark = if is_current { " (current)" } else { "" };
            self.line("context", &format!("{name}: {user} at {cluster}{mark}"))?;
        }
        for cluster in &kubeconfig.clusters {
            let server = cluster.server.as_deref().unwrap_or("no server");
            let trust = match &cluster.certificate_authority {
                _ if cluster.insecure_skip_tls_verify => "not verified".to_owned(),
                _ if cluster.has_certificate_authority_data => "CA embedded".to_owned(),
                Some(path) => format!("CA in {path}"),
                None => "the system's CAs".to_owned(),
            };
            self.line("cluster", &format!("{}: {server}, {trust}", cluster.name))?;
        }
        for user in &kubeconfig.users {
            let credentials = or_none(user.credentials.join(", "));
            self.line("user", &format!("{}: {credentials}", user.name))?;
        }
        Ok(())
    }

    fn token(&mut self, token: &JsonWebToken) -> io::Result<()> {
        self.line("subject", token.subject())?;
        self.line(
            "issuer",
            &or_none(token.text("iss").unwrap_or_default().to_owned()),
        )?;
        match &self.item.relations.signed_by {
            Some(Signer::Given { location, name }) => {
                let place = near(location, &self.item.location);
                self.styled("signed by", &format!("{place} ({name})"), GOOD)?;
            }
            _ => self.styled("signed by", "no key that was given", DIM)?,
        }
        let audiences: Vec<_> = token.audiences().into_iter().map(str::to_owned).collect();
        self.list("audiences", &audiences)?;
        let times = [
            ("issued", "iat"),
            ("valid from", "nbf"),
            ("valid until", "exp"),
        ];
        for (label, claim) in times {
            if let Some(at) = token.time(claim) {
                self.line(label, &time(at))?;
            }
        }
        if let Some(end) = token.time("exp") {
            let left = end.duration_since(self.now);
            self.styled(
                "left",
                &output::left(left),
                left_style(self.item, Some(left)),
            )?;
        }
        self.line("signature", &token.algorithm)?;
        if let Some(key_id) = &token.key_id {
            self.line("key id", key_id)?;
        }
        let known = ["sub", "iss", "aud", "iat", "nbf", "exp"];
        for (name, value) in token
            .claims
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
        {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            self.line("claim", &format!("{name}: {text}"))?;
        }
        Ok(())
    }

    fn findings(&mut self) -> io::Result<()> {
        for finding in &self.item.findings {
            let label = match finding.severity {
                Severity::Critical => "critical",
                Severity::Warning => "warning",
                Severity::Info => "note",
            };
            let style = severity_style(finding.severity);
            let text = output::printable(&finding.message);
            let code = &finding.code;
            writeln!(
                self.writer,
                "  {style}{label:LABEL$}{text}{style:#} {DIM}[{code}]{DIM:#}"
            )?;
        }
        Ok(())
    }

    fn line(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.styled(label, text, Style::new())
    }

    fn styled(&mut self, label: &str, text: &str, style: Style) -> io::Result<()> {
        let text = output::printable(text);
        writeln!(
            self.writer,
            "  {DIM}{label:LABEL$}{DIM:#}{style}{text}{style:#}"
        )
    }

    /// Several texts, separated by commas, over as many lines as they need.
    fn list(&mut self, label: &str, texts: &[String]) -> io::Result<()> {
        let mut label = label;
        let mut line = String::new();
        for (number, text) in texts.iter().enumerate() {
            let separator = if number + 1 < texts.len() { ", " } else { "" };
            let width = output::display_width(&line) + output::display_width(text) + LABEL + 2;
            if !line.is_empty() && width > WIDTH {
                self.line(label, line.trim_end())?;
                line.clear();
                label = "";
            }
            line += text;
            line += separator;
        }
        if line.is_empty() {
            Ok(())
        } else {
            self.line(label, &line)
        }
    }
}

fn critical(extensions: &[Extension], wanted: &ObjectIdentifier) -> &'static str {
    let is_critical = |extension: &&Extension| extension.oid == *wanted && extension.critical;
    if extensions.iter().any(|extension| is_critical(&extension)) {
        " (critical)"
    } else {
        ""
    }
}

fn time(time: Timestamp) -> String {
    if time == Timestamp::MAX {
        // RFC 5280 §4.1.2.5: 99991231235959Z says that there is no defined end
        return "no end".into();
    }
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".into() } else { text }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
