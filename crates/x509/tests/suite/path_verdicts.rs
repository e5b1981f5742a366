//! What we say of every case of the table.

use kubepki_x509::path::PathError;

use crate::path_cases::Table;

#[test]
fn every_case_is_judged_as_expected() {
    let table = Table::all();
    let mut wrong = Vec::new();
    for case in &table.cases {
        let found = case.validate();
        let code = found.as_ref().map_or_else(PathError::code, |_| "valid");
        if code != case.expected {
            let said = found.map_or_else(|error| error.to_string(), |_| String::new());
            wrong.push(format!(
                "{}: {code}, expected {} {said}",
                case.name, case.expected
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        table.cases.len(),
        wrong.join("\n")
    );
}
