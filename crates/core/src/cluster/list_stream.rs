//! A list of the API taken apart while it arrives: one object at a time, whatever the list's size.
//!
//! Bytes are pushed in as they come; each element of `items` comes out whole, in a buffer that is
//! then used anew. Of JSON (RFC 8259) only as much is understood as finds where a value ends: an
//! object's own JSON is judged by whoever reads it, and the end of the list by [`ListStream::finish`].
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#collections>

use super::secret_buffer::SecretBuffer;
use serde::Deserialize;

/// Takes one list apart.
pub struct ListStream {
    state: State,
    /// Where the value that is being passed over or gathered stands.
    value: Value,
    key: Vec<u8>,
    metadata: Vec<u8>,
    item: SecretBuffer,
    item_is_too_large: bool,
    passed_over: u64,
    largest: usize,
}

/// What a list says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListEnd {
    /// `metadata.continue`; `None` when nothing follows.
    pub next: Option<String>,
    /// Objects larger than was accepted.
    pub passed_over: u64,
}

/// The answer is not a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Something else stands where JSON asks for this.
    #[error("the answer is not a list of objects: expected {expected}, found byte {found:#04x}")]
    Unexpected {
        /// What JSON asks for.
        expected: &'static str,
        /// What was found.
        found: u8,
    },
    /// It ends too early.
    #[error("the answer ends in the middle of the list")]
    Unfinished,
    /// Its metadata cannot be read.
    #[error("the list's metadata cannot be read")]
    Metadata,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the list's `{`.
    Start,
    /// Before a key or the end.
    BeforeKey,
    Key,
    AfterKey,
    BeforeValue,
    /// Inside the value of a key other than `items`.
    Field,
    BeforeItem,
    Item,
    AfterItem,
    AfterValue,
    End,
}

/// How deep in a value, and whether in a text.
#[derive(Clone, Copy, Default)]
struct Value {
    depth: u32,
    in_text: bool,
    escaped: bool,
    begun: bool,
}

impl ListStream {
    /// Objects above 16 MiB are passed over.
    pub fn new() -> Self {
        Self::with_largest(16 * 1024 * 1024)
    }

    /// Objects of more than `largest` bytes are passed over.
    pub fn with_largest(largest: usize) -> Self {
        Self {
            state: State::Start,
            value: Value::default(),
            key: Vec::new(),
            metadata: Vec::new(),
            item: SecretBuffer::new(),
            item_is_too_large: false,
            passed_over: 0,
            largest,
        }
    }

    /// Takes the next bytes; `each` gets every object that is now complete.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), ListError> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            let state = self.state;
            rest = match state {
                State::Field | State::Item => {
                    let (taken, ended) = self.value.take(rest);
                    let (part, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
                    self.gather(part);
                    if ended {
                        self.end_value(each);
                    }
                    after
                }
                State::Key => {
                    self.read_key(byte);
                    after
                }
                _ if byte.is_ascii_whitespace() => after,
                _ => match self.step(byte)? {
                    true => after,
                    // the byte is the first of a value
                    false => rest,
                },
            };
        }
        Ok(())
    }

    /// What the list said of itself, once everything has come.
    pub fn finish(self) -> Result<ListEnd, ListError> {
        if self.state != State::End {
            return Err(ListError::Unfinished);
        }
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(default, rename = "continue")]
            next: String,
        }
        let next = match self.metadata.is_empty() {
            true => String::new(),
            false => {
                let read = serde_json::from_slice::<Metadata>(&self.metadata);
                read.map_err(|_| ListError::Metadata)?.next
            }
        };
        Ok(ListEnd {
            next: Some(next).filter(|next| !next.is_empty()),
            passed_over: self.passed_over,
        })
    }

    /// One byte between values; false when it begins a value and is still to be taken.
    fn step(&mut self, byte: u8) -> Result<bool, ListError> {
        let (next, taken) = match (self.state, byte) {
            (State::Start, b'{') => (State::BeforeKey, true),
            (State::BeforeKey, b'"') => {
                self.key.clear();
                self.value = Value::default();
                (State::Key, true)
            }
            (State::BeforeKey | State::AfterValue, b'}') => (State::End, true),
            (State::AfterKey, b':') => (State::BeforeValue, true),
            (State::BeforeValue, b'[') if self.key == b"items" => (State::BeforeItem, true),
            (State::BeforeValue, _) => (State::Field, false),
            (State::BeforeItem, b']') | (State::AfterItem, b']') => (State::AfterValue, true),
            (State::BeforeItem, b'{') => (State::Item, false),
            (State::AfterItem, b',') => (State::BeforeItem, true),
            (State::AfterValue, b',') => (State::BeforeKey, true),
            (state, found) => {
                let expected = state.expected();
                return Err(ListError::Unexpected { expected, found });
            }
        };
        if !taken {
            self.value = Value::default();
        }
        self.state = next;
        Ok(taken)
    }

    fn read_key(&mut self, byte: u8) {
        match byte {
            b'"' if !self.value.escaped => self.state = State::AfterKey,
            _ => {
                self.value.escaped = byte == b'\\' && !self.value.escaped;
                // no key of interest is longer
                if self.key.len() < 32 {
                    self.key.push(byte);
                }
            }
        }
    }

    fn gather(&mut self, part: &[u8]) {
        if self.state == State::Item {
            if self.item.len().saturating_add(part.len()) > self.largest {
                self.item_is_too_large = true;
                self.item.clear();
            }
            if !self.item_is_too_large {
                self.item.extend(part);
            }
        } else if self.key == b"metadata" && self.metadata.len() < LARGEST_METADATA {
            self.metadata.extend_from_slice(part);
        }
    }

    fn end_value(&mut self, each: &mut dyn FnMut(&[u8])) {
        if self.state == State::Field {
            self.state = State::AfterValue;
            return;
        }
        self.state = State::AfterItem;
        if self.item_is_too_large {
            self.passed_over += 1;
        } else {
            each(self.item.bytes());
        }
        self.item.clear();
        self.item_is_too_large = false;
    }
}

/// A continue token is some hundred bytes.
const LARGEST_METADATA: usize = 1024 * 1024;

impl Default for ListStream {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn expected(self) -> &'static str {
        match self {
            Self::Start | Self::BeforeItem => "an object",
            Self::AfterKey => "a colon",
            Self::BeforeKey => "a key",
            Self::AfterItem | Self::AfterValue => "a comma or the end",
            _ => "nothing more",
        }
    }
}

impl Value {
    /// How many of the bytes belong to the value, and whether it ends with them.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return (index + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                // a number or a word ends where something else begins
                b'}' | b']' | b',' if self.depth == 0 => return (index, true),
                _ if self.depth == 0 && self.begun && byte.is_ascii_whitespace() => {
                    return (index, true);
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (index + 1, true);
                    }
                }
                _ => {}
            }
            self.begun = true;
        }
        (bytes.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn take_apart(text: &str, chunk: usize) -> Result<(Vec<Json>, ListEnd), ListError> {
        let mut stream = ListStream::with_largest(10_000);
        let mut items = Vec::new();
        for piece in text.as_bytes().chunks(chunk) {
            stream.push(piece, &mut |item| {
                items.push(serde_json::from_slice(item).unwrap());
            })?;
        }
        Ok((items, stream.finish()?))
    }

    #[test]
    fn objects_come_out_whole_however_the_bytes_arrive() {
        let list = json!({"kind": "SecretList", "apiVersion": "v1",
            "metadata": {"resourceVersion": "7", "continue": "eyJ", "remainingItemCount": 3},
            "items": [{"a": "}]\"\\"}, {"b": [1, {"c": null}], "d": {}}, {}], "more": [1, "x"], "n": 5});
        for text in [
            list.to_string(),
            serde_json::to_string_pretty(&list).unwrap(),
        ] {
            for chunk in [1, 2, 3, 7, 4096] {
                let (items, end) = take_apart(&text, chunk).unwrap();
                assert_eq!(Json::Array(items), list["items"], "in pieces of {chunk}");
                assert_eq!(end.next.as_deref(), Some("eyJ"));
            }
        }
    }

    #[test]
    fn an_empty_list_ends() {
        for text in [
            r#"{"metadata":{},"items":[]}"#,
            r#"{"items":null,"metadata":{"continue":""}}"#,
            "{}",
        ] {
            let (items, end) = take_apart(text, 5).unwrap();
            assert_eq!((items.len(), end.next), (0, None), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "[]",
            "nothing",
            r#"{"items":[1]}"#,
            r#"{"items":[{} {}]}"#,
            "{},",
        ] {
            let error = take_apart(text, 3).unwrap_err();
            assert!(
                matches!(error, ListError::Unexpected { .. }),
                "{text}: {error}"
            );
        }
        for text in ["", r#"{"items":[{"a":1"#, r#"{"items":[]"#, r#"{"a"#] {
            assert_eq!(
                take_apart(text, 3).unwrap_err(),
                ListError::Unfinished,
                "{text}"
            );
        }
        let error = take_apart(r#"{"metadata":5,"items":[]}"#, 3).unwrap_err();
        assert_eq!(error, ListError::Metadata);
    }

    #[test]
    fn objects_that_are_too_large_are_passed_over() {
        let list = json!({"items": [{"a": "x".repeat(20_000)}, {"b": 1}]}).to_string();
        let (items, end) = take_apart(&list, 1000).unwrap();
        assert_eq!((items, end.passed_over), (vec![json!({"b": 1})], 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(bytes: Vec<u8>, chunk in 1usize..9) {
            let mut stream = ListStream::new();
            for piece in bytes.chunks(chunk) {
                if stream.push(piece, &mut |_| ()).is_err() {
                    break;
                }
            }
            let _ = stream.finish();
        }

        #[test]
        fn any_texts_come_out_as_they_went_in(texts: Vec<String>, chunk in 1usize..50) {
            let items: Vec<Json> = texts.iter().map(|text| json!({"k": text, text: [text]})).collect();
            let list = json!({"items": items}).to_string();
            prop_assert_eq!(take_apart(&list, chunk).unwrap().0, items);
        }
    }
}
