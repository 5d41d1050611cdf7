//! Passwords that are long and yet guessed early (SP 800-63B-4 §3.1.1.2: repetitive and sequential characters, and
//! words of the context such as the username). Judges the whole password, never a part of it: a common word inside an
//! otherwise good password is no reason to refuse it. Works on case-folded code points.

/// Keys in their order, also read backwards and round the end: what a finger walks.
const ROWS: [&str; 12] = [
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "!@#$%^&*()",
];

/// Shortest walk or run of one character that counts as a piece, in code points: two neighbours happen by chance.
const RUN_MIN: usize = 3;

/// Most digits, spaces and signs between two pieces, in code points: what people add to make a word "stronger".
const JOINT_MAX: usize = 2;

/// The commonest words in lists of leaked passwords, as zxcvbn orders them. Passwords of only these are guessed first.
const COMMON_WORDS: [&str; 64] = [
    "password",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "qwerty",
    "admin",
    "administrator",
    "welcome",
    "letmein",
    "login",
    "iloveyou",
    "dragon",
    "baseball",
    "football",
    "monkey",
    "shadow",
    "master",
    "mustang",
    "superman",
    "batman",
    "jordan",
    "killer",
    "hunter",
    "soccer",
    "tigger",
    "charlie",
    "sunshine",
    "ranger",
    "hockey",
    "computer",
    "starwars",
    "pepper",
    "freedom",
    "princess",
    "maggie",
    "ginger",
    "cheese",
    "summer",
    "winter",
    "spring",
    "autumn",
    "matrix",
    "access",
    "thunder",
    "secret",
    "diamond",
    "hello",
    "internet",
    "whatever",
    "trustno1",
    "changeme",
    "default",
    "guest",
    "user",
    "root",
    "test",
    "temp",
    "pass",
    "love",
    "abc123",
    "michael",
    "jennifer",
    "daniel",
    "system",
];

/// The names of this service.
const SERVICE_WORDS: [&str; 1] = ["keyfob"];

/// Shortest piece of a username that counts as a word of its own, in code points: shorter ones are in anything.
const NAME_PART_MIN: usize = 3;

/// What must be left once the own words are taken out, in code points: what an attacker who knows them must guess.
const REST_MIN: usize = 8;

/// The words an attacker knows before guessing: the service's, the username, and the username's parts.
pub(super) fn own_words(username: &str) -> Vec<Vec<char>> {
    let parts = username.split(|letter: char| !letter.is_alphanumeric());
    let mut words: Vec<Vec<char>> = SERVICE_WORDS.into_iter().chain([username]).chain(parts).map(letters).collect();
    words.retain(|word| word.len() >= NAME_PART_MIN);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words
}

/// Whether the whole is one unit over and over, the last time perhaps cut short, and the unit alone is below `min`.
pub(super) fn repeats_a_unit_below(min: usize, password: &[char]) -> bool {
    let unit = shortest_period(password);
    unit * 2 <= password.len() && unit < min
}

/// The smallest `p` such that each letter equals the one `p` before it (Knuth, Morris and Pratt's failure function).
fn shortest_period(text: &[char]) -> usize {
    let mut border = vec![0; text.len()];
    let mut matched = 0;
    for at in 1..text.len() {
        while matched > 0 && text[at] != text[matched] {
            matched = border[matched - 1];
        }
        if text[at] == text[matched] {
            matched += 1;
        }
        border[at] = matched;
    }
    text.len() - border.last().copied().unwrap_or(0)
}

/// Whether the whole is own or common words, years, keyboard walks and runs, with at most [`JOINT_MAX`] digits or
/// signs before, between and after them.
pub(super) fn is_common_pieces(password: &[char], own_words: &[Vec<char>]) -> bool {
    let common: Vec<Vec<char>> = COMMON_WORDS.into_iter().map(letters).collect();
    let mut piece_ends = vec![false; password.len() + 1];
    piece_ends[0] = true;
    for end in 0..password.len() {
        if !piece_ends[end] {
            continue;
        }
        for joint in 0..=JOINT_MAX {
            let (before, rest) = password[end..].split_at(joint.min(password.len() - end));
            if !before.iter().all(|&letter| is_joint(letter)) {
                break;
            }
            if rest.is_empty() {
                return end > 0;
            }
            let start = end + before.len();
            for word in own_words.iter().chain(&common).filter(|word| rest.starts_with(word)) {
                piece_ends[start + word.len()] = true;
            }
            if is_year(rest) {
                piece_ends[start + 4] = true;
            }
            for length in RUN_MIN..=longest_run(rest) {
                piece_ends[start + length] = true;
            }
        }
    }
    piece_ends[password.len()] && !password.is_empty()
}

/// Whether the password has an own word, and without all of them fewer than [`REST_MIN`] code points.
pub(super) fn leaves_little_without(own_words: &[Vec<char>], password: &[char]) -> bool {
    let (mut at, mut rest) = (0, 0);
    while at < password.len() {
        // Longest word first: own_words sorts them so.
        let word = own_words.iter().find(|word| password[at..].starts_with(word));
        rest += usize::from(word.is_none());
        at += word.map_or(1, Vec::len);
    }
    rest < password.len() && rest < REST_MIN
}

fn letters(word: &str) -> Vec<char> {
    word.chars().collect()
}

fn is_joint(letter: char) -> bool {
    letter == ' ' || letter.is_ascii_digit() || letter.is_ascii_punctuation()
}

/// Whether `rest` begins with 19xx or 20xx.
fn is_year(rest: &[char]) -> bool {
    matches!(rest, ['1', '9', decade, year, ..] | ['2', '0', decade, year, ..] if decade.is_ascii_digit() && year.is_ascii_digit())
}

/// How many code points at the start of `rest` are one character repeated, or one walk along a row.
fn longest_run(rest: &[char]) -> usize {
    let same = rest.iter().take_while(|&letter| Some(letter) == rest.first()).count();
    ROWS.iter().map(|row| longest_walk(row, rest)).fold(same, usize::max)
}

/// How many code points at the start of `rest` are a walk along `row`, either way, going on at the other end.
fn longest_walk(row: &str, rest: &[char]) -> usize {
    // Rows are ASCII, so a byte is a key.
    let keys: Vec<char> = letters(row);
    let starts = keys.iter().enumerate().filter(|&(_, key)| Some(key) == rest.first()).map(|(at, _)| at);
    let walk = |start: usize, step: usize| {
        let path = (0..).map(|steps| &keys[(start + steps * step) % keys.len()]);
        rest.iter().zip(path).take_while(|(letter, key)| letter == key).count()
    };
    starts.map(|start| walk(start, 1).max(walk(start, keys.len() - 1))).max().unwrap_or(0)
}
