//! What is kept of an HTTP body: its beginning, or of a `/metrics` page the few lines that are wanted.
//!
//! A kube-apiserver's page is several megabytes; it goes through here piece by piece and is never
//! held as a whole.

/// Most that is kept.
const KEPT_LIMIT: usize = 64 * 1024;

/// Most that is read in search of lines.
const SEARCHED_LIMIT: usize = 64 * 1024 * 1024;

/// Longest line that is looked at; the rest of a longer one is passed over.
const LINE_LIMIT: usize = 4 * 1024;

/// A body as it arrives.
pub(super) struct Body<'a> {
    /// Beginnings of the lines to keep; none for the body as it is.
    wanted: &'a [&'a str],
    kept: Vec<u8>,
    line: Vec<u8>,
    seen: usize,
}

impl<'a> Body<'a> {
    /// Keeps the beginning of the body.
    pub(super) fn whole() -> Self {
        Self::lines(&[])
    }

    /// Keeps lines that begin with one of `wanted`; without any, the beginning of the body.
    pub(super) fn lines(wanted: &'a [&'a str]) -> Self {
        Self {
            wanted,
            kept: Vec::new(),
            line: Vec::new(),
            seen: 0,
        }
    }

    /// Bytes that arrived.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= KEPT_LIMIT || (!self.wanted.is_empty() && self.seen >= SEARCHED_LIMIT)
    }

    /// The next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.seen = self.seen.saturating_add(piece.len());
        if self.wanted.is_empty() {
            self.keep(piece);
            return;
        }
        let mut parts = piece.split(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.extend_line(first);
        }
        for part in parts {
            self.end();
            self.extend_line(part);
        }
    }

    /// No more pieces follow, or no more of this line.
    pub(super) fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        let is_wanted = self
            .wanted
            .iter()
            .any(|wanted| line.starts_with(wanted.as_bytes()));
        if is_wanted {
            self.keep(&line);
            self.keep(b"\n");
        }
        self.line = line;
        self.line.clear();
    }

    /// What was kept, as text.
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT_LIMIT.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT.saturating_sub(self.line.len());
        self.line.extend(bytes.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(wanted: &[&str], pieces: &[&str]) -> String {
        let mut body = Body::lines(wanted);
        for piece in pieces {
            body.push(piece.as_bytes());
        }
        body.end();
        body.into_text()
    }

    #[test]
    fn lines_are_found_wherever_pieces_end() {
        let page = "# HELP a b\nttl_seconds 5\nother 1\nttl_seconds{a=\"b\"} 6";
        let expected = "ttl_seconds 5\nttl_seconds{a=\"b\"} 6\n";
        assert_eq!(kept(&["ttl_", "none"], &[page]), expected);
        for split in 1..page.len() {
            let (before, after) = page.split_at(split);
            assert_eq!(kept(&["ttl_"], &[before, after]), expected, "{split}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "a".repeat(KEPT_LIMIT);
        assert_eq!(kept(&[], &[&long, "b"]).len(), KEPT_LIMIT);
        assert_eq!(kept(&["a"], &[&long, "b\nab"]).len(), LINE_LIMIT + 1 + 3);
        let mut body = Body::lines(&["a"]);
        let other = "b".repeat(1024 * 1024);
        for _ in 0..SEARCHED_LIMIT / other.len() {
            assert!(!body.is_full());
            body.push(other.as_bytes());
        }
        assert!(body.is_full());
        assert_eq!(body.into_text(), "");
    }
}
