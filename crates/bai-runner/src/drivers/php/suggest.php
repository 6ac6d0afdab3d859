<?php
namespace _bai {
    /** Completions at the cursor, without a call of the user's code. */
    final class Suggest
    {
        private const MOST = 1000;
        private const NAME = '[A-Za-z_\x80-\xff][\w\x80-\xff]*';
        private const WORDS = 'abstract and array as break callable case catch class clone const continue declare default do echo else elseif '
            . 'empty enum exit extends final finally fn for foreach function global goto if implements include include_once instanceof insteadof '
            . 'interface isset list match namespace new or parent print private protected public readonly require require_once return self static '
            . 'switch throw trait try unset use var while xor yield true false null';

        public static function answer(int $id, string $code): void
        {
            try {
                [$prefix, $names] = self::suggest($code);
            } catch (\Throwable $error) {
                [$prefix, $names] = [null, []];
            }
            $start = $prefix === null ? null : preg_match_all('/./us', substr($code, 0, strlen($code) - strlen($prefix)));
            $fits = [];
            foreach ($prefix === null ? [] : $names as $name) {
                if (stripos($name, $prefix) === 0 && stripos($name, '_bai') === false) {
                    $fits[(string) $name] = ltrim($name, '$')[0] ?? '';
                }
            }
            // PHP ignores case in names of functions and classes, but the typed case is kept.
            uksort($fits, function ($a, $b) use ($prefix) {
                $rank = function ($name) use ($prefix) {
                    return [strpos($name, $prefix) !== 0, (ltrim($name, '$')[0] ?? '') === '_', strtolower($name)];
                };
                return $rank((string) $a) <=> $rank((string) $b);
            });
            $names = array_map('strval', array_slice(array_keys($fits), 0, self::MOST));
            Wire::send(Wire::$aside, ['say' => 'completions', 'id' => $id, 'start' => $start, 'suggestions' => $names]);
        }

        /** The typed part of the word, and its completions. */
        private static function suggest(string $code): array
        {
            $line = substr($code, (int) strrpos("\n$code", "\n"));
            $name = self::NAME;
            if (preg_match("/(\\$$name(?:\\??->$name)*)\\??->($name|)$/", $line, $match)) {
                $object = self::resolve($match[1]);
                return is_object($object) ? [$match[2], self::members($object)] : [null, []];
            }
            if (preg_match("/(\\\\?$name(?:\\\\$name)*|\\$$name)::(\\$?(?:$name|))$/", $line, $match)) {
                $class = $match[1][0] === '$' ? self::resolve($match[1]) : $match[1];
                $class = is_object($class) ? get_class($class) : $class;
                return is_string($class) && class_exists($class) ? [$match[2], self::statics($class)] : [null, []];
            }
            if (preg_match("/(\\$$name(?:->$name)*)\\[['\"]([^'\"\\]]*)$/", $line, $match)) {
                $array = self::resolve($match[1]);
                return is_array($array) ? [$match[2], array_map('strval', array_keys($array))] : [null, []];
            }
            if (preg_match("/\\$($name|)$/", $line, $match)) {
                $names = array_map(function ($name) {
                    return "\$$name";
                }, array_keys($GLOBALS));
                return [$match[0], $names];
            }
            if (preg_match('/^(?:[^\'"]|"[^"]*"|\'[^\']*\')*["\']([^"\']*)$/', $line, $match)) {
                return [$match[1], self::files($match[1])];
            }
            if (preg_match("/\\bnew\\s+(\\\\?(?:$name\\\\)*(?:$name|))$/", $line, $match)) {
                return [$match[1], self::rooted($match[1], get_declared_classes())];
            }
            if (preg_match("/(?<![\\w\\\\$>:])(\\\\?(?:$name\\\\)*$name)$/", $line, $match)) {
                $functions = get_defined_functions(false);
                $names = array_merge($functions['user'], $functions['internal'], get_declared_classes(), get_declared_interfaces(),
                    array_keys(get_defined_constants()), explode(' ', self::WORDS));
                return [$match[1], self::rooted($match[1], $names)];
            }
            return [null, []];
        }

        private static function rooted(string $typed, array $names): array
        {
            return $typed !== '' && $typed[0] !== '\\' ? $names : array_map(function ($name) {
                return "\\$name";
            }, $names);
        }

        /** The value of a path of variables and fields, or null. */
        public static function resolve(string $path)
        {
            $parts = preg_split('/\??->/', ltrim($path, '$'));
            $value = $GLOBALS[array_shift($parts)] ?? null;
            foreach ($parts as $part) {
                $value = is_object($value) ? self::fields($value)[$part] ?? null : null;
            }
            return $value;
        }

        private static function fields($object): array
        {
            $fields = [];
            foreach ((array) $object as $name => $value) {
                if (strpos((string) $name, "\0") === false) {
                    $fields[$name] = $value;
                }
            }
            return $fields;
        }

        private static function members($object): array
        {
            $names = array_map('strval', array_keys(self::fields($object)));
            foreach ((new \ReflectionObject($object))->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
                $names[] = $method->getName();
            }
            return $names;
        }

        private static function statics(string $class): array
        {
            $reflection = new \ReflectionClass($class);
            $names = array_merge(['class'], array_keys($reflection->getConstants()));
            foreach ($reflection->getMethods(\ReflectionMethod::IS_STATIC) as $method) {
                $method->isPublic() && $names[] = $method->getName();
            }
            foreach ($reflection->getProperties(\ReflectionProperty::IS_STATIC) as $property) {
                $property->isPublic() && $names[] = "\${$property->getName()}";
            }
            return $names;
        }

        private static function files(string $typed): array
        {
            return array_map(function ($file) {
                return is_dir($file) ? "$file/" : $file;
            }, glob(addcslashes($typed, '*?[\\') . '*') ?: []);
        }
    }
}
