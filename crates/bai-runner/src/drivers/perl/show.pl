
# ---- values, in Perl's own notation
{
    package _bai::Show;
    our $last;
    my ($width, $most) = (76, 1000);
    my %silent = map { $_ => 1 } qw(print printf say for foreach while until if unless sub package use no our my local state
        BEGIN END INIT require binmode close chdir warn carp cluck);

    # The text of a cell's value; empty if its last statement has no useful value.
    sub result {
        my ($code, @value) = @_;
        return undef if !@value || @value == 1 && !defined $value[0] || $silent{last_word($code)};
        return value($value[0]) . "\n" if @value == 1;
        return wrap('(', ')', '', map { value($_, '  ') } @value) . "\n";
    }

    # The first word of the last statement.
    sub last_word {
        my ($code) = @_;
        my ($depth, $word, $begins) = (0, '', 1);
        for ($code) {
            while (!/\G\z/gc) {
                if (/\G(?:\s+|#.*)/gc) { next }
                if ($begins && /\G(\w+)/gc) { ($word, $begins) = ($1, 0); next }
                if (/\G(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\$#?\w+|[\w:]+|[\$\@%&][\w:]+|\$[#\$"';,.{}])/gcs) { ($word, $begins) = ('', 0) if $begins }
                elsif (/\G[(\[{]/gc) { $word = '' if $begins; ($begins, $depth) = (0, $depth + 1) }
                elsif (/\G([)\]}])/gc) {
                    $depth--;
                    # The end of a block ends a statement.
                    $begins = 1 if $1 eq '}' && !$depth && /\G\s*\n?\s*(?=[\w\$\@%&])(?!(?:if|unless|for|foreach|while|until|and|or|x|cmp|eq|ne)\b)/gc;
                }
                elsif (/\G;/gc) { $begins = 1 if !$depth && /\G(?=.*\S)/s }
                else { /\G./gcs; $begins = 0 }
            }
        }
        return $word;
    }

    sub value {
        my ($value, $indent, $seen) = (@_, '');
        my $kind = ref $value or return scalar_value($value);
        my $address = B::svref_2object($value) ? 0 + Scalar_address($value) : 0;
        $seen = {} unless ref $seen;
        return '...' if $seen->{$address};
        local $seen->{$address} = 1;
        my $type = Scalar_type($value);
        my $inner = "$indent  ";
        my $text;
        if ($type eq 'ARRAY') {
            my @items = @$value > $most ? @$value[0 .. $most - 1] : @$value;
            @items = map { value($_, $inner, $seen) } @items;
            push @items, '...' if @$value > $most;
            $text = wrap('[', ']', $indent, @items);
        } elsif ($type eq 'HASH') {
            my @keys = sort keys %$value;
            my $more = @keys > $most;
            $#keys = $most - 1 if $more;
            my @items = map { (/^[A-Za-z_]\w*$/ ? $_ : scalar_value($_)) . ' => ' . value($value->{$_}, $inner, $seen) } @keys;
            push @items, '...' if $more;
            $text = wrap('{', '}', $indent, @items);
            $text =~ s/^\{(.+)\}$/{ $1 }/;
        } elsif ($type eq 'CODE') { $text = 'sub { ... }' }
        elsif ($type eq 'REGEXP' || $kind eq 'Regexp') { return "qr/$value/" }
        elsif ($type eq 'GLOB') { $text = '\\' . *$value }
        elsif ($type eq 'IO') { $text = '*{IO}' }
        else { $text = '\\' . value($$value, $inner, $seen) }
        return $kind eq $type || $kind eq 'REF' ? $text : "bless($text, '$kind')";
    }

    sub Scalar_type {
        my $plain = B::svref_2object($_[0]);
        my %types = (AV => 'ARRAY', HV => 'HASH', CV => 'CODE', GV => 'GLOB', IO => 'IO', REGEXP => 'REGEXP');
        my ($class) = ref($plain) =~ /^B::(.+)$/;
        return $types{$class} // 'SCALAR';
    }

    sub Scalar_address { ${B::svref_2object($_[0])} }

    sub scalar_value {
        my ($value) = @_;
        return 'undef' unless defined $value;
        my $flags = B::svref_2object(\$value)->FLAGS;
        return "$value" if ref \$value eq 'GLOB';
        return "$value" if $flags & (B::SVf_IOK() | B::SVf_NOK()) && !($flags & B::SVf_POK());
        utf8::encode(my $bytes = $value);
        $bytes = $value unless utf8::is_utf8($value);
        return "'$bytes'" if $bytes !~ /[\x00-\x1f\x7f'\\]/;
        $bytes =~ s/(["\\\$\@])/\\$1/g;
        my %named = ("\n" => '\n', "\t" => '\t', "\r" => '\r', "\e" => '\e', "\0" => '\0');
        $bytes =~ s/([\x00-\x1f\x7f])/$named{$1} \/\/ sprintf '\x%02x', ord $1/ge;
        return "\"$bytes\"";
    }

    # On one line if it fits.
    sub wrap {
        my ($open, $close, $indent, @items) = @_;
        my $line = join ', ', @items;
        return "$open$line$close" if length($line) + length($indent) < $width && $line !~ /\n/;
        return "$open\n" . join('', map { "$indent  $_,\n" } @items) . "$indent$close";
    }
}
