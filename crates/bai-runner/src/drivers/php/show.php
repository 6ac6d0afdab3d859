<?php
namespace _bai {
    /** Values in PHP's own notation, on one line if they fit. */
    final class Show
    {
        private const WIDTH = 76, MOST = 1000, DEEP = 12;
        private static array $inside = [];

        public static function value($value, string $indent = '', int $depth = 0): string
        {
            if (is_array($value)) {
                return self::items($value, $indent, $depth);
            }
            if (is_object($value)) {
                return self::object($value, $indent, $depth);
            }
            if (is_string($value)) {
                return self::text($value);
            }
            if (is_resource($value)) {
                return get_resource_type($value) . ' resource #' . (int) $value;
            }
            if (is_float($value)) {
                return var_export($value, true);
            }
            return is_int($value) ? (string) $value : strtolower(var_export($value, true));
        }

        private static function text(string $text): string
        {
            $named = ["\n" => '\n', "\t" => '\t', "\r" => '\r', "\e" => '\e', '"' => '\"', '\\' => '\\\\', '$' => '\$'];
            if (preg_match('//u', $text)) {
                return '"' . preg_replace_callback('/[\x00-\x1f\x7f"\\\\]|\$(?=[A-Za-z_{])/', function ($match) use ($named) {
                    return $named[$match[0]] ?? sprintf('\x%02x', ord($match[0]));
                }, $text) . '"';
            }
            return 'b"' . preg_replace_callback('/[^\x20-\x7e]/', function ($match) {
                return sprintf('\x%02x', ord($match[0]));
            }, addcslashes($text, '"\\')) . '"';
        }

        private static function items(array $array, string $indent, int $depth): string
        {
            if ($depth > self::DEEP) {
                return '[...]';
            }
            $items = [];
            $plain = array_keys($array) === range(0, count($array) - 1);
            foreach (array_slice($array, 0, self::MOST, true) as $key => $value) {
                $shown = self::value($value, "$indent  ", $depth + 1);
                $items[] = $plain ? $shown : self::value($key) . " => $shown";
            }
            return self::wrap('[', $items, count($array) > self::MOST, ']', $indent);
        }

        private static function object($object, string $indent, int $depth): string
        {
            $class = get_class($object);
            $class = strpos($class, '@anonymous') !== false ? 'class@anonymous' : $class;
            if ($object instanceof \UnitEnum) {
                return "$class::{$object->name}";
            }
            $id = spl_object_id($object);
            if ($object instanceof \Closure) {
                return 'Closure(' . parameters(new \ReflectionFunction($object)) . ") {#$id}";
            }
            if (isset(self::$inside[$id]) || $depth > self::DEEP) {
                return "$class {#$id ...}";
            }
            self::$inside[$id] = true;
            try {
                $items = [];
                $fields = method_exists($object, '__debugInfo') ? (array) $object->__debugInfo() : (array) $object;
                if ($object instanceof \Throwable || $object instanceof \DateTimeInterface) {
                    $fields = $object instanceof \Throwable ? ['message' => $object->getMessage()] : ['' => $object->format('c')];
                }
                foreach (array_slice($fields, 0, self::MOST) as $key => $value) {
                    $parts = explode("\0", (string) $key);
                    $sign = count($parts) < 3 ? '+' : ($parts[1] === '*' ? '#' : '-');
                    $name = end($parts);
                    $items[] = ($name === '' ? '' : "$sign$name: ") . self::value($value, "$indent  ", $depth + 1);
                }
                return self::wrap("$class {#$id" . ($items ? ' ' : ''), $items, false, '}', $indent);
            } finally {
                unset(self::$inside[$id]);
            }
        }

        private static function wrap(string $open, array $items, bool $more, string $close, string $indent): string
        {
            if ($more) {
                $items[] = '...';
            }
            $line = $open . implode(', ', $items) . $close;
            if (strlen($line) + strlen($indent) < self::WIDTH && strpos($line, "\n") === false) {
                return $line;
            }
            $lines = array_map(function ($item) use ($indent) {
                return "$indent  $item,\n";
            }, $items);
            return rtrim($open) . "\n" . implode('', $lines) . $indent . $close;
        }
    }

    /** The signature of a function. */
    function parameters(\ReflectionFunctionAbstract $function): string
    {
        $shown = [];
        foreach ($function->getParameters() as $parameter) {
            $text = $parameter->hasType() ? "{$parameter->getType()} " : '';
            $text .= ($parameter->isPassedByReference() ? '&' : '') . ($parameter->isVariadic() ? '...' : '') . "\${$parameter->getName()}";
            if ($parameter->isOptional() && !$parameter->isVariadic()) {
                try {
                    $text .= ' = ' . Show::value($parameter->getDefaultValue());
                } catch (\ReflectionException $error) {
                    $text .= ' = ...';
                }
            }
            $shown[] = $text;
        }
        return implode(', ', $shown);
    }
}
