//! Properties of edits: whatever the text, an edit that is not refused says what was asked and
//! changes nothing else; and no input makes anything panic.

use super::plain::{Plain, documents};
use kubepki_core::formats::yaml;
use kubepki_core::formats::yaml_edit::{Editor, Step};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// Texts that are often YAML: made of the letters that matter to it.
fn yamlish() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "b",
        "m",
        "name",
        "é",
        "1",
        "null",
        ": ",
        ":",
        "- ",
        "-",
        ",",
        ", ",
        "{",
        "}",
        "[",
        "]",
        "{}",
        "[]",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\n  ",
        "\n    ",
        " ",
        "  ",
        "\t",
        "#",
        " # c",
        "'",
        "\"",
        "'x'",
        "\"y\"",
        "\\",
        "|",
        ">",
        " |\n",
        " >-\n",
        " |2\n",
        "&x ",
        "*x",
        "!!str ",
        "? ",
        "---\n",
        "...\n",
        "a: b\n",
        "m:\n  a: b\n  c: d\n",
        "- name: a\n  b: c\n",
        "<<",
        "%",
    ]);
    vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

/// A document whose contents are known, in many spellings.
fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("plain".to_owned()),
        Just("'single ''quoted'' # no comment'".to_owned()),
        Just("\"double: \\\"quoted\\\"\"".to_owned()),
        Just("LS0tLS1CRUdJTg==".to_owned()),
        Just("12".to_owned()),
        Just("~".to_owned()),
        Just(String::new()),
        Just("{}".to_owned()),
        Just("{x: y, z: [1, {w: v}]}".to_owned()),
        Just("[]".to_owned()),
    ];
    let comment = prop_oneof![3 => Just(""), 1 => Just(" # why: not")];
    let entry = (scalar, comment, 0..3_usize);
    let block = (vec(entry, 1..5), 1..4_usize, 0..3_usize, any::<bool>());
    (vec(block, 1..4), any::<bool>(), any::<bool>()).prop_map(|(blocks, crlf, last_newline)| {
        let mut text = "# first\napiVersion: v1\n".to_owned();
        for (number, (entries, indent, gap, as_item)) in blocks.into_iter().enumerate() {
            text.push_str(&format!(
                "block{number}:{}\n",
                if gap == 2 { " # after" } else { "" }
            ));
            text.push_str(&"\n".repeat(gap));
            let spaces = " ".repeat(indent);
            for (position, (scalar, comment, blank)) in entries.into_iter().enumerate() {
                let dash = match (as_item, position) {
                    (true, 0) => format!("{spaces}- "),
                    (true, _) => format!("{spaces}  "),
                    (false, _) => spaces.clone(),
                };
                text.push_str(&format!("{dash}key{position}: {scalar}{comment}\n"));
                if blank == 2 && position > 0 {
                    text.push_str("\n  # between\n");
                }
            }
        }
        if !last_newline {
            text.pop();
        }
        if crlf {
            text.replace('\n', "\r\n")
        } else {
            text
        }
    })
}

/// The bytes of the value of `key` in the mapping at `path` of the first document.
fn span_of(text: &str, path: &[Step<'_>], key: &str) -> Range<usize> {
    let documents = yaml::parse(text).unwrap();
    let mapping = path
        .iter()
        .fold(documents[0].root(), |node, step| match step {
            Step::Key(key) => node.get(key).unwrap(),
            Step::Item(number) => node.items().nth(*number).unwrap(),
            Step::Named(name) => panic!("{name}"),
        });
    mapping.get(key).unwrap().span()
}

fn mapping_at<'p>(documents: &'p mut [Plain], path: &[Step<'_>]) -> &'p mut Vec<(String, Plain)> {
    let mut plain = &mut documents[0];
    for step in path {
        plain = match (plain, step) {
            (Plain::Mapping(entries), Step::Key(key)) => {
                &mut entries.iter_mut().find(|(name, _)| name == key).unwrap().1
            }
            (Plain::Sequence(items), Step::Item(number)) => &mut items[*number],
            (other, step) => panic!("{step:?} of {other:?}"),
        };
    }
    plain.entries_mut()
}

fn check_set(text: &str, path: &[Step<'_>], key: &str, value: &str) -> Result<(), TestCaseError> {
    let Ok(mut editor) = Editor::new(text) else {
        return Ok(());
    };
    if editor.set(path, key, value).is_err() {
        prop_assert_eq!(editor.text(), text, "a refused edit changed the text");
        return Ok(());
    }
    let mut expected = documents(text);
    let entries = mapping_at(&mut expected, path);
    let new = Plain::Text(value.to_owned());
    match entries.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = new,
        None => entries.push((key.to_owned(), new)),
    }
    let found = documents(editor.text());
    prop_assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        prop_assert!(
            found.same(expected),
            "{:?}\n{:?}\n{:?}",
            text,
            found,
            expected
        );
    }
    Ok(())
}

fn check_remove(text: &str, path: &[Step<'_>], key: &str) -> Result<(), TestCaseError> {
    let Ok(mut editor) = Editor::new(text) else {
        return Ok(());
    };
    if editor.remove(path, key).is_err() {
        prop_assert_eq!(editor.text(), text, "a refused edit changed the text");
        return Ok(());
    }
    let mut expected = documents(text);
    mapping_at(&mut expected, path).retain(|(name, _)| name != key);
    let found = documents(editor.text());
    prop_assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        prop_assert!(
            found.same(expected),
            "{:?}\n{:?}\n{:?}",
            text,
            found,
            expected
        );
    }
    Ok(())
}

fn paths(number: usize) -> [Vec<Step<'static>>; 5] {
    const BLOCKS: [&str; 3] = ["block0", "block1", "block2"];
    let block = Step::Key(BLOCKS[number % 3]);
    [
        vec![],
        vec![block],
        vec![block, Step::Item(0)],
        vec![Step::Key("m")],
        vec![Step::Key("a"), Step::Item(0)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn edits_of_odd_texts_change_nothing_else(
        text in yamlish(),
        key in prop::sample::select(vec!["a", "b", "m", "c", "new"]),
        value in prop_oneof![Just("x".to_owned()), any::<String>()],
        number in 0..3_usize,
    ) {
        for path in paths(number) {
            check_set(&text, &path, key, &value)?;
            check_remove(&text, &path, key)?;
        }
    }

    #[test]
    fn edits_of_documents_change_nothing_else(
        text in document(),
        key in prop::sample::select(vec!["key0", "key1", "key3", "new"]),
        value in prop_oneof![Just("x".to_owned()), "[ -~]{0,40}", any::<String>()],
        number in 0..3_usize,
    ) {
        for path in paths(number) {
            check_set(&text, &path, key, &value)?;
            check_remove(&text, &path, key)?;
        }
    }

    #[test]
    fn a_replaced_scalar_is_all_that_changes(
        text in document(),
        key in prop::sample::select(vec!["key0", "key1", "key2"]),
        value in "[a-z]{1,40}",
        number in 0..3_usize,
    ) {
        for path in paths(number) {
            let Ok(mut editor) = Editor::new(&text) else { continue };
            if !editor.has(&path, key).unwrap_or(false) || editor.set(&path, key, &value).is_err() {
                continue;
            }
            let mut span = span_of(&text, &path, key);
            if span.is_empty() {
                // No value yet: it goes behind the colon.
                span = span.end + 1..span.end + 1;
            }
            let edited = editor.text();
            prop_assert!(edited.starts_with(&text[..span.start]));
            prop_assert!(edited.ends_with(&text[span.end..]));
            prop_assert!(edited.len() <= text.len() - span.len() + value.len() + 3);
        }
    }

    #[test]
    fn an_inserted_and_removed_entry_leaves_no_trace(
        text in document(),
        value in any::<String>(),
        number in 0..3_usize,
    ) {
        for path in paths(number) {
            let Ok(mut editor) = Editor::new(&text) else { continue };
            if editor.set(&path, "new", &value).is_ok() {
                prop_assert!(editor.remove(&path, "new").unwrap());
                prop_assert_eq!(editor.text(), &text);
            }
        }
    }

    #[test]
    fn json_stays_json(
        keys in vec("[a-z\"\\\\é😀 ]{1,6}", 0..5),
        value in any::<String>(),
        pretty in any::<bool>(),
        key in prop::sample::select(vec!["a", "new"]),
    ) {
        let mut inner = serde_json::Map::new();
        for (number, name) in keys.into_iter().enumerate() {
            let value = match number % 4 {
                0 => serde_json::json!("text \u{1f600} \"\\"),
                1 => serde_json::Value::Null,
                2 => serde_json::json!(12),
                _ => serde_json::json!({"x": [1, {"y": "z"}]}),
            };
            inner.insert(name, value);
        }
        let mut json = serde_json::json!({"before": 1, "m": inner, "after": [true]});
        let text = if pretty {
            serde_json::to_string_pretty(&json).unwrap()
        } else {
            json.to_string()
        };
        let mut editor = Editor::new(&text).unwrap();
        if matches!(json["m"].get(key), Some(serde_json::Value::Object(_))) {
            return Ok(());
        }
        editor.set(&[Step::Key("m")], key, &value).unwrap();
        json["m"][key] = serde_json::Value::String(value);
        let found: serde_json::Value = serde_json::from_str(editor.text()).unwrap();
        prop_assert_eq!(&found, &json);
        editor.remove(&[Step::Key("m")], key).unwrap();
        let found: serde_json::Value = serde_json::from_str(editor.text()).unwrap();
        json["m"].as_object_mut().unwrap().remove(key);
        prop_assert_eq!(found, json);
    }

    #[test]
    fn reading_never_panics(text in any::<String>(), bytes in vec(any::<u8>(), 0..200)) {
        let _ = yaml::parse(&text).map(|documents| documents.len());
        let _ = yaml::text_of(&bytes).map(|text| yaml::parse(text).map(|documents| documents.len()));
    }
}
