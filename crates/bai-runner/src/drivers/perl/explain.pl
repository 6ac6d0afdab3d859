
# ---- the documentation of a name
{
    package _bai::Explain;

    sub name {
        my ($name) = @_;
        my $text = $name =~ /^[\$\@%]/ ? variable($name) : subroutine($name) // function($name) // module($name);
        print STDOUT defined $text ? $text : "$name is not known\n";
        return;
    }

    sub variable {
        my ($name) = @_;
        my $value = _bai::Suggest::find($name);
        my $shown = _bai::Show::value($name =~ /^\$/ ? $$value : $value);
        my $class = $name =~ /^\$/ && ref $$value ? "\n" . ref $$value : '';
        return "$name = $shown$class\n";
    }

    sub subroutine {
        my ($name) = @_;
        no strict 'refs';
        my $code = $lex{"&$name"} || ($name =~ /::/ ? defined &{$name} && \&{$name} : defined &{"${_bai::package}::$name"} && \&{"${_bai::package}::$name"});
        return undef unless $code;
        my $cv = B::svref_2object($code);
        my $prototype = prototype $code;
        my $head = 'sub ' . $cv->GV->STASH->NAME . '::' . $cv->GV->NAME . (defined $prototype ? "($prototype)" : '');
        return "$head\nwritten in C\n" if $cv->XSUB || !$cv->START->can('line');
        my ($file, $line) = ($cv->START->file, $cv->START->line);
        my @source = $_bai::sources{$file} ? @{$_bai::sources{$file}} : lines($file);
        # The first statement may be below the line that names it.
        my ($short) = $name =~ /(\w+)$/;
        $line-- while $line > 1 && ($source[$line - 1] // '') !~ /\bsub\s+\Q$short\E\b/;
        my @above;
        for (my $at = $line - 2; $at >= 0 && $source[$at] =~ /^\s*#\s?(.*)/; $at--) { unshift @above, $1 }
        my $pod = pod($file, $short);
        return join "\n", $head, "$file:$line", (@above ? ('', @above) : ()), '' . ($pod ? "\n$pod" : '');
    }

    # A function of Perl's own, as perlfunc has it.
    sub function {
        my ($name) = @_;
        return undef if $name !~ /^-?\w+$/ || $name =~ /^[A-Z]/ || !eval { my $known = prototype "CORE::$name"; 1 };
        my ($file) = grep { -e } map { ("$_/pod/perlfunc.pod", "$_/perlfunc.pod") } grep { !ref } @INC;
        my $text = $file && pod($file, $name);
        my $prototype = prototype "CORE::$name";
        return "$name" . (defined $prototype ? "($prototype)" : '') . ", a function of Perl\n" . ($text ? "\n$text" : '');
    }

    sub module {
        my ($name) = @_;
        my ($path) = map { s{::}{/}gr } $name;
        my ($file) = grep { -e } map { ("$_/$path.pm", "$_/$path.pod") } grep { !ref } @INC;
        return undef unless $file;
        my ($beside) = grep { -e } $file =~ s/\.pm$/.pod/r;
        local @INC = _bai::without_folder();
        require Pod::Text;
        my $text = '';
        my $parser = Pod::Text->new(width => 78);
        $parser->output_string(\$text);
        $parser->parse_file($beside // $file);
        return $text eq '' ? "$name is $file, which has no documentation\n" : $text;
    }

    sub lines {
        open my $file, '<', $_[0] or return;
        chomp(my @lines = <$file>);
        return @lines;
    }

    # The item or heading of a file that begins with this name.
    sub pod {
        my ($file, $name) = @_;
        my ($inside, $depth, $part) = (0, 0, '');
        for my $line (lines($file)) {
            if ($inside) {
                last if !$depth && $line =~ /^=(?:head|back|cut)/;
                last if !$depth && $part =~ /\S/ && $line =~ /^=item/ && $line !~ /^=item\s+\Q$name\E\b/;
                $depth++ if $line =~ /^=over/;
                $depth-- if $line =~ /^=back/;
                $part .= "$line\n" unless $line =~ /^=(?:item|head)/ && !$depth && $line =~ s/^=\w+\s+(.*)/"\n$1\n"/e && ($part .= $line);
            } elsif ($line =~ /^=(?:item|head\d)\s+(?:[BCFIL]<+\s*)?\Q$name\E\b/) {
                $inside = 1;
                ($part) = $line =~ /^=\w+\s+(.*)/;
                $part .= "\n";
            }
        }
        return undef unless $inside;
        local @INC = _bai::without_folder();
        require Pod::Text;
        my $text = '';
        my $parser = Pod::Text->new(width => 78);
        $parser->output_string(\$text);
        $parser->parse_string_document("=pod\n\n$part\n");
        return $text;
    }
}

sub main::_bai_doc { _bai::Explain::name(@_) }
1;
