//! The parts of the screen that a theme can style.

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $key:literal,)*) => {
        /// A part of the screen that a theme can style.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Role { $($(#[$doc])* $name,)* }

        impl Role {
            /// All roles, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The role's section and key in a theme file, separated by a dot.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }
        }
    };
}

roles! {
    /// The prompt of a cell's first line.
    Prompt = "styles.prompt",
    /// The prompt of a cell's other lines.
    Continuation = "styles.continuation",
    /// Text that the remote program writes to standard error.
    Stderr = "styles.stderr",
    /// An error message of this program.
    Error = "styles.error",
    /// The footer of a cell that succeeded.
    FooterOk = "styles.footer-ok",
    /// The footer of a cell that failed.
    FooterFail = "styles.footer-fail",
    /// The suggestion after the cursor.
    Hint = "styles.hint",
    /// A note of this program between the output.
    Note = "styles.note",
    /// The bracket that matches the one at the cursor.
    BracketMatch = "styles.bracket-match",
    /// The spinner and the elapsed time.
    Spinner = "styles.spinner",
    /// Syntax: a keyword.
    Keyword = "syntax.keyword",
    /// Syntax: a string.
    String = "syntax.string",
    /// Syntax: a number.
    Number = "syntax.number",
    /// Syntax: a constant such as `True` or `None`.
    Constant = "syntax.constant",
    /// Syntax: a comment.
    Comment = "syntax.comment",
    /// Syntax: the name of a function or method.
    Function = "syntax.function",
    /// Syntax: the name of a type or class.
    Type = "syntax.type",
    /// Syntax: a name that the language provides.
    Builtin = "syntax.builtin",
    /// Syntax: an operator.
    Operator = "syntax.operator",
    /// Syntax: a decorator, attribute or macro.
    Decorator = "syntax.decorator",
    /// Syntax: a variable or parameter.
    Variable = "syntax.variable",
    /// Syntax: invalid text.
    Invalid = "syntax.invalid",
    /// Completion: a suggestion in the list.
    CompletionItem = "completion.item",
    /// Completion: the line that says that there are more suggestions.
    CompletionMore = "completion.more",
    /// Output: the line of a traceback that names the exception.
    Exception = "output.exception",
    /// Output: a file and a line in a traceback.
    Location = "output.location",
    /// Output: a heading of Markdown or HTML.
    Heading = "output.heading",
    /// Output: strong text.
    Strong = "output.strong",
    /// Output: emphasised text.
    Emphasis = "output.emphasis",
    /// Output: code inside a line.
    Code = "output.code",
    /// Output: a quotation.
    Quote = "output.quote",
    /// Output: a link.
    Link = "output.link",
    /// Output: list markers and rules.
    Marker = "output.marker",
    /// Output: a key of JSON.
    Key = "output.key",
    /// Output: a formula.
    Math = "output.math",
    /// Tables: the names of columns.
    TableHeader = "table.header",
    /// Tables: the names of rows.
    TableIndex = "table.index",
    /// Tables: lines.
    TableRule = "table.rule",
    /// Tables: a missing value.
    TableMissing = "table.missing",
    /// Panes: the title.
    PaneTitle = "pane.title",
    /// Panes: borders and separators.
    PaneBorder = "pane.border",
    /// Panes: the names of columns.
    PaneHeader = "pane.header",
    /// Panes: the selected row.
    PaneSelected = "pane.selected",
    /// Panes: a match of a search.
    PaneMatch = "pane.match",
    /// Panes: secondary text.
    PaneMuted = "pane.muted",
    /// Panes: a good state.
    PaneGood = "pane.good",
    /// Panes: a transitional state.
    PaneBusy = "pane.busy",
    /// Panes: a bad state.
    PaneBad = "pane.bad",
    /// The status line.
    StatusBar = "status.bar",
    /// Status line: a key.
    StatusKey = "status.key",
    /// Status line: text that needs attention.
    StatusAlert = "status.alert",
}

impl Role {
    /// Whether the part is decoration rather than text to read: lines, and suggestions that are not yet part of the input.
    pub const fn is_decoration(self) -> bool {
        matches!(
            self,
            Self::Continuation | Self::Hint | Self::CompletionMore | Self::TableRule | Self::PaneBorder
        )
    }
}
