//! A wall clock that is shifted from outside while a program runs: a library that is preloaded into it
//! ([`wall_clock.c`](../wall_clock.c)). The program is the real one; its other clocks are, too.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fixture;

/// The preloaded library, and the file that says by how many seconds the clock is shifted.
pub struct Shift {
    library: PathBuf,
    file: PathBuf,
}

impl Shift {
    /// Not shifted yet; both files are in that folder.
    pub fn in_folder(folder: &Path) -> Self {
        let (library, file) = (folder.join("wall_clock.so"), folder.join("shift"));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(fixture("wall_clock.c")).arg("-ldl");
        assert!(cc.status().expect("a C compiler, as the build needs one").success());
        let shift = Self { library, file };
        fs::write(&shift.file, 0_i64.to_ne_bytes()).expect("written");
        shift
    }

    /// What makes a program see it.
    pub fn settings(&self) -> [(&'static str, String); 2] {
        let path = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", path(&self.library)), ("TEST_CLOCK_SHIFT", path(&self.file))]
    }

    /// Shift the clock, from the next time it is read.
    pub fn by(&self, seconds: i64) {
        // In place: the program has the file mapped.
        let file = fs::File::options().write(true).open(&self.file).expect("it is there");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("written");
    }
}
