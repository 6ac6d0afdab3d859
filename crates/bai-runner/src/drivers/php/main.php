<?php
namespace _bai {
    /** The files that cells are. */
    final class CellFile
    {
        public $context;
        private int $at = 0;

        public function stream_open(): bool
        {
            return true;
        }

        public function stream_read(int $count): string
        {
            $piece = substr(Cells::$text, $this->at, $count);
            $this->at += strlen($piece);
            return $piece;
        }

        public function stream_eof(): bool
        {
            return $this->at >= strlen(Cells::$text);
        }

        public function stream_stat(): array
        {
            return [];
        }

        public function stream_set_option(): bool
        {
            return false;
        }
    }

    final class Cells
    {
        public static int $process = 0, $count = 0;
        public static string $file = '', $text = '';
        /** The source of each cell. */
        public static array $sources = [];
        private static int $id = 0, $status = 0;
        private static bool $shows = true, $running = false, $held = false, $interrupted = false;
        private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
        private const KINDS = [
            E_WARNING => 'Warning', E_NOTICE => 'Notice', E_DEPRECATED => 'Deprecated', E_USER_WARNING => 'Warning',
            E_USER_NOTICE => 'Notice', E_USER_DEPRECATED => 'Deprecated', E_CORE_WARNING => 'Warning', E_COMPILE_WARNING => 'Warning',
        ];

        public static function prepare(array $arguments): void
        {
            self::$process = getmypid();
            Wire::open(array_slice($arguments, 1));
            stream_wrapper_register('bai-stdin', Input::class);
            stream_wrapper_register('bai-stderr', Errors::class);
            stream_wrapper_register('cell', CellFile::class);
            define('_bai\IN', fopen('bai-stdin://', 'r'));
            define('_bai\ERR', fopen('bai-stderr://', 'w'));
            stream_set_write_buffer(\_bai\ERR, 0);
            set_error_handler([self::class, 'warn']);
            register_shutdown_function([self::class, 'last']);
            if (function_exists('pcntl_async_signals')) {
                pcntl_async_signals(true);
                pcntl_signal(SIGINT, [self::class, 'interrupt'], false);
                // It wakes a waiting call, which then notices an interrupt from just before the wait.
                pcntl_signal(SIGURG, [self::class, 'wake'], false);
            }
            Wire::send(Wire::$report, ['say' => 'ready']);
        }

        public static function interrupt(): void
        {
            if (self::$held) {
                self::$interrupted = true;
            } elseif (self::$running) {
                self::stop();
            }
        }

        public static function wake(): void
        {
        }

        private static function stop(): void
        {
            if (getmypid() === self::$process) {
                Wire::send(Wire::$aside, ['say' => 'heeded']);
            }
            throw new Interrupted();
        }

        public static function hold(): void
        {
            self::$held = true;
        }

        public static function release(): void
        {
            self::$held = false;
            if (self::$interrupted && self::$running) {
                self::$interrupted = false;
                self::stop();
            }
        }

        /** Waits for a cell, and writes it to a file. */
        public static function begin(): void
        {
            while (!Wire::$waiting) {
                Wire::receive();
            }
            [self::$id, $code, self::$shows] = array_shift(Wire::$waiting);
            self::$status = 1;
            self::$count++;
            self::$file = 'cell://' . self::$count;
            self::$sources[self::$file] = explode("\n", $code);
            self::$interrupted = false;
            self::$running = true;
            Wire::send(Wire::$aside, ['say' => 'started', 'id' => self::$id]);
            $source = new Source($code);
            self::$text = $source->text();
            if ($source->declares && !self::compiles($source->checkable())) {
                throw new Quit('', 1);
            }
            $source->remember();
        }

        /**
         * PHP ends at some errors in declarations: an existing function, a method that an interface lacks. So a cell with
         * declarations is first compiled by a copy of this process.
         */
        private static function compiles(?string $text): bool
        {
            if ($text === null || !function_exists('pcntl_fork') || !function_exists('posix_kill')) {
                return true;
            }
            $child = pcntl_fork();
            if ($child === 0) {
                self::$text = $text;
                try {
                    include self::$file;
                } catch (\Throwable $error) {
                    // It is reported when the cell runs.
                }
                posix_kill(getmypid(), 9);
            }
            while ($child > 0 && pcntl_waitpid($child, $status) < 0) {
            }
            return $child < 0 || pcntl_wifsignaled($status);
        }

        /** The value of the cell's last statement. */
        public static function give($value): void
        {
            if ($value !== null && self::$shows) {
                while (ob_get_level()) {
                    ob_end_flush();
                }
                echo '= ' . Show::value($value) . "\n";
            }
        }

        public static function end(): void
        {
            self::$running = false;
            self::$status = 0;
        }

        public static function fail(\Throwable $error): void
        {
            self::$running = false;
            if ($error instanceof Quit) {
                self::$status = $error->getCode() & 0xff;
                return;
            }
            self::$status = 1;
            $chain = [];
            for ($one = $error; $one !== null; $one = $one->getPrevious()) {
                array_unshift($chain, self::describe($one));
            }
            complain(implode("\nNext ", $chain));
        }

        private static function describe(\Throwable $error): string
        {
            $trace = '';
            $number = 0;
            $ours = "/^#\d+ (Command line code|\[internal function\]: _bai|.*: _bai\\\\)/";
            foreach (explode("\n", $error->getTraceAsString()) as $line) {
                if (!preg_match($ours, $line) && strpos($line, '{main}') === false) {
                    $trace .= preg_replace('/^#\d+/', '#' . $number++, $line) . "\n";
                }
            }
            if ($error instanceof Interrupted) {
                return self::name('Interrupted' . self::place($error)) . "\n";
            }
            $trace = $trace === '' ? '' : "Stack trace:\n$trace#$number {main}\n";
            $message = $error->getMessage();
            $head = get_class($error) . ($message === '' ? '' : ": $message") . " in {$error->getFile()}:{$error->getLine()}";
            return self::name("$head\n$trace");
        }

        /** The position in the user's code. */
        private static function place(\Throwable $error): string
        {
            foreach ($error->getTrace() as $frame) {
                if (isset($frame['file']) && strpos($frame['file'], 'Command line code') !== 0) {
                    return " in {$frame['file']}:{$frame['line']}";
                }
            }
            return '';
        }

        /** A text with the names of cells that the user knows. */
        public static function name(string $text): string
        {
            return preg_replace(['~cell://(\d+)~', '/\bbai-(stdin|stderr):\/\//'], ['<cell $1>', 'php://$1'], $text);
        }

        public static function warn(int $kind, string $message, string $file = '', int $line = 0): bool
        {
            if (error_reporting() & $kind) {
                complain((self::KINDS[$kind] ?? 'Error') . ': ' . self::name("$message in $file on line $line") . "\n");
            }
            return false;
        }

        /** Runs at the end of the process: reports why, except in a copy whose check succeeded. */
        public static function last(): void
        {
            $error = error_get_last();
            if ($error !== null && $error['type'] & self::FATAL) {
                complain('Fatal error: ' . self::name("{$error['message']} in {$error['file']} on line {$error['line']}") . "\n");
            }
        }

        public static function over(): void
        {
            Input::$secret = false;
            while (ob_get_level()) {
                ob_end_flush();
            }
            if (getmypid() !== self::$process) {
                exit(self::$status);
            }
            Wire::send(Wire::$report, ['say' => 'done', 'id' => self::$id, 'code' => self::$status]);
        }
    }
}

namespace {
    function _bai_doc(string $name): void
    {
        echo \_bai\Cells::name(\_bai\explain($name));
    }

    \_bai\Cells::prepare($argv);
    $argv = [$argv[0]];
    $argc = 1;
    $_SERVER['argv'] = $argv;
    $_SERVER['argc'] = 1;
    while (true) {
        try {
            try {
                \_bai\Cells::begin();
                include \_bai\Cells::$file;
                \_bai\Cells::end();
            } catch (\Throwable $_bai_error) {
                \_bai\Cells::fail($_bai_error);
            }
        } catch (\_bai\Interrupted $_bai_error) {
            // It came after the end of the cell.
        }
        unset($_bai_error);
        \_bai\Cells::over();
    }
}
