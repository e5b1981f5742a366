//! Ranges in names of hosts: `node[1:3]`, `node[01:10:3]`, `db-[a:f]`.
//!
//! <https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#adding-ranges-of-hosts>

/// More hosts than a cluster may have are a slip of the finger.
const MOST: u64 = 65_536;

/// Every name that a pattern stands for; a name without a range stands for itself.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("expected a range like [1:3], found {pattern:?}");
    // an IPv6 address in brackets is no range
    if pattern.starts_with('[') && pattern.matches(':').count() > 2 {
        return Ok(vec![pattern.to_owned()]);
    }
    let Some((before, rest)) = pattern.split_once('[') else {
        return Ok(vec![pattern.to_owned()]);
    };
    let (range, after) = rest.split_once(']').ok_or_else(wrong)?;
    let parts: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, 1),
        [from, to, step] => (*from, *to, step.parse().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    };
    let letter = |text: &str| -> Option<u64> {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_ascii_alphabetic() => Some(u64::from(letter)),
            _ => None,
        }
    };
    let numbers = (from.parse::<u64>().ok(), to.parse::<u64>().ok());
    let (first, last, width) = match (numbers, letter(from), letter(to)) {
        ((Some(first), Some(last)), ..) => {
            // leading zeros say how many digits there are
            let width = if from.starts_with('0') { from.len() } else { 0 };
            (first, last, Some(width))
        }
        (_, Some(first), Some(last)) => (first, last, None),
        _ => return Err(wrong()),
    };
    if step == 0 || last < first {
        return Err(wrong());
    }
    if (last - first) / step >= MOST {
        return Err(format!("the range [{range}] has more than {MOST} hosts"));
    }
    let rests = expand(after)?;
    let mut names = Vec::new();
    let mut number = first;
    while number <= last {
        let spelled = match width {
            Some(width) => format!("{number:0width$}"),
            None => u32::try_from(number)
                .ok()
                .and_then(char::from_u32)
                .map(String::from)
                .unwrap_or_default(),
        };
        for rest in &rests {
            names.push(format!("{before}{spelled}{rest}"));
        }
        if names.len() as u64 > MOST {
            return Err(format!("{pattern:?} has more than {MOST} hosts"));
        }
        number += step;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_names() {
        for (pattern, expected) in [
            ("node", &["node"][..]),
            ("node[1:3].x", &["node1.x", "node2.x", "node3.x"]),
            ("n[08:10]", &["n08", "n09", "n10"]),
            ("n[1:5:2]", &["n1", "n3", "n5"]),
            ("db-[a:c]", &["db-a", "db-b", "db-c"]),
            ("r[1:2]n[1:2]", &["r1n1", "r1n2", "r2n1", "r2n2"]),
            ("[fd00::1:2]", &["[fd00::1:2]"]),
        ] {
            assert_eq!(expand(pattern).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn wrong_ranges_are_refused() {
        for wrong in [
            "n[1:",
            "n[1]",
            "n[3:1]",
            "n[1:3:0]",
            "n[a:3]",
            "n[ab:cd]",
            "n[1:99999]m[1:99]",
        ] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }
}
