//! JSON and YAML, whole or as a list that grows while it is written.
//!
//! [`ListWriter`] exists so that a hundred thousand items need no memory: the envelope's first
//! fields are written, then each item on its own, then the last fields.

use crate::error::CliError;
use serde::Serialize;
use std::io::{self, Write};

/// A form for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structured {
    /// JSON, two blanks of indentation.
    Json,
    /// YAML, one document.
    Yaml,
}

/// Writes one object and a final newline.
pub fn write_object(
    writer: &mut dyn Write,
    structured: Structured,
    object: &impl Serialize,
) -> io::Result<()> {
    match structured {
        Structured::Json => {
            // straight into the writer: a cluster has tens of thousands of rows
            serde_json::to_writer_pretty(&mut *writer, object)?;
            writeln!(writer)
        }
        Structured::Yaml => {
            let text = serde_saphyr::to_string(object).map_err(io::Error::other)?;
            writeln!(writer, "{}", text.trim_end_matches('\n'))
        }
    }
}

/// Writes an object one of whose fields is a long list.
pub struct ListWriter<W> {
    writer: W,
    structured: Structured,
    items: usize,
}

impl<W: Write> ListWriter<W> {
    /// Writes the fields of `head` (an object) and opens the list called `field`.
    pub fn begin(
        mut writer: W,
        structured: Structured,
        head: &impl Serialize,
        field: &str,
    ) -> Result<Self, CliError> {
        match structured {
            Structured::Json => {
                let text = serde_json::to_string_pretty(head).map_err(io::Error::from)?;
                let opened = text.strip_suffix("\n}").unwrap_or("{");
                write!(writer, "{opened},\n  \"{field}\": [")?;
            }
            Structured::Yaml => {
                write_object(&mut writer, structured, head)?;
                write!(writer, "{field}:")?;
            }
        }
        Ok(Self {
            writer,
            structured,
            items: 0,
        })
    }

    /// Writes one item.
    pub fn item(&mut self, item: &impl Serialize) -> Result<(), CliError> {
        match self.structured {
            Structured::Json => {
                self.writer
                    .write_all(if self.items == 0 { b"\n" } else { b",\n" })?;
                let text = serde_json::to_string_pretty(item).map_err(io::Error::from)?;
                self.writer.write_all(indented(&text, "    ").as_bytes())?;
            }
            Structured::Yaml => {
                let text = serde_saphyr::to_string(&[item]).map_err(io::Error::other)?;
                write!(self.writer, "\n{}", text.trim_end_matches('\n'))?;
            }
        }
        self.items += 1;
        Ok(())
    }

    /// Closes the list, writes the fields of `tail` (an object), and flushes.
    pub fn end(mut self, tail: &impl Serialize) -> Result<(), CliError> {
        match self.structured {
            Structured::Json => {
                self.writer
                    .write_all(if self.items == 0 { b"]" } else { b"\n  ]" })?;
                let text = serde_json::to_string_pretty(tail).map_err(io::Error::from)?;
                let fields = text.strip_prefix('{').unwrap_or("\n}");
                writeln!(self.writer, ",{fields}")?;
            }
            Structured::Yaml => {
                self.writer
                    .write_all(if self.items == 0 { b" []\n" } else { b"\n" })?;
                write_object(&mut self.writer, self.structured, tail)?;
            }
        }
        self.writer.flush()?;
        Ok(())
    }
}

fn indented(text: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        out.push_str(by);
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn streamed(structured: Structured, items: &[Value]) -> String {
        let mut bytes = Vec::new();
        let head = json!({"kind": "List", "count": items.len()});
        let mut list = ListWriter::begin(&mut bytes, structured, &head, "items").unwrap();
        for item in items {
            list.item(item).unwrap();
        }
        list.end(&json!({"errors": []})).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn items() -> Vec<Value> {
        vec![
            json!({"name": "a: b", "list": [1, {"x": null}], "empty": []}),
            json!("- text\nwith lines"),
            json!({"nested": {"deep": ["#no comment", "yes", "2026-08-20T00:00:00Z"]}}),
        ]
    }

    #[test]
    fn a_streamed_list_reads_as_if_written_whole() {
        for items in [items(), Vec::new()] {
            let whole = json!({
                "kind": "List", "count": items.len(), "items": items, "errors": [],
            });
            let text = streamed(Structured::Json, &items);
            assert_eq!(
                text.trim_end(),
                serde_json::to_string_pretty(&whole).unwrap()
            );
            let text = streamed(Structured::Yaml, &items);
            assert_eq!(
                serde_saphyr::from_str::<Value>(&text).unwrap(),
                whole,
                "{text}"
            );
        }
    }
}
