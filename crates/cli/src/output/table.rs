//! Tables as kubectl prints them: upper-case headers, no borders, three blanks between columns.
//!
//! Widths are settled by the first rows and kept, so that later rows can be printed as they come.
//! On a terminal too narrow for all of it, columns that may give way are cut with an ellipsis; a
//! pipe or a file always gets everything.

use super::style::HEADING;
use anstyle::Style;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const GAP: usize = 3;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Upper-case header.
    pub header: &'static str,
    /// The width below which it is never cut; `None` when it is never cut at all.
    pub shrinks_to: Option<usize>,
    /// Whether the cut falls at the front, which is right for paths.
    pub keeps_end: bool,
    /// The width that it has in any case, for rows that come later than those that settle widths.
    pub at_least: usize,
}

impl Column {
    /// A column that is always shown in full.
    pub const fn fixed(header: &'static str) -> Self {
        Self {
            header,
            shrinks_to: None,
            keeps_end: false,
            at_least: 0,
        }
    }

    /// A column whose values may be cut at their end.
    pub const fn shrinking(header: &'static str, to: usize) -> Self {
        Self {
            header,
            shrinks_to: Some(to),
            keeps_end: false,
            at_least: 0,
        }
    }

    /// A column whose values may be cut at their front.
    pub const fn path(header: &'static str, to: usize) -> Self {
        Self {
            header,
            shrinks_to: Some(to),
            keeps_end: true,
            at_least: 0,
        }
    }

    /// The same, with room for values of this width that are still to come.
    pub const fn at_least(mut self, width: usize) -> Self {
        self.at_least = width;
        self
    }
}

/// Text with a style; an empty text is shown as nothing.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in ordinary style.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, Style::new())
    }

    /// A cell in `style`. What a terminal would obey instead of show is made visible.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self {
            text: printable(text.as_ref()),
            style,
        }
    }
}

/// A table whose rows may come in batches.
pub struct Table {
    columns: Vec<Column>,
    terminal_width: Option<usize>,
    widths: Option<Vec<usize>>,
}

impl Table {
    /// A table for a terminal of this width, or for a pipe.
    pub fn new(columns: Vec<Column>, terminal_width: Option<usize>) -> Self {
        Self {
            columns,
            terminal_width,
            widths: None,
        }
    }

    /// Writes rows; the first call also settles the widths and writes the header.
    pub fn write(&mut self, writer: &mut dyn Write, rows: &[Vec<Cell>]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let widths = match &self.widths {
            Some(widths) => widths.clone(),
            None => {
                let widths = self.settle(rows);
                let header = self.columns.iter().map(|c| Cell::styled(c.header, HEADING));
                self.row(writer, &header.collect::<Vec<_>>(), &widths)?;
                self.widths = Some(widths.clone());
                widths
            }
        };
        for row in rows {
            self.row(writer, row, &widths)?;
        }
        Ok(())
    }

    fn settle(&self, rows: &[Vec<Cell>]) -> Vec<usize> {
        let widest = |index: usize| {
            rows.iter()
                .filter_map(|row| row.get(index))
                .map(|cell| display_width(&cell.text))
                .max()
        };
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let widest = widest(index).unwrap_or(0);
                column.header.len().max(widest).max(column.at_least)
            })
            .collect();
        if let Some(available) = self.terminal_width {
            let gaps = GAP * widths.len().saturating_sub(1);
            let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(available);
            // the widest column that may give way gives first, one character at a time
            while excess > 0 {
                let widest = widths
                    .iter_mut()
                    .zip(&self.columns)
                    .filter(|(width, column)| {
                        column.shrinks_to.is_some_and(|least| **width > least)
                    })
                    .max_by_key(|(width, _)| **width);
                let Some((width, _)) = widest else { break };
                *width -= 1;
                excess -= 1;
            }
        }
        widths
    }

    fn row(&self, writer: &mut dyn Write, row: &[Cell], widths: &[usize]) -> io::Result<()> {
        let last = row
            .iter()
            .rposition(|cell| !cell.text.is_empty())
            .unwrap_or(0);
        for (index, ((cell, column), width)) in
            row.iter().zip(&self.columns).zip(widths).enumerate()
        {
            let text = if self.terminal_width.is_some() && column.shrinks_to.is_some() {
                cut(&cell.text, *width, column.keeps_end)
            } else {
                cell.text.clone()
            };
            let style = cell.style;
            write!(writer, "{style}{text}{style:#}")?;
            if index == last {
                break;
            }
            let padding = width.saturating_sub(display_width(&text)) + GAP;
            write!(writer, "{:padding$}", "")?;
        }
        writeln!(writer)
    }
}

/// Columns that a text takes on a terminal.
pub fn display_width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Text with every control character made visible: names in certificates, paths and claims come
/// from strangers and must not steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, character| {
            if character.is_control() || is_direction_mark(character) {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
            shown
        })
}

/// Marks that reorder the text around them.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: &str, width: usize, keeps_end: bool) -> String {
    if display_width(text) <= width {
        return text.to_string();
    }
    let room = width.saturating_sub(1);
    let mut used = 0;
    let mut fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= room
    };
    if keeps_end {
        let end: Vec<char> = text.chars().rev().take_while(|c| fits(c)).collect();
        format!("…{}", end.into_iter().rev().collect::<String>())
    } else {
        format!(
            "{}…",
            text.chars().take_while(|c| fits(c)).collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        [
            [
                "/etc/kubernetes/pki/apiserver.crt",
                "364d",
                "CN=kube-apiserver",
            ],
            ["ca.crt", "9y", ""],
        ]
        .iter()
        .map(|row| row.iter().map(|text| Cell::new(*text)).collect())
        .collect()
    }

    fn written(terminal_width: Option<usize>) -> String {
        let columns = vec![
            Column::path("PATH", 10),
            Column::fixed("LEFT"),
            Column::shrinking("SUBJECT", 8),
        ];
        let mut bytes = Vec::new();
        Table::new(columns, terminal_width)
            .write(&mut bytes, &rows())
            .unwrap();
        anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string()
    }

    #[test]
    fn a_pipe_gets_everything_aligned_and_without_trailing_blanks() {
        assert_eq!(
            written(None),
            "PATH                                LEFT   SUBJECT\n\
             /etc/kubernetes/pki/apiserver.crt   364d   CN=kube-apiserver\n\
             ca.crt                              9y\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_only_what_may_be_cut() {
        assert_eq!(
            written(Some(40)),
            "PATH              LEFT   SUBJECT\n\
             …/apiserver.crt   364d   CN=kube-apiser…\n\
             ca.crt            9y\n"
        );
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\nc\u{202e}d é"),
            "a\\u{1b}[31mb\\nc\\u{202e}d é"
        );
    }

    #[test]
    fn cutting_counts_columns_not_bytes() {
        assert_eq!(cut("äöüß", 4, false), "äöüß");
        assert_eq!(cut("äöüßx", 4, false), "äöü…");
        assert_eq!(cut("証明書", 5, false), "証明…");
        assert_eq!(cut("abcdef", 3, true), "…ef");
        assert_eq!(cut("abc", 0, false), "…");
    }
}
