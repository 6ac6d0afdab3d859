//! What `*` means in the steps of a batch run: which files a language looks for, and the command that it runs then. Only
//! data is here. The runner carries it out on its machine. The client makes a shell script of it for servers that
//! need one.

/// One way to build or to run a program. The rules of a language are tried in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The condition: what the folder must contain.
    pub needs: Needs,
    /// The command, as words with single spaces. [`Rule::words`] explains the words in braces.
    pub command: &'static str,
}

/// What a rule looks for in the session's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A file of this name.
    File(&'static str),
    /// A source file of the language, in the folder or below it.
    Sources,
    /// A file that can be executed. A last part of `*` stands for any name.
    Program(&'static str),
}

/// One word of a rule's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `{tool}`: the interpreter or compiler of the language.
    Tool,
    /// `{beside:NAME}`: the program of this name that is installed together with it.
    Beside(&'static str),
    /// `{sources}`: all source files of the language, in the folder or below it.
    Sources,
    /// `{program}`: the program that [`Needs::Program`] has found.
    Program,
    /// `{user}`: the option with which pip installs for the user, where the environment is not the user's own.
    User,
    /// The word itself.
    Text(&'static str),
}

impl Rule {
    /// When there is a file of this name.
    pub const fn file(name: &'static str, command: &'static str) -> Self {
        Rule { needs: Needs::File(name), command }
    }

    /// When there is a program of this name, which is then run.
    pub const fn program(name: &'static str) -> Self {
        Rule { needs: Needs::Program(name), command: "{program}" }
    }

    /// The words of the command.
    pub fn words(&self) -> impl Iterator<Item = Word> + use<> {
        self.command.split(' ').map(|word| match word {
            "{tool}" => Word::Tool,
            "{sources}" => Word::Sources,
            "{program}" => Word::Program,
            "{user}" => Word::User,
            _ => {
                let beside = word.strip_prefix("{beside:").and_then(|rest| rest.strip_suffix('}'));
                beside.map_or(Word::Text(word), Word::Beside)
            }
        })
    }
}
