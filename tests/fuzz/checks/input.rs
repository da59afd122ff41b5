//! How the bytes of a fuzzer become what is tried.

use std::fs;
use std::path::Path;

/// Stands between the parts of an input: no byte of UTF-8.
pub(crate) const SEPARATOR: u8 = 0xff;

/// Splits an input into its texts.
pub(crate) fn texts(data: &[u8]) -> Vec<String> {
    data.split(|byte| *byte == SEPARATOR).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Makes an input of texts.
pub(crate) fn input<S: AsRef<str>>(parts: &[S]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_ref().as_bytes()).collect();
    parts.join(&SEPARATOR)
}

/// Reads the files of a directory and of those below it.
pub(crate) fn files(directory: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let listed = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in listed {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
    all
}

/// Choices that follow from the bytes of an input: each byte makes one, and nothing is chosen when there are none left.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) const fn of(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Returns a number below `limit`; 0 at the end of the input.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % limit
    }

    /// Returns one of these; the first at the end of the input.
    pub(crate) fn one<'l, T: ?Sized>(&mut self, list: &[&'l T]) -> &'l T {
        list[self.below(list.len())]
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Numbers that follow from an input as a whole, and have nothing else to do with it.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(data: &[u8]) -> Self {
        let seed = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }
}
