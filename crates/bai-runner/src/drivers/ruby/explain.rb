
  # The documentation of a name: its signature, its origin, the comment above it, and the text of `ri`.
  module Explain
    class << self
      def name(text)
        text = text.strip
        method = find_method(text)
        lines = method ? describe(method) : value(text)
        lines << '' << ri(text, method) if lines.size < 3
        puts lines.compact.join("\n").rstrip
      rescue NameError => error
        puts "#{text} is not known: #{error.message.lines.first.chomp}"
      end

      private

      def find_method(text)
        main = TOPLEVEL_BINDING.receiver
        case text
        when /\A(.+)#([^#]+)\z/ then Suggest.resolve($1).instance_method($2)
        when /\A(.+)(?:\.|&\.|::)([^.:]+)\z/
          owner, name = $1, $2
          return if name =~ /\A\p{Lu}/
          object = Suggest.resolve(owner)
          object = eval(owner, TOPLEVEL_BINDING) if object.equal?(Suggest::UNKNOWN)
          object.method(name)
        when /\A[\p{Ll}_]/
          main.method(text) if main.respond_to?(text, true) && !TOPLEVEL_BINDING.local_variable_defined?(text)
        end
      end

      def value(text)
        value = eval(text, TOPLEVEL_BINDING)
        return ["#{text} = #{value.inspect[0, 400]}", "#{value.class}"] unless Module === value
        head = "#{value.class.name.downcase} #{value}"
        head += " < #{value.superclass}" if Class === value && value.superclass
        mixed = value.ancestors.take_while { |other| other != (Class === value ? value.superclass : nil) } - [value]
        place = Object.const_source_location(value.name) if value.name && Object.respond_to?(:const_source_location)
        lines = [head]
        lines << "includes #{mixed.join(', ')}" unless mixed.empty?
        lines.concat(origin(place)) if place && !place.empty?
        own = value.singleton_methods(false).sort.map { |name| ".#{name}" } + value.instance_methods(false).sort.map { |name| "##{name}" }
        lines << '' << own.join(' ') unless own.empty?
        lines
      end

      def describe(method)
        owner = method.owner.inspect[/\A#<Class:(.+)>\z/, 1]
        full = owner ? "#{owner}.#{method.name}" : "#{method.owner}##{method.name}"
        ["#{full}(#{parameters(method)})", *origin(method.source_location)]
      end

      def parameters(method)
        signs = { req: '%s', opt: '%s = ...', rest: '*%s', keyreq: '%s:', key: '%s: ...', keyrest: '**%s', block: '&%s' }
        method.parameters.map { |kind, name| format(signs.fetch(kind, '%s'), name || '_').sub(/\A(\W+)_\z/, '\1') }.join(', ')
      end

      def origin(place)
        return ['built in'] unless place
        file, number = place
        source = Cells::SOURCES[file] || (File.readable?(file) ? File.readlines(file) : [])
        above = source.first([number - 1, 0].max).reverse.take_while { |line| line =~ /\A\s*#/ }.reverse
        ["#{file}:#{number}", *(['', *above.map { |line| line.strip.sub(/\A#+ ?/, '') }] unless above.empty?)]
      end

      def ri(text, method)
        require 'rdoc/ri/driver'
        require 'stringio'
        subject = method ? describe(method).first[/\A[^(]+/].sub('Kernel#', 'Kernel.') : text
        driver = RDoc::RI::Driver.new(RDoc::RI::Driver.process_args(%w[--no-pager --format=markdown] + [subject]))
        shown, $stdout = $stdout, StringIO.new
        driver.display_name(subject)
        $stdout.string
      rescue RDoc::RI::Error, LoadError, SystemExit
        nil
      ensure
        $stdout = shown if shown
      end
    end
  end
end

class Binding
  # The library replaces this method, as it replaces Ruby's own.
  def irb(**options)
    require 'irb'
    IRB.singleton_class.prepend(BaiRepl::Irb)
    IRB::Context.prepend(BaiRepl::Irb::Prompting)
    irb(**options)
  end
end

Object.send(:private_constant, :BaiRepl)
require 'io/console'
STDOUT.sync = true
STDERR.sync = true
STDERR.extend(BaiRepl::Ordered)
Warning.singleton_class.prepend(BaiRepl::Warned)
STDIN.extend(BaiRepl::Secret)
IO.define_singleton_method(:console) { |*| BaiRepl::Console.new }
define_singleton_method(:_bai_doc) { |name| BaiRepl::Explain.name(name) }
$0 = 'main'
BaiRepl::Cells.disarm
Thread.new { BaiRepl::Wire.listen }.name = 'bai-repl'
BaiRepl::Wire.send(BaiRepl::REPORT, say: :ready)
BaiRepl::Cells.serve
