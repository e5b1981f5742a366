//! The picture of a rotation as people read it: places down, hosts and the API across, and in each
//! cell which generation lies there. Hosts that are the same in every row share a column, so that five
//! hundred workers are read as easily as two; what is published in every namespace shares a row.

use crate::output::{BAD, DIM, GOOD, HEADING, NAME, WARN, display_width, printable};
use anstyle::Style;
use kubepki_core::connections::Place;
use kubepki_core::rotation::{Holds, Picture, PlaceState, Purpose, RootPicture};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// With more hosts than this, those that are the same share a column.
const COLUMNS: usize = 6;

/// Between two columns.
const GAP: usize = 2;

/// The column of what is in the API.
const API: &str = "API";

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    /// How many places hold what.
    counts: BTreeMap<Shade, usize>,
    /// Whether a process has not read what lies there.
    stale: bool,
}

/// What a place holds, from the worst to the best to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shade {
    Neither,
    Unknown,
    Old,
    Both,
    New,
}

impl Shade {
    fn of(holds: &Holds) -> Self {
        match holds {
            Holds::Old => Self::Old,
            Holds::OldNew | Holds::NewOld => Self::Both,
            Holds::New => Self::New,
            Holds::Neither { .. } => Self::Neither,
            Holds::Unknown { .. } => Self::Unknown,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Neither => "✗ neither",
            Self::Unknown => "? unknown",
            Self::Old => "○ old",
            Self::Both => "◐ both",
            Self::New => "● new",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Neither => BAD,
            Self::Unknown => WARN,
            Self::Old => DIM,
            Self::Both => NAME,
            Self::New => GOOD,
        }
    }
}

impl Cell {
    fn add(&mut self, state: &PlaceState) {
        *self.counts.entry(Shade::of(&state.holds)).or_default() += 1;
        self.stale |= state
            .readers
            .iter()
            .any(|reader| reader.loaded == Some(false));
    }

    /// The words, and the style of what is most to be noticed.
    fn words(&self) -> (String, Style) {
        let Some((worst, _)) = self.counts.first_key_value() else {
            return ("·".to_owned(), DIM);
        };
        let several = self.counts.values().sum::<usize>() > 1;
        let parts: Vec<String> = self
            .counts
            .iter()
            .map(|(shade, count)| match several {
                true => format!("{} {count}", shade.word()),
                false => shade.word().to_owned(),
            })
            .collect();
        let mark = if self.stale { "*" } else { "" };
        (format!("{}{mark}", parts.join(", ")), worst.style())
    }
}

struct Row {
    label: String,
    cells: BTreeMap<String, Cell>,
}

struct Column {
    title: String,
    hosts: Vec<String>,
}

/// Writes the matrix of one root; with `wide`, also who reads each place.
pub fn write(
    writer: &mut dyn Write,
    picture: &Picture,
    root: &RootPicture,
    wide: bool,
) -> io::Result<()> {
    let groups: Vec<(Purpose, Vec<Row>)> = [Purpose::Trust, Purpose::Present, Purpose::Sign]
        .into_iter()
        .map(|purpose| (purpose, rows(root, purpose, wide)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let all: Vec<&Row> = groups.iter().flat_map(|(_, rows)| rows).collect();
    let columns = columns(picture, &all);
    let label_width = all
        .iter()
        .map(|row| display_width(&row.label))
        .max()
        .unwrap_or(0);
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| {
            let cells = all
                .iter()
                .map(|row| display_width(&cell(row, column).words().0));
            cells.max().unwrap_or(0).max(display_width(&column.title))
        })
        .collect();
    let blanks = |writer: &mut dyn Write, count: usize| write!(writer, "{:count$}", "");
    for (purpose, rows) in &groups {
        let title = match purpose {
            Purpose::Trust => "TRUSTED IN",
            Purpose::Present => "PRESENTED FROM",
            Purpose::Sign => "SIGNED WITH",
        };
        let label_width = label_width.max(display_width("PRESENTED FROM"));
        write!(writer, "{HEADING}{title}{HEADING:#}")?;
        let mut pending = label_width - display_width(title);
        for (column, width) in columns.iter().zip(&widths) {
            blanks(writer, pending + GAP)?;
            write!(writer, "{HEADING}{}{HEADING:#}", column.title)?;
            pending = width - display_width(&column.title);
        }
        writeln!(writer)?;
        for row in rows {
            write!(writer, "{}", row.label)?;
            let mut pending = label_width - display_width(&row.label);
            for (column, width) in columns.iter().zip(&widths) {
                let (words, style) = cell(row, column).words();
                blanks(writer, pending + GAP)?;
                write!(writer, "{style}{words}{style:#}")?;
                pending = width - display_width(&words);
            }
            writeln!(writer)?;
        }
    }
    if all
        .iter()
        .flat_map(|row| row.cells.values())
        .any(|cell| cell.stale)
    {
        writeln!(
            writer,
            "{DIM}* a process that reads it has not read what lies there now{DIM:#}"
        )?;
    }
    Ok(())
}

fn cell(row: &Row, column: &Column) -> Cell {
    let first = column.hosts.first().map_or(API, String::as_str);
    row.cells.get(first).cloned().unwrap_or_default()
}

/// Places of the same name on different hosts are one row, in the order in which they were seen.
fn rows(root: &RootPicture, purpose: Purpose, wide: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let places = root.places.iter().filter(|state| state.purpose == purpose);
    for state in places {
        let mut label = label(state);
        if wide && !state.readers.is_empty() {
            let mut readers: Vec<String> = state
                .readers
                .iter()
                .map(|reader| format!("{} --{}", reader.component, reader.flag))
                .collect();
            readers.dedup();
            label = format!("{label} ({})", readers.join(", "));
        }
        let label = printable(&label);
        let host = state.place.host().unwrap_or(API).to_owned();
        let index = rows
            .iter()
            .position(|row| row.label == label)
            .unwrap_or_else(|| {
                rows.push(Row {
                    label,
                    cells: BTreeMap::new(),
                });
                rows.len() - 1
            });
        if let Some(row) = rows.get_mut(index) {
            row.cells.entry(host).or_default().add(state);
        }
    }
    rows
}

fn label(state: &PlaceState) -> String {
    match &state.place {
        Place::KubeconfigUser { path, .. } => format!("{} user", path.display()),
        Place::KubeconfigCluster { path, .. } => format!("{} CA data", path.display()),
        // The same object in every namespace, and the token Secrets of all ServiceAccounts.
        Place::Api(object) => match (object.kind.as_str(), object.namespace.as_deref()) {
            ("ConfigMap", Some(_)) if object.name == "kube-root-ca.crt" => {
                "ConfigMaps kube-root-ca.crt".to_owned()
            }
            ("Secret", Some(_)) if object.field.as_deref() == Some("data[ca.crt]") => {
                "Secrets data[ca.crt]".to_owned()
            }
            ("Secret", Some(_)) if object.field.as_deref() == Some("data[token]") => {
                "Secrets data[token]".to_owned()
            }
            _ => object.to_string(),
        },
        other => other.to_string(),
    }
}

fn columns(picture: &Picture, rows: &[&Row]) -> Vec<Column> {
    let mut columns: Vec<(Vec<Cell>, Column)> = Vec::new();
    let folded = picture.hosts.len() > COLUMNS;
    for host in &picture.hosts {
        let cells: Vec<Cell> = rows
            .iter()
            .map(|row| row.cells.get(&host.name).cloned().unwrap_or_default())
            .collect();
        if cells.iter().all(|cell| cell.counts.is_empty()) {
            continue;
        }
        match columns
            .iter_mut()
            .find(|(known, _)| folded && *known == cells)
        {
            Some((_, column)) => column.hosts.push(host.name.clone()),
            None => columns.push((
                cells,
                Column {
                    title: String::new(),
                    hosts: vec![host.name.clone()],
                },
            )),
        }
    }
    let mut columns: Vec<Column> = columns.into_iter().map(|(_, column)| column).collect();
    for column in &mut columns {
        column.title = printable(&match column.hosts.as_slice() {
            [one] => one.clone(),
            [first, .., last] => format!("{first}…{last} ({})", column.hosts.len()),
            [] => String::new(),
        });
    }
    if rows.iter().any(|row| row.cells.contains_key(API)) {
        columns.push(Column {
            title: API.to_owned(),
            hosts: Vec::new(),
        });
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rotate::scene::{half_way, many_workers};

    fn written(picture: &Picture, wide: bool) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, picture, &picture.roots[0], wide).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string()
    }

    #[test]
    fn half_way_every_host_has_its_column() {
        insta::assert_snapshot!(written(&half_way(), false));
    }

    #[test]
    fn many_hosts_that_are_the_same_share_one() {
        insta::assert_snapshot!(written(&many_workers(), false));
    }

    #[test]
    fn who_reads_it_is_told_when_everything_is_asked_for() {
        let text = written(&half_way(), true);
        assert!(
            text.contains("/etc/kubernetes/pki/ca.crt (kube-apiserver --client-ca-file)"),
            "{text}"
        );
    }
}
