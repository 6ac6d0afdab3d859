//! The parts of the screen that a theme gives a style to.

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $key:literal,)*) => {
        /// A part of the screen that a theme gives a style to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Role { $($(#[$doc])* $name,)* }

        impl Role {
            /// All roles, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The role's section and key in a theme's file, with a dot between.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }
        }
    };
}

roles! {
    /// The prompt of a cell's first line.
    Prompt = "styles.prompt",
    /// The prompt of its further lines.
    Continuation = "styles.continuation",
    /// What the remote program writes to standard error.
    Stderr = "styles.stderr",
    /// A sentence of ours that says what failed.
    Error = "styles.error",
    /// The footer of a cell that went well.
    FooterOk = "styles.footer-ok",
    /// The footer of a cell that failed.
    FooterFail = "styles.footer-fail",
    /// The suggestion after the cursor.
    Hint = "styles.hint",
    /// A remark of ours between the output.
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
    /// Syntax: what cannot be right.
    Invalid = "syntax.invalid",
    /// Completion: a suggestion in the list.
    CompletionItem = "completion.item",
    /// Completion: that there are more of them.
    CompletionMore = "completion.more",
    /// Output: the line of a traceback that says what happened.
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
    /// Output: what marks the items of a list, and rules.
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
    /// Tables: a value that is missing.
    TableMissing = "table.missing",
    /// Panes: the title.
    PaneTitle = "pane.title",
    /// Panes: lines around and between.
    PaneBorder = "pane.border",
    /// Panes: the names of columns.
    PaneHeader = "pane.header",
    /// Panes: the row that is selected.
    PaneSelected = "pane.selected",
    /// Panes: what a search has found.
    PaneMatch = "pane.match",
    /// Panes: what matters less.
    PaneMuted = "pane.muted",
    /// Panes: a state that is well.
    PaneGood = "pane.good",
    /// Panes: a state on its way to another.
    PaneBusy = "pane.busy",
    /// Panes: a state that is not well.
    PaneBad = "pane.bad",
    /// The status line.
    StatusBar = "status.bar",
    /// Status line: a key.
    StatusKey = "status.key",
    /// Status line: what needs attention.
    StatusAlert = "status.alert",
}

impl Role {
    /// True for what is looked at rather than read: lines, and the suggestion that is not text of the line yet.
    pub const fn is_decoration(self) -> bool {
        matches!(
            self,
            Self::Continuation | Self::Hint | Self::CompletionMore | Self::TableRule | Self::PaneBorder
        )
    }
}
