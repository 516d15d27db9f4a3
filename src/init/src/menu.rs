//! The menu on the machine's own screen: what a person who stands before it may do, in lines that they type.
//!
//! It asks and says; [`crate::Appliance`] does what came of it ([`Wish`]). Whoever is here could take the disk away too, so that
//! nobody is asked who they are; what cannot be taken back is typed out in words.

use ids::PersonId;
use network::Settings;

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The network tried with these settings.
    Network(Settings),
    /// What is tried kept.
    Keep,
    Restart,
    /// A one-time code for the account of this person.
    SignIn(PersonId),
    /// Everything erased.
    Erase,
    /// Everything erased, and the data partition encrypted with this passphrase.
    Encrypt(String),
    /// A new recovery key in the place of the one that there is.
    RecoveryKey,
}

/// What the menu has asked last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Asked {
    #[default]
    Nothing,
    Choice,
    /// The network, with what was typed so far.
    Network(Vec<String>),
    Whether(Settings),
    Keep,
    Restart,
    SignIn,
    Erase(String),
    Encrypt(String),
    Passphrase,
    Again(String),
    RecoveryKey,
}

/// What is asked of the network, in order.
const QUESTIONS: [&str; 5] = [
    "Address with its prefix, such as 192.0.2.10/24, or dhcp:",
    "Gateway (Enter alone for none):",
    "Interface (Enter alone for the first wired one):",
    "VLAN (Enter alone for none):",
    "Host names, with spaces between them (Enter alone for none):",
];
/// Shortest passphrase, in characters: what is asked says it.
const PASSPHRASE_MIN: usize = 12;
const PASSPHRASE: &str = "Type a passphrase of 12 characters or more, which is not shown, and Enter. Write it down: whoever has lost it has lost \
                          everything. Enter alone leaves:";
const LEFT: &str = "Nothing was changed.";
const CHOICE: &str = "  1  network\n  2  restart\n  3  sign in where nobody can (break-glass)\n  4  factory reset\n  5  new \
                      recovery key\n  6  factory reset, encrypted with a passphrase\nType a number and Enter, or Enter alone to leave:";

/// The menu on one console.
#[derive(Debug, Default)]
pub(crate) struct Menu {
    asked: Asked,
}

impl Menu {
    /// Takes a line; what to say, and what the person wants, if that is clear. `site` is the site's name, if there is one.
    pub(crate) fn take(&mut self, line: &str, site: Option<&str>) -> (String, Option<Wish>) {
        let line = line.trim();
        let say = |words: &str| (words.to_owned(), None);
        match std::mem::take(&mut self.asked) {
            Asked::Nothing => self.ask(Asked::Choice, CHOICE),
            Asked::Choice => self.choose(line, site),
            Asked::Network(typed) => self.hear_network(typed, line),
            Asked::Whether(settings) if line == "yes" => {
                self.asked = Asked::Keep;
                let said = "It is tried. When it is reached so, type keep, or what held before comes back:";
                (said.to_owned(), Some(Wish::Network(settings)))
            }
            Asked::Keep if line == "keep" => ("It is kept.".to_owned(), Some(Wish::Keep)),
            Asked::Keep => {
                self.ask(Asked::Keep, "Type keep, or wait until what held before comes back:")
            }
            Asked::Restart if line == "restart" => ("It restarts.".to_owned(), Some(Wish::Restart)),
            Asked::SignIn if !line.is_empty() => match line.parse() {
                Ok(person) => ("A moment.".to_owned(), Some(Wish::SignIn(person))),
                Err(wrong) => (format!("{wrong}. {LEFT}"), None),
            },
            Asked::Erase(words) if line == words => {
                ("Everything is erased.".to_owned(), Some(Wish::Erase))
            }
            Asked::Encrypt(words) if line == words => self.ask(Asked::Passphrase, PASSPHRASE),
            Asked::Passphrase if line.chars().count() >= PASSPHRASE_MIN => {
                self.ask(Asked::Again(line.to_owned()), "Type it once more:")
            }
            Asked::Passphrase if line.is_empty() => say(LEFT),
            Asked::Passphrase => {
                self.ask(Asked::Passphrase, &format!("That is too short. {PASSPHRASE}"))
            }
            Asked::Again(passphrase) if line == passphrase => {
                let said = "Everything is erased, and the data partition made anew.".to_owned();
                (said, Some(Wish::Encrypt(passphrase)))
            }
            Asked::Again(_) => (format!("That is not the same. {LEFT}"), None),
            Asked::RecoveryKey if line == "new key" => {
                ("A moment.".to_owned(), Some(Wish::RecoveryKey))
            }
            Asked::RecoveryKey
            | Asked::Whether(_)
            | Asked::Restart
            | Asked::SignIn
            | Asked::Encrypt(_)
            | Asked::Erase(_) => say(LEFT),
        }
    }

    fn ask(&mut self, asked: Asked, words: &str) -> (String, Option<Wish>) {
        self.asked = asked;
        (words.to_owned(), None)
    }

    fn choose(&mut self, line: &str, site: Option<&str>) -> (String, Option<Wish>) {
        match line {
            "" => (LEFT.to_owned(), None),
            "1" => self.ask(Asked::Network(Vec::new()), QUESTIONS[0]),
            "2" => self.ask(
                Asked::Restart,
                "Endpoints and people wait meanwhile, and an import breaks off. Type restart:",
            ),
            "3" => self.ask(
                Asked::SignIn,
                "Who is to sign in? Their password and second factor count no more, they set new ones with a one-time code, and \
                 the log says that it was done here. Type their id, such as ann:",
            ),
            "4" => {
                let words = format!("erase {}", site.unwrap_or("everything"));
                let said = format!(
                    "The site, its log, its updates, its settings: all is gone for good, and a new site can be founded. What was \
                     encrypted can never be read again; where it was not, destroy the disk. Type {words}:"
                );
                self.ask(Asked::Erase(words), &said)
            }
            "6" => {
                let words = format!("erase {}", site.unwrap_or("everything"));
                let said = format!(
                    "For a machine without a TPM: all is gone for good, as by a factory reset; what is kept from then on is \
                     encrypted, and this machine asks for the passphrase at each start, before anything is served. Type {words}:"
                );
                self.ask(Asked::Encrypt(words), &said)
            }
            "5" => self.ask(
                Asked::RecoveryKey,
                "The recovery key that was written down opens nothing any more, and a new one is shown here. Type new key:",
            ),
            _ => self.ask(Asked::Choice, CHOICE),
        }
    }

    /// Whether what is typed next must not be seen.
    pub(crate) fn hides(&self) -> bool {
        matches!(self.asked, Asked::Passphrase | Asked::Again(_))
    }

    fn hear_network(&mut self, mut typed: Vec<String>, line: &str) -> (String, Option<Wish>) {
        typed.push(line.to_owned());
        if let Some(next) = QUESTIONS.get(typed.len()) {
            return self.ask(Asked::Network(typed), next);
        }
        match Settings::typed([0, 1, 2, 3, 4].map(|at| typed.get(at).map_or("", String::as_str))) {
            Ok(settings) => {
                let said = format!("{settings}. Type yes to try it:");
                self.ask(Asked::Whether(settings), &said)
            }
            Err(wrong) => (format!("{wrong}. {LEFT}"), None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Types lines, and gives what was said last and what the person wanted.
    fn types(lines: &[&str]) -> (String, Option<Wish>) {
        let mut menu = Menu::default();
        let mut last = (String::new(), None);
        for line in lines {
            assert_eq!(last.1, None, "{line} comes too late");
            last = menu.take(line, Some("north"));
        }
        last
    }

    #[test]
    fn the_network_is_asked_for_piece_by_piece_and_said_before_it_is_tried() {
        let lines = ["", "1", "192.0.2.10/24", "192.0.2.1", "", "12", "a.example b.example"];
        let (said, wish) = types(&lines);
        assert!(
            said.contains("192.0.2.10/24, gateway 192.0.2.1, on the first wired") && wish.is_none()
        );
        assert!(said.contains("VLAN 12, called a.example, b.example. Type yes"), "{said}");
        let (said, wish) = types(&[&lines[..], &["yes"]].concat());
        assert!(said.contains("type keep") && matches!(wish, Some(Wish::Network(_))));
        assert_eq!(types(&[&lines[..], &["no"]].concat()), (LEFT.to_owned(), None));
        let (said, wish) = types(&["", "1", "192.0.2.10/24", "198.51.100.1", "", "", ""]);
        assert!(
            said.contains("cannot be reached") && said.contains(LEFT) && wish.is_none(),
            "{said}"
        );
    }

    #[test]
    fn a_trial_is_kept_by_its_word_alone() {
        let mut menu = Menu { asked: Asked::Keep };
        assert_eq!(menu.take("kep", None).1, None);
        assert_eq!(menu.take("keep", None).1, Some(Wish::Keep));
        assert_eq!(menu.take("keep", None).0, CHOICE);
    }

    #[test]
    fn what_cannot_be_taken_back_is_typed_out() {
        assert_eq!(types(&["", "2", ""]), (LEFT.to_owned(), None));
        assert_eq!(types(&["", "2", "restart"]).1, Some(Wish::Restart));
        assert_eq!(types(&["", "4", "erase"]), (LEFT.to_owned(), None));
        assert_eq!(types(&["", "4", "erase south"]).1, None);
        assert_eq!(types(&["", "4", "erase north"]).1, Some(Wish::Erase));
        let mut menu = Menu { asked: Asked::Choice };
        assert!(menu.take("4", None).0.contains("Type erase everything:"));
        let wish =
            types(&["", "6", "erase north", "too short", "long enough it is", "long enough it is"])
                .1;
        assert_eq!(wish, Some(Wish::Encrypt("long enough it is".to_owned())));
        let (said, wish) =
            types(&["", "6", "erase north", "long enough it is", "long enough it was"]);
        assert!(said.contains("not the same") && wish.is_none(), "{said}");
        assert_eq!(types(&["", "6", "erase north", ""]), (LEFT.to_owned(), None));
        assert_eq!(types(&["", "6", "erase south"]), (LEFT.to_owned(), None));
        assert_eq!(types(&["", "5", "yes"]), (LEFT.to_owned(), None));
        assert_eq!(types(&["", "5", "new key"]).1, Some(Wish::RecoveryKey));
        assert_eq!(types(&["", "3", ""]), (LEFT.to_owned(), None));
        assert_eq!(types(&["", "3", "ann"]).1, Some(Wish::SignIn("ann".parse().unwrap())));
        let (said, wish) = types(&["", "3", "--as"]);
        assert!(said.contains("is not a") && wish.is_none(), "{said}");
    }
}
