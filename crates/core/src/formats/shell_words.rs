//! Splitting text into words as a POSIX shell does, without running anything.
//!
//! Needed because a component's flags may stand in `sh -c "…"`, in a unit file or in an
//! environment file. Quotes, backslashes, comments, redirections and the operators between
//! commands are understood; expansions (`$HOME`, `$(…)`) stay as they are spelled.
//! <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html>

use std::iter::Peekable;
use std::str::Chars;

/// The commands of a script, each as its words; redirections are left out.
pub fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut drop_next = false;
    for token in tokens(script) {
        match token {
            Token::Operator => {
                drop_next = false;
                commands.push(Vec::new());
            }
            Token::Redirection { takes_word } => drop_next = takes_word,
            Token::Word(_) if drop_next => drop_next = false,
            Token::Word(word) => {
                if let Some(command) = commands.last_mut() {
                    command.push(word);
                }
            }
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// The words of one line, blind to operators: an environment file's or a unit file's value.
pub fn words(line: &str) -> Vec<String> {
    let mut letters = line.chars().peekable();
    let mut words = Vec::new();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        if letters.peek().is_none() {
            return words;
        }
        words.push(word(&mut letters, char::is_whitespace));
    }
}

enum Token {
    Word(String),
    Operator,
    Redirection { takes_word: bool },
}

fn tokens(script: &str) -> Vec<Token> {
    let mut letters = script.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&letter) = letters.peek() {
        match letter {
            '\n' | ';' | '|' | '&' | '(' | ')' => {
                letters.next();
                // `&>` and `&>>` redirect both outputs.
                if letter != '&' || letters.peek() != Some(&'>') {
                    tokens.push(Token::Operator);
                }
            }
            '<' | '>' => {
                while letters
                    .next_if(|next| matches!(next, '<' | '>' | '|'))
                    .is_some()
                {}
                let takes_word = letters.next_if_eq(&'&').is_none() || {
                    while letters
                        .next_if(|next| next.is_ascii_digit() || *next == '-')
                        .is_some()
                    {}
                    false
                };
                tokens.push(Token::Redirection { takes_word });
            }
            '#' => while letters.next_if(|next| *next != '\n').is_some() {},
            _ if letter.is_whitespace() => {
                letters.next();
            }
            _ => {
                let text = word(&mut letters, |next| {
                    next.is_whitespace() || matches!(next, ';' | '|' | '&' | '(' | ')' | '<' | '>')
                });
                let is_descriptor = matches!(letters.peek(), Some('<' | '>'))
                    && text.chars().all(|letter| letter.is_ascii_digit());
                if !is_descriptor {
                    tokens.push(Token::Word(text));
                }
            }
        }
    }
    tokens
}

/// Reads one word up to an unquoted letter that `ends` it. An open quote ends with the text.
fn word(letters: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> String {
    let mut word = String::new();
    while let Some(&letter) = letters.peek() {
        match letter {
            '\'' => {
                letters.next();
                word.extend(std::iter::from_fn(|| letters.next_if(|next| *next != '\'')));
                letters.next();
            }
            '"' => {
                letters.next();
                double_quoted(letters, &mut word);
            }
            '\\' => {
                letters.next();
                match letters.next() {
                    Some('\n') | None => {}
                    Some(escaped) => word.push(escaped),
                }
            }
            // `$(…)` is one piece of a word: Kubernetes and shells spell expansions so.
            '$' => {
                letters.next();
                word.push('$');
                if letters.peek() == Some(&'(') {
                    word.extend(std::iter::from_fn(|| letters.next_if(|next| *next != ')')));
                    word.extend(letters.next());
                }
            }
            _ if ends(letter) => break,
            _ => {
                word.push(letter);
                letters.next();
            }
        }
    }
    word
}

fn double_quoted(letters: &mut Peekable<Chars<'_>>, word: &mut String) {
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return,
            '\\' => match letters.next() {
                Some('\n') | None => {}
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
            },
            _ => word.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_join_words() {
        assert_eq!(
            words(r#"a "b c" 'd "e' f\ g "" h"i"j"#),
            ["a", "b c", "d \"e", "f g", "", "hij"]
        );
        assert_eq!(words("  "), Vec::<String>::new());
        assert_eq!(words("\"open"), ["open"]);
    }

    #[test]
    fn redirections_and_operators_are_not_words() {
        let script =
            "set -e; A=1 exec etcd --a=b 1>>/var/log/x.log 2>&1 | tee y && true # no\n&>z w";
        let expected: [&[&str]; 5] = [
            &["set", "-e"],
            &["A=1", "exec", "etcd", "--a=b"],
            &["tee", "y"],
            &["true"],
            &["w"],
        ];
        assert_eq!(commands(script), expected);
    }

    #[test]
    fn expansions_stay_as_they_are_spelled() {
        assert_eq!(
            commands("etcd --name=$(HOST NAME) --x=${Y}"),
            [["etcd", "--name=$(HOST NAME)", "--x=${Y}"]]
        );
    }
}
