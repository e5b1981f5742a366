//! Frames: whatever comes, a message or a refusal, and never more memory than bytes.

use kubepki_fleet::frames::{
    FRAME_LIMIT, FrameError, NOISE_LIMIT, encode, read_frame, read_greeting, write_frame,
    write_greeting,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{self, Read};

/// Gives bytes in pieces of these sizes, then in single ones, with an interruption before each.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    is_interrupted: bool,
}

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], sizes: Vec<usize>) -> Self {
        Self {
            bytes,
            sizes,
            is_interrupted: false,
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.sizes.pop().unwrap_or(1).max(1);
        let (now, later) = self
            .bytes
            .split_at(size.min(buffer.len()).min(self.bytes.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.bytes = later;
        Ok(now.len())
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn messages_arrive_in_order_however_they_are_cut(
        values in prop::collection::vec(value(), 1..5),
        sizes in prop::collection::vec(1usize..400, 0..40),
    ) {
        let mut bytes = Vec::new();
        write_greeting(&mut bytes, 1).unwrap();
        for value in &values {
            write_frame(&mut bytes, value).unwrap();
        }
        let mut stream = Pieces::new(&bytes, sizes);
        prop_assert_eq!(read_greeting(&mut stream).unwrap(), 1);
        for value in &values {
            prop_assert_eq!(&read_frame::<Value>(&mut stream).unwrap(), value);
        }
        prop_assert!(matches!(read_frame::<Value>(&mut stream), Err(FrameError::Closed)));
    }

    #[test]
    fn a_message_that_is_cut_off_is_never_taken_for_one(value in value(), at in any::<prop::sample::Index>()) {
        let frame = encode(&value).unwrap();
        let end = at.index(frame.len());
        match read_frame::<Value>(&mut &frame[..end]) {
            Err(FrameError::Closed) => prop_assert_eq!(end, 0),
            Err(error @ FrameError::Truncated { .. }) => prop_assert!(error.is_lost()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn garbage_is_refused_and_never_believed(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        // Four bytes that happen to announce what follows, and JSON in it, would be a message.
        if let Ok(value) = read_frame::<Value>(&mut bytes.as_slice()) {
            let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes[4..4 + length]).unwrap(), value);
        }
    }

    #[test]
    fn a_greeting_is_found_behind_whatever_is_said_before(
        noise in "([a-z \\-:#\u{1b}]{0,60}\n){0,20}",
        prompt in "[a-z$ ]{0,10}",
        version in any::<u32>(),
    ) {
        let text = format!("{noise}{prompt}kubepki-agent {version}\r\nrest");
        let mut stream = text.as_bytes();
        prop_assert_eq!(read_greeting(&mut stream).unwrap(), version);
        prop_assert_eq!(stream, b"rest");
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
    for length in [FRAME_LIMIT + 1, u32::MAX] {
        let bytes = [&length.to_be_bytes()[..], b"{}"].concat();
        let error = read_frame::<Value>(&mut bytes.as_slice()).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
        assert!(!error.is_lost());
    }
    // Announced and never sent: no memory is taken for it.
    let bytes = [&FRAME_LIMIT.to_be_bytes()[..], b"{}"].concat();
    let error = read_frame::<Value>(&mut bytes.as_slice()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the connection ended after 2 of {FRAME_LIMIT} bytes of a message")
    );
}

#[test]
fn text_between_frames_is_told_as_text() {
    let error = read_frame::<Value>(&mut &b"sudo: a password is required\n"[..]).unwrap_err();
    let words = error.to_string();
    assert!(words.ends_with("it begins like text: `sudo`"), "{words}");
}

#[test]
fn what_is_no_json_or_json_of_something_else_is_told_without_its_values() {
    let frame = |json: &str| {
        let length = u32::try_from(json.len()).unwrap();
        [&length.to_be_bytes()[..], json.as_bytes()].concat()
    };
    for (json, expected) in [
        (r#"{"password": hunter2}"#, "it is no JSON"),
        (r#"{"password": "hunter2"}"#, "it is JSON of something else"),
        (r#"{"password": "hunter2"#, "its JSON is cut off"),
    ] {
        let error = read_frame::<kubepki_fleet::protocol::Message>(&mut frame(json).as_slice())
            .unwrap_err();
        let words = error.to_string();
        assert!(words.contains(expected), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
}

#[test]
fn instead_of_a_greeting_what_was_said_is_shown() {
    let said = |text: &str| match read_greeting(&mut text.as_bytes()) {
        Err(FrameError::NoGreeting(said)) => said,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(""), "");
    assert_eq!(
        said("\u{1b}[2JWelcome to cp1\n\n  sudo: a password is required\r\n"),
        "[2JWelcome to cp1; sudo: a password is required"
    );
    assert_eq!(said("kubepki-agent one\n"), "kubepki-agent one");
    let error = read_greeting(&mut &b"sh: kubepki: not found"[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no agent answers; instead it says: sh: kubepki: not found"
    );
}

#[test]
fn a_greeting_is_not_waited_for_for_ever() {
    let endless = io::repeat(b'y');
    let error = read_greeting(&mut endless.take(1 << 30)).unwrap_err();
    assert!(matches!(&error, FrameError::NoGreeting(said) if said.len() <= 2000));
    let late = format!("{}\nkubepki-agent 1\n", "y".repeat(NOISE_LIMIT));
    assert!(read_greeting(&mut late.as_bytes()).is_err());
}

#[test]
fn a_stream_that_fails_is_told_in_its_words() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("it broke"))
        }
    }
    let error = read_frame::<Value>(&mut Broken).unwrap_err();
    assert_eq!(error.to_string(), "the connection failed: it broke");
    assert!(error.is_lost());
    let error = write_frame(
        &mut Box::new(io::Cursor::new([0u8; 3])).as_mut(),
        &json!({}),
    );
    assert!(error.is_err_and(|error| error.is_lost()));
}
