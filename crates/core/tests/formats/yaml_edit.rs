//! Edits of YAML and JSON text, case by case: the whole text before and after.

use kubepki_core::formats::yaml_edit::{EditError, Editor, Step};

fn set(text: &str, path: &[Step<'_>], key: &str, value: &str) -> Result<String, EditError> {
    let mut editor = Editor::new(text)?;
    editor.set(path, key, value)?;
    Ok(editor.finish().to_string())
}

fn removed(text: &str, path: &[Step<'_>], key: &str) -> Result<String, EditError> {
    let mut editor = Editor::new(text)?;
    editor.remove(path, key)?;
    Ok(editor.finish().to_string())
}

#[track_caller]
fn sets(before: &str, path: &[Step<'_>], key: &str, value: &str, after: &str) {
    assert_eq!(set(before, path, key, value).unwrap(), after, "{before:?}");
}

const M: [Step<'_>; 1] = [Step::Key("m")];

#[test]
fn a_scalar_is_replaced_in_its_own_style() {
    sets("a: b # c\n", &[], "a", "d", "a: d # c\n");
    sets("a:   'b'\r\nz: 1", &[], "a", "it's", "a:   'it''s'\r\nz: 1");
    sets("a: \"b\"", &[], "a", "d e", "a: \"d e\"");
    sets("a: b", &[], "a", "no", "a: \"no\"");
    sets(
        "{\"a\": \"b\", \"c\":1}",
        &[],
        "c",
        "x",
        "{\"a\": \"b\", \"c\":\"x\"}",
    );
    sets("a: b\n  c\n  d\ne: f\n", &[], "a", "x", "a: x\ne: f\n");
    sets(
        "é: ü\nm:\n  ä: ö # é\n",
        &M,
        "ä",
        "w",
        "é: ü\nm:\n  ä: w # é\n",
    );
}

#[test]
fn a_missing_value_is_filled_in() {
    sets("a:\nb: c\n", &[], "a", "x", "a: x\nb: c\n");
    sets("a:   # why\nb: c\n", &[], "a", "x", "a: x   # why\nb: c\n");
    sets("a: ~\n", &[], "a", "x", "a: x\n");
    sets("{\"a\": null}", &[], "a", "x", "{\"a\": \"x\"}");
    sets("a:", &[], "a", "x", "a: x");
}

#[test]
fn a_block_scalar_gives_way_to_a_line() {
    sets(
        "a: |\n  b\n  c\n\n# d\ne: f\n",
        &[],
        "a",
        "x",
        "a: x\n\n# d\ne: f\n",
    );
    sets(
        "a: >2- # why\n   b\n   c\ne: f\n",
        &[],
        "a",
        "x",
        "a: x # why\ne: f\n",
    );
    sets(
        "m:\r\n  a: |\r\n    b\r\n  e: f\r\n",
        &M,
        "a",
        "x",
        "m:\r\n  a: x\r\n  e: f\r\n",
    );
    sets("a: |\nb: c\n", &[], "a", "x", "a: x\nb: c\n");
    sets("a: |\n  b", &[], "a", "x", "a: x");
}

#[test]
fn a_key_is_inserted_before_the_first() {
    sets(
        "m:\n    b: c\nd: e\n",
        &M,
        "a",
        "x",
        "m:\n    a: x\n    b: c\nd: e\n",
    );
    sets(
        "m:\r\n  b: c\r\n",
        &M,
        "a",
        "x",
        "m:\r\n  a: x\r\n  b: c\r\n",
    );
    sets("b: c", &[], "a", "x", "a: x\nb: c");
    sets("\u{feff}b: c\n", &[], "a", "x", "\u{feff}a: x\nb: c\n");
    sets(
        "# one\n---\n# two\nb: c\n",
        &[],
        "a",
        "x",
        "# one\n---\n# two\na: x\nb: c\n",
    );
    sets("m: {b: c}\n", &M, "a", "x", "m: {a: x, b: c}\n");
    sets("m: {}\n", &M, "a", "x", "m: {a: x}\n");
    sets("{\"m\":{}}", &M, "a", "x", "{\"m\":{\"a\": \"x\"}}");
    sets(
        "{\"m\":{\"b\":1}}",
        &M,
        "a",
        "x",
        "{\"m\":{\"a\":\"x\", \"b\":1}}",
    );
    sets(
        "{\n\t\"m\": {\n\t\t\"b\": 1\n\t}\n}\n",
        &M,
        "a",
        "x",
        "{\n\t\"m\": {\n\t\t\"a\": \"x\",\n\t\t\"b\": 1\n\t}\n}\n",
    );
    let list = [Step::Key("l"), Step::Named("two")];
    sets(
        "l:\n- name: one\n- name: two\n  z: 1\n",
        &list,
        "a",
        "x",
        "l:\n- name: one\n- a: x\n  name: two\n  z: 1\n",
    );
}

#[test]
fn other_documents_stay() {
    sets(
        "a: b\n---\na: c\n...\n---\nd",
        &[],
        "a",
        "x",
        "a: x\n---\na: c\n...\n---\nd",
    );
}

#[test]
fn a_key_is_removed_with_its_lines() {
    let cases = [
        ("a: b # c\nd: e\n", "d: e\n"),
        ("z: 1\na: b", "z: 1\n"),
        (
            "z: 1\r\na: |\r\n  b\r\n\r\n# c\r\nd: e\r\n",
            "z: 1\r\n\r\n# c\r\nd: e\r\n",
        ),
        ("z: 1\na:\n- b\n- c: d\n# e\nf: g\n", "z: 1\n# e\nf: g\n"),
        ("z: 1\na: {b: c,\n  d: e} # f\ng: h\n", "z: 1\ng: h\n"),
        ("{a: b, c: d}", "{c: d}"),
        ("{c: d, a: b}", "{c: d}"),
        ("{c: d, a: b, e: f}", "{c: d, e: f}"),
        ("{a: b}", "{}"),
    ];
    for (before, after) in cases {
        assert_eq!(removed(before, &[], "a").unwrap(), after, "{before:?}");
    }
    let item = [Step::Key("l"), Step::Item(0)];
    let before = "l:\n- a: b\n  name: c\n";
    assert_eq!(removed(before, &item, "a").unwrap(), "l:\n- name: c\n");
    assert_eq!(removed("z: 1\n", &[], "a").unwrap(), "z: 1\n");
}

#[test]
fn a_key_is_renamed_in_its_place() {
    let mut editor = Editor::new("u:\n  # x\n  old: /a/b # y\n  z: 1\n").unwrap();
    editor
        .replace(&[Step::Key("u")], "old", "new", "c")
        .unwrap();
    assert_eq!(editor.text(), "u:\n  # x\n  new: c # y\n  z: 1\n");
    assert!(
        editor
            .replace(&[Step::Key("u")], "old", "new", "c")
            .is_err()
    );
    let mut editor = Editor::new("{\"old\":\"a\"}").unwrap();
    editor.replace(&[], "old", "new", "c").unwrap();
    assert_eq!(editor.text(), "{\"new\":\"c\"}");
}

#[test]
fn a_mapping_is_put_in_with_its_first_entry() {
    let put = |text: &str| {
        let mut editor = Editor::new(text).unwrap();
        editor.set_mapping(&M, "a", ("k", "v")).unwrap();
        editor.finish().to_string()
    };
    assert_eq!(put("m:\n  b: c\n"), "m:\n  a:\n    k: v\n  b: c\n");
    assert_eq!(
        put("m:\n b:\n    c: d\n"),
        "m:\n a:\n    k: v\n b:\n    c: d\n"
    );
    assert_eq!(put("m: {b: c}\n"), "m: {a: {k: v}, b: c}\n");
    assert_eq!(put("m:\n  a:\n"), "m:\n  a: {k: v}\n");
    assert_eq!(
        put("{\"m\":{\"b\":1}}"),
        "{\"m\":{\"a\":{\"k\": \"v\"}, \"b\":1}}"
    );
}

#[test]
fn what_cannot_be_edited_is_refused_with_its_place() {
    let cases: [(&str, &[Step<'_>], &str); 12] = [
        ("a: b\na: c\n", &[], "a is there more than once"),
        (
            "a: &x b\nc: *x\n",
            &[],
            "a at line 1 has an anchor or a tag: edit it by hand",
        ),
        (
            "a: !!str b\n",
            &[],
            "a at line 1 has an anchor or a tag: edit it by hand",
        ),
        ("a:\n  b: c\n", &[], "a at line 2 is not a scalar"),
        ("- a\n", &[], "the document at line 1 is not a mapping"),
        (
            "m: &x {a: b}\n",
            &M,
            "m at line 1 has an anchor or a tag: edit it by hand",
        ),
        (
            "n: &x {a: b}\nm: *x\n",
            &M,
            "m at line 2 is an alias of another part of the file: edit it by hand",
        ),
        ("b: c\n", &M, "m not found"),
        ("", &[], "the document not found"),
        (
            "? b\n: c\n",
            &[],
            "a at line 1 is spelled in a way that cannot be edited: its first key does not start a line",
        ),
        (
            "m: [b: c]\n",
            &[Step::Key("m"), Step::Item(0)],
            "m[0].a at line 1 is spelled in a way that cannot be edited: it has no braces of its own",
        ),
        (
            "l: [{name: n}, {name: n}]\n",
            &[Step::Key("l"), Step::Named("n")],
            "l[n] is there more than once",
        ),
    ];
    for (text, path, message) in cases {
        assert_eq!(
            set(text, path, "a", "x").unwrap_err().to_string(),
            message,
            "{text:?}"
        );
    }
    let tab = set("m:\n\ta: b\n", &M, "a", "x").unwrap_err().to_string();
    assert_eq!(
        tab,
        "not valid YAML or JSON at line 2, column 2: tabs disallowed within this context (block indentation)"
    );
    let only = removed("m:\n  a: b\n", &M, "a").unwrap_err().to_string();
    assert_eq!(
        only,
        "m.a at line 2 is spelled in a way that cannot be edited: it is the only entry"
    );
    let comment = removed("{b: c, # why\n a: d}", &[], "a")
        .unwrap_err()
        .to_string();
    assert_eq!(
        comment,
        "a at line 2 is spelled in a way that cannot be edited: a comment is in the way"
    );
}

#[test]
fn an_alias_gives_way_where_it_stands() {
    sets("b: &x c\na: *x\n", &[], "a", "w", "b: &x c\na: w\n");
}

#[test]
fn aliases_that_never_end_are_read_as_nothing_or_refused() {
    use kubepki_core::formats::yaml;
    let documents = yaml::parse("a: &x {b: *x, c: d}\n").unwrap();
    let inner = documents[0].root().get("a").unwrap();
    assert!(inner.get("b").unwrap().is_null());
    assert_eq!(inner.get("c").unwrap().as_str(), Some("d"));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let last = format!("*a{}", level - 1);
        let line = format!("a{level}: &a{level} [{}]\n", vec![last; 10].join(", "));
        bomb.push_str(&line);
    }
    let error = yaml::parse(&bomb).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "yaml-too-many-aliases");
}

#[test]
fn merge_keys_are_followed_when_reading() {
    use kubepki_core::formats::yaml;
    let text = "base: &b {x: 1, y: 2}\nmore: &m {z: 3}\nm:\n  <<: [*b, *m]\n  y: 4\n";
    let documents = yaml::parse(text).unwrap();
    let merged = documents[0].root().get("m").unwrap();
    let text = |key| merged.get(key).and_then(yaml::NodeRef::as_str);
    assert_eq!(
        (text("x"), text("y"), text("z"), text("w")),
        (Some("1"), Some("4"), Some("3"), None)
    );
}
