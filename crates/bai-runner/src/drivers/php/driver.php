<?php
// The driver of PHP; crates/bai-runner/src/wire.rs describes the messages. There is one thread, so the driver reads
// messages between cells and while it waits for the runner. All names are in the namespace _bai.
//
// A cell is a file that the loop at the end of main.php includes. That loop is outside of functions, so the cell's
// variables are global. Before that, source.php replaces a few words in it, such as `exit`.

namespace _bai {
    /** Messages: sent in frames that are written in one piece, received as lines of words. */
    final class Wire
    {
        public static $control, $report, $aside;
        /** Cells that have arrived. */
        public static array $waiting = [];
        private static int $number = 0, $taken = 0;
        private static array $ours = [];
        private static ?string $input = null;

        public static function open(array $numbers): void
        {
            self::$control = fopen("php://fd/$numbers[0]", 'r');
            self::$report = fopen("php://fd/$numbers[1]", 'w');
            self::$aside = fopen("php://fd/$numbers[2]", 'w');
        }

        public static function send($pipe, array $message): int
        {
            $number = self::$number = (self::$number + 1) & 0xffffffff;
            $pieces = str_split(json_encode($message, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), 4000);
            foreach ($pieces as $at => $piece) {
                $frame = pack('VvC', $number, strlen($piece), $at === count($pieces) - 1 ? 1 : 0) . $piece;
                while ($frame !== '' && ($count = fwrite($pipe, $frame)) !== false) {
                    $frame = substr($frame, $count);
                }
            }
            return $number;
        }

        /** Returns when the runner has read all earlier output; at once in a process that a cell has forked. */
        public static function say(array $message): void
        {
            if (getmypid() !== Cells::$process) {
                return;
            }
            $number = self::send(self::$report, $message);
            while (self::$taken !== $number) {
                self::receive();
            }
        }

        /** A line of the user, or null at the end of the input. */
        public static function ask(bool $password): ?string
        {
            self::$input = null;
            self::say(['say' => 'ask', 'password' => $password]);
            while (self::$input === null) {
                self::receive();
            }
            return self::$input === "\x04" ? null : self::$input;
        }

        /** Waits for a message. A signal that comes meanwhile is handled afterwards. */
        public static function receive(): void
        {
            Cells::hold();
            self::take(fgets(self::$control));
            Cells::release();
        }

        private static function take($line): void
        {
            if ($line === false) {
                // The runner has ended, and so does everything that it started. Or a signal has cut the wait short.
                if (feof(self::$control)) {
                    function_exists('posix_kill') ? posix_kill(0, 9) : exit(1);
                }
                return;
            }
            [$word, $id, $text] = explode(' ', rtrim($line, "\n"), 3) + ['', '', ''];
            switch ($word) {
                case 'ack':
                    self::$taken = (int) $id;
                    break;
                case 'run':
                case 'script':
                    self::$waiting[] = [(int) $id, self::unescape($text), $word === 'run'];
                    break;
                case 'input':
                    self::$input = self::unescape($text === '' ? $id : "$id $text");
                    break;
                case 'window':
                    self::window($text);
                    break;
                case 'bye':
                    exit(0);
                case 'complete':
                    Suggest::answer((int) $id, self::unescape($text));
                    break;
            }
        }

        /** "rows NAME=VALUE…": sets the variables, except those to which the user gave another value. */
        private static function window(string $text): void
        {
            foreach (array_slice(explode(' ', $text), 1) as $pair) {
                [$name, $value] = explode('=', $pair, 2);
                $now = getenv($name);
                if ($now !== false && $now !== 'dumb' && $now !== (self::$ours[$name] ?? '')) continue;
                self::$ours[$name] = $value;
                putenv($value === '' ? $name : $pair);
            }
        }

        private static function unescape(string $text): string
        {
            return strtr($text, ['\\\\' => '\\', '\\n' => "\n", '\\r' => "\r"]);
        }
    }

    /** Standard input: a line is requested when code reads. */
    final class Input
    {
        public $context;
        /** Whether the input must not be shown. */
        public static bool $secret = false;
        private string $rest = '';
        private bool $over = false;

        public function stream_open(): bool
        {
            return true;
        }

        public function stream_read(int $count): string
        {
            if ($this->rest === '') {
                $line = Wire::ask(self::$secret);
                $this->over = $line === null;
                $this->rest = $line === null ? '' : "$line\n";
            }
            $piece = substr($this->rest, 0, $count);
            $this->rest = (string) substr($this->rest, strlen($piece));
            return $piece;
        }

        public function stream_eof(): bool
        {
            return $this->over;
        }

        public function stream_stat(): array
        {
            return [];
        }

        public function stream_set_option(): bool
        {
            return false;
        }

        public function stream_cast()
        {
            return \STDIN;
        }
    }

    /** Standard error. Two pipes have no common order, so a write waits before and after until the runner has read. */
    final class Errors
    {
        public $context;

        public function stream_open(): bool
        {
            return true;
        }

        public function stream_write(string $text): int
        {
            complain($text);
            return strlen($text);
        }

        public function stream_set_option(): bool
        {
            return false;
        }

        public function stream_cast()
        {
            return \STDERR;
        }
    }

    function complain(string $text): void
    {
        Wire::say(['say' => 'sync']);
        fwrite(\STDERR, $text);
        Wire::say(['say' => 'sync']);
    }

    // The functions with which source.php replaces the originals.

    function quit($status = 0): void
    {
        if (getmypid() !== Cells::$process) {
            exit($status);
        }
        if (is_string($status)) {
            echo $status;
            $status = 0;
        }
        throw new Quit('', (int) $status);
    }

    function readline(?string $question = null)
    {
        echo $question;
        return Wire::ask(Input::$secret) ?? false;
    }

    /** There is no terminal, so there is no echo to turn off. */
    function stty(string $command): string
    {
        if (preg_match('/(-?)\becho\b/', $command, $match)) {
            Input::$secret = $match[1] === '-';
        } elseif (strpos($command, '-g') === false) {
            Input::$secret = false;
        }
        return '';
    }

    final class Quit extends \Error
    {
    }

    final class Interrupted extends \Error
    {
    }
}
