//! What `*` means in a batch run where the server's own answer would be lost or is none (`protocol.md` §3.7, §9.5): small
//! shell scripts that look at the files of the session, in the order of the runners' own rules. Only text is here.

/// How a program is built: `make` first, then what the files tell.
pub(super) const BUILD: &str = r#"if [ -f Makefile ] || [ -f makefile ]; then exec make
elif [ -f Cargo.toml ]; then exec cargo build
elif [ -f setup.py ]; then exec "$(command -v python || echo python3)" -m pip install --user -e .
elif [ -f main.c ]; then exec gcc -Wall -o main $(find . -name '*.c') -lrt -lm -pthread -ldl
elif [ -f main.cpp ]; then exec g++ -Wall -o main $(find . -name '*.cpp') -lrt -lm -pthread -ldl
elif [ -f main.rs ]; then exec rustc -o main main.rs
elif [ -f main.go ]; then exec go build -o main $(find . -name '*.go')
elif [ -f Main.java ] || [ -f main.java ]; then exec javac -d . $(find . -name '*.java')
elif [ -f main.hs ]; then exec ghc --make main $(find . -name '*.hs')
fi"#;

/// How a program is run.
pub(super) const EXECUTE: &str = r#"if [ -f main ] && [ -x main ]; then exec ./main
elif [ -f main.py ]; then exec "$(command -v python || echo python3)" main.py
elif [ -f main.js ]; then exec node main.js
elif [ -f main.R ]; then exec Rscript main.R
elif [ -f main.jl ]; then exec julia main.jl
elif [ -f main.rb ]; then exec ruby main.rb
elif [ -f main.lua ]; then exec lua main.lua
elif [ -f main.php ]; then exec php main.php
elif [ -f main.pl ]; then exec perl main.pl
elif [ -f main.m ]; then exec octave-cli main.m
elif [ -f Main.class ]; then exec java Main
elif [ -f main.sh ]; then exec sh main.sh
elif [ -f a.out ] && [ -x a.out ]; then exec ./a.out
fi
for program in target/debug/* target/release/*; do
    if [ -f "$program" ] && [ -x "$program" ]; then exec "$program"; fi
done
echo "no program was found to execute: neither ./main nor main.py, main.js, main.R or the like is here" >&2
exit 127"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[track_caller]
    fn run(script: &str, folder: &std::path::Path) -> (Option<i32>, String) {
        let ended = Command::new("sh").arg("-c").arg(script).current_dir(folder).output().unwrap();
        let text = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        (ended.status.code(), text.into_owned())
    }

    #[test]
    fn the_files_say_what_is_to_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(run(BUILD, folder.path()), (Some(0), String::new()));
        let (code, said) = run(EXECUTE, folder.path());
        assert_eq!((code, said.contains("main.py")), (Some(127), true));
        std::fs::write(at("main.sh"), "echo from the shell; exit 4").unwrap();
        assert_eq!(run(EXECUTE, folder.path()), (Some(4), "from the shell\n".into()));
        std::fs::write(at("main.c"), "int main(void) { return 7; }").unwrap();
        assert_eq!(run(BUILD, folder.path()), (Some(0), String::new()));
        assert_eq!(run(EXECUTE, folder.path()), (Some(7), String::new()));
        std::fs::write(at("Makefile"), "all:\n\t@echo made; exit 3\n").unwrap();
        let (code, said) = run(BUILD, folder.path());
        assert_eq!((code, said.starts_with("made\n")), (Some(2), true), "{said}");
    }
}
