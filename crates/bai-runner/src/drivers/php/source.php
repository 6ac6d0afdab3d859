<?php
namespace _bai {
    /**
     * A cell's source text. Its last statement, when that is an expression, becomes the cell's value; a semicolon may be
     * missing; `exit`, standard input and standard error mean those of the cell; `use` holds in the next cells.
     */
    final class Source
    {
        /** Whether the cell declares functions or classes. */
        public bool $declares = false;
        private array $tokens = [];
        private string $prefix = '';
        /** The position of the expression that is the cell's value. */
        private ?array $value = null;
        private array $uses = [];
        private bool $is_first = false;
        private static array $imports = [];

        private const STATEMENTS = [
            T_ECHO, T_PRINT, T_IF, T_ELSE, T_ELSEIF, T_FOR, T_FOREACH, T_WHILE, T_DO, T_SWITCH, T_CLASS, T_ABSTRACT, T_FINAL,
            T_INTERFACE, T_TRAIT, T_NAMESPACE, T_USE, T_CONST, T_GLOBAL, T_UNSET, T_RETURN, T_BREAK, T_CONTINUE, T_GOTO, T_TRY, T_CATCH,
            T_FINALLY, T_THROW, T_DECLARE, T_HALT_COMPILER, T_ENDIF, T_ENDFOR, T_ENDFOREACH, T_ENDWHILE, T_ENDSWITCH, T_CLOSE_TAG,
            T_INLINE_HTML, T_EXIT, T_REQUIRE, T_REQUIRE_ONCE, T_INCLUDE, T_INCLUDE_ONCE,
        ];
        private const BLOCKS = [
            T_IF, T_ELSE, T_ELSEIF, T_FOR, T_FOREACH, T_WHILE, T_SWITCH, T_CLASS, T_ABSTRACT, T_FINAL, T_INTERFACE, T_TRAIT,
            T_NAMESPACE, T_TRY, T_CATCH, T_FINALLY, T_DECLARE,
        ];

        public function __construct(string $code)
        {
            $code = preg_replace('/^\s*<\?php\b/', '', $code);
            // `name?`, which is otherwise invalid.
            if (preg_match('/^\s*(\$?[A-Za-z_\\\\][\w\\\\]*(?:(?:->|::)\w+)*)\?\??\s*$/', $code, $asked)) {
                $code = '_bai_doc(' . var_export($asked[1], true) . ');';
            }
            foreach (token_get_all("<?php $code") as $token) {
                $this->tokens[] = is_array($token) ? [$token[0], $token[1]] : [$token, $token];
            }
            $this->replace();
            $this->statements();
            $names = array_map(function ($token) {
                return $token[0];
            }, $this->tokens);
            $this->is_first = in_array(T_NAMESPACE, $names, true) || in_array(T_DECLARE, $names, true);
            if (!$this->is_first) {
                // On the same line, so that lines keep their numbers.
                $this->prefix = implode(' ', array_diff_key(self::$imports, $this->uses));
            }
        }

        public function text(): string
        {
            try {
                $text = $this->join("{$this->prefix} ");
                token_get_all($text, TOKEN_PARSE);
            } catch (\ParseError $error) {
                // Errors of invalid code refer to the original text.
                $this->value = null;
                $text = $this->join("{$this->prefix} ");
            }
            return $text;
        }

        /** Code with the declarations of the cell and no other effect, or null if that is impossible. */
        public function checkable(): ?string
        {
            return $this->is_first ? null : $this->join("{$this->prefix} return;");
        }

        public function remember(): void
        {
            self::$imports = $this->uses + self::$imports;
        }

        private function join(string $prefix): string
        {
            $text = '';
            [$start, $end] = $this->value ?? [null, null];
            foreach (array_slice($this->tokens, 1, null, true) as $at => $token) {
                $text .= ($at === $start ? '\_bai\Cells::give(' : '') . $token[1] . ($at === $end ? ');' : '');
            }
            return "<?php $prefix$text\n;";
        }

        private static function is_space($token): bool
        {
            return in_array($token[0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT, T_OPEN_TAG], true);
        }

        /** The position of the next token that is not a space, or of the previous one. */
        private function beside(int $at, int $step): ?int
        {
            for ($at += $step; isset($this->tokens[$at]); $at += $step) {
                if (!self::is_space($this->tokens[$at])) {
                    return $at;
                }
            }
            return null;
        }

        private function kind(?int $at)
        {
            return $at === null ? null : $this->tokens[$at][0];
        }

        private function replace(): void
        {
            $members = [T_OBJECT_OPERATOR, T_DOUBLE_COLON, T_FUNCTION, T_NEW, T_CONST, T_NS_SEPARATOR, T_CLASS, T_NAMESPACE];
            if (defined('T_NULLSAFE_OBJECT_OPERATOR')) {
                $members[] = T_NULLSAFE_OBJECT_OPERATOR;
            }
            for ($at = 0; $at < count($this->tokens); $at++) {
                [$kind, $text] = $this->tokens[$at];
                $before = $this->kind($this->beside($at, -1));
                $after = $this->beside($at, 1);
                if ($kind === T_EXIT) {
                    $this->tokens[$at][1] = '\_bai\quit' . ($this->kind($after) === '(' ? '' : '()');
                } elseif ($kind === '`' && preg_match('/^stty\s/', $this->tokens[$at + 1][1] ?? '')) {
                    $command = var_export($this->tokens[$at + 1][1], true);
                    array_splice($this->tokens, $at, 3, [[T_STRING, "\\_bai\\stty($command)"]]);
                } elseif ($kind === T_STRING || $text === '\STDIN' || $text === '\STDERR') {
                    if (in_array($before, $members, true)) {
                        continue;
                    }
                    $calls = $this->kind($after) === '(';
                    $word = strtolower(ltrim($text, '\\'));
                    if (!$calls && in_array(ltrim($text, '\\'), ['STDIN', 'STDERR'], true)) {
                        $this->tokens[$at][1] = $word === 'stdin' ? '\_bai\IN' : '\_bai\ERR';
                    } elseif ($calls && $word === 'readline') {
                        $this->tokens[$at][1] = '\_bai\readline';
                    } elseif ($calls && in_array($word, ['system', 'shell_exec', 'exec', 'passthru'], true)) {
                        $command = $this->tokens[$this->beside($after, 1) ?? $at][1];
                        if (preg_match('/^[\'"]stty\s/', $command)) {
                            $this->tokens[$at][1] = '\_bai\stty';
                        }
                    }
                }
            }
        }

        /** Scans the statements of the cell, and makes the last one its value. */
        private function statements(): void
        {
            $depth = 0;
            $start = $this->beside(0, 1);
            $last = null;
            for ($at = $start; $at !== null; $at = $this->beside($at, 1)) {
                [$kind, $text] = $this->tokens[$at];
                if ($start === null) {
                    $start = $at;
                }
                if (in_array($kind, ['(', '[', '{', T_CURLY_OPEN, T_DOLLAR_OPEN_CURLY_BRACES], true) || $text === '#[') {
                    $depth++;
                } elseif (in_array($kind, [')', ']', '}'], true)) {
                    $depth--;
                }
                $ends = $depth === 0 && ($kind === ';' || $kind === '}' && $this->is_block($start));
                if ($ends && $this->kind($start) === T_USE) {
                    $this->import($start, $at);
                }
                if ($ends) {
                    $last = [$start, $at];
                    $start = null;
                }
            }
            $end = count($this->tokens);
            if ($start !== null) {
                $last = [$start, $this->beside($end, -1)];
            }
            if ($last !== null && $depth === 0) {
                $this->give($last[0], $last[1]);
            }
        }

        private function is_block(int $start): bool
        {
            $kind = $this->kind($start);
            $this->declares = $this->declares || $this->is_declaration($start);
            return $kind === '{' || in_array($kind, self::BLOCKS, true) || $this->is_declaration($start);
        }

        private function is_declaration(int $start): bool
        {
            $kind = $this->kind($start);
            $text = strtolower($this->tokens[$start][1]);
            if ($kind === T_FUNCTION) {
                $next = $this->beside($start, 1);
                $next = $next !== null && $this->tokens[$next][1] === '&' ? $this->beside($next, 1) : $next;
                return $this->kind($next) === T_STRING;
            }
            return in_array($kind, [T_CLASS, T_ABSTRACT, T_FINAL, T_INTERFACE, T_TRAIT], true) || $text === '#['
                || in_array($text, ['enum', 'readonly'], true) && in_array($this->kind($this->beside($start, 1)), [T_STRING, T_CLASS], true);
        }

        private function import(int $from, int $to): void
        {
            $text = '';
            for ($at = $from; $at <= $to; $at++) {
                $text .= $this->tokens[$at][1];
            }
            $text = preg_replace('/\s+/', ' ', $text);
            $this->uses[$text] = $text;
        }

        /** Makes a statement the value of the cell, if it is an expression. */
        private function give(int $start, int $end): void
        {
            $kind = $this->kind($start);
            $next = $this->kind($this->beside($start, 1));
            if (in_array($kind, self::STATEMENTS, true) || $this->is_block($start) || $kind === ';'
                || $kind === T_STATIC && $next === T_VARIABLE || $kind === T_STRING && $next === ':') {
                return;
            }
            $end = $this->kind($end) === ';' ? $this->beside($end, -1) : $end;
            if ($end === null || $end < $start) {
                return;
            }
            $this->value = [$start, $end];
        }
    }
}
